"""A task for transcribers: letters drawn as frames of unequal length."""

import numpy as np

from lstmc import LSTMTranscriber

LETTERS = "abc"


def render(text, rng, noise=0.1):
    """Two to four frames a letter, one to three of silence behind each."""
    rows = [np.zeros((2, len(LETTERS)))]
    for letter in text:
        row = np.eye(len(LETTERS))[LETTERS.index(letter)]
        rows += [np.tile(row, (rng.integers(2, 5), 1))]
        rows += [np.zeros((rng.integers(1, 4), len(LETTERS)))]
    frames = np.concatenate(rows)
    return frames + rng.normal(0, noise, frames.shape)


def texts(n=60, seed=0):
    """Frames of n words of up to five letters, and the words."""
    rng = np.random.default_rng(seed)
    words = ["".join(rng.choice(list(LETTERS), rng.integers(0, 6))) for _ in range(n)]
    return [render(word, rng) for word in words], words


def small(**options):
    """A transcriber that a test can afford, hardly trained."""
    given = {"hidden_size": 8, "max_iter": 3, "random_state": 0}
    return LSTMTranscriber(**given | options)


def able(**options):
    """One that learns the task in a second."""
    given = {"hidden_size": 16, "max_iter": 60, "learning_rate_init": 0.02}
    return small(**given | options)
