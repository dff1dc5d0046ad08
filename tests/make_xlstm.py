"""Writes tests/data/xlstm.npz: a model of the package xlstm and what it answers.

Run as ``python tests/make_xlstm.py``, with torch and xlstm: `make bench` has them.
"""

from pathlib import Path

import numpy as np

PLACE = Path(__file__).parent / "data" / "xlstm.npz"


def make_stack(kinds, width, heads, context):
    """A stack of the package whose every parameter is drawn anew, wider than it is."""
    import torch
    from xlstm import (
        mLSTMBlockConfig,
        mLSTMLayerConfig,
        sLSTMBlockConfig,
        sLSTMLayerConfig,
        xLSTMBlockStack,
        xLSTMBlockStackConfig,
    )  # fmt: skip
    from xlstm.components.feedforward import FeedForwardConfig

    torch.manual_seed(0)
    at = [k for k, kind in enumerate(kinds) if kind == "slstm"]
    cell = {"backend": "vanilla", "dtype": "float32", "num_heads": heads}
    stack = xLSTMBlockStack(
        xLSTMBlockStackConfig(
            mlstm_block=mLSTMBlockConfig(mlstm=mLSTMLayerConfig(num_heads=heads)),
            slstm_block=sLSTMBlockConfig(
                slstm=sLSTMLayerConfig(**cell, enable_automatic_mixed_precision=False),
                feedforward=FeedForwardConfig(proj_factor=1.3),
            ),
            context_length=context,
            num_blocks=len(kinds),
            embedding_dim=width,
            slstm_at=at,
        )
    ).eval()
    with torch.no_grad():
        for parameter in stack.parameters():
            parameter += 0.1 * torch.randn_like(parameter)
    return stack


def answers(stack, x):
    """Outputs of whole sequences, and of the same step by step."""
    import torch

    state, steps = None, []
    with torch.no_grad():
        whole = stack(torch.from_numpy(x)).numpy()
        for t in range(x.shape[1]):
            y, state = stack.step(torch.from_numpy(x[:, t : t + 1]), state=state)
            steps.append(y[:, 0].numpy())
    return whole, np.stack(steps, axis=1)


def arrays(stack):
    """Its weights as the package saves them."""
    return {name: value.numpy() for name, value in stack.state_dict().items()}


def main():
    """Write the file."""
    stack = make_stack(["mlstm", "slstm"], 12, 2, 9)
    x = np.random.default_rng(0).standard_normal((2, 9, 12)).astype(np.float32)
    whole, _ = answers(stack, x)
    PLACE.parent.mkdir(exist_ok=True)
    weights = {f"weights/{name}": array for name, array in arrays(stack).items()}
    np.savez_compressed(PLACE, x=x, y=whole, **weights)


if __name__ == "__main__":
    main()
