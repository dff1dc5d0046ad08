"""Edit distance and error rates, against recursion over all alignments."""

from functools import cache
from itertools import pairwise

import numpy as np
import pytest

from lstmc import _core
from lstmc.labels import Labels
from lstmc.metrics import (
    character_error_rate,
    count_edits,
    edit_distance,
    label_error_rate,
    word_error_rate,
)


@cache
def recursive(a, b):
    """(edits, -substitutions, insertions, deletions), least first, of all alignments.

    The definition: the last step deletes, inserts, or pairs the last labels.
    """
    if not a or not b:
        return len(a) + len(b), 0, len(b), len(a)
    found = []
    for before, (insert, delete) in {
        (a[:-1], b[:-1]): (0, 0), (a, b[:-1]): (1, 0), (a[:-1], b): (0, 1),
    }.items():  # fmt: skip
        edits, minus, insertions, deletions = recursive(*before)
        pair = not insert and not delete and a[-1] != b[-1]
        step = insert + delete + pair, -pair, insert, delete
        so_far = edits, minus, insertions, deletions
        found.append(tuple(a + b for a, b in zip(so_far, step)))
    return min(found)


def words(n, longest, alphabet=3, seed=0):
    rng = np.random.default_rng(seed)
    return [
        tuple(rng.integers(0, alphabet, k).tolist())
        for k in rng.integers(0, longest + 1, n)
    ]


def test_edits_are_those_of_recursion():
    a, b = words(400, 8), words(400, 8, seed=1)
    edits = count_edits(a, b)
    for k, pair in enumerate(zip(a, b)):
        total, minus, insertions, deletions = recursive(*pair)
        assert edits.total[k] == total == edit_distance(*pair)
        assert edits.substitutions[k] == -minus
        assert (edits.insertions[k], edits.deletions[k]) == (insertions, deletions)
    assert edits.lengths.tolist() == [len(x) for x in a]


def test_it_is_a_distance():
    some = words(30, 12)
    for a, b in pairwise(some):
        assert edit_distance(a, a) == 0
        assert edit_distance(a, b) == edit_distance(b, a)
        for c in some[::7]:
            assert edit_distance(a, b) <= edit_distance(a, c) + edit_distance(c, b)


def test_long_sequences():
    rng = np.random.default_rng(0)
    a = rng.integers(0, 50, 5000)
    b = np.delete(a, rng.choice(5000, 300, replace=False))
    assert edit_distance(a, b) == 300
    assert count_edits([a], [b]).deletions.tolist() == [300]
    assert edit_distance(a, []) == 5000


@pytest.mark.parametrize(
    ("a", "b", "distance"),
    [
        ("kitten", "sitting", 3), ("", "", 0), ("", "ab", 2), ("grün", "grün", 0),
        ("\U0001f600a", "a", 1), ("abc", ["a", "b", "e"], 1), ("abc", list("abc"), 0),
        ([1, 2], np.array([1, 3]), 1), (("x", 2), ["x", 2.0], 0),
        ([10**12, 1], [10**12], 1), ([(1, 2), None], [(1, 2)], 1),
    ],
)  # fmt: skip
def test_labels_of_every_kind(a, b, distance):
    assert edit_distance(a, b) == edit_distance(b, a) == distance


def test_rates_are_sums_over_sums():
    true, predicted = ["abcd", "", "xy"], ["acd", "q", "xyzzy"]
    assert character_error_rate(true, predicted) == (1 + 1 + 3) / 6
    weight = [2, 1, 0]
    assert label_error_rate(true, predicted, sample_weight=weight) == (2 + 1) / 8
    assert word_error_rate(["a bc  d"], ["a b d\n"]) == 1 / 3
    assert word_error_rate(["a"], ["b c d"]) == 3  # more than all is wrong


def test_an_empty_truth_divides_by_one():
    assert label_error_rate([[], []], [[], []]) == 0
    assert label_error_rate([[], []], [[1], [2, 3]]) == 3
    assert label_error_rate([], []) == 0


def test_refuses_what_is_no_list_of_sequences():
    with pytest.raises(ValueError, match=r"y_pred: expected 2 sequences .* got 1"):
        label_error_rate(["a", "b"], ["a"])
    with pytest.raises(TypeError, match="y_true: expected a list of sequences, got"):
        label_error_rate("ab", "ab")
    with pytest.raises(TypeError, match="y_pred: sample 1: expected a sequence of has"):
        label_error_rate([[1], [2]], [[1], [[2]]])
    with pytest.raises(TypeError, match="y_true: sample 0: expected a sequence of has"):
        label_error_rate([1], [1])
    for rate in (word_error_rate, character_error_rate):
        with pytest.raises(TypeError, match=r"y_pred: sample 0: expected a string"):
            rate(["a"], [["a"]])
        with pytest.raises(TypeError, match="y_true: expected a list of strings"):
            rate("a b", "a b")


def test_the_door_checks_offsets():
    flat, good = np.zeros(3, np.int32), np.array([0, 1, 3])
    row, edits = np.empty(4, np.int64), np.empty((2, 3), np.int64)
    for bad in ([0, 1, 2], [1, 1, 3], [0, 3], [0, 4, 3]):
        for pair in ((np.array(bad), good), (good, np.array(bad))):
            with pytest.raises(ValueError, match="offsets"):
                _core.count_edits(flat, pair[0], flat, pair[1], row, edits)
    with pytest.raises(ValueError, match="row"):
        _core.count_edits(flat, good, flat, good, row[:2], edits)


def test_labels_can_be_taken_apart():
    one = Labels.from_lists([[3, 1], [], [2, 2, 2], [5]])
    two = Labels.stack([one, Labels.from_lists([[1], [2], [], [3, 4]])])
    for key in (slice(1, 3), np.array([3, 0]), np.array([], np.intp)):
        part = two[key]
        for level in range(2):
            wanted = np.array(two.level(level), object)[key]
            assert [x.tolist() for x in part.level(level)] == [
                x.tolist() for x in wanted
            ]
    assert len({row.tobytes() for row in two}) == 4
    assert Labels.from_lists([]).level(0) == []
