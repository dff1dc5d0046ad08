"""Transcription: the model that turns sequences of frames into sequences of labels."""

from __future__ import annotations

import numpy as np

from ..labels import best_labels
from ..networks.levels import softmax
from .alphabet import FORMS, Alphabet
from .model import Model, classes_from_json, classes_to_json
from .stream import TranscriptionStream

DECODERS = ("best_path", "prefix_beam", "prefix_search")


class TranscriberModel(Model):
    """Turns sequences of frames into sequences of labels.

    Parameters
    ----------
    network, input
        As in `Model`; a logit for the blank and each label, at each step.
    alphabets : list of Alphabet
        The labels of each level, from the lowest.

    Attributes
    ----------
    classes_ : ndarray of shape (n_labels,), or list of them
        The labels; with levels, those of each. Column 0 of probabilities is the
        blank's, column k + 1 that of ``classes_[k]``.
    blank_ : int
        0: the column of the blank.
    """

    kind = "transcriber"
    by_step = True
    blank_ = 0

    def __init__(self, network, input, alphabets):
        super().__init__(network, input)
        self.alphabets = alphabets
        classes = [alphabet.classes for alphabet in alphabets]
        self.classes_ = classes if len(classes) > 1 else classes[0]

    def logits(self, X, *, threads=0, **extras):
        """Return the outputs at each frame: a list of (T_i, n_labels + 1) arrays."""
        top = self._levels(X, threads, **extras)[-1]
        return top.with_values(top.values.astype(np.float64)).to_list()

    def predict_log_proba(self, X, *, threads=0, **extras):
        """Return the logarithm of `predict_proba`, without underflow."""
        logits = self.logits(X, threads=threads, **extras)
        shifted = [a - a.max(axis=1, keepdims=True) for a in logits]
        return [a - np.log(np.exp(a).sum(axis=1, keepdims=True)) for a in shifted]

    def predict_proba(self, X, *, threads=0, **extras):
        """Return the probability of the blank and each label at each frame."""
        top = self._levels(X, threads, **extras)[-1]
        return softmax(top.with_values(top.values.astype(np.float64))).to_list()

    def predict(self, X, *, decoder="best_path", threads=0, **options):
        """Return the labels of each sequence, in the form that the fit saw.

        decoder, **options
            As `decode` takes them.
        """
        if decoder != "best_path":
            found = self.decode(X, decoder=decoder, threads=threads, **options)
            return [best.labels for (best,) in found]
        logits = self._levels(X, threads, **options)[-1]
        return self.alphabets[-1].decode(best_labels(logits)[0].level(0))

    def predict_levels(self, X, *, threads=0, **extras):
        """Return the labels of each level, from the lowest: a list of lists."""
        found = self._levels(X, threads, **extras)
        return [
            alphabet.decode(best_labels(logits)[0].level(0))
            for alphabet, logits in zip(self.alphabets, found)
        ]

    def decode(
        self, X, n_best=1, *, decoder="best_path", time=None, static=None, threads=0,
        **options,
    ):  # fmt: skip
        """Return hypotheses with scores and times: a list, best first, for each X.

        Parameters
        ----------
        X, time, static, threads
            As in `logits`; time and static for some cells alone.
        n_best : int, default=1
            Hypotheses of each sequence at most; "prefix_beam" alone has more than one.
        decoder : {"best_path", "prefix_beam", "prefix_search"}, default="best_path"
            How to decode; see `lstmc.ctc`.
        **options
            As the function of that name in `lstmc.ctc` takes them, but that labels
            have their own names: a language model without a lexicon speaks of them,
            ``hotwords`` and a ``lexicon`` that is no `ctc.Lexicon` spell with them
            (words part at the label " ", if there is one).

        Returns
        -------
        list of n lists of ctc.Hypothesis
            Their labels in the form that the fit saw.
        """
        from .. import ctc

        if decoder not in DECODERS:
            raise ValueError(f"decoder: expected one of {DECODERS}, got {decoder!r}")
        if n_best != 1 and decoder != "prefix_beam":
            raise ValueError(f"n_best: expected 1 with {decoder!r}, got {n_best}")
        extras = {"time": time, "static": static}
        extras = {name: value for name, value in extras.items() if value is not None}
        logits = self._levels(X, threads, **extras)[-1]
        if len(logits) == 0:
            return []
        search = getattr(ctc, decoder)
        if decoder == "prefix_beam":
            options = self.alphabets[-1].number_options(options)
            found = search(logits, n_best=n_best, threads=threads, **options)
        else:
            found = [[best] for best in search(logits, threads=threads, **options)]
        return [[self._named(best) for best in each] for each in found]

    def align(self, X, y, *, threads=0, **extras):
        """Return the likeliest alignment of the labels y with each X.

        Returns
        -------
        list of n ctc.Alignment
            Their labels in the form that the fit saw; their paths are columns of
            `predict_proba`.
        """
        from ..ctc import align

        logits = self._levels(X, threads, **extras)[-1]
        labels = self.alphabets[-1].encode(y)
        if len(labels) != len(logits):
            raise ValueError(
                f"y: expected {len(logits)} label sequences as in X, got {len(labels)}"
            )
        if len(logits) == 0:
            return []
        found = align(logits, labels.level(0), threads=threads)
        return [self._named(alignment) for alignment in found]

    def stream(self, *, static=None):
        """Open a stream: frames come as they are heard, labels as they are certain.

        Parameters
        ----------
        static : array of shape (n_static_features,), default=None
            For a cell that reads them.

        Returns
        -------
        TranscriptionStream

        Raises
        ------
        ValueError
            If the network is bidirectional.
        """
        return TranscriptionStream(self, static=static)

    def _levels(self, X, threads, **extras):
        """The logits of all levels, as Sequences of the network's type."""
        found = self._apply(X, threads, **extras)
        return found if isinstance(found, list) else [found]

    def _named(self, found):
        """A hypothesis or an alignment with labels in place of their numbers."""
        (labels,) = self.alphabets[-1].decode([np.asarray(found.labels)])
        return found._replace(labels=labels)

    def to_tensors(self):
        """Return the weights, a dict of arrays, and the rest, a dict for JSON.

        Language models, lexicons and the like are no part of it.

        Raises
        ------
        TypeError
            If the labels are neither numbers nor strings.
        """
        tensors, config = super().to_tensors()
        config["alphabets"] = [
            {"form": alphabet.form, **classes_to_json(alphabet.classes)}
            for alphabet in self.alphabets
        ]
        return tensors, config

    @classmethod
    def from_tensors(cls, tensors, config):
        """Return the model that `to_tensors` took apart."""
        network, reader = cls._parts_from(tensors, config)
        alphabets = []
        for entry in config["alphabets"]:
            classes, form = classes_from_json(entry), entry["form"]
            text = all(isinstance(label, str) for label in classes.tolist())
            if form not in FORMS or classes.ndim != 1 or (form == "text" and not text):
                raise ValueError(f"expected labels in one of {FORMS}, got {entry}")
            alphabets.append(Alphabet(classes, form))
        outputs = [len(alphabet.classes) + 1 for alphabet in alphabets]
        found = network.config["output_size"]
        if (found if isinstance(found, list) else [found]) != outputs:
            raise ValueError(f"expected {outputs} outputs, got {network.config}")
        return cls(network, reader, alphabets)
