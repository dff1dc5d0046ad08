"""Types of the compiled core; what it does stands in _core.pyx."""

from typing import Any

import numpy as np

class Block:
    def __init__(self, size: int) -> None: ...
    def __buffer__(self, flags: int, /) -> memoryview: ...

LARGE: int

def fresh(shape: tuple[int, ...], dtype: np.dtype) -> np.ndarray: ...
def release_memory() -> None: ...
def cells() -> list[dict[str, Any]]: ...

class Layer:
    states: int
    parts: int
    part_size: int
    packed_size: int
    width: int
    def __init__(
        self,
        cell: int,
        float64: bool,
        inputs: int,
        units: int,
        directions: int,
        identity_output: bool,
        heads: int = 1,
        projection: int = 0,
        truncated: bool = False,
    ) -> None: ...
    def tape_size(self, steps: int) -> int: ...
    def checkpoint_size(self, offsets: np.ndarray) -> int: ...
    def pack(
        self,
        w: np.ndarray,
        r: np.ndarray,
        b: np.ndarray,
        v: np.ndarray,
        p: np.ndarray,
        packed: np.ndarray,
        part: int,
    ) -> None: ...
    def unpack(
        self,
        packed: np.ndarray,
        w: np.ndarray,
        r: np.ndarray,
        b: np.ndarray,
        v: np.ndarray,
        p: np.ndarray,
        part: int,
    ) -> None: ...

class Steps:
    def step(self, x: Any, /) -> np.ndarray: ...

class Stream(Steps):
    def open(
        self,
        layers: tuple[Layer, ...],
        weights: tuple[np.ndarray, ...],
        memory: np.ndarray,
        rows: np.ndarray,
        row: np.ndarray | None,
        time: np.ndarray,
        noise: tuple[float, ...],
        threads: int,
    ) -> None: ...
    def refresh(self) -> None: ...
    def clear(self, first: int, count: int) -> None: ...
    def read(self, layer: int, states: tuple[np.ndarray, ...]) -> None: ...
    def write(self, layer: int, states: tuple[np.ndarray, ...]) -> None: ...

def stream_bytes(layers: tuple[Layer, ...], samples: int) -> int: ...

class BlockStep:
    def __init__(
        self,
        dtype: int,
        samples: int,
        width: int,
        inner: int,
        heads: int,
        eps: float,
        weights: dict[str, np.ndarray],
        up: np.ndarray,
        down: np.ndarray,
        offsets: np.ndarray,
        past: np.ndarray,
        memory: Any,
        state: np.ndarray | None,
        cells: list[Any],
        threads: int,
    ) -> None: ...
    def scratch_size(self) -> int: ...
    def use(self, scratch: np.ndarray) -> None: ...

class BlockStream(Steps):
    def open_blocks(
        self,
        dtype: int,
        samples: int,
        inputs: int,
        width: int,
        eps: float,
        steps: list[BlockStep],
        embed: tuple[np.ndarray, np.ndarray] | None,
        norm: np.ndarray | None,
        between: np.ndarray,
        saved: np.ndarray,
        rows: np.ndarray,
        row: np.ndarray | None,
        work: float,
        threads: int,
    ) -> None: ...

norm_forward: dict[str, Any]  # by "float" or "double", as all of these
norm_backward: dict[str, Any]
causal_forward: dict[str, Any]
causal_backward: dict[str, Any]
mix_forward: dict[str, Any]
mix_backward: dict[str, Any]
gate_forward: dict[str, Any]
gate_backward: dict[str, Any]
geglu_forward: dict[str, Any]
geglu_backward: dict[str, Any]

def forward(
    layer: Layer,
    offsets: np.ndarray,
    x: np.ndarray,
    weights: np.ndarray,
    y: np.ndarray | None,
    state: tuple[np.ndarray, ...] | None,
    new_state: tuple[np.ndarray, ...] | None,
    tape: np.ndarray | None,
    threads: int,
    checkpoint: bool = False,
    time: np.ndarray | None = None,
    noise: tuple[Any, ...] | None = None,
) -> int: ...
def backward(
    layer: Layer,
    offsets: np.ndarray,
    x: np.ndarray,
    weights: np.ndarray,
    y: np.ndarray,
    state: tuple[np.ndarray, ...] | None,
    tape: np.ndarray,
    slabs: int,
    dy: np.ndarray | None,
    dstate: tuple[np.ndarray, ...] | None,
    dx: np.ndarray | None,
    dstate_before: tuple[np.ndarray, ...] | None,
    gradient: np.ndarray,
    threads: int,
    checkpoint: bool = False,
    time: np.ndarray | None = None,
    noise: tuple[Any, ...] | None = None,
) -> None: ...
def forward_anew(
    layer: Layer,
    offsets: np.ndarray,
    x: np.ndarray,
    weights: np.ndarray,
    state: tuple[np.ndarray, ...] | None,
    tape: np.ndarray | None,
    threads: int,
    checkpoint: bool = False,
    time: np.ndarray | None = None,
    noise: tuple[Any, ...] | None = None,
) -> tuple[np.ndarray, tuple[np.ndarray, ...], int]: ...
def backward_anew(
    layer: Layer,
    offsets: np.ndarray,
    x: np.ndarray,
    weights: np.ndarray,
    y: np.ndarray,
    state: tuple[np.ndarray, ...] | None,
    tape: np.ndarray,
    slabs: int,
    dy: np.ndarray | None,
    dstate: tuple[np.ndarray, ...] | None,
    wants_dx: bool,
    gradient: np.ndarray,
    threads: int,
    checkpoint: bool = False,
    time: np.ndarray | None = None,
    noise: tuple[Any, ...] | None = None,
) -> tuple[np.ndarray | None, tuple[np.ndarray, ...]]: ...
def forward_stack(layers: list[tuple[Any, ...]]) -> list[int]: ...
def backward_stack(layers: list[tuple[Any, ...]]) -> None: ...
def dense(
    x: np.ndarray,
    weight: np.ndarray,
    bias: np.ndarray,
    out: np.ndarray,
    threads: int = 0,
) -> None: ...
def dense_packed(
    x: np.ndarray,
    packed: np.ndarray,
    bias: np.ndarray,
    out: np.ndarray,
    threads: int = 0,
) -> None: ...
def dense_size(is_double: bool, inputs: int, outputs: int) -> int: ...
def dense_pack(weight: np.ndarray, packed: np.ndarray) -> None: ...
def dense_backward(
    x: np.ndarray,
    weight: np.ndarray,
    dy: np.ndarray,
    dx: np.ndarray | None,
    dweight: np.ndarray | None,
    dbias: np.ndarray | None,
    threads: int = 0,
) -> None: ...
def adam_step(
    weights: np.ndarray,
    gradient: np.ndarray,
    m: np.ndarray,
    v: np.ndarray,
    *,
    scale: float,
    learning_rate: float,
    beta_1: float,
    beta_2: float,
    epsilon: float,
    step: int,
) -> None: ...
def sgd_step(
    weights: np.ndarray,
    gradient: np.ndarray,
    velocity: np.ndarray,
    *,
    scale: float,
    learning_rate: float,
    momentum: float,
    nesterov: bool,
) -> None: ...
def take_offsets(offsets: np.ndarray, chosen: np.ndarray, new: np.ndarray) -> int: ...
def take_rows(
    rows: np.ndarray,
    offsets: np.ndarray,
    chosen: np.ndarray,
    new: np.ndarray,
    out: np.ndarray,
) -> None: ...
def softmax_loss(
    logits: np.ndarray,
    target: np.ndarray,
    weight: np.ndarray,
    exps: np.ndarray,
    gradient: np.ndarray,
) -> float: ...
def squared_norm(x: np.ndarray) -> float: ...
def dropout(x: np.ndarray, rate: float, seed: int, stream: int) -> None: ...
def ctc_loss(
    logits: np.ndarray,
    offsets: np.ndarray,
    labels: np.ndarray,
    label_offsets: np.ndarray,
    blank: int,
    smoothing: float,
    weight: np.ndarray,
    loss: np.ndarray,
    gradient: np.ndarray | None,
    threads: int = 0,
) -> bool: ...
def ctc_align(
    logits: np.ndarray,
    offsets: np.ndarray,
    labels: np.ndarray,
    label_offsets: np.ndarray,
    blank: int,
    loss: np.ndarray,
    path: np.ndarray,
    probability: np.ndarray,
    threads: int = 0,
) -> bool: ...
def softmax(x: np.ndarray, out: np.ndarray, in_logarithms: bool) -> None: ...
def best_path(
    x: np.ndarray,
    offsets: np.ndarray,
    blank: int,
    threads: int,
    labels: np.ndarray,
    starts: np.ndarray,
    ends: np.ndarray,
    confidences: np.ndarray,
    counts: np.ndarray,
    scores: np.ndarray,
) -> None: ...

class NGramTable:
    def __init__(
        self,
        first: np.ndarray,
        label: np.ndarray,
        score: np.ndarray,
        backoff: np.ndarray,
        suffix: np.ndarray,
        next_: np.ndarray,
        unknown: float,
        start: int,
        end: int,
    ) -> None: ...
    def score(self, state: int, number: int) -> tuple[float, int]: ...

class LexiconTable:
    def __init__(
        self,
        first: np.ndarray,
        label: np.ndarray,
        first_word: np.ndarray,
        word: np.ndarray,
        separator: int,
        words: int,
        bonus: np.ndarray | None = None,
        partial: np.ndarray | None = None,
    ) -> None: ...

class HotwordTable:
    def __init__(
        self,
        first: np.ndarray,
        label: np.ndarray,
        suffix: np.ndarray,
        bonus: np.ndarray,
        partial: np.ndarray,
    ) -> None: ...

def prefix_beam(
    x: np.ndarray,
    offsets: np.ndarray,
    blank: int,
    threads: int,
    beam: int,
    best: int,
    label_threshold: float,
    beam_threshold: float,
    alpha: float,
    beta: float,
    model: Any,
    number: np.ndarray | None,
    lexicon: LexiconTable | None,
    hotwords: HotwordTable | None,
    labels: np.ndarray,
    words: np.ndarray,
    counts: np.ndarray,
    scores: np.ndarray,
) -> None: ...
def prefix_search(
    x: np.ndarray,
    offsets: np.ndarray,
    blank: int,
    threads: int,
    threshold: float,
    limit: int,
    labels: np.ndarray,
    counts: np.ndarray,
    scores: np.ndarray,
    whole: np.ndarray,
) -> None: ...
def keyword_scores(
    y: np.ndarray,
    history: int,
    blank: int,
    window: int,
    labels: np.ndarray,
    offsets: np.ndarray,
    scratch: np.ndarray,
    scores: np.ndarray,
    starts: np.ndarray,
    ends: np.ndarray,
) -> None: ...
def count_edits(
    a: np.ndarray,
    a_offsets: np.ndarray,
    b: np.ndarray,
    b_offsets: np.ndarray,
    row: np.ndarray,
    edits: np.ndarray,
) -> None: ...
def mdlstm_tape_size(
    shapes: np.ndarray, directions: int, inputs: int, units: int, float64: bool
) -> int: ...
def mdlstm_forward(
    weights: np.ndarray,
    shapes: np.ndarray,
    directions: tuple[int, ...],
    units: int,
    x: np.ndarray,
    y: np.ndarray,
    tape: np.ndarray | None,
    threads: int = 0,
) -> None: ...
def mdlstm_backward(
    weights: np.ndarray,
    shapes: np.ndarray,
    directions: tuple[int, ...],
    units: int,
    x: np.ndarray,
    y: np.ndarray,
    tape: np.ndarray,
    dy: np.ndarray,
    dx: np.ndarray | None,
    gradient: np.ndarray,
    threads: int = 0,
) -> None: ...

class Memory:
    stream_size: int
    def __init__(
        self,
        float64: bool,
        heads: int,
        d_k: int,
        d_v: int,
        sigmoid_input: bool,
        exponential_forget: bool,
        plain: bool,
        epsilon: float,
        chunk: int,
        form: int,
    ) -> None: ...
    def tape_size(self, offsets: np.ndarray) -> int: ...

# Of each dtype one, by "float" and "double".
memory_forward: dict[str, Any]
memory_backward: dict[str, Any]
memory_move: dict[str, Any]

def memory_step(
    memory: Any,
    state: np.ndarray,
    q: np.ndarray,
    k: np.ndarray,
    v: np.ndarray,
    i: np.ndarray,
    f: np.ndarray,
    o: np.ndarray | None,
    h: np.ndarray,
) -> None: ...
def moments(
    x: np.ndarray, mean: np.ndarray, variance: np.ndarray, threads: int = 0
) -> None: ...
def batch_normalize(
    x: np.ndarray,
    mean: np.ndarray,
    scale: np.ndarray,
    bias: np.ndarray,
    relu: bool,
    y: np.ndarray,
    threads: int = 0,
) -> None: ...
def batch_normalize_back(
    x: np.ndarray,
    mean: np.ndarray,
    scale: np.ndarray,
    bias: np.ndarray,
    relu: bool,
    precision: np.ndarray,
    dy: np.ndarray,
    dx: np.ndarray | None,
    d_scale: np.ndarray,
    d_bias: np.ndarray,
    threads: int = 0,
) -> None: ...
def pool(
    offsets: np.ndarray, x: np.ndarray, y: np.ndarray, threads: int = 0
) -> None: ...
def pool_back(
    offsets: np.ndarray, dy: np.ndarray, dx: np.ndarray, threads: int = 0
) -> None: ...
def attend(
    offsets: np.ndarray,
    inputs: tuple[np.ndarray, ...],
    weights: tuple[np.ndarray, ...],
    before: tuple[np.ndarray, ...] | None,
    kept: tuple[np.ndarray, ...],
    dtype: np.ndarray,
    threads: int = 0,
) -> None: ...
def attend_back(
    offsets: np.ndarray,
    inputs: tuple[np.ndarray, ...],
    weights: tuple[np.ndarray, ...],
    before: tuple[np.ndarray, ...] | None,
    kept: tuple[np.ndarray, ...],
    dh: np.ndarray | None,
    d_after: tuple[np.ndarray, ...] | None,
    out: tuple[np.ndarray, ...],
    d_before: tuple[np.ndarray, ...],
    dtype: np.ndarray,
    threads: int = 0,
) -> None: ...
def choose_target(name: str) -> None: ...
def target() -> str: ...
def targets() -> list[str]: ...
def set_threads(threads: int) -> None: ...
def set_quota(cpus: int) -> None: ...
def threads(wanted: int = 0) -> int: ...
def has_openmp() -> bool: ...

class Highway:
    def __init__(
        self, size: int, layers: int, gates: int, activation: int, float64: bool
    ) -> None: ...
    def tape_size(self, rows: int) -> int: ...
    def forward(
        self,
        x: np.ndarray,
        h: np.ndarray | None,
        weights: np.ndarray,
        y: np.ndarray,
        tape: np.ndarray | None,
        threads: int = 0,
    ) -> None: ...
    def backward(
        self,
        dy: np.ndarray,
        weights: np.ndarray,
        tape: np.ndarray,
        dx: np.ndarray | None,
        dh: np.ndarray | None,
        gradient: np.ndarray,
        threads: int = 0,
    ) -> None: ...

def conv_forward(
    size: np.ndarray,
    x: np.ndarray,
    weights: np.ndarray,
    bias: np.ndarray,
    y: np.ndarray,
    kernel: tuple[int, ...],
    dilation: tuple[int, ...],
    threads: int = 0,
) -> None: ...
def conv_backward(
    size: np.ndarray,
    x: np.ndarray,
    weights: np.ndarray,
    dy: np.ndarray,
    dx: np.ndarray | None,
    d_weights: np.ndarray,
    d_bias: np.ndarray,
    kernel: tuple[int, ...],
    dilation: tuple[int, ...],
    threads: int = 0,
) -> None: ...
def film_takes(cell: int) -> bool: ...

class Film:
    pixels: int
    sizes: tuple[int, int, int, int]
    def __init__(
        self,
        cell: int,
        float64: bool,
        inputs: int,
        units: int,
        size: tuple[int, ...],
        kernel: tuple[int, ...],
        dilation: tuple[int, ...],
        pixelwise: bool,
    ) -> None: ...
    def tape_size(self, frames: int) -> int: ...

film_forward: dict[str, Any]  # by "float" or "double"
film_backward: dict[str, Any]
