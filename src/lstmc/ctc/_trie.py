"""A set of sequences as a trie in flat arrays, as the decoders in C walk it.

Nodes are numbered breadth first, 0 the root: the children of node k are ``first[k] ..
first[k + 1]``, by ascending label.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import NamedTuple

import numpy as np


class FlatTrie(NamedTuple):
    """Arrays of the nodes, and the node where each of the sequences ends."""

    first: np.ndarray  # (size + 1) int32
    label: np.ndarray  # (size) int32, of the root -1
    parent: np.ndarray  # (size) int32, of the root 0
    depth: np.ndarray  # (size) int32
    ends: np.ndarray  # (sequences) int32


def build_trie(sequences: Iterable[Sequence[int]]) -> FlatTrie:
    """The trie of sequences of non-negative integers; equal ones end at one node."""
    children: list[dict[int, int]] = [{}]
    ends = []
    for sequence in sequences:
        node = 0
        for label in sequence:
            below = children[node]
            node = below.get(label, 0)
            if not node:
                node = below[label] = len(children)
                children.append({})
        ends.append(node)
    return _number(children, ends)


def _number(children: list[dict[int, int]], ends: list[int]) -> FlatTrie:
    """Number the nodes breadth first."""
    size = len(children)
    first = np.empty(size + 1, np.int32)
    label, parent, depth = (np.zeros(size, np.int32) for _ in range(3))
    label[0] = -1
    number = np.zeros(size, np.int32)
    order = [0]
    for k, node in enumerate(order):
        first[k] = len(order)
        for symbol, child in sorted(children[node].items()):
            new = len(order)
            number[child] = new
            label[new], parent[new], depth[new] = symbol, k, depth[k] + 1
            order.append(child)
    first[size] = size
    return FlatTrie(first, label, parent, depth, number[np.asarray(ends, np.intp)])


def find_suffixes(trie: FlatTrie) -> np.ndarray:
    """The longest proper suffix of each node that is a node, too (Aho, Corasick)."""
    parent, label = trie.parent.tolist(), trie.label.tolist()
    child = {(parent[k], label[k]): k for k in range(1, len(label))}
    suffix = [0] * len(label)
    for k in range(1, len(label)):
        at = parent[k]
        while at:
            at = suffix[at]
            if (found := child.get((at, label[k]))) is not None:
                suffix[k] = found
                break
    return np.array(suffix, np.int32)


def spread_credit(trie: FlatTrie, bonus: np.ndarray, own: bool) -> np.ndarray:
    """Credit of a node: the largest share of a bonus below it that it has earned.

    The share of the way, ``bonus * depth / depth of the end``, of positive bonuses.
    With `own`, the bonus of the node itself counts among them.
    """
    share = np.maximum(bonus, 0) / np.maximum(trie.depth, 1)
    below = np.zeros(len(share))
    for k in range(len(share) - 1, 0, -1):
        share[k] = max(share[k], below[k])
        below[trie.parent[k]] = max(below[trie.parent[k]], share[k])
    return (share if own else below) * trie.depth
