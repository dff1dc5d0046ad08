"""Classes as a network's targets: read, numbered and weighed."""

from collections.abc import Callable
from dataclasses import replace

import numpy as np
from sklearn.base import ClassifierMixin
from sklearn.utils.class_weight import compute_sample_weight
from sklearn.utils.multiclass import check_classification_targets, type_of_target
from sklearn.utils.validation import column_or_1d

from ..models import ClassifierModel
from ._data import check_target


class ClassTargets(ClassifierMixin):
    """What a classifier adds to `TrainedEstimator`: its targets and its loss."""

    _model_type = ClassifierModel
    class_weight: dict | str | None

    def _read_target(self, y, x, *, reset, classes):
        """Return class indices (n,), or zeros and ones (n, n_labels)."""
        y = check_target(self, y, x, dtype=None)
        check_classification_targets(y)
        multilabel = type_of_target(y, input_name="y") == "multilabel-indicator"
        if not multilabel:
            y = column_or_1d(y, warn=True)
        if reset:
            self._multilabel = multilabel
            labels = np.arange(y.shape[1]) if multilabel else np.unique(y)
            self.classes_ = labels if classes is None else np.unique(classes)
            n_classes = len(self.classes_)
            if n_classes < 2:
                raise ValueError(
                    f"y: expected at least 2 classes, got {n_classes} class: "
                    f"{self.classes_.tolist()}"
                )
            self.n_outputs_ = 1 if n_classes == 2 and not multilabel else n_classes
        if multilabel != self._multilabel or y.shape[1:] != (self.n_outputs_,) * (
            multilabel
        ):
            raise ValueError(
                f"y: expected targets like those fitted on, {self.n_outputs_} labels "
                f"of 0 and 1 or one class per sample; got shape {y.shape}"
            )
        if multilabel:
            return y.astype(np.int8)
        unknown = np.setdiff1d(y, self.classes_)
        if len(unknown):
            raise ValueError(
                f"y: expected classes among {self.classes_.tolist()}, "
                f"got {unknown.tolist()}"
            )
        return np.searchsorted(self.classes_, y)

    def _check_samples(self, data):
        present = self.classes_ if self._multilabel else np.unique(data.target)
        if len(present) < 2 and not self._multilabel:
            raise ValueError(
                "expected samples of at least 2 classes with a weight above zero, "
                f"got 1 class: {self.classes_[present].tolist()}"
            )

    def _weigh_targets(self, x, y, weight):
        if self.class_weight is None:
            return weight
        if self.class_weight == "balanced" and not self._multilabel:
            totals = np.bincount(y, weights=weight)
            present = np.count_nonzero(totals)
            totals[totals == 0] = 1  # only samples of weight 0 there
            return weight * weight.sum() / (present * totals[y])
        labels = y if self._multilabel else self.classes_[y]
        return weight * compute_sample_weight(self.class_weight, labels)

    def _encode(self, data):
        target = data.target.reshape(len(data), -1)
        if self._loss() == "cross_entropy":
            target = data.target
        return replace(data, target=target, weight=data.weight / data.weight.mean())

    def _strata(self, target):
        return None if self._multilabel else target

    def _loss(self):
        softmax = self._out_activation() == "softmax"
        return "cross_entropy" if softmax else "binary_cross_entropy"

    def _out_activation(self):
        return "logistic" if self._multilabel or self.n_outputs_ == 1 else "softmax"

    def _make_model(self, network):
        return ClassifierModel(network, self._input(), self.classes_, self._multilabel)

    def _adopt(self, model):
        self.classes_, self._multilabel = model.classes_, model.multilabel

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.classifier_tags.multi_label = True
        return tags


class ClassAnswers:
    """What a classifier answers of X alone, whatever X is."""

    _predict: Callable

    def predict_proba(self, X):
        """Probability of each class; for labels, of each label on its own.

        Parameters
        ----------
        X
            As in `predict`.

        Returns
        -------
        ndarray of float64, shape (n, n_classes)
            In the order of ``classes_``.
        """
        return self._predict("predict_proba", X)

    def predict_log_proba(self, X):
        """Logarithm of `predict_proba`, computed without underflow.

        Parameters
        ----------
        X
            As in `predict`.

        Returns
        -------
        ndarray of float64, shape (n, n_classes)
            In the order of ``classes_``.
        """
        return self._predict("predict_log_proba", X)

    def decision_function(self, X):
        """Log-odds of the second of two classes or of each label, else logits.

        Parameters
        ----------
        X
            As in `predict`.

        Returns
        -------
        ndarray of float64, shape (n,) for two classes, else (n, n_classes)
        """
        return self._predict("decision_function", X)
