"""Weights counted in the papers: layers as they describe them have as many."""

import pytest

from lstmc.layers import Recurrent

# Hochreiter, Schmidhuber: Long Short-Term Memory. Neural Computation 9, 1997: inputs,
# cells, cells of a block, biases of cells, outputs, biases of outputs, and all weights.
LSTM_1997 = {
    "1, four blocks of 1": (7, 4, 1, False, 7, False, 264),
    "1, three blocks of 2": (7, 6, 2, False, 7, False, 276),
    "3a": (1, 3, 1, True, 1, False, 102),
    "4 and 5": (2, 4, 2, True, 1, True, 93),
    "6a": (8, 4, 2, True, 4, True, 156),
    "6b": (8, 6, 2, True, 8, True, 308),
}


@pytest.mark.parametrize("case", LSTM_1997.values(), ids=LSTM_1997)
def test_the_experiments_of_1997(case):
    inputs, cells, block, cell_bias, outputs, output_bias, wanted = case
    layer = Recurrent(inputs, cells, "lstm1997", block_size=block, cell_bias=cell_bias)
    assert layer.n_parameters + outputs * (cells + output_bias) == wanted


@pytest.mark.parametrize(
    ("symbols", "wanted"),
    [(50, 364), (100, 664), (200, 1264), (500, 3064), (1000, 6064)],
)
def test_experiment_2c_of_1997(symbols, wanted):
    # Two cells, and no bias at all: those of the gates are counted here.
    layer = Recurrent(symbols + 4, 2, "lstm1997", cell_bias=False)
    assert layer.n_parameters - 4 + 2 * 2 == wanted


def test_the_continual_reber_grammar():
    # Gers, Schmidhuber, Cummins 2000: four blocks of two cells, forget gates; beside
    # 7 outputs that see inputs, cells and a bias, 424 in all.
    layer = Recurrent(7, 8, "lstm", block_size=2, cell_bias=False)
    assert layer.n_parameters + 7 * (7 + 8 + 1) == 424


def test_precise_timing():
    # Gers, Schraudolph, Schmidhuber 2002: one cell, one input, one output.
    assert Recurrent(1, 1, "peephole").n_parameters + 2 == 17


@pytest.mark.parametrize(
    ("layers", "units", "wanted"),
    [
        (1, 250, 780_562), (2, 250, 2_284_062), (3, 250, 3_787_562),
        (5, 250, 6_794_562), (1, 622, 3_793_018),
    ],
)  # fmt: skip
def test_deep_bidirectional_peephole_networks(layers, units, wanted):
    # Graves, Mohamed, Hinton 2013: 123 inputs, 62 outputs; by arithmetic, the paper
    # rounds to 0.8, 2.3, 3.8, 6.8 and 3.8 million.
    layer = Recurrent(123, units, "peephole", layers, bidirectional=True)
    assert layer.n_parameters + 62 * (2 * units + 1) == wanted


def test_the_network_of_ctc():
    # Graves et al. 2006: 26 inputs, 100 cells each way, 62 outputs.
    layer = Recurrent(26, 100, "peephole", bidirectional=True)
    assert layer.n_parameters + 62 * 201 == 114_662


def test_the_entity_aware_lstm():
    # Kratzert et al. 2019: 5 inputs, 27 static features, 256 units.
    assert Recurrent(5, 256, "ealstm", static_size=27).n_parameters == 208_384


@pytest.mark.parametrize(("inputs", "units"), [(3, 5), (20, 64)])
def test_formulas(inputs, units):
    def count(cell, **more):
        return Recurrent(inputs, units, cell, **more).n_parameters

    plain = 4 * units * (inputs + units + 1)
    assert count("lstm") == count("np") == plain
    assert count("peephole") == plain + 3 * units
    assert count("peephole_full") == 4 * units * (inputs + 1) + 3 * units**2
    assert count("fgr") == plain + 3 * units + 9 * units**2
    assert count("slstm", num_heads=1) == plain
    half = Recurrent(inputs, 2 * units, "slstm", num_heads=2).n_parameters
    assert half == 8 * units * (inputs + units + 1)
    proj = units - 1
    wanted = 4 * units * (inputs + proj + 1) + proj * units
    assert count("lstm", proj_size=proj) == wanted
