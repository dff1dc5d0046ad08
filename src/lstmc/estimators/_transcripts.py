"""Sequences of labels as a network's targets: read, numbered, weighed and skipped."""

import warnings
from dataclasses import replace
from typing import Any

import numpy as np
from sklearn.utils.validation import check_consistent_length

from ..ctc._data import count_needed
from ..ctc._loss import label_factors, list_infeasible
from ..labels import Labels
from ..losses import make_ctc
from ..models import TranscriberModel
from ..models.alphabet import Alphabet
from ._base import TrainedEstimator

# Arguments of ctc.prefix_beam by our names; `alpha` is the penalty's here.
BEAM = {
    "beam_size": "beam_size", "language_model": "language_model",
    "language_weight": "alpha", "label_bonus": "beta", "lexicon": "lexicon",
    "hotwords": "hotwords",
}  # fmt: skip


class TranscriptTargets(TrainedEstimator):
    """What a transcriber adds to `TrainedEstimator`: its targets and its loss."""

    _model_type = TranscriberModel
    decoder: str

    class_weight: Any
    levels: Any  # int, tuple of int, or None
    label_smoothing: float
    on_infeasible: str
    classes_: Any
    n_outputs_: Any

    def _read_target(self, y, x, *, reset, classes):
        """Return the numbers of the labels, as Labels of all levels."""
        if y is None:
            raise ValueError(
                f"{type(self).__name__} requires y to be passed, but the target y is "
                "None"
            )
        targets = self._by_level(y, len(x))
        for target in targets.values():
            check_consistent_length(x, target)
        if reset:
            own = [classes] if self.levels is None else classes
            own = [None] * len(targets) if classes is None else own
            self._alphabets = [
                Alphabet.learn(target, given, name)
                for (name, target), given in zip(targets.items(), own, strict=True)
            ]
            self.classes_ = [alphabet.classes for alphabet in self._alphabets]
            self.n_outputs_ = [len(labels) + 1 for labels in self.classes_]
            if self.levels is None:
                [self.classes_], [self.n_outputs_] = self.classes_, self.n_outputs_
            self.blank_ = 0
        coded = [
            alphabet.encode(target, name)
            for alphabet, (name, target) in zip(self._alphabets, targets.items())
        ]
        return Labels.stack(coded)

    def _by_level(self, y, n):
        """Return the targets of each level by what errors call them."""
        if self.levels is None:
            return {"y": y if hasattr(y, "__len__") else np.asarray(y)}
        count = self.levels if np.ndim(self.levels) == 0 else len(self.levels)
        if isinstance(y, tuple):
            found = [*y]
        else:
            found = [[*parts] for parts in zip(*self._of_levels(y, count))]
            found = found or [[] for _ in range(count)]
        if len(found) != count:
            raise ValueError(
                f"y: expected a tuple of {count} targets, one for each level, got "
                f"{len(found)}"
            )
        return {f"y of level {k}": target for k, target in enumerate(found)}

    def _of_levels(self, y, count):
        for k, parts in enumerate(y):
            if isinstance(parts, str) or len(parts) != count:
                raise ValueError(
                    f"y: sample {k}: expected {count} label sequences, one for each "
                    f"level, got {parts!r}"
                )
            yield parts

    def _weigh_targets(self, x, y, weight):
        """Return the weights with those of labels; 0 for what is to be skipped."""
        frames = self._frames(x)
        for level, labels in enumerate(y.levels):
            needed = count_needed(*labels)
            short = frames.lengths < needed
            if not short.any():
                continue
            name = "y" if self.levels is None else f"y of level {level}"
            said = list_infeasible(frames, needed, short).replace("labels", name, 1)
            if self.on_infeasible == "raise" or short.all():
                raise ValueError(said)
            warnings.warn(f"skipped: {said}", UserWarning, stacklevel=5)
            weight = np.where(short, 0.0, weight)
        return weight * self._label_factors(y, weight)

    def _frames(self, x):
        """Return what has as many steps as each sample has outputs."""
        return x

    def _label_factors(self, y, weight):
        """Return the mean weight of each sample's labels, at the top level."""
        if self.class_weight is None:
            return 1.0
        classes = self._alphabets[-1].classes
        flat, offsets = y.levels[-1]
        if self.class_weight == "balanced":
            each = np.repeat(weight, np.diff(offsets))
            totals = np.bincount(flat, each, len(classes) + 1)
            share = totals.sum() / np.count_nonzero(totals) if totals.any() else 1.0
            totals[totals == 0] = 1  # labels that only samples of weight 0 have
            given = share / totals
        else:
            given = [1.0, *(self.class_weight.get(c, 1.0) for c in classes.tolist())]
        return label_factors(given, len(classes) + 1, flat, offsets)

    def _encode(self, data):
        return replace(data, weight=data.weight / data.weight.mean())

    def _make_loss(self):
        return make_ctc(float(self.label_smoothing), self._threads())

    def _out_activation(self):
        return "softmax"

    def _make_model(self, network):
        return TranscriberModel(network, self._input(), self._alphabets)

    def _adopt(self, model):
        self.classes_, self.blank_ = model.classes_, model.blank_
        self._alphabets = model.alphabets

    def _decoding(self):
        """The decoder and its options, as the model takes them."""
        options = {"decoder": self.decoder}
        if self.decoder == "prefix_beam":
            options |= {name: getattr(self, own) for own, name in BEAM.items()}
        return options

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.target_tags.required = True
        tags.target_tags.multi_output = True
        tags.target_tags.single_output = False
        return tags
