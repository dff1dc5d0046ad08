"""Who says /ae/: 640 utterances of nine speakers, 12 cepstrum coefficients a step.

The figures have at most six decimals and are stored as whole millionths, so that
what is loaded is bit for bit the float64 of the printed figure.
"""

from importlib.resources import files
from typing import NamedTuple

import numpy as np

__all__ = ["JapaneseVowels", "load_japanese_vowels"]


class JapaneseVowels(NamedTuple):
    """The four parts of the data set, by name or in this order.

    Attributes
    ----------
    X_train, X_test : list of ndarray of shape (n_steps, 12), float64
        One array an utterance, 270 and 370 of them, of 7 to 29 steps.
    y_train, y_test : ndarray of shape (270,) and (370,), int64
        The speaker of each utterance, 1 to 9.

    Examples
    --------
    >>> from lstmc.datasets import JapaneseVowels
    >>> JapaneseVowels._fields
    ('X_train', 'y_train', 'X_test', 'y_test')
    """

    X_train: list
    y_train: np.ndarray
    X_test: list
    y_test: np.ndarray


def load_japanese_vowels():
    """Load the Japanese vowels of the UCI Machine Learning Repository.

    Nine men say the vowels /ae/; the task is to tell who speaks. A step is a frame
    of 25.6 ms of 10 kHz speech, 6.4 ms after the one before, described by 12 LPC
    cepstrum coefficients (without unit, from -1.9 to 2.3). Training has 30
    utterances of each speaker; the test set, recorded on other occasions, 24 to 88.

    Returns
    -------
    data : JapaneseVowels
        A named tuple: `X_train, y_train, X_test, y_test`.

    References
    ----------
    M. Kudo, J. Toyama and M. Shimbo: Multidimensional curve classification using
    passing-through regions. Pattern Recognition Letters 20 (11-13), 1103-1111, 1999.

    Data: https://doi.org/10.24432/C5NS47, licence CC BY 4.0. See
    `lstmc/datasets/data/japanese_vowels.txt`.

    Examples
    --------
    >>> from lstmc.datasets import load_japanese_vowels
    >>> X_train, y_train, X_test, y_test = load_japanese_vowels()
    >>> len(X_train), len(X_test), X_train[0].shape
    (270, 370, (20, 12))
    >>> sorted(set(y_train.tolist()))
    [1, 2, 3, 4, 5, 6, 7, 8, 9]
    """
    source = files("lstmc.datasets") / "data" / "japanese_vowels.npz"
    with source.open("rb") as file, np.load(file, allow_pickle=False) as stored:
        planes = stored["planes"]  # (4, 12, 9961) bytes of int32, lowest first
        lengths = stored["lengths"]  # (640,) steps
        speakers = stored["speakers"].astype(np.int64)  # (640,)
    # Bytes of one significance lie together, feature by feature: so they compress.
    millionths = np.ascontiguousarray(planes.transpose(2, 1, 0)).view("<i4")[..., 0]
    X = np.split(millionths / 1e6, np.cumsum(lengths)[:-1])
    n_train = 270
    return JapaneseVowels(
        X[:n_train], speakers[:n_train], X[n_train:], speakers[n_train:]
    )
