"""The shipped network on people that neither its training nor its card has seen, at small size."""

import numpy as np
import pytest

from kitrain.__main__ import main
from kitrain.bundle import read_bundle
from kitrain.config import DataConfig
from kitrain.data import make_split
from kitrain.evaluate import slider_path
from tests.unit.nets.fakes import card

FRESH_SEED, SLABS = 41, 2
pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def folder():
    return card().network.path.parent


@pytest.fixture(scope="module")
def slabs(tmp_path_factory):
    return tmp_path_factory.mktemp("slabs")


@pytest.fixture(scope="module")
def records(slabs):
    size = DataConfig(train=1, validation=1, test=SLABS, seed=FRESH_SEED)
    return make_split("test", size, slabs, lambda _: None).load()


def test_that_one_command_finds_the_network_below_the_bar_on_fresh_people(
    folder, slabs, records, capsys
):
    options = ["--slabs", str(len(records)), "--seed", str(FRESH_SEED), "--data", str(slabs)]
    assert main(["evaluate", "--network", str(folder), *options]) == 0
    said = capsys.readouterr().out
    assert "passed: NRMSE of the tied network" in said
    assert "| control: learned part zeroed |" in said


def test_that_the_slider_trades_noise_for_lesions_steadily(folder, records):
    run = read_bundle(folder)
    rows = list(slider_path(run.at, (0.0, 0.5, 1.0), run.width, records).values())
    for column in ("noise", "crc", "cnr", "tumour_bias"):
        assert (np.diff([row[column] for row in rows]) > 0).all(), column
    ends = sorted((rows[0]["body_bias"], rows[-1]["body_bias"]))
    assert ends[0] - 0.03 <= rows[1]["body_bias"] <= ends[1] + 0.03
