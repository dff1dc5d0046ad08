"""Numbers as a network's targets: read, and brought to standard units."""

from dataclasses import replace

import numpy as np
from sklearn.base import RegressorMixin

from ..models import RegressorModel
from ._data import check_target


class NumberTargets(RegressorMixin):
    """What a regressor adds to `TrainedEstimator`: its targets and its loss."""

    _model_type = RegressorModel
    dtype: str

    def _read_target(self, y, x, *, reset, classes):
        """Return targets (n, n_outputs) in float64, in their own units."""
        y = check_target(self, y, x, dtype=np.float64)
        if y.ndim not in (1, 2) or y.size == 0:
            raise ValueError(f"y: expected shape (n,) or (n, n_outputs), got {y.shape}")
        columns = y.reshape(len(y), -1)
        if reset:
            self._single = y.ndim == 1
            self.n_outputs_ = columns.shape[1]
        if columns.shape[1] != self.n_outputs_:
            raise ValueError(
                f"y: expected {self.n_outputs_} outputs as fitted, "
                f"got {columns.shape[1]}"
            )
        return columns

    def _learn_scale(self, data):
        with np.errstate(over="ignore", invalid="ignore"):
            self._mean = np.average(data.target, axis=0, weights=data.weight)
            square = (data.target - self._mean) ** 2
            scale = np.sqrt(np.average(square, axis=0, weights=data.weight))
        if not np.isfinite(scale).all():
            raise ValueError("y: expected a variance within float64, got infinity")
        self._scale = np.where(scale > 0, scale, 1.0)  # constant targets

    def _encode(self, data):
        target = ((data.target - self._mean) / self._scale).astype(self.dtype)
        return replace(data, target=target, weight=data.weight / data.weight.mean())

    def _loss(self):
        return "squared_error"

    def _out_activation(self):
        return "identity"

    def _make_model(self, network):
        return RegressorModel(
            network, self._input(), self._mean, self._scale, self._single
        )

    def _adopt(self, model):
        self._mean, self._scale = model.mean, model.scale
        self._single = model.single

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.target_tags.multi_output = True
        return tags
