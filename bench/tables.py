"""The tables: Markdown from the cases of a result file, and what it all means."""

from __future__ import annotations

import statistics

from bench.cells import AGAINST_LOOP, BESIDE_LSTM, LEAST, LOOP, MOST
from bench.grid import KINDS, PASSES, SHAPES, Shape, registry
from bench.limits import floor_seconds
from bench.record import OURS, figures

CHECKPOINT = "lstmc-checkpoint"
FLAT = 4096  # B h, from which on a second thread should pay


def machine(record) -> str:
    """One sentence: where, with what and how often it was measured."""
    found = record["machine"]
    rounds = [len(case["peers"][OURS]["medians"]) for case in record["cases"]]
    spread = " to ".join(map(str, sorted({min(rounds), max(rounds)})))
    versions = ", ".join(f"{name} {v}" for name, v in found["versions"].items())
    return (
        f"{found['cpu']}, {found['cores']} cores, {found['instructions']}, "
        f"{found['system']}, {found['compiler']}, Python {found['python']}, "
        f"{versions}; {found['date']}, medians of {spread} rounds.\n"
    )


def footprint(record) -> str:
    """One sentence: what an import and a wheel weigh."""
    ours, numpys = figures(record["lstmc_ms"]), figures(record["numpy_ms"])
    return (
        f"The wheel has {figures(record['wheel_bytes'] / 1e6)} MB. `import lstmc` "
        f"takes {ours} ms, beyond {numpys} ms for NumPy: medians of "
        f"{record['interpreters']} fresh interpreters.\n"
    )


def grid(record) -> str:
    """A row per case, a column per peer that any case has."""
    cases = record["cases"]
    if not cases:
        raise ValueError("bench: expected results for the block, got none")
    order = list(SHAPES) + [case["shape"]["name"] for case in cases]
    cases = sorted(
        cases, key=lambda case: (order.index(case["shape"]["name"]), case["threads"])
    )
    peers = _peers(cases)
    head = ["shape", "T × B × d × h", "threads", *(f"{peer} ms" for peer in peers)]
    rows = [
        [
            case["shape"]["name"],
            _sizes(case["shape"]),
            str(case["threads"]),
            *(_time(case, peer) for peer in peers),
            _ratio(case),
            _share(case),
        ]
        for case in cases
    ]
    return (
        _table([*head, "ratio", "% of peak"], rows, words=2)
        + f"\nRatio: best peer to {OURS}; geometric mean {_means(cases)}. % of peak: "
        f"what {OURS} reaches of the multiply-add peak measured beside it.\n"
    )


def fits(record) -> str:
    """A row per data set and number of threads; each peer with its ratio."""
    cases = record["cases"]
    peers = [peer for peer in _peers(cases) if peer != OURS]
    head = ["data set", "threads", f"{OURS} ms per epoch", "% of peak"]
    for peer in peers:
        head += [f"{peer} ms per epoch", "ratio"]
    names = list(dict.fromkeys(case["shape"]["name"] for case in cases))
    rows, notes = [], []
    for name in names:
        of_name = [case for case in cases if case["shape"]["name"] == name]
        for case in sorted(of_name, key=lambda case: case["threads"]):
            row = [name, str(case["threads"]), _time(case, OURS), _share(case)]
            for peer in peers:
                row += [_time(case, peer), _ratio(case, peer)]
            rows.append(row)
        reached = ", ".join(
            f"{peer} {found['mean_loss']:.3f} and {found['accuracy']:.3f}"
            for peer, found in of_name[0]["peers"].items()
        )
        notes.append(f"{name}: {reached}")
    return (
        _table(head, rows, words=1)
        + f"\nTo the better of the two loops, the geometric mean is {_means(cases)}. "
        f"Mean training loss over the epochs and test accuracy: {'; '.join(notes)}.\n"
    )


def ctc(record) -> str:
    """A row per batch and number of threads."""
    head = ["batch", "frames × samples × classes × labels", "threads", f"{OURS} ms"]
    rows = [
        [
            case["shape"]["name"],
            _sizes(case["shape"]),
            str(case["threads"]),
            *(_time(case, peer) for peer in (OURS, "torch")),
            _ratio(case),
            _share(case),
        ]
        for case in sorted(record["cases"], key=lambda c: c["threads"])
    ]
    note = (
        "\nLog-softmax, loss and gradient by the logits, in float32. Ratio: torch to "
        f"{OURS}; geometric mean {_means(record['cases'])}.\n"
    )
    return _table([*head, "torch ms", "ratio", "% of peak"], rows, words=2) + note


def ragged(record) -> str:
    """A row per kind and threads: the ragged batch, the full one, and time by step."""
    cases = {
        (case["shape"]["name"], case["kind"], case["threads"]): case
        for case in record["cases"]
    }
    head = ["work", "threads", f"{OURS} ms", "torch ms", "ratio"]
    head += [f"full: {OURS} ms", "torch ms", "ratio"]
    head += [f"per step, ragged / full: {OURS}", "torch"]
    rows = []
    for kind in KINDS:
        for threads in _threads(record["cases"]):
            pair = [cases[name, kind, threads] for name in ("ragged", "full")]
            row = [kind, str(threads)]
            for case in pair:
                row += [_time(case, OURS), _time(case, "torch"), _ratio(case)]
            rows.append(row + [_per_step(pair, peer) for peer in (OURS, "torch")])
    uneven, full = (Shape(**case["shape"]) for case in pair)
    note = (
        f"\nRagged: {uneven.B} sequences of {uneven.shortest} to {uneven.T} steps, "
        f"{uneven.steps} in all; full: {full.B} of {full.T}, {full.steps} in all. "
        f"Both {uneven.d} features, {uneven.h} units, {uneven.directions} directions. "
        "Per step: what a real step takes in the one, divided by that in the other.\n"
    )
    return _table(head, rows, words=1) + note


def stream(record) -> str:
    """A row per batch and threads, microseconds a step."""
    cases = record["cases"]
    peers = [peer for peer in _peers(cases) if peer != OURS]
    head = ["sequences", "threads", f"{OURS} µs", *(f"{peer} µs" for peer in peers)]
    rows = [
        [
            str(case["shape"]["B"]),
            str(case["threads"]),
            *(_time(case, peer, 1e6) for peer in (OURS, *peers)),
            _ratio(case),
        ]
        for case in sorted(cases, key=lambda c: (c["shape"]["B"], c["threads"]))
    ]
    return _table([*head, "ratio"], rows, words=0)


def decoding(record) -> str:
    """A row per kind of logits and decoder: time for a frame of 10 ms."""
    head = ["logits", "threads", "decoder", "µs", "× real time", f"× {OURS}"]
    rows = []
    for case in record["cases"]:
        for peer, found in case["peers"].items():
            row = [case["shape"]["name"], str(case["threads"]), peer]
            row += [_time(case, peer, 1e6), figures(1e-2 / found["median"])]
            rows.append([*row, f"{found.get('ratio', 1.0):.3g}"])
    note = (
        "\nMicroseconds for a frame; × real time: how many frames of 10 ms that makes "
        f"in 10 ms; × {OURS}: its time by that of {OURS} without pruning, in turns.\n"
    )
    return _table(head, rows, words=3) + note


def scaling(record) -> str:
    """A table over the steps and one over the sequences; nanoseconds a step."""
    threads = _threads(record["cases"])
    tables = []
    for letter, name in (("T", "steps"), ("B", "sequences")):
        of_sweep = [c for c in record["cases"] if c["shape"]["name"][0] == letter]
        shapes = {case["shape"][letter]: case["shape"] for case in of_sweep}
        found = {
            (case["shape"][letter], case["kind"], case["threads"]): case
            for case in of_sweep
        }
        head, rows = [name], []
        for kind in KINDS:
            head += [f"{kind} ns, {t} thread{'s' * (t > 1)}" for t in threads]
            head.append("speed-up")
        for size, shape in sorted(shapes.items()):
            row = [str(size)]
            for kind in KINDS:
                times = [found[size, kind, t]["peers"][OURS]["median"] for t in threads]
                steps = shape["T"] * shape["B"]
                row += [figures(1e9 * seconds / steps) for seconds in times]
                wide = shape["B"] * shape["h"] >= FLAT and len(threads) > 1
                row.append(f"{times[0] / times[-1]:.2f}" if wide else "")
            rows.append(row)
        others = "8 sequences" if letter == "T" else "100 steps"
        tables.append(f"With {others}:\n\n" + _table(head, rows, words=0))
    note = (
        "\nNanoseconds for a step of one sequence; the speed-up of the second thread "
        f"from {FLAT} states, sequences × units, upwards.\n"
    )
    return "\n".join(tables) + note


def checkpoint(record) -> str:
    """A row per length and threads: time and memory, with and without."""
    head = ["steps", "threads", "plain ms", "checkpoint ms", "time"]
    head += ["plain tape MB", "checkpoint tape MB", "plain resident MB"]
    head += ["checkpoint resident MB"]
    rows = []
    for case in sorted(record["cases"], key=lambda c: (c["shape"]["T"], c["threads"])):
        row = [str(case["shape"]["T"]), str(case["threads"])]
        row += [_time(case, OURS), _time(case, CHECKPOINT), _ratio(case)]
        for what in ("tape_mb", "resident_mb"):
            for peer in (OURS, CHECKPOINT):
                found = case["peers"].get(peer)
                row.append(figures(found[what]) if found else "-")
        rows.append(row)
    note = (
        "\nTime: with checkpoints to plain. Resident: the most memory that a fresh "
        "process has had, interpreter and data included.\n"
    )
    return _table(head, rows, words=0) + note


def beside_lstm(record) -> str:
    """A table for each shape, a row for each cell: time, and per multiply-add."""
    tables = []
    for name in BESIDE_LSTM:
        cases = _on(record, name)
        found = {(c["cell"], c["kind"], c["threads"]): c for c in cases}
        works = [(kind, t) for kind in KINDS for t in _threads(cases)]
        head, rows = ["cell", "multiply-adds"], []
        for kind, threads in works:
            head += [f"{kind} ms, {threads} thread{'s' * (threads > 1)}", "× lstm"]
        for cell, any_case in {case["cell"]: case for case in cases}.items():
            steps = PASSES[any_case["kind"]] * Shape(**any_case["shape"]).steps
            row = [cell, str(any_case["flops"] // 2 // steps)]
            for work in works:
                case = found.get((cell, *work), {"peers": {}})
                row += [_time(case, OURS), _figure(case, "to_lstm")]
            rows.append(row)
        title = f"{name}, {_sizes(vars(SHAPES[name]))}:\n\n"
        tables.append(title + _table(head, rows, words=1))
    note = (
        "\nMultiply-adds: of inference, for a step of one sequence. × lstm: the time "
        "for one by that of lstm on the same shape, in turns with it, median of the "
        f"rounds' ratios. {_beyond(record['cases'], 'to_lstm', 'Above', MOST)}\n"
    )
    return "\n".join(tables) + note


def against_loops(record) -> str:
    """A row for each cell and number of threads: lstmc and a PyTorch loop."""
    [name] = AGAINST_LOOP
    cases = _on(record, name)
    head, rows = ["cell", "threads"], []
    for kind in KINDS:
        head += [f"{kind}: {OURS} ms", "loop ms", "ratio"]
    found = {(c["cell"], c["threads"], c["kind"]): c for c in cases}
    for cell in dict.fromkeys(case["cell"] for case in cases):
        for threads in _threads(cases):
            row = [cell, str(threads)]
            for kind in KINDS:
                case = found.get((cell, threads, kind), {"peers": {}})
                row += [_time(case, OURS), _time(case, LOOP), _ratio(case)]
            rows.append(row)
    note = (
        f"\n{name}, {_sizes(vars(SHAPES[name]))}. Ratio: the loop to {OURS}; geometric "
        f"mean {_means(cases)}. {_beyond(cases, 'ratio', 'Below', LEAST)}\n"
    )
    return _table(head, rows, words=1) + note


def limits(record, speed) -> str:
    """A row per shape of one sequence: the least that the caches allow, and ours."""
    head = ["cell", "shape", "R, KiB", "GB/s", "floor ms", f"{OURS} ms", "times"]
    rows = []
    for case in speed["cases"]:
        shape, cell = case["shape"], case["cell"]
        alone = (shape["B"], case["threads"], case["kind"]) == (1, 1, "inference")
        if not alone or shape["T"] == 1:
            continue
        gates = registry()[cell]["r_blocks"]
        floor = floor_seconds(shape, gates, record)
        seconds = case["peers"][OURS]["median"]
        size = 4 * gates * shape["h"] ** 2 / 1024
        rate = record["gb_per_second"][str(shape["h"])]
        row = [cell, shape["name"], figures(size), figures(rate)]
        rows.append(
            [*row, figures(1e3 * floor), _time(case, OURS), f"{seconds / floor:.2f}"]
        )
    rows.sort(key=lambda row: (row[0] != "lstm", list(SHAPES).index(row[1])))
    note = (
        "\nOne thread. R of one layer and direction; GB/s: the rate at which a core "
        "reads an LSTM's R of as many units, again and again. The floor: all R at "
        "every step at that rate, and the products of W at the peak of "
        f"{figures(record['peak_gflops'])} GFLOP/s; no pointwise work, no call. The "
        "peak is that of a burst of 1.5 ms; for a second, multiply-adds in registers "
        f"alone go on at {figures(record['sustained_gflops'])} GFLOP/s.\n"
    )
    return _table(head, rows, words=2) + note


def geometric_mean(cases: list[dict], threads: int) -> float:
    """Geometric mean of the ratios to the best peer at a number of threads."""
    return statistics.geometric_mean(
        case["ratio"] for case in cases if case["threads"] == threads
    )


def _means(cases):
    cases = [case for case in cases if "ratio" in case]
    return ", ".join(
        f"{geometric_mean(cases, threads):.2f} with {threads} "
        f"thread{'s' if threads > 1 else ''}"
        for threads in _threads(cases)
    )


def _on(record, name):
    """The cases of a record on one shape; there has to be one."""
    cases = [case for case in record["cases"] if case["shape"]["name"] == name]
    if not cases:
        raise ValueError(f"bench: expected results on {name}, got none")
    return cases


def _beyond(cases, what, word, limit):
    """A sentence on the cells whose figure breaks a promise, each with its worst."""
    worse = max if word == "Above" else min
    worst = {}
    for case in cases:
        if what in case:
            cell, value = case["cell"], case[what]
            worst[cell] = worse(value, worst.get(cell, value))
    broken = [
        f"{cell} {value:.2f}"
        for cell, value in worst.items()
        if worse(value, limit) != limit
    ]
    return f"{word} {limit:g}, at worst: {', '.join(broken) or 'none'}."


def _table(head, rows, words):
    """A Markdown table; the first `words` columns are text, the others numbers."""
    rule = ["---"] * words + ["---:"] * (len(head) - words)
    return "".join("| " + " | ".join(row) + " |\n" for row in [head, rule, *rows])


def _peers(cases):
    return list(dict.fromkeys(peer for case in cases for peer in case["peers"]))


def _threads(cases):
    return sorted({case["threads"] for case in cases})


def _sizes(shape):
    sizes = " × ".join(str(shape[letter]) for letter in "TBdh")
    for word in ("layer", "direction", "head"):
        count = shape.get(f"{word}s", 1)  # old results have no heads
        sizes += f", {count} {word}s" if count > 1 else ""
    return sizes


def _time(case, peer, unit=1e3):
    """What a peer took, or a dash if it was not timed."""
    found = case["peers"].get(peer)
    return figures(unit * found["median"]) if found else "-"


def _per_step(pair, peer):
    """A real step's time in the first case of a pair by that in the second."""
    if any(peer not in case["peers"] for case in pair):
        return "-"
    first, second = (
        case["peers"][peer]["median"] / Shape(**case["shape"]).steps for case in pair
    )
    return f"{first / second:.2f}"


def _ratio(case, peer=None):
    """Of a peer to lstmc, by default of the best one; a dash if there is none."""
    return _figure(case if peer is None else case["peers"].get(peer, {}), "ratio")


def _figure(found, name):
    return f"{found[name]:.2f}" if name in found else "-"


def _share(case):
    found = case["peers"].get(OURS)
    return figures(found["percent_of_peak"]) if found else "-"
