"""Pictures of a fit, in the manner of scikit-learn's displays."""

from ._pyplot import import_pyplot
from .alignment_display import CTCAlignmentDisplay

__all__ = ["CTCAlignmentDisplay", "LossCurveDisplay"]

# Of classifiers, regressors; transcribers are neither.
SCORES = {"classifier": "accuracy", "regressor": "R²"}


class LossCurveDisplay:
    """How loss and score changed from epoch to epoch.

    Make it with `from_estimator`; `plot` draws it again, on other axes. Needs
    matplotlib (``pip install lstmc[plot]``).

    Parameters
    ----------
    loss_curve : sequence of float, shape (n_epochs,)
        Training loss after each epoch.
    validation_loss_curve : sequence of float, shape (n_epochs,), default=None
        Loss on the validation set after each epoch.
    validation_scores : sequence of float, shape (n_epochs,), default=None
        Score on the validation set after each epoch.
    score_name : str, default="score"
        What the score is called.

    Attributes
    ----------
    ax_ : matplotlib.axes.Axes
        The axes of the losses, logarithmic.
    score_ax_ : matplotlib.axes.Axes or None
        The axes of the scores, on the right of the same frame.
    figure_ : matplotlib.figure.Figure
        The figure that contains them.
    lines_ : list of matplotlib.lines.Line2D
        Training loss, validation loss, validation score: those there are.

    See Also
    --------
    sklearn.metrics.ConfusionMatrixDisplay : Works on our classifiers as it is.

    Examples
    --------
    >>> import matplotlib
    >>> matplotlib.use("Agg")
    >>> from lstmc.display import LossCurveDisplay
    >>> display = LossCurveDisplay(loss_curve=[1.0, 0.5, 0.25]).plot()
    >>> [line.get_label() for line in display.lines_]
    ['training loss']
    """

    def __init__(
        self,
        *,
        loss_curve,
        validation_loss_curve=None,
        validation_scores=None,
        score_name="score",
    ):
        self.loss_curve = loss_curve
        self.validation_loss_curve = validation_loss_curve
        self.validation_scores = validation_scores
        self.score_name = score_name

    @classmethod
    def from_estimator(cls, estimator, *, ax=None, **kwargs):
        """Draw the curves of a fitted estimator.

        Parameters
        ----------
        estimator : fitted estimator
            With `loss_curve_`, and `validation_loss_curve_` and `validation_scores_`
            if it was fitted with ``early_stopping=True``.
        ax : matplotlib.axes.Axes, default=None
            Where to draw; None makes a figure.
        **kwargs : dict
            For each `matplotlib.axes.Axes.plot`.

        Returns
        -------
        display : LossCurveDisplay

        Raises
        ------
        sklearn.exceptions.NotFittedError
            If the estimator is not fitted.
        ImportError
            If matplotlib is not installed.

        Examples
        --------
        >>> import matplotlib
        >>> matplotlib.use("Agg")
        >>> import numpy as np
        >>> from lstmc import LSTMClassifier
        >>> from lstmc.display import LossCurveDisplay
        >>> X = np.arange(24.0).reshape(4, 3, 2) / 24
        >>> est = LSTMClassifier(4, max_iter=5, random_state=0).fit(X, [0, 1, 0, 1])
        >>> display = LossCurveDisplay.from_estimator(est)
        >>> len(display.lines_[0].get_xdata())
        5
        """
        from sklearn.utils import get_tags
        from sklearn.utils.validation import check_is_fitted

        check_is_fitted(estimator, "loss_curve_")
        kind = get_tags(estimator).estimator_type
        return cls(
            loss_curve=estimator.loss_curve_,
            validation_loss_curve=estimator.validation_loss_curve_,
            validation_scores=estimator.validation_scores_,
            score_name=SCORES.get(kind, "1 - label error rate"),
        ).plot(ax=ax, **kwargs)

    def plot(self, ax=None, **kwargs):
        """Draw the curves.

        Parameters
        ----------
        ax : matplotlib.axes.Axes, default=None
            Where to draw; None makes a figure.
        **kwargs : dict
            For each `matplotlib.axes.Axes.plot`.

        Returns
        -------
        display : LossCurveDisplay
            Itself.

        Raises
        ------
        ImportError
            If matplotlib is not installed.

        Examples
        --------
        >>> import matplotlib
        >>> matplotlib.use("Agg")
        >>> from lstmc.display import LossCurveDisplay
        >>> display = LossCurveDisplay(loss_curve=[1.0, 0.5]).plot(linestyle="--")
        >>> display.ax_.get_xlabel(), display.ax_.get_ylabel()
        ('epoch', 'loss')
        """
        if ax is None:
            _, ax = import_pyplot("LossCurveDisplay.plot").subplots()
        self.ax_, self.figure_, self.score_ax_ = ax, ax.figure, None
        losses = {
            "training loss": (self.loss_curve, "C0"),
            "validation loss": (self.validation_loss_curve, "C1"),
        }
        self.lines_ = [
            draw(ax, curve, **{"color": color, "label": label} | kwargs)
            for label, (curve, color) in losses.items()
            if curve is not None
        ]
        ax.set(xlabel="epoch", ylabel="loss", yscale="log")
        if self.validation_scores is not None:
            self.score_ax_ = ax.twinx()
            style = {"color": "C2", "label": f"validation {self.score_name}"} | kwargs
            line = draw(self.score_ax_, self.validation_scores, **style)
            self.score_ax_.set_ylabel(self.score_name, color=line.get_color())
            self.lines_.append(line)
        if len(self.lines_) > 1:
            # Above the frame: losses fall, scores rise, no corner is left to both.
            ax.legend(
                handles=self.lines_,
                loc="lower center",
                bbox_to_anchor=(0.5, 1),
                ncols=len(self.lines_),
                frameon=False,
            )
        return self


def draw(ax, curve, **style):
    """Draw one value per epoch, the first of which is epoch 1."""
    (line,) = ax.plot(range(1, len(curve) + 1), curve, **style)
    return line
