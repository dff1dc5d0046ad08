"""A whole fit with a PyTorch loop that a careful person would write."""

from __future__ import annotations

import torch
from torch import nn
from torch.nn.utils import clip_grad_norm_
from torch.nn.utils.rnn import pack_padded_sequence, pad_sequence

from bench.fit import LEARNING_RATE, MAX_GRAD_NORM


class Classifier(nn.Module):
    """nn.LSTM, time first, and a dense layer on the state after the last step."""

    def __init__(self, shape, logits, packed):
        super().__init__()
        self.lstm = nn.LSTM(shape.d, shape.h)
        self.head = nn.Linear(shape.h, logits)
        self.packed = packed
        self.initialise()

    def initialise(self):
        """Draw weights as lstmc does, so that both fits go the same way."""
        nn.init.xavier_uniform_(self.head.weight)
        nn.init.zeros_(self.head.bias)
        for name, parameter in self.lstm.named_parameters():
            for block in parameter.data.chunk(4):  # by gate: i f g o
                if name.startswith("bias"):
                    nn.init.zeros_(block)
                elif name.startswith("weight_ih"):
                    nn.init.xavier_uniform_(block)
                else:
                    nn.init.orthogonal_(block)
        nn.init.ones_(self.lstm.bias_ih_l0.data.chunk(4)[1])

    def forward(self, X, lengths):
        """Logits of a padded batch (T, B, d), lengths in falling order."""
        if self.packed:
            _, (h, _) = self.lstm(pack_padded_sequence(X, lengths))
            return self.head(h[-1])
        Y, _ = self.lstm(X)
        return self.head(Y[lengths - 1, torch.arange(len(lengths))])


def build(case, data, variant):
    """Build a fit of a fixed number of epochs; the variant is packed or padded."""
    torch.set_num_threads(case.threads)
    torch.set_flush_denormal(True)
    X, lengths = _pad(data.X_train)
    y, y_test = torch.from_numpy(data.y_train), torch.from_numpy(data.y_test)
    classes = int(y.max()) + 1

    def step():
        torch.manual_seed(0)
        # Two classes need but one logit.
        logits = classes if classes > 2 else 1
        model = Classifier(case.shape, logits, packed=variant == "packed")
        optimizer = torch.optim.Adam(model.parameters(), LEARNING_RATE, fused=True)
        losses = [
            _train_epoch(model, optimizer, X, lengths, y, case.shape.B)
            for _ in range(case.repeats)
        ]
        return model, losses

    def read(result):
        model, losses = result
        with torch.no_grad():
            X_test, lengths_test = _pad(data.X_test)
            order = lengths_test.argsort(descending=True)
            logits = model(X_test[:, order], lengths_test[order])
        found = logits.argmax(dim=1) if classes > 2 else logits[:, 0] > 0
        accuracy = (found == y_test[order]).double().mean()
        return {"losses": losses, "accuracy": float(accuracy)}

    return step, read


def _train_epoch(model, optimizer, X, lengths, y, batch_size):
    """One step per batch; return the mean loss before the steps."""
    total = 0.0
    for batch in _buckets(lengths, batch_size):
        loss = _loss(model(X[: lengths[batch[0]], batch], lengths[batch]), y[batch])
        optimizer.zero_grad(set_to_none=True)
        loss.backward()
        clip_grad_norm_(model.parameters(), MAX_GRAD_NORM)
        optimizer.step()
        total += loss.item() * len(batch)
    return total / len(y)


def _loss(logits, y):
    """Mean cross-entropy, of one logit (B, 1) for two classes, or of one for each."""
    if logits.shape[1] > 1:
        return nn.functional.cross_entropy(logits, y)
    return nn.functional.binary_cross_entropy_with_logits(logits[:, 0], y.float())


def _buckets(lengths, batch_size):
    """Batches of similar length in random order, the longest sample first in each."""
    order = torch.randperm(len(lengths))
    order = order[lengths[order].argsort(descending=True, stable=True)]
    batches = order.split(batch_size)
    return [batches[k] for k in torch.randperm(len(batches))]


def _pad(sequences):
    """Padded float32 (longest, n, d) and lengths (n,)."""
    tensors = [torch.from_numpy(x) for x in sequences]
    return pad_sequence(tensors), torch.tensor([len(x) for x in sequences])
