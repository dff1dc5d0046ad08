"""CTCAlignmentDisplay: what a transcriber hears, frame by frame."""

import numpy as np

from ._pyplot import import_pyplot
from .labels import best_labels
from .sequences import Sequences

BLANK = "0.6"  # grey
SHOWN = 0.05  # labels that are nowhere as probable as this have no line
QUIET = 0.002  # less is no line's height
STRIP = (1.15, 0.11)  # where the bands lie, and how high they are


class CTCAlignmentDisplay:
    """Probabilities of labels over time, what was emitted, and where the truth lies.

    Make it with `from_estimator` or `from_predictions`; `plot` draws it again, on other
    axes. Needs matplotlib (``pip install lstmc[plot]``).

    Parameters
    ----------
    posteriors : array of shape (n_frames, n_labels + 1)
        Probabilities of the blank, then of the labels, at each frame.
    classes : sequence of n_labels labels
        Their names.
    alignment : ctc.Alignment, default=None
        Labels with the frames they begin and end at: drawn as bands.
    frame_length : float, default=None
        Seconds from one frame to the next; None counts frames.

    Attributes
    ----------
    ax_ : matplotlib.axes.Axes
    figure_ : matplotlib.figure.Figure
    lines_ : dict of matplotlib.lines.Line2D
        By label, the blank's under None; empty for a heat map.
    image_ : matplotlib.image.AxesImage or None
        The heat map.
    bands_ : list of matplotlib.patches.Rectangle
        One for each label of the alignment.
    texts_ : list of matplotlib.text.Text
        The emitted labels, at their spikes.

    Examples
    --------
    >>> import matplotlib
    >>> matplotlib.use("Agg")
    >>> import numpy as np
    >>> from lstmc.display import CTCAlignmentDisplay
    >>> p = np.full((6, 3), 0.1)
    >>> p[range(6), [0, 1, 0, 2, 2, 0]] = 0.8
    >>> display = CTCAlignmentDisplay.from_predictions(p, "ab")
    >>> [text.get_text() for text in display.texts_]
    ['a', 'b']
    """

    def __init__(self, *, posteriors, classes, alignment=None, frame_length=None):
        self.posteriors = posteriors
        self.classes = classes
        self.alignment = alignment
        self.frame_length = frame_length

    @classmethod
    def from_estimator(
        cls, estimator, x, y=None, *, frame_length=None, kind="lines", ax=None
    ):
        """Draw what a fitted transcriber makes of one sequence.

        Parameters
        ----------
        estimator : fitted LSTMTranscriber, or TranscriberModel
        x : array of shape (n_frames, n_features)
            The sequence.
        y : sequence of labels, default=None
            What is in it: its forced alignment is drawn. None: that of the prediction.
        frame_length, kind, ax
            As in the class and in `plot`.

        Returns
        -------
        display : CTCAlignmentDisplay

        Raises
        ------
        sklearn.exceptions.NotFittedError
            If the estimator is not fitted.
        ImportError
            If matplotlib is not installed.
        """
        [posteriors] = estimator.predict_proba([x])
        [alignment] = estimator.align([x], estimator.predict([x]) if y is None else [y])
        classes = estimator.classes_
        top = classes[-1] if isinstance(classes, list) else classes
        return cls.from_predictions(
            posteriors, top, alignment=alignment, frame_length=frame_length, kind=kind,
            ax=ax,
        )  # fmt: skip

    @classmethod
    def from_predictions(
        cls, posteriors, classes, *, alignment=None, frame_length=None, kind="lines",
        ax=None,
    ):  # fmt: skip
        """Draw probabilities that are there already.

        Parameters
        ----------
        posteriors, classes, alignment, frame_length
            As in the class.
        kind, ax
            As in `plot`.

        Returns
        -------
        display : CTCAlignmentDisplay

        Raises
        ------
        ValueError
            If the posteriors have not one column more than there are classes, or no
            frame.
        ImportError
            If matplotlib is not installed.
        """
        posteriors, classes = np.asarray(posteriors, float), [*classes]
        columns = len(classes) + 1
        if posteriors.shape[1:] != (columns,) or len(posteriors) == 0:
            raise ValueError(
                f"posteriors: expected shape (n_frames >= 1, {columns}), the blank and "
                f"{len(classes)} classes, got {posteriors.shape}"
            )
        return cls(
            posteriors=posteriors, classes=classes, alignment=alignment,
            frame_length=frame_length,
        ).plot(kind=kind, ax=ax)  # fmt: skip

    def plot(self, *, kind="lines", ax=None):
        """Draw it.

        Parameters
        ----------
        kind : {"lines", "heatmap"}, default="lines"
            A line for each label that is heard, or a row for each label there is.
        ax : matplotlib.axes.Axes, default=None
            Where to draw; None makes a figure.

        Returns
        -------
        display : CTCAlignmentDisplay
            Itself.

        Raises
        ------
        ImportError
            If matplotlib is not installed.
        """
        if kind not in ("lines", "heatmap"):
            raise ValueError(f'kind: expected "lines" or "heatmap", got {kind!r}')
        if ax is None:
            pyplot = import_pyplot("CTCAlignmentDisplay.plot")
            size = (9, 3.2 if kind == "lines" else 1.6 + 0.22 * len(self.classes))
            _, ax = pyplot.subplots(figsize=size, layout="constrained")
        self.ax_, self.figure_ = ax, ax.figure
        self.lines_, self.image_ = {}, None
        (self._draw_lines if kind == "lines" else self._draw_heatmap)()
        unit = self.frame_length or 1
        ax.set_xlim(-0.5 * unit, (len(self.posteriors) - 0.5) * unit)
        ax.set_xlabel("frame" if self.frame_length is None else "time in seconds")
        ax.spines[["top", "right"]].set_visible(False)
        return self

    def _colors(self):
        """A colour for each label that is heard or aligned, in order of its number."""
        heard = set(np.flatnonzero(self.posteriors[:, 1:].max(axis=0) > SHOWN))
        if self.alignment is not None:
            heard |= {self.classes.index(label) for label in self.alignment.labels}
        return {k: f"C{j % 10}" for j, k in enumerate(sorted(heard))}

    def _spikes(self):
        """Number and frame of each emitted label, where its run is most probable."""
        flat = Sequences.from_flat(self.posteriors, [len(self.posteriors)])
        labels, starts = best_labels(flat)
        best = self.posteriors.argmax(axis=1)
        for k, start in zip(labels.level(0)[0] if len(starts) else [], starts):
            run = np.append(best[start:] != k, True).argmax()
            yield k, start + int(self.posteriors[start : start + run, k].argmax())

    def _draw_lines(self):
        ax, unit, colors = self.ax_, self.frame_length or 1, self._colors()
        frames = np.arange(len(self.posteriors)) * unit
        p = self.posteriors
        style = {"color": BLANK, "linewidth": 1, "linestyle": (0, (3, 2)), "zorder": 1}
        (self.lines_[None],) = ax.plot(frames, p[:, 0], label="blank", **style)
        self._note("blank", p[-1, 0])
        for k, color in colors.items():
            ax.fill_between(frames, p[:, k + 1], color=color, alpha=0.18, linewidth=0)
            # Where a label is not heard, its line would only colour the axis.
            loud = np.convolve(p[:, k + 1] > QUIET, [1, 1, 1], "same") > 0
            heard = np.where(loud, p[:, k + 1], np.nan)
            name = str(self.classes[k])
            (line,) = ax.plot(frames, heard, color=color, label=name, zorder=2)
            self.lines_[self.classes[k]] = line
        self.texts_ = [
            ax.annotate(
                str(self.classes[k - 1]), (t * unit, p[t, k]), (0, 2),
                textcoords="offset points", ha="center", va="bottom", zorder=3,
                color=colors[k - 1], fontweight="bold",
            )
            for k, t in self._spikes()
        ]  # fmt: skip
        low, height = STRIP
        self.bands_ = [
            self._band(frames, low, height, colors[self.classes.index(label)], label)
            for label, frames in self._aligned()
        ]
        for band in self.bands_:
            left, right = band.get_x(), band.get_x() + band.get_width()
            ax.axvspan(left, right, color=band.get_facecolor(), alpha=0.08, linewidth=0)
        if self.bands_:
            self._note("aligned", low + height / 2)
        ax.set_ylim(0, low + height + 0.01 if self.bands_ else low)
        ax.set_yticks([0, 0.5, 1])
        ax.spines["left"].set_bounds(0, 1)
        ax.set_ylabel("probability", y=0.5 / ax.get_ylim()[1])

    def _draw_heatmap(self):
        from matplotlib import colormaps

        ax, unit, p = self.ax_, self.frame_length or 1, self.posteriors
        picture = colormaps["Blues"](p.T)  # (n_labels + 1, n_frames, 4)
        picture[0] = colormaps["Greys"](0.45 * p[:, 0])
        ends = (-0.5 * unit, (len(p) - 0.5) * unit)
        self.image_ = ax.imshow(
            picture, aspect="auto", origin="lower", interpolation="nearest",
            extent=(*ends, -0.5, p.shape[1] - 0.5),
        )  # fmt: skip
        self.texts_ = [
            ax.text(
                t * unit, k, str(self.classes[k - 1]), ha="center", va="center",
                color="white" if p[t, k] > 0.5 else "black", fontweight="bold",
            )
            for k, t in self._spikes()
        ]  # fmt: skip
        self.bands_ = [
            self._band(frames, self.classes.index(label) + 0.5, 1, "C1")
            for label, frames in self._aligned()
        ]
        ax.set_yticks(range(p.shape[1]), ["blank", *map(str, self.classes)])
        ax.tick_params(axis="y", length=0)

    def _note(self, text, height):
        """Say on the right of the frame what lies at that height."""
        self.ax_.annotate(
            text, (1, height), (5, 0), xycoords=("axes fraction", "data"),
            textcoords="offset points", va="center", color="0.45", fontsize="small",
        )  # fmt: skip

    def _aligned(self):
        """Label and (first frame, end) of each band."""
        found = self.alignment
        if found is None:
            return []
        return zip(found.labels, zip(found.starts, found.ends))

    def _band(self, frames, low, height, color, label=None):
        """A rectangle over frames; named ones are filled, others framed."""
        from matplotlib.patches import Rectangle

        unit = self.frame_length or 1
        left, width = (frames[0] - 0.5) * unit, (frames[1] - frames[0]) * unit
        band = Rectangle((left, low), width, height, color=color, linewidth=0)
        if label is None:
            band.set(fill=False, linewidth=1.5)
        else:
            band.set_alpha(0.85)
            style = {"ha": "center", "va": "center", "color": "white", "zorder": 4}
            self.ax_.text(
                left + width / 2, low + 0.46 * height, str(label), fontsize="small",
                fontweight="bold", **style,
            )  # fmt: skip
        return self.ax_.add_patch(band)
