"""Scans judged several at once: order, errors, and the same numbers as one after the other."""

import threading

import pytest

from kitrain.architecture import new_network
from kitrain.config import NetworkConfig
from kitrain.curve_network import CurveNetwork
from kitrain.curve_scores import (
    FLOOR,
    NETWORK,
    REGION,
    UNSCALED,
    CurveModel,
    readout_of,
    score_curve_files,
    score_curves,
)
from kitrain.group_file import load_group, save_group
from kitrain.methods import Chosen, conventional, network_family
from kitrain.records import load_record
from kitrain.scores import score_files, score_set
from kitrain.threads import in_order
from tests.training.slabs import fake_group
from tests.training.test_curve_network import group

SIZE = NetworkConfig(width=4, with_sigma=True)


def written(folder, groups):
    paths = [folder / f"{number}.npz" for number in range(len(groups))]
    for path, made in zip(paths, groups, strict=True):
        save_group(made, path)
    return paths


def test_that_results_keep_the_order_though_the_first_ends_last():
    last_began = threading.Event()

    def work(item):
        if item == 0:
            assert last_began.wait(30)
        if item == 2:
            last_began.set()
        return 10 * item

    assert list(in_order(work, [0, 1, 2], workers=2)) == [0, 10, 20]


def test_that_an_error_ends_it():
    begun = []

    def work(item):
        begun.append(item)
        if item == 1:
            raise ValueError("the second")
        threading.Event().wait(0.02)
        return item

    with pytest.raises(ValueError, match="the second"):
        list(in_order(work, range(100), workers=1))
    assert len(begun) < 10


def test_that_scans_at_once_get_the_numbers_of_one_after_the_other(tmp_path):
    paths = written(tmp_path, [fake_group(seed, noise=0.3) for seed in (0, 1, 0)])
    weights = new_network(SIZE, 0).state_dict()
    families = [*conventional(Chosen(5.0, 8.0, 8.0)), network_family(weights)]
    alone = score_set([load_record(path) for path in paths], families, lambda _: None)
    lines = []
    found = score_files(paths, families, 2, lines.append)
    assert lines == ["scored scan 1", "scored scan 2", "scored scan 3"]
    assert (found.scans, found.lesions) == (alone.scans, alone.lesions) == (3, 6)
    assert list(found.methods) == list(alone.methods)
    for name, scores in found.methods.items():
        expected = alone.methods[name]
        assert scores.noise == pytest.approx(expected.noise, rel=1e-5)
        assert [row["nrmse"] for row in scores.maps] == pytest.approx(
            [row["nrmse"] for row in expected.maps], rel=1e-5
        )
        assert [row.score.recovery for row in scores.lesions] == pytest.approx(
            [row.score.recovery for row in expected.lesions], rel=1e-4, abs=1e-5
        )
        assert scores.organ_bias() == pytest.approx(expected.organ_bias(), rel=1e-4, abs=1e-6)
        assert scores.coverage() == pytest.approx(expected.coverage(), abs=1e-3)
        assert scores.covered.keys() == expected.covered.keys()


def test_that_a_person_scanned_twice_counts_as_one(tmp_path):
    paths = written(tmp_path, [fake_group(0), fake_group(1), fake_group(0, noise=0.1)])
    families = [network_family(new_network(SIZE, 0).state_dict())]
    shipped = score_files(paths, families, 2, lambda _: None).methods["network + consistency"]
    assert len(shipped.maps) == 6
    assert len(shipped.covered["all"]) == 2


def test_that_curves_at_once_get_the_scores_of_one_after_the_other(tmp_path):
    groups = [group(0), group(1, scale=0.1), group(2, vessel=False), group(3)]
    network = CurveNetwork(4).eval()
    ki_network = new_network(NetworkConfig(width=4), 0).eval()

    def logits(features):
        return 20.0 * (features[:, 0] > features[:, 0].mean()) - 10.0

    model = CurveModel(logits, readout_of(network), ki_network, 0.1)
    paths = written(tmp_path, groups)
    alone = score_curves([load_group(p) for p in paths], model, lambda _: None, ki_network)
    found = score_curve_files(paths, model, 2, lambda _: None, ki_network)
    for name in (NETWORK, REGION, FLOOR, UNSCALED):
        for value in ("area", "late"):
            assert found.mean(name, value) == pytest.approx(alone.mean(name, value), rel=1e-6)
    for each in zip(found.probabilities, alone.probabilities, strict=True):
        assert each[0] == pytest.approx(each[1])
    assert found.chain == pytest.approx(alone.chain, rel=1e-6)
    assert (found.refused, found.refused_without) == (alone.refused, alone.refused_without)
    assert (found.with_vessel, found.without_vessel) == (3, 1)
    assert len(found.true_nrmse) == 3
