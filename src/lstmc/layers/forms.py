"""The forms in which people give a batch, and get its outputs back."""

from ..sequences import Sequences


def in_form_of(X, y):
    """Sequences y as X was given: Sequences, list, or array."""
    if isinstance(X, Sequences):
        return y
    if isinstance(X, (list, tuple)):
        return y.to_list()
    return y.values.reshape(len(y), -1, y.n_features)
