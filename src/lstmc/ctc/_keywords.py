"""Keyword spotting: words found in a stream of frames, as they are said."""

from __future__ import annotations

import math
import numbers
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np

from .. import _array_door as door
from .. import _core
from ..sequences import Sequences
from ._data import check_logits


class Detection(NamedTuple):
    """A keyword that was found.

    Attributes
    ----------
    keyword : object
        As the spotter was given it.
    start, end : int
        Frames ``start`` to ``end - 1`` of the stream hold its likeliest path, up to the
        first frame of its last label.
    score : float
        Occurrences expected in the window when they reached the threshold.

    Examples
    --------
    >>> Detection("yes", start=30, end=42, score=0.93).keyword
    'yes'
    """

    keyword: Any
    start: int
    end: int
    score: float


class KeywordSpotter:
    """Finds keywords in a stream of logits.

    The score of a keyword at a frame is the sum of the probabilities of all its
    occurrences within the window that ends there: how often it is to be expected there.
    Labels before and after are free; blanks may lie between its own.

    Parameters
    ----------
    keywords : mapping of objects to labels, or sequence of labels
        What a network says for each keyword: a label, or a sequence of them. Without
        names of their own, keywords are named by their labels.
    n_classes : int
        Classes of the logits.
    blank : int, default=0
        The class that means no label; in the network of the paper, all that is no
        keyword.
    window : int, default=50
        Frames of the window: as long as a keyword may take.
    threshold : float, default=0.5
        Score from which on a keyword is found.

    Attributes
    ----------
    keywords : list
        Their names.
    frames : int
        Frames pushed so far.

    Raises
    ------
    ValueError
        A keyword is empty or has a label that is none, or an option is out of range.

    Notes
    -----
    One utterance gives one detection: a keyword that was found is looked for again only
    when its score has fallen below the threshold, at the latest when it has left the
    window. So two of the same within one window are one.

    Fernandez, Graves, Schmidhuber: An application of recurrent neural networks to
    discriminative keyword spotting. ICANN 2007.

    Examples
    --------
    >>> import numpy as np
    >>> spotter = KeywordSpotter({"yes": [1, 2], "no": [3]}, n_classes=4, window=10)
    >>> logits = 9 * np.eye(4)[[0, 1, 0, 2, 0, 0, 3, 0]]
    >>> found = spotter.push(logits[:3]) + spotter.push(logits[3:])
    >>> [(d.keyword, d.start, d.end) for d in found]
    [('yes', 1, 4), ('no', 6, 7)]
    """

    def __init__(
        self,
        keywords: Mapping[Any, Any] | Sequence[Any],
        n_classes: int,
        *,
        blank: int = 0,
        window: int = 50,
        threshold: float = 0.5,
    ):
        for name, value, low in (("n_classes", n_classes, 2), ("window", window, 1)):
            if not isinstance(value, numbers.Integral) or value < low:
                raise ValueError(
                    f"{name}: expected an integer of at least {low}, got {value!r}"
                )
        if not isinstance(blank, numbers.Integral) or not 0 <= blank < n_classes:
            raise ValueError(
                f"blank: expected a class from 0 to {n_classes - 1}, got {blank!r}"
            )
        if not isinstance(threshold, numbers.Real) or not 0 < threshold < math.inf:
            raise ValueError(
                f"threshold: expected a positive number, got {threshold!r}"
            )
        self.n_classes: int = int(n_classes)
        self.blank: int = int(blank)
        self.window: int = int(window)
        self.threshold: float = float(threshold)
        named = isinstance(keywords, Mapping)
        pairs = keywords.items() if named else [(key, key) for key in keywords]
        self.keywords: list[Any] = [name for name, _ in pairs]
        labels = [self._labels(name, spelling) for name, spelling in pairs]
        if not labels:
            raise ValueError("keywords: expected at least 1 keyword, got none")
        self._flat: np.ndarray = np.concatenate(labels).astype(np.int32)
        self._offsets: np.ndarray = door.offsets_of([len(own) for own in labels])
        self._scratch: np.ndarray = np.empty(6 * max(map(len, labels)))
        self.reset()

    def _labels(self, name: Any, spelling: Any) -> np.ndarray:
        labels = np.atleast_1d(np.asarray(spelling))
        fits = labels.ndim == 1 and labels.size and labels.dtype.kind in "iu"
        if (
            not fits
            or (
                (labels < 0) | (labels >= self.n_classes) | (labels == self.blank)
            ).any()
        ):
            raise ValueError(
                f"keywords: {name!r}: expected labels below {self.n_classes} other "
                f"than the blank {self.blank}, got {spelling!r}"
            )
        return labels

    def reset(self) -> None:
        """Forget the stream.

        Examples
        --------
        >>> spotter = KeywordSpotter([1], n_classes=2)
        >>> _ = spotter.push(np.zeros((3, 2)))
        >>> spotter.reset()
        >>> spotter.frames
        0
        """
        self.frames = 0
        self._before = np.empty((0, self.n_classes))  # probabilities of the last frames
        self._found: np.ndarray = np.zeros(len(self.keywords), np.bool_)

    def push(self, logits: Any) -> list[Detection]:
        """The next frames of the stream.

        Parameters
        ----------
        logits : array-like of shape (T, n_classes), or (n_classes,)
            Any number of frames; the answers do not depend on how they are cut.

        Returns
        -------
        list of Detection
            In the order in which their scores reached the threshold.

        Raises
        ------
        ValueError
            NaN, or another number of classes; the stream is as it was before.

        Examples
        --------
        >>> spotter = KeywordSpotter([1], n_classes=2)
        >>> spotter.push([9.0, 0.0]), spotter.push([0.0, 9.0])[0].start
        ([], 1)
        """
        y = np.concatenate([self._before, self._probabilities(logits)])
        history, origin = len(self._before), self.frames - len(self._before)
        scores, starts, ends = self._score(y, history)
        detections = []
        high = scores >= self.threshold
        before = np.concatenate([self._found[None], high])
        for row, k in np.argwhere(high & ~before[:-1]):
            detections.append(
                Detection(
                    self.keywords[k],
                    int(origin + starts[row, k]),
                    int(origin + ends[row, k]),
                    float(scores[row, k]),
                )
            )
        self._found = before[-1]
        self.frames += len(scores)
        self._before = y[max(0, len(y) - self.window) :]
        return detections

    def scores(self, logits: Any) -> np.ndarray:
        """Scores at every frame of a whole stream; what was pushed does not matter.

        Parameters
        ----------
        logits : array-like of shape (T, n_classes)

        Returns
        -------
        ndarray of float64, shape (T, number of keywords)

        Examples
        --------
        >>> spotter = KeywordSpotter([1], n_classes=2, window=2)
        >>> spotter.scores(20 * np.eye(2)[[0, 1, 0, 0]]).round(3).ravel().tolist()
        [0.0, 1.0, 1.0, 0.0]
        """
        return self._score(self._probabilities(logits), 0)[0]

    def _probabilities(self, logits: Any) -> np.ndarray:
        array = door.real_array(logits, "logits")
        if array.ndim == 1 and array.size:
            array = array[None]
        if array.ndim != 2 or array.shape[1] != self.n_classes:
            raise ValueError(
                f"logits: expected shape (frames, {self.n_classes}), got {array.shape}"
            )
        values = door.clean(array, door.widest_dtype([array]))
        check_logits(Sequences(values, np.array([0, len(values)], np.intp)))
        out = np.empty(values.shape)
        _core.softmax(values, out, False)
        return out

    def _score(
        self, y: np.ndarray, history: int
    ) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        shape = len(y) - history, len(self.keywords)
        scores = np.empty(shape)
        starts, ends = np.empty(shape, np.intp), np.empty(shape, np.intp)
        _core.keyword_scores(
            *(y, history, self.blank, self.window, self._flat, self._offsets),
            *(self._scratch, scores, starts, ends),
        )
        return scores, starts, ends
