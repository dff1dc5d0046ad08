"""Truncated backpropagation through time: gradients go back a few steps, states on.

A sequence is cut into chunks of k steps, counted from its end, so that its last k
steps are always one whole chunk and only the first chunk may be shorter:

    T = 8, k = 3        | x x | x x x | x x x |
    chunk                  2      1       0

States are carried over a cut, gradients are not: a chunk's loss moves the weights by
what its own steps did. The chunks before the last are run twice, once for the outputs
and once for the gradient, so that the tape of one chunk is all there is at a time.
Noise is drawn anew in each chunk, and the same both times.

Source: Williams, Peng: An Efficient Gradient-Based Algorithm for On-Line Training of
Recurrent Network Trajectories. Neural Computation 2, 1990.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np

from ..layers.layer import aligned
from ..sequences import Sequences

# Steps at once, at least, of what is run for its final state alone: no tape is kept.
FEWEST = 256

# Seeds that a run uses: dropout between layers and before the head, noise on states,
# DropConnect.
SEEDS = 4


def check_truncation(tbptt, bidirectional):
    """Raise ValueError if gradients cannot be cut off after `tbptt` steps.

    Examples
    --------
    >>> check_truncation(5, bidirectional=False)
    """
    if tbptt is not None and bidirectional:
        raise ValueError(
            f"tbptt: expected None with bidirectional=True, got {tbptt}: the reverse "
            "direction starts at a sequence's end and has no state to carry from one "
            "chunk to the next"
        )


@dataclass
class Chunk:
    """Some steps of each sequence; none of one that has not begun there."""

    near: int  # steps from the end of a sequence to the end of its chunk
    far: int  # and to the start of its chunk
    key: tuple[int, int]  # of the noise
    state: tuple[np.ndarray, ...] | None = None  # before it


@dataclass
class Tape:
    """What `Truncated.record` leaves for `Truncated.pull`."""

    x: Sequences
    time: np.ndarray | None
    last: Any  # the stack's own, of the last chunk
    chunks: list[Chunk]  # first to last; the last alone if no outputs are wanted


class Truncated:
    """A stack with gradients that go back at most ``steps`` steps.

    Parameters
    ----------
    stack : Stack
        Of one direction.
    steps : int
        Steps of a chunk.
    outputs : bool
        Whether the loss reads the outputs of all steps, or the final state alone:
        then only the last chunk has a gradient, and it alone is recorded.
    """

    def __init__(self, stack, steps, *, outputs):
        check_truncation(steps, stack.bidirectional)
        self.stack, self.steps, self.outputs = stack, steps, outputs

    def record(
        self, x, *, time=None, static=None, dropout_key=(0, 0), checkpoint=False,
        threads=0,
    ):  # fmt: skip
        """Run for training. Returns (y or None, state, tape)."""
        rows = len(x.values) if self.outputs else 0
        y = np.empty((rows, self.stack.output_size), x.dtype)
        *earlier, last = chunks = self._cut(x, dropout_key)
        state = None
        for chunk in earlier:
            chunk.state = state
            part, index = steps_before_end(x, chunk.near, chunk.far)
            values, state = self.stack.apply(
                part, state, time=_rows(time, index), static=static,
                outputs=self.outputs, dropout_key=chunk.key, threads=threads,
            )  # fmt: skip
            if self.outputs:
                y[index] = values
        last.state = state
        part, index = steps_before_end(x, last.near, last.far)
        values, state, tape = self.stack.record(
            part, state, time=_rows(time, index), static=static, dropout_key=last.key,
            checkpoint=checkpoint, threads=threads,
        )  # fmt: skip
        if not self.outputs:
            return None, state, Tape(x, time, tape, [last])
        y[index] = values
        return y, state, Tape(x, time, tape, chunks)

    def pull(self, tape, dy, dstate, gradient, *, input_gradient=False, threads=0):
        """Go back over a tape; `gradient` is overwritten. Returns (None, None).

        dy (steps, output_size) and dstate may be None: zeros. The chunks' gradients
        are added from the last chunk to the first. Gradients at the inputs and at the
        initial states would end at the first cut: there are none.
        """
        if input_gradient:
            raise ValueError("input_gradient: expected False with truncation")
        *earlier, last = tape.chunks
        _, index = steps_before_end(tape.x, last.near, last.far)
        self._pull(tape.last, _rows(dy, index), dstate, gradient, threads)
        part = aligned(len(gradient), gradient.dtype)
        for chunk in reversed(earlier):
            x, index = steps_before_end(tape.x, chunk.near, chunk.far)
            _, _, again = self.stack.record(
                x, chunk.state, time=_rows(tape.time, index), static=tape.last.static,
                dropout_key=chunk.key, checkpoint=tape.last.checkpoint,
                threads=threads,
            )  # fmt: skip
            self._pull(again, _rows(dy, index), None, part, threads)
            gradient += part
        return None, None

    def _pull(self, tape, dy, dstate, gradient, threads):
        self.stack.pull(
            tape, dy, dstate, gradient, input_gradient=False, threads=threads
        )

    def _cut(self, x, key):
        """The chunks, first to last; the last has the key of an uncut run."""
        seed, stream = key
        least = self.steps if self.outputs else max(self.steps, FEWEST)
        longest = int(x.lengths.max(initial=0))
        cuts = [0, *range(self.steps, longest, least), max(longest, self.steps)]
        return [
            Chunk(near, far, (seed + SEEDS * k, stream))
            for k, (near, far) in enumerate(pairwise(cuts))
        ][::-1]


def _rows(array, index):
    return None if array is None else array[index]


def steps_before_end(x, near, far):
    """The steps of each sequence from ``far`` to ``near`` steps before its end.

    Parameters
    ----------
    x : Sequences
    near, far : int
        Steps counted from the end, near < far.

    Returns
    -------
    part : Sequences
        As many sequences; one that is too short gives what it has, or nothing.
    index : ndarray of intp
        Rows of ``x.values`` that ``part`` consists of.

    Examples
    --------
    >>> from lstmc import Sequences
    >>> x = Sequences.from_flat([1.0, 2.0, 3.0, 4.0], lengths=[1, 3])
    >>> part, index = steps_before_end(x, 1, 3)
    >>> part.lengths.tolist(), index.tolist()
    ([0, 2], [1, 2])
    """
    starts = np.maximum(x.offsets[1:] - far, x.offsets[:-1])
    lengths = np.maximum(x.offsets[1:] - near - starts, 0)
    offsets = np.zeros(len(x) + 1, np.intp)
    np.cumsum(lengths, out=offsets[1:])
    index = np.arange(offsets[-1]) + np.repeat(starts - offsets[:-1], lengths)
    return Sequences(x.values[index], offsets), index
