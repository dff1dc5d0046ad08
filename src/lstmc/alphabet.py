"""Alphabet: the labels of a transcription, numbered, and the form they come in.

Numbers start at 1: 0 is the blank of connectionist temporal classification.
"""

from __future__ import annotations

from collections.abc import Mapping
from itertools import chain
from typing import Any

import numpy as np

from .labels import Labels

FORMS = ("text", "tuple", "array", "list")


class Alphabet:
    """Labels of one level, and whether they come as strings, tuples, arrays or lists.

    Parameters
    ----------
    classes : ndarray of shape (n_classes,)
        The labels in order; label k has the number k + 1.
    form : {"text", "tuple", "array", "list"}
        What a sequence of labels is; "text" is a string whose characters they are.

    Examples
    --------
    >>> alphabet = Alphabet.learn(["ab", "", "cab"])
    >>> labels = alphabet.encode(["abc"])
    >>> alphabet.decode(labels.level(0))
    ['abc']
    """

    def __init__(self, classes, form):
        self.classes, self.form = classes, form

    @classmethod
    def learn(cls, y, classes=None, name="y"):
        """Return the alphabet of the labels in ``y``, or of ``classes``.

        Raises
        ------
        TypeError
            If ``y`` holds no sequences, or labels that cannot be hashed or compared.
        ValueError
            If there is no label at all.
        """
        form = form_of(y, name)
        items = [*_items(y, name)] if classes is None else [_listed(classes)]
        try:
            found = sorted(set(chain.from_iterable(items)))
        except TypeError as error:
            raise TypeError(
                f"{name}: expected labels that can be hashed and sorted, got {error}"
            ) from error
        if not found:
            raise ValueError(f"{name}: expected at least 1 label, got none")
        return cls(_array_of(found), form)

    def encode(self, y, name="y"):
        """Return the numbers of the labels, as Labels of one level.

        Raises
        ------
        TypeError, ValueError
            If ``y`` holds no sequences, or a label that is not of the alphabet.
        """
        numbers = {label: k for k, label in enumerate(self.classes.tolist(), 1)}
        coded = []
        for k, labels in enumerate(_items(y, name)):
            try:
                coded.append([numbers[label] for label in labels])
            except (KeyError, TypeError):
                known = self.classes.tolist()
                strange = [label for label in labels if label not in known]
                raise ValueError(
                    f"{name}: sample {k}: expected labels among {known}, got "
                    f"{strange[0]!r}"
                ) from None
        return Labels.from_lists(coded)

    def number_options(self, options):
        """Return options of `ctc.prefix_beam` with numbers in place of labels."""
        from .ctc import Lexicon

        labels = self.classes.tolist()
        options = options | {"names": [None, *labels]}
        lexicon, hotwords = options.get("lexicon"), options.get("hotwords")
        if lexicon is not None and not isinstance(lexicon, Lexicon):
            words = [*lexicon]
            spellings = [*lexicon.values()] if isinstance(lexicon, Mapping) else words
            numbers = self.encode(spellings, "lexicon").level(0)
            parts = {"separator": labels.index(" ") + 1} if " " in labels else {}
            lexicon = options["lexicon"] = Lexicon(zip(words, numbers), **parts)
        if isinstance(hotwords, Mapping):
            options["hotwords"] = {
                self._number_hotword(key, lexicon): bonus
                for key, bonus in hotwords.items()
            }
        return options

    def _number_hotword(self, key, lexicon):
        if lexicon is not None and key in lexicon:
            return key
        spelling = (key,) if key in self.classes.tolist() else key
        return tuple(self.encode([spelling], "hotwords").level(0)[0].tolist())

    def decode(self, numbers):
        """Return sequences of labels, in their form, for arrays of their numbers."""
        if self.form == "array":
            return [self.classes[part - 1] for part in numbers]
        labels = [None, *self.classes.tolist()]
        shapes: dict[str, Any] = {"text": "".join, "tuple": tuple, "list": list}
        shape = shapes[self.form]
        return [shape([labels[k] for k in part.tolist()]) for part in numbers]


def form_of(y, name="y"):
    """Tell what the sequences of labels in ``y`` are; "list" where they differ."""
    if isinstance(y, str):
        raise TypeError(f"{name}: expected a list of label sequences, got {y!r}")
    forms = {
        "text": all(isinstance(labels, str) for labels in y),
        "tuple": all(isinstance(labels, tuple) for labels in y),
        "array": all(isinstance(labels, np.ndarray) for labels in y),
    }
    return next((form for form, fits in forms.items() if fits and len(y)), "list")


def _items(y, name):
    """The sequences of ``y`` as iterables of plain labels."""
    for k, labels in enumerate(y):
        plain = _listed(labels)
        if not isinstance(plain, str | list | tuple):
            raise TypeError(
                f"{name}: sample {k}: expected a sequence of labels, got {labels!r}"
            )
        yield plain


def _listed(labels):
    return labels.tolist() if hasattr(labels, "tolist") else labels


def _array_of(labels):
    """Labels as an array: of objects where NumPy would change what they are."""
    plain = len({type(label) for label in labels}) == 1
    if plain and isinstance(labels[0], bool | int | float | str):
        array = np.array(labels)
        if array.tolist() == labels:
            return array
    array = np.empty(len(labels), object)
    array[:] = labels
    return array
