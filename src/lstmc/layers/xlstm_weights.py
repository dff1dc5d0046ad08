"""Weights of the package xlstm: which of its arrays is which of ours.

In its sLSTM layer the modules' names are swapped: what is called fgate feeds the input
gate, what is called igate the forget gate. Its norms keep what is added to 1. A
recurrent kernel is stored as the backend wants it, (heads, 4 units, units) or, for
CUDA, (heads, units, 4 units), and the biases beside it in the order that goes with it.
"""

from __future__ import annotations

import numpy as np

MATRIX = {
    "norm": "xlstm_norm.weight",
    "up": "xlstm.proj_up.weight",
    "conv_weight": "xlstm.conv1d.conv.weight",
    "conv_bias": "xlstm.conv1d.conv.bias",
    "query": "xlstm.q_proj.weight",
    "key": "xlstm.k_proj.weight",
    "value": "xlstm.v_proj.weight",
    "gates_weight": ("xlstm.mlstm_cell.igate.weight", "xlstm.mlstm_cell.fgate.weight"),
    "gates_bias": ("xlstm.mlstm_cell.igate.bias", "xlstm.mlstm_cell.fgate.bias"),
    "head_norm": "xlstm.mlstm_cell.outnorm.weight",
    "skip": "xlstm.learnable_skip",
    "down": "xlstm.proj_down.weight",
}
SCALAR = {
    "norm": "xlstm_norm.weight",
    "conv_weight": "xlstm.conv1d.conv.weight",
    "conv_bias": "xlstm.conv1d.conv.bias",
    "gates_weight": (
        "xlstm.fgate.weight", "xlstm.igate.weight", "xlstm.zgate.weight",
        "xlstm.ogate.weight",
    ),
    "recurrent": "xlstm.slstm_cell._recurrent_kernel_",
    "gates_bias": "xlstm.slstm_cell._bias_",
    "head_norm": "xlstm.group_norm.weight",
    "feed_norm": "ffn_norm.weight",
    "feed_up": "ffn.proj_up.weight",
    "feed_down": "ffn.proj_down.weight",
}  # fmt: skip
NORMS = ("norm", "head_norm", "feed_norm")


def read_package(state):
    """What `XLSTM` takes beside the dtype, and its parameters.

    Parameters
    ----------
    state : dict of str to array
        See ``XLSTM.from_xlstm``.

    Returns
    -------
    options, parameters : dict, dict of str to ndarray
    """
    left = {
        name.removeprefix("xlstm_block_stack."): np.asarray(array)
        for name, array in state.items()
        if name != "lm_head.weight"
    }
    out: dict[str, np.ndarray] = {}
    kinds: list[str] = []
    sizes: dict[str, int] = {}
    embed = left.pop("token_embedding.weight", None)
    if embed is not None:
        out = {"embed.weight": embed.T, "embed.bias": np.zeros(embed.shape[1])}
    while any(name.startswith(f"blocks.{len(kinds)}.") for name in left):
        prefix = f"blocks.{len(kinds)}."
        kind = "slstm" if f"{prefix}xlstm.zgate.weight" in left else "mlstm"
        names = SCALAR if kind == "slstm" else MATRIX
        block = {ours: _take(left, prefix, theirs) for ours, theirs in names.items()}
        heads, inner = _arrange(block, kind)
        for what, size in (("num_heads", heads), (f"{kind}'s inner size", inner)):
            if sizes.setdefault(what, size) != size:
                raise ValueError(
                    f"{what}: expected the same in all blocks, got {sizes[what]} and, "
                    f"in block {len(kinds)}, {size}"
                )
        out |= {prefix + name: array for name, array in block.items()}
        kinds.append(kind)
    if not kinds:
        raise ValueError(f"state: expected blocks.0..., got {sorted(state)[:5]}")
    norm = left.pop("post_blocks_norm.weight", None)
    if norm is not None:
        out["norm.weight"] = 1 + norm
    if left:
        raise ValueError(
            f"state: expected blocks without biases of projections, got {sorted(left)}"
        )
    width = len(out["blocks.0.norm"])
    options = {
        "input_size": None if embed is None else len(embed),
        "hidden_size": width,
        "cell": tuple(kinds),
        "num_heads": sizes["num_heads"],
        "up_factor": sizes.get("mlstm's inner size", width) / width,
        "feed_factor": sizes.get("slstm's inner size", width) / width,
        "multiple_of": 1,
        "final_norm": norm is not None,
    }
    return options, out


def _take(left, prefix, names):
    """The array of that name, or those of several on one another."""
    names = [names] if isinstance(names, str) else names
    missing = [prefix + name for name in names if prefix + name not in left]
    if missing:
        raise ValueError(f"state: expected {missing[0]}, got none")
    arrays = [left.pop(prefix + name) for name in names]
    if len(arrays) == 1:
        return arrays[0]
    return np.concatenate(arrays) if "mlstm_cell" in names[0] else np.stack(arrays)


def _arrange(block, kind):
    """Bring a block's arrays into our form; return its heads and inner size."""
    for name in NORMS:
        if name in block:
            block[name] = 1 + block[name]
    block["conv_weight"] = block["conv_weight"][:, 0].T
    if len(block["conv_weight"]) != 4:
        raise ValueError(f"conv1d: expected 4 steps, got {len(block['conv_weight'])}")
    if kind == "mlstm":
        if block["query"].shape[1:] != (4, 4):
            raise ValueError(
                f"q_proj: expected blocks of (4, 4), got {block['query'].shape[1:]}"
            )
        return len(block["gates_bias"]) // 2, block["down"].shape[1]
    kernel = block["recurrent"]
    heads, rows, columns = kernel.shape
    units = min(rows, columns)
    if rows > columns:
        kernel = kernel.reshape(heads, 4, units, units).transpose(1, 0, 2, 3)
        bias = block["gates_bias"].reshape(4, heads, units)
    else:
        kernel = kernel.reshape(heads, units, 4, units).transpose(2, 0, 3, 1)
        bias = block["gates_bias"].reshape(heads, 4, units).transpose(1, 0, 2)
    block["recurrent"], block["gates_bias"] = kernel, bias
    return heads, block["feed_down"].shape[1]
