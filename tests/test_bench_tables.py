"""The benches' tables and pictures say what the result files say."""

import doctest
import importlib

import pytest
from test_bench import MACHINE, turns

from bench import (
    cells,
    fit,
    footprint,
    peak,
    peers,
    plot,
    plot_cells,
    plot_sweeps,
    record,
    render,
)
from bench.grid import CELLS, KINDS, plan, registry
from bench.suites import SUITES
from lstmc import _core


def made_up_record():
    cases = []
    for case in plan(["kws-b1", "sensor-b1"]):
        timed = {"lstmc": turns(1e-3, peak=1e11), "torch": turns(4e-3)}
        if case.kind == "inference":
            timed["openvino"] = turns(2e-3 * case.threads)
        errors = {peer: {} for peer in timed}
        cases.append(record.summarise(case, timed, errors, {}))
    settings = {"rounds": 1, "seconds": 0.3}
    return {"machine": MACHINE, "settings": settings, "cases": cases}


def test_a_block_becomes_a_table():
    text = "a\n<!-- bench:lstm-inference -->\nstale\n<!-- /bench -->\nb\n"
    rendered = render.render(text, {"speed": made_up_record()})
    assert rendered == (
        "a\n<!-- bench:lstm-inference -->\n"
        "| shape | T × B × d × h | threads | lstmc ms | torch ms | openvino ms | ratio "
        "| % of peak |\n"
        "| --- | --- | ---: | ---: | ---: | ---: | ---: | ---: |\n"
        "| sensor-b1 | 100 × 1 × 8 × 32 | 1 | 1 | 4 | 2 | 2.00 | 1.02 |\n"
        "| sensor-b1 | 100 × 1 × 8 × 32 | 2 | 1 | 4 | 4 | 4.00 | 1.02 |\n"
        "| kws-b1 | 98 × 1 × 40 × 128, 2 layers | 1 | 1 | 4 | 2 | 2.00 | 42.5 |\n"
        "| kws-b1 | 98 × 1 × 40 × 128, 2 layers | 2 | 1 | 4 | 4 | 4.00 | 42.5 |\n"
        "\nRatio: best peer to lstmc; geometric mean 2.00 with 1 thread, 4.00 with 2 "
        "threads. % of peak: what lstmc reaches of the multiply-add peak measured "
        "beside it.\n<!-- /bench -->\nb\n"
    )
    assert render.render(rendered, {"speed": made_up_record()}) == rendered


def test_a_block_of_another_machine_and_its_summary():
    records = {"other/speed": made_up_record()}
    text = render.render_block("summary@other", records)
    assert "| LSTM | inference | 2 | 4.00 | 4.00 (sensor-b1) | 21.8 | 4.00 |" in text
    with pytest.raises(ValueError, match=r"expected results/speed\.json"):
        render.render_block("summary", records)


def test_the_fits_have_a_table_of_their_own():
    timed = {"lstmc": turns(0.01, peak=1e11), "torch-packed": turns(0.08)}
    found = {"mean_loss": 0.5, "last_loss": 0.04, "accuracy": 0.9}
    case = fit.plan_fits([1])[0]
    entry = record.summarise(case, timed, dict.fromkeys(timed, found), {})
    table = render.render_block("fit", {"fit": {"cases": [entry]}})
    assert "| japanese-vowels | 1 | 10 | 49.9 | 80 | 8.00 |" in table
    assert "mean is 8.00 with 1 thread." in table
    assert "japanese-vowels: lstmc 0.500 and 0.900, torch-packed 0.500 and" in table


def made_up(suite, seconds):
    """A record of a suite; ``seconds(case, peer)`` is what a peer takes, or None."""
    cases = []
    for case in SUITES[suite].cases():
        found = {peer: seconds(case, peer) for peer in SUITES[suite].crew(case)}
        timed = {peer: turns(s, peak=1e11) for peer, s in found.items() if s}
        memory = {"tape_mb": 12.0, "resident_mb": 345.0}
        errors = dict.fromkeys(timed, memory if suite == "checkpoint" else {})
        cases.append(record.summarise(case, timed, errors, {}))
    return {SUITES[suite].file: {"cases": cases}}


def test_float64_has_a_table_like_the_grid():
    found = made_up("float64", lambda case, peer: 2.0 if peer == "torch" else 1.0)
    table = render.render_block("float64", found)
    assert "| float64-h64 | 100 × 32 × 8 × 64 | 2 | 1000 | 2000 | 2.00 |" in table


def test_the_ragged_table_compares_real_steps():
    def seconds(case, peer):
        # A microsecond a step, and torch twice that for the ragged ones.
        slow = peer == "torch" and case.shape.shortest
        return case.shape.steps * (2e-6 if slow else 1e-6)

    table = render.render_block("ragged", made_up("ragged", seconds))
    row = [cell.strip() for cell in table.splitlines()[2].split("|")[1:-1]]
    assert row[:2] == ["inference", "1"] and row[5:7] == ["6.56", "6.56"]
    assert row[4] == "2.00" and row[8:] == ["1.00", "2.00"]
    assert "32 sequences of 10 to 400 steps" in table


def test_the_targets_are_compared_with_the_best():
    names = _core.targets()
    found = made_up("targets", lambda case, peer: 1.0 if peer == "lstmc" else 2.0)
    found["targets"]["machine"] = {"targets": names}
    row = render.render_block("targets", found).splitlines()[2]
    others = " | 2000 | 2.00" * (len(names) - 1)
    assert row == f"| inference | series-b64 | 1 | 1000{others} |"


def test_the_stream_table_has_microseconds_and_dashes_for_the_absent():
    def seconds(case, peer):
        return None if peer == "lstmc" and case.threads == 2 else 5e-6

    rows = render.render_block("stream", made_up("stream", seconds)).splitlines()[2:]
    assert rows[0] == "| 1 | 1 | 5 | 5 | 5 | 5 | 5 | 5 | 1.00 |"
    assert rows[3] == "| 1000 | 2 | - | 5 | 5 | 5 | 5 | 5 | - |"


def scaling_record():
    def seconds(case, peer):
        dear = 2 if case.kind == "training" else 1
        return 1e-9 * dear * case.shape.steps / case.threads

    return made_up("scaling", seconds)


def test_the_scaling_table_has_a_speed_up_where_work_is_wide():
    table = render.render_block("scaling", scaling_record())
    assert "\n| 20000 | 1 | 0.5 |  | 2 | 1 |  |\n" in table
    assert "\n| 33 | 1 | 0.5 |  | 2 | 1 |  |\n" in table
    assert "\n| 64 | 1 | 0.5 | 2.00 | 2 | 1 | 2.00 |\n" in table


def test_the_checkpoint_table_has_time_and_memory():
    def seconds(case, peer):
        return 1.3 if peer == "lstmc-checkpoint" else 1.0

    table = render.render_block("checkpoint", made_up("checkpoint", seconds))
    assert "\n| 2000 | 1 | 1000 | 1300 | 1.30 | 12 | 12 | 345 | 345 |\n" in table


def cells_record():
    def seconds(case, peer):
        slow = {"torch-loop": 4.0, "lstmc-lstm": 0.5}.get(peer, 1.0)
        dear = 3.0 if (case.cell, case.threads, peer) == ("gru", 2, "lstmc") else 1.0
        return dear * slow * case.of(peer).flops * 1e-11

    return made_up("cells", seconds)


def test_the_cells_have_their_time_and_that_of_a_multiply_add():
    table = render.render_block("cells", cells_record())
    # 100 steps of 256 sequences, 4 128 (16 + 128) multiply-adds of 20 ps each.
    assert "series-b256, 100 × 256 × 16 × 128:\n\n| cell | multiply-adds |" in table
    assert "\n| lstm | 73728 | 37.8 | 2.00 | 37.8 | 2.00 | 113 | 2.00 |" in table
    assert "\n| gru | 55296 | 28.3 | 2.00 | 84.9 | 6.00 | 84.9 | 2.00 |" in table
    assert "Above 1.35, at worst: lstm 2.00, " in table and "gru 6.00, " in table
    # Both shapes have all cells.
    assert table.count("\n| slstm |") == 2


def test_the_loops_have_ratios():
    found = cells_record()
    table = render.render_block("loops", found)
    assert "\n| lstm | 1 | 2.62 | 10.5 | 4.00 | 7.86 | 31.5 | 4.00 |" in table
    assert "\n| gru | 2 | 5.9 | 7.86 | 1.33 | 17.7 | 23.6 | 1.33 |" in table
    assert "Below 3, at worst: gru 1.33." in table
    for case in found["cells"]["cases"]:
        case["peers"].pop("torch-loop", None)
        case.pop("ratio", None)
    rows = render.render_block("loops", found).splitlines()
    assert rows[2].endswith("| - | - |")


def test_slstm_has_a_table_like_the_grid():
    found = made_up("slstm", lambda case, peer: 40.0 if peer == "xlstm" else 1.0)
    table = render.render_block("slstm", found)
    assert "| slstm-b8 | 256 × 8 × 128 × 128, 4 heads | 1 | 1000 | 40000 | 40" in table


def test_the_limits_table_compares_one_sequence_with_the_caches():
    # 98 steps of two layers read 256 KiB of R each, and W makes (40 + 128) 2^10 / 2
    # multiply-adds a step: 98 (2^19 / 10^11 + 168 2^10 / 10^12) s = 0.531 ms.
    limits = {"gb_per_second": {"128": 100.0, "32": 100.0}}
    limits |= {"peak_gflops": 1000.0, "sustained_gflops": 900.0}
    table = render.render_block("limits", {"limits": limits, "speed": made_up_record()})
    assert "| lstm | kws-b1 | 256 | 100 | 0.531 | 1 | 1.88 |" in table
    assert table.endswith("go on at 900 GFLOP/s.\n")
    assert table.count("| kws-b1 |") == 2  # the LSTM's and the GRU's, one thread alone


def test_the_footprint_is_a_sentence():
    found = {"wheel_bytes": 1234567, "lstmc_ms": 10.0, "numpy_ms": 80.0}
    sentence = render.render_block(
        "footprint", {"footprint": found | {"interpreters": 15}}
    )
    assert sentence == (
        "The wheel has 1.23 MB. `import lstmc` takes 10 ms, beyond 80 ms for NumPy: "
        "medians of 15 fresh interpreters.\n"
    )


def test_an_import_is_timed():
    numpy_ms, lstmc_ms = footprint.time_imports()
    # 150 ms is the promise; this is a test of the ruler.
    assert numpy_ms > 1 and 0.1 < lstmc_ms < 5000


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("lstm-baking", "expected machine, .* or CELL-KIND, got lstm-baking"),
        ("fit", "expected results/fit.json"),
    ],
)
def test_a_block_that_cannot_be_rendered_says_why(name, message):
    with pytest.raises(ValueError, match=message):
        render.render_block(name, {"speed": made_up_record()})


@pytest.mark.parametrize("path", render.FILES, ids=lambda path: path.name)
def test_the_pages_are_what_the_results_say(path):
    text = path.read_text(encoding="utf-8")
    assert render.render(text, render.load_records()) == text


def test_the_picture_has_a_panel_for_each_cell_and_kind():
    pytest.importorskip("matplotlib")
    figure = plot.draw(made_up_record())
    titles = [panel.get_title(loc="left") for panel in figure.axes]
    assert titles == [f"{cell.upper()} {kind}" for cell in CELLS for kind in KINDS]
    assert all(len(panel.patches) == 4 for panel in figure.axes)


def test_the_time_has_a_picture_over_steps_and_sequences():
    pytest.importorskip("matplotlib")
    figure = plot_sweeps.draw_scaling(scaling_record()["scaling"])
    assert [panel.get_xlabel() for panel in figure.axes] == ["steps", "sequences"]
    for panel in figure.axes:
        lines = {line.get_label(): line.get_ydata() for line in panel.lines}
        assert lines["inference, 1 thread"] == pytest.approx(1.0)
        assert lines["training, 2 threads"] == pytest.approx(1.0)
        assert (panel.get_xscale(), panel.get_yscale()) == ("log", "log")


def test_the_roofline_is_a_map_with_numbers_and_gaps():
    pytest.importorskip("matplotlib")
    found = made_up("roofline", lambda case, peer: case.flops / 5e10)["roofline"]
    del found["cases"][0]
    figure = plot_sweeps.draw_roofline(found)
    numbers = [[text.get_text() for text in panel.texts] for panel in figure.axes]
    assert [set(panel) for panel in numbers] == [{"50"}] * 4
    assert sum(map(len, numbers)) == len(found["cases"])


def test_the_cells_have_bars_from_that_of_lstm():
    pytest.importorskip("matplotlib")
    found = cells_record()["cells"]
    figure = plot_cells.draw_cells(found)
    titles = [panel.get_title(loc="left") for panel in figure.axes]
    assert titles == [f"{name} {kind}" for name in cells.BESIDE_LSTM for kind in KINDS]
    for panel in figure.axes:
        lengths = {bar.get_width() for bar in panel.patches}
        assert lengths == {1.0, 5.0}  # gru with two threads; all others 2.00
        assert len(panel.patches) == 2 * len(registry())


def test_a_picture_without_results_says_so(monkeypatch, tmp_path):
    monkeypatch.setattr(plot, "RESULTS", tmp_path)
    monkeypatch.setattr(plot, "DOCS", tmp_path)
    with pytest.raises(ValueError, match=r"expected results/speed.json, got none"):
        plot.plot_all()


EXAMPLES = sorted(
    path.stem
    for path in peak.SOURCE.parent.glob("*.py")
    if ">>> " in path.read_text(encoding="utf-8")
)


@pytest.mark.parametrize("name", EXAMPLES)
def test_the_examples_run(name):
    result = doctest.testmod(importlib.import_module(f"bench.{name}"))
    assert result.attempted
    assert result.failed == 0


def test_no_peer_is_without_a_file():
    stems = {path.stem for path in peers.HERE.glob("*.py")}
    assert stems >= {*peers.PLAIN, "torch" + peers.VARIANTS["loop"]}
    assert peers.can("pyctcdecode", "decode") and not peers.can("pyctcdecode", "ctc")
    assert peers.can("torch-packed", "fit") and not peers.can("torch", "checkpoint")
    assert not peers.can("nobody", "inference")
