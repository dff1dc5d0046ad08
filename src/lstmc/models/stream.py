"""Transcription of frames that arrive one after another."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from ..layers.extras import checked_extras
from ..networks.levels import softmax
from ..sequences import as_sequences


class Emission(NamedTuple):
    """A label that a stream is certain of, and the frame where it begins."""

    label: object
    frame: int


class TranscriptionStream:
    """Frames in, labels out as they become certain; see ``LSTMTranscriber.stream``.

    A label of the likeliest path is certain at its first frame: what comes later cannot
    take it back. So `push` returns it with that very frame, and the labels of all calls
    together are those of ``predict`` on the whole, however the frames are cut.

    Parameters
    ----------
    model : TranscriberModel
        Of one direction.
    static : array of shape (n_static_features,), default=None
        For a cell that reads them.

    Attributes
    ----------
    n_frames : int
        Frames so far.

    Examples
    --------
    >>> import numpy as np
    >>> from lstmc import LSTMTranscriber
    >>> X = [np.eye(3)[[0, 1, 0, 2, 0]], np.eye(3)[[0, 2, 2, 0, 0]]]
    >>> est = LSTMTranscriber(16, bidirectional=False, learning_rate_init=0.03,
    ...                       max_iter=100, random_state=0).fit(X, ["ab", "b"])
    >>> stream = est.stream()
    >>> for frame in X[0]:
    ...     for label, number in stream.push([frame]):
    ...         print(label, "from frame", number)
    a from frame 1
    b from frame 3
    >>> stream.finish()
    'ab'
    """

    def __init__(self, model, *, static=None):
        config = model.network.config
        if config["bidirectional"]:
            raise ValueError(
                "stream: expected bidirectional=False, got a bidirectional network, "
                "whose reverse direction starts at the end of the sequence: no label "
                "is certain before"
            )
        self._model, self._dtype = model, config["dtype"]
        self._stages = getattr(model.network, "stages", [model.network])
        self._static = None if static is None else np.atleast_2d(static)
        self._start()

    def _start(self):
        self.n_frames = 0
        self._states: list[Any] = [None] * len(self._stages)
        self._last, self._labels = 0, []

    def push(self, frames, *, time=None, threads=0):
        """Hear some frames; return the labels that begin in them.

        Parameters
        ----------
        frames : array-like of shape (n_frames, n_features)
            The next frames; may be none.
        time : array-like of shape (n_frames,), default=None
            Time elapsed before each frame, for a cell that is timed.
        threads : int, default=0
            Number of threads; 0 leaves the choice to the library.

        Returns
        -------
        list of Emission
            (label, frame) each, frames counted from the start of the stream.

        Raises
        ------
        TypeError, ValueError
            If the frames are not what the model was fitted on. The stream is as it was.
        """
        size = self._stages[0].config["input_size"]
        frames = np.reshape(frames, (0, size)) if len(frames) == 0 else frames
        x = as_sequences([frames], dtype=self._dtype, n_features=size, name="frames")
        given = None if time is None else [time]
        extras = checked_extras(self._stages[0].recurrent, x, given, self._static)
        states: list[Any] = []
        for stage, state in zip(self._stages, self._states):
            x = softmax(x) if states else x
            y, state = stage.recurrent.apply(x, state, threads=threads, **extras)
            x = x.with_values(stage.head.apply(y, threads=threads))
            states.append(state)
        self._states = states
        return self._emit(x.values.argmax(axis=1))

    def _emit(self, classes):
        """The labels whose runs begin in these classes, which follow the last."""
        before = np.append(self._last, classes)
        begins = np.flatnonzero((classes != before[:-1]) & (classes > 0))
        frames = (begins + self.n_frames).tolist()
        self.n_frames += len(classes)
        self._last = int(before[-1])
        numbers = classes[begins]
        self._labels.extend(numbers.tolist())
        labels = self._model.alphabets[-1].classes[numbers - 1].tolist()
        return [Emission(*pair) for pair in zip(labels, frames)]

    def finish(self):
        """End the sequence: return all its labels; the next frame starts a new one.

        Returns
        -------
        sequence of labels
            What ``predict`` returns for the frames in one piece.
        """
        numbers = np.array(self._labels, np.intp)
        self._start()
        (labels,) = self._model.alphabets[-1].decode([numbers])
        return labels
