"""ForecasterModel: frames in, the frames that follow out, with NumPy alone."""

import numpy as np

from ..layers.frames import as_frames
from .file import write_model
from .origins import network_from


class ForecasterModel:
    """Turns sequences of frames into the frames that follow.

    Parameters
    ----------
    network : FrameNetwork
        Forecasts in standard units, or logits of pixels in 0 to 1.
    mean, scale : ndarray of shape (channels,)
        Bring frames to standard units and back.
    """

    kind = "forecaster"

    def __init__(self, network, mean, scale):
        self.network, self.mean, self.scale = network, mean, scale

    @property
    def n_features_in_(self):
        """Values of a frame."""
        config = self.network.config
        return int(np.prod(config["image_size"])) * config["channels"]

    def predict(self, X, steps=None, *, threads=0):
        """Return the frames that follow.

        Parameters
        ----------
        X : list of (T_i, *image_size, channels) arrays, or array of shape (n, T,
            *image_size, channels)
            Frames seen; at least one of each sequence.
        steps : int, default=None
            Frames to forecast; None: as many as the fit's ``horizon``.
        threads : int, default=0
            Number of threads; 0 leaves the choice to the library.

        Returns
        -------
        ndarray of float64, shape (n, steps, *image_size, channels)

        Raises
        ------
        TypeError, ValueError
            If ``X`` or ``steps`` is not what it may be.
        """
        config = self.network.config
        steps = config["horizon"] if steps is None else steps
        if not isinstance(steps, int | np.integer) or steps < 1:
            raise ValueError(f"steps: expected an int of at least 1, got {steps!r}")
        x = self.standard(self.read(X))
        if len(x) and x.lengths.min() < 1:
            raise ValueError("X: expected at least 1 frame of each sequence, got 0")
        y = self.network.forecast(x, int(steps), threads=threads)
        values = self.pixels(y.values)
        shape = (*config["image_size"], config["channels"])
        return values.reshape(len(x), int(steps), *shape)

    def read(self, X):
        """Frames as Sequences of the network's type, in their own units."""
        config = self.network.config
        return as_frames(
            X, tuple(config["image_size"]), config["channels"],
            dtype=config["dtype"], allow_empty=True,
        )  # fmt: skip

    def standard(self, x):
        """Sequences of frames in standard units."""
        values = x.values.reshape(-1, len(self.mean))
        scaled = ((values - self.mean) / self.scale).astype(x.dtype)
        return x.with_values(scaled.reshape(x.values.shape))

    def pixels(self, logits):
        """What the network's outputs mean, in float64 and the units of X."""
        logits = logits.astype(np.float64)
        if self.network.config["link"] == "logistic":
            return np.exp(-np.logaddexp(0, -logits))
        rows = logits.reshape(-1, len(self.mean))
        return (rows * self.scale + self.mean).reshape(logits.shape)

    def save(self, path):
        """Write the model to ``path``, atomically; `lstmc.load` reads it."""
        write_model(path, self.kind, *self.to_tensors())

    def to_tensors(self):
        """Return the weights, a dict of arrays, and the rest, a dict for JSON."""
        scaling = {"frames.mean": self.mean, "frames.scale": self.scale}
        return self.network.parameters | scaling, {"network": self.network.config}

    @classmethod
    def from_tensors(cls, tensors, config):
        """Return the model that `to_tensors` took apart."""
        tensors = dict(tensors)
        mean, scale = tensors.pop("frames.mean"), tensors.pop("frames.scale")
        network = network_from(config["network"], tensors, True)
        channels = (network.config["channels"],)
        if mean.shape != channels or scale.shape != channels:
            raise ValueError(f"expected scaling of shape {channels}, got {mean.shape}")
        return cls(network, mean, scale)
