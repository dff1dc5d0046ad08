"""Progress: how a fit tells what it is doing."""

import time


class Progress:
    """Say nothing: the progress of a fit with ``verbose=0``.

    A context manager; `batch` and `epoch` are called as these end.

    Examples
    --------
    >>> with Progress() as progress:
    ...     progress.batch()
    ...     progress.epoch(1, 0.5, None)
    """

    def __enter__(self):
        return self

    def __exit__(self, *exception):
        return None

    def batch(self):
        """Take note that a mini-batch has ended."""

    def epoch(self, number, loss, score):
        """Take note that epoch ``number`` has ended (``score`` None: none taken)."""


class Lines(Progress):
    """One plain line per epoch.

    Parameters
    ----------
    epochs : int
        The most epochs there will be.

    Examples
    --------
    >>> with Lines(20) as progress:
    ...     progress.epoch(1, 0.5, 0.875)
    epoch  1/20  loss 0.500000  score 0.8750  0:00:00 left
    """

    def __init__(self, epochs):
        self.epochs = epochs

    def __enter__(self):
        self.start = time.monotonic()
        return self

    def epoch(self, number, loss, score):
        spent = time.monotonic() - self.start
        left = round(spent / number * (self.epochs - number))
        width = len(str(self.epochs))
        print(
            f"epoch {number:{width}}/{self.epochs}  {_figures(loss, score)}  "
            f"{left // 3600}:{left // 60 % 60:02}:{left % 60:02} left",
            flush=True,
        )


class Bar(Progress):
    """A progress bar drawn by rich, with loss, score and the time left.

    Parameters
    ----------
    epochs : int
        The most epochs there will be.
    batches : int
        Mini-batches in each.

    Raises
    ------
    ImportError
        If rich is not installed.
    """

    def __init__(self, epochs, batches):
        from rich import progress

        self.bar = progress.Progress(
            progress.TextColumn("epoch {task.fields[epoch]}/{task.fields[epochs]}"),
            progress.BarColumn(),
            progress.TextColumn("{task.fields[figures]}"),
            progress.TimeRemainingColumn(),
        )
        self.batches = batches
        self.task = self.bar.add_task(
            "", total=epochs * batches, epoch=0, epochs=epochs, figures=""
        )

    def __enter__(self):
        self.bar.start()
        return self

    def __exit__(self, *exception):
        self.bar.stop()

    def batch(self):
        self.bar.advance(self.task)

    def epoch(self, number, loss, score):
        self.bar.update(
            self.task,
            completed=number * self.batches,
            epoch=number,
            figures=_figures(loss, score),
        )


def make_progress(verbose, epochs, batches):
    """Return the progress for ``verbose``: 0 silent, 1 a bar, 2 plain lines.

    The bar needs rich; where that is not installed, 1 gives plain lines too.

    Examples
    --------
    >>> type(make_progress(2, epochs=10, batches=4)).__name__
    'Lines'
    """
    if not verbose:
        return Progress()
    if verbose == 1:
        try:
            return Bar(epochs, batches)
        except ImportError:  # rich is an extra
            return Lines(epochs)
    return Lines(epochs)


def _figures(loss, score):
    return f"loss {loss:.6f}" + ("" if score is None else f"  score {score:.4f}")
