"""Loading: from the file of a model to the model."""

from .file import ModelFileError, read_model
from .forecaster import ForecasterModel
from .model import ClassifierModel, RegressorModel
from .transcriber import TranscriberModel

MODELS = {
    model.kind: model
    for model in (ClassifierModel, RegressorModel, TranscriberModel, ForecasterModel)
}


def load(path):
    """Read a model that ``save`` wrote; it predicts with NumPy alone.

    Nothing in the file is executed: whatever bytes it holds, the result is a model
    or a ModelFileError.

    Parameters
    ----------
    path : str or os.PathLike
        A file that an estimator's or a model's ``save`` wrote.

    Returns
    -------
    ClassifierModel, RegressorModel, TranscriberModel or ForecasterModel
        ``LSTMClassifier.from_model(model)`` gives the estimator back.

    Raises
    ------
    OSError
        If the file cannot be read.
    ModelFileError
        If it is damaged or not a model of lstmc.

    Examples
    --------
    >>> import os, tempfile
    >>> import numpy as np
    >>> import lstmc
    >>> X, y = np.zeros((4, 3, 2)), [0.0, 1.0, 2.0, 3.0]
    >>> regressor = lstmc.LSTMRegressor(2, max_iter=1).fit(X, y)
    >>> path = os.path.join(tempfile.mkdtemp(), "model.safetensors")
    >>> regressor.save(path)
    >>> bool((lstmc.load(path).predict(X) == regressor.predict(X)).all())
    True
    """
    kind, tensors, config = read_model(path)
    try:
        return MODELS[kind].from_tensors(tensors, config)
    except (
        ArithmeticError,
        AttributeError,
        LookupError,
        TypeError,
        ValueError,
    ) as error:
        raise ModelFileError(f"{path}: expected a {kind}, got {error!r}") from error
