"""From frames to labels: what a transcriber makes of sequences once it is fitted."""

from sklearn.utils.validation import check_is_fitted

from ..metrics import label_error_rate
from ._transcripts import TranscriptTargets


class Transcribing(TranscriptTargets):
    """What a transcriber of sequences answers once it is fitted."""

    hidden_size: int

    def _sizes(self):
        """Units of each layer and direction; with levels a list."""
        if self.levels is None:
            return self.hidden_size
        if isinstance(self.levels, tuple | list):
            return [*map(int, self.levels)]
        return [self.hidden_size] * self.levels

    def predict(self, X, *, time=None, static=None):
        """Transcribe each sequence.

        Parameters
        ----------
        X : list of (T_i, F) arrays, array of shape (n, T, F) or (n, T), or Sequences
            Sequences of as many features as those fitted on.
        time, static
            As in `fit`, for a cell that reads them.

        Returns
        -------
        list of n sequences of labels
            Strings, tuples, arrays or lists, as ``y`` had them; of the top level.
        """
        return self._predict("predict", X, time=time, static=static, **self._decoding())

    def predict_levels(self, X, *, time=None, static=None):
        """Transcribe each sequence at each level, by the likeliest path.

        Parameters
        ----------
        X, time, static
            As in `predict`.

        Returns
        -------
        list of lists of n sequences of labels
            Of each level, from the lowest.
        """
        return self._predict("predict_levels", X, time=time, static=static)

    def predict_proba(self, X, *, time=None, static=None):
        """Probability of the blank and of each label at each frame.

        Parameters
        ----------
        X, time, static
            As in `predict`.

        Returns
        -------
        list of n ndarrays of float64, shape (T_i, n_labels + 1)
            The blank first, then ``classes_``, of the top level.
        """
        return self._predict("predict_proba", X, time=time, static=static)

    def predict_log_proba(self, X, *, time=None, static=None):
        """Logarithm of `predict_proba`, computed without underflow.

        Parameters
        ----------
        X, time, static
            As in `predict`.

        Returns
        -------
        list of n ndarrays of float64, shape (T_i, n_labels + 1)
        """
        return self._predict("predict_log_proba", X, time=time, static=static)

    def decode(self, X, n_best=1, *, time=None, static=None):
        """Transcribe each sequence, with scores and times.

        Parameters
        ----------
        X, time, static
            As in `predict`.
        n_best : int, default=1
            Hypotheses of each sequence at most; with "prefix_beam" alone more than 1.

        Returns
        -------
        list of n lists of ctc.Hypothesis
            Best first: labels as ``y`` had them, score, frames and confidences.
        """
        options = self._decoding() | {"n_best": n_best}
        return self._predict("decode", X, time=time, static=static, **options)

    def align(self, X, y, *, time=None, static=None):
        """Find the frames of labels that are known.

        Parameters
        ----------
        X, time, static
            As in `predict`.
        y : list of n sequences of labels
            As in `fit`; of the top level.

        Returns
        -------
        list of n ctc.Alignment
            The likeliest: label k has the frames from ``starts[k]`` to ``ends[k]``.
        """
        return self._predict("align", X, time=time, static=static, y=y)

    def score(self, X, y, sample_weight=None, *, time=None, static=None):
        """1 less the label error rate of the top level: 1 is perfect.

        Parameters
        ----------
        X, y, sample_weight, time, static
            As in `fit`.

        Returns
        -------
        float
            Below 0 where more is wrong than there is.
        """
        predicted = self.predict(X, time=time, static=static)
        (*_, top) = self._by_level(y, len(predicted)).values()
        return 1.0 - label_error_rate(top, predicted, sample_weight=sample_weight)

    def stream(self, *, static=None):
        """Open a stream that transcribes frames as they come, by the likeliest path.

        Parameters
        ----------
        static : array of shape (n_static_features,), default=None
            For a cell that reads them.

        Returns
        -------
        TranscriptionStream
            ``push(frames)`` returns the labels that begin in them; ``finish()`` all.

        Raises
        ------
        ValueError
            If the network is bidirectional: it starts at the end, too.
        """
        check_is_fitted(self, "model_")
        return self.model_.stream(static=static)
