"""Networks of models: out of their config and tensors, none larger than those.

An architecture registers here how its networks come out of a file.
"""

import math
from collections.abc import Callable
from typing import Any, NamedTuple

from ..layers.stack import registry
from ..layers.xlstm import fewest_of_blocks, parse_cell
from ..networks import frames, highway
from ..networks.levels import LevelNetwork
from ..networks.lstm_fcn import ARCHITECTURE as LSTM_FCN
from ..networks.lstm_fcn import LSTMFCN
from ..networks.pyramid import POOLINGS as CELL_POOLINGS
from ..networks.pyramid import Pyramid, check_sizes
from ..networks.recurrent import POOLINGS, Network


class Origin(NamedTuple):
    """How networks of one architecture are made."""

    make: Callable[[dict, dict], Any]  # of the config and the parameters
    # Parameters that a network of this config has at least, and a small multiple at
    # most, in exact integers, before anything is allocated; errors for no config.
    fewest: Callable[[dict], int]
    by_step: Callable[[dict], bool]  # whether each step has logits of its own


def network_from(config, tensors, by_step):
    """Return the network of a config, checked; none is larger than its tensors.

    Parameters
    ----------
    config : dict
        A network's ``config``; its "architecture" is a key of `NETWORKS`, "recurrent"
        where it has none.
    tensors : dict of str to ndarray
        Its ``parameters``.
    by_step : bool
        Whether each step has to have logits of its own.
    """
    origin = NETWORKS[config.get("architecture", "recurrent")]
    if origin.by_step(config) != by_step:
        raise ValueError(f"expected logits {'by' if by_step else 'of no'} step")
    least = origin.fewest(config)
    found = sum(tensor.size for tensor in tensors.values())
    if not 0 < least <= found:
        raise ValueError(f"expected at least {least} parameters, got {found}")
    return origin.make(config, tensors)


def _make_recurrent(config, tensors):
    levels = type(config["hidden_size"]) is list
    return (LevelNetwork if levels else Network).from_parameters(config, tensors)


def _pools_steps(config):
    if config["pooling"] not in (*POOLINGS, "steps"):
        raise ValueError(f"expected a pooling, got {config['pooling']!r}")
    return config["pooling"] == "steps"


def fewest_parameters(config):
    """What a recurrent network has at least, and a small multiple at most.

    Computed in exact integers, before anything is allocated.

    Examples
    --------
    >>> from lstmc.networks.recurrent import Network
    >>> fewest_parameters(Network(3, 8, output_size=2, cell="rnn").config)
    104
    """
    if type(config["hidden_size"]) is list:
        return sum(fewest_parameters(level) for level in split_levels(config))
    sizes = {"proj_size": 0, "num_heads": 1, "static_size": 0} | config
    names = ("input_size", "hidden_size", "output_size", "num_layers", "proj_size",
             "num_heads", "static_size")  # fmt: skip
    for name in names:
        if type(sizes[name]) is not int:
            raise TypeError(f"expected {name} of int, got {sizes[name]!r}")
    m, n, outputs, layers, projection, heads, features = (sizes[k] for k in names)
    if min(m, n, outputs, layers, heads) < 1 or min(projection, features) < 0:
        raise ValueError(f"expected sizes of at least 1, got {sizes}")
    kinds = parse_cell(sizes["cell"])
    if kinds:
        blocks = fewest_of_blocks(kinds, n, heads)
        return m * n + layers * blocks + n + outputs * n
    facts = registry()[sizes["cell"]][1]
    width = projection or n
    directions = 2 if sizes["bidirectional"] else 1
    recurrent = width // heads if facts["r_blocks"] else 0
    above = width * directions + recurrent + features
    per_unit = m + recurrent + features + (layers - 1) * above
    return directions * n * per_unit + outputs * width * directions


def split_levels(config):
    """The config of each level of a LevelNetwork, from the lowest.

    Examples
    --------
    >>> sizes = {"input_size": 3, "hidden_size": [8, 4], "output_size": [6, 2]}
    >>> split_levels(sizes)[1]
    {'input_size': 6, 'hidden_size': 4, 'output_size': 2}
    """
    units, outputs = config["hidden_size"], config["output_size"]
    if type(outputs) is not list or len(outputs) != len(units):
        raise TypeError(f"expected a list of {len(units)} outputs, got {outputs!r}")
    inputs = [config["input_size"], *outputs]
    return [
        config | {"input_size": m, "hidden_size": n, "output_size": o}
        for m, n, o in zip(inputs, units, outputs)
    ]


def _pools_columns(config):
    if config["pooling"] not in (*CELL_POOLINGS, "columns"):
        raise ValueError(f"expected a pooling, got {config['pooling']!r}")
    return config["pooling"] == "columns"


def fewest_in_pyramid(config):
    """What a `Pyramid` has at least, and a small multiple at most.

    Examples
    --------
    >>> config = {"hidden_size": [2], "block_size": [[1, 1]], "feedforward_size": []}
    >>> fewest_in_pyramid(config | {"ndim": 2, "input_size": 1, "output_size": 3})
    224
    """
    names = ("input_size", "output_size", "ndim")
    m, outputs, dims = (config[name] for name in names)
    lists = [config[name] for name in ("hidden_size", "feedforward_size")]
    lists += config["block_size"]
    numbers = [m, outputs, dims, *(n for part in lists for n in part)]
    if any(type(n) is not int for n in numbers) or min(numbers) < 1:
        raise ValueError(f"expected sizes of at least 1, got {numbers}")
    sizes = check_sizes(
        config["hidden_size"], config["block_size"], config["feedforward_size"], dims
    )
    total, width = 0, m
    for k, (units, block) in enumerate(zip(sizes["hidden_size"], sizes["block_size"])):
        width *= math.prod(block)
        if k > 0:
            between = sizes["feedforward_size"][k - 1]
            total, width = total + width * between, between
        total += 2**dims * (dims + 3) * units * (width + dims * units)
        width = 2**dims * units
    return total + outputs * width


def _make_pyramid(config, tensors):
    return Pyramid.from_parameters(config, tensors)


def fewest_of_lstm_fcn(config):
    """What an LSTM-FCN has at least, and a small multiple at most.

    Examples
    --------
    >>> from lstmc.networks.lstm_fcn import LSTMFCN
    >>> network = LSTMFCN(1, 8, output_size=2, filters=(4,), kernel_sizes=(3,))
    >>> fewest_of_lstm_fcn(network.config)
    108
    """
    sizes = [config[k] for k in ("input_size", "hidden_size", "output_size", "steps")]
    filters, taps = config["filters"], config["kernel_sizes"]
    if type(filters) is not list or type(taps) is not list or not filters:
        raise TypeError(f"expected lists, got filters {filters!r}, taps {taps!r}")
    for size in (*sizes, *filters, *taps):
        if type(size) is not int or size < 0:
            raise TypeError(f"expected sizes of at least 0, got {size!r}")
    m, n, outputs, steps = sizes
    channels = [m, *filters]
    convolutions = sum(
        c * k * f for c, k, f in zip(channels[:-1], taps, filters, strict=True)
    )
    recurrent = n if registry()[config["cell"]][1]["r_blocks"] else 0
    return n * ((steps or m) + recurrent) + convolutions + outputs * (n + channels[-1])


NETWORKS = {
    "recurrent": Origin(_make_recurrent, fewest_parameters, _pools_steps),
    "highway": Origin(
        highway.HighwayNetwork.from_parameters,
        highway.fewest_parameters,
        lambda config: False,
    ),
    "frames": Origin(
        frames.FrameNetwork.from_parameters,
        frames.fewest_parameters,
        lambda config: True,
    ),
    "pyramid": Origin(_make_pyramid, fewest_in_pyramid, _pools_columns),
    LSTM_FCN: Origin(LSTMFCN.from_parameters, fewest_of_lstm_fcn, lambda config: False),
}
