"""Calibration of the standard deviation of a network."""

import tomllib

import numpy as np
import onnxruntime
import pytest
import torch

from kitrain.architecture import CALIBRATION, go_on_with, new_network
from kitrain.bundle import read_bundle, write_bundle
from kitrain.calibrate import fit_of, learnt_calibration
from kitrain.calibrated import calibrate_network
from kitrain.calibration_data import Voxels, gathered, voxels_of
from kitrain.config import CalibrationConfig, DataConfig, NetworkConfig, Optimiser, OptimiserConfig
from kitrain.data import Split, spare_seeds
from kitrain.export_onnx import export, output_names
from kitrain.network import Calibration
from kitrain.pipeline import Run
from kitrain.test_sets import MOST_CALIBRATE, calibration_jobs, validation_jobs
from kitrain.train import network_outputs, network_with
from kiview.core.errors import NetworkError
from kiview.nets.catalog import load_catalog, verify
from kiview.nets.infer import doubt_in
from kiview.nets.runtime import NetworkRuntime
from kiview.nets.tie import make_consistent, patlak_reference
from tests.training.slabs import fake_slab
from tests.training.test_bundle import RECORD

SIZE = NetworkConfig(4, with_sigma=True)
SCHEDULE = OptimiserConfig(
    iterations=400, batch=64, optimiser=Optimiser.ADAMW, learning_rate=1e-2, weight_decay=0.0
)
CONFIG = CalibrationConfig(people=5, schedule=SCHEDULE, hidden=8)
WIDTH = 4


def tissue(rng, mean_seen, true_spread, told_spread, count=3000):
    """Voxels of a tissue that the hidden layer tells by its first channel."""
    seen = rng.normal(0.0, 0.3, (count, WIDTH))
    seen[:, 0] += mean_seen
    told = np.abs(rng.normal(1.0, 0.1, (count, 4)))
    error = np.abs(rng.normal(0.0, true_spread, count))
    parts = told, np.full(count, told_spread), error
    return Voxels(seen.astype(np.float16), *(np.asarray(p, np.float32) for p in parts))


def two_tissues(seed=0):
    """One whose standard deviation is three times too large, one where half of it is missing."""
    rng = np.random.default_rng(seed)
    return {
        ("standard", "liver"): tissue(rng, -2.0, 0.05, 0.15),
        ("standard", "stomach"): tissue(rng, 2.0, 0.2, 0.1),
    }


def plain(seed):
    return new_network(SIZE, seed).state_dict()


def _tripling(width):
    made = Calibration(width, 8)
    torch.nn.init.constant_(made.last.bias, float(np.log(3.0)))
    return made


def calibrated():
    """A small network and one whose calibration says three everywhere."""
    more = {CALIBRATION + n: t for n, t in _tripling(WIDTH).state_dict().items()}
    return plain(0), plain(0) | more


def test_that_each_tissue_gets_the_standard_deviation_of_its_own_errors():
    made = learnt_calibration(WIDTH, two_tissues(), CONFIG)
    fresh = two_tissues(seed=1)
    before, after = fit_of(None, fresh), fit_of(made, fresh)
    assert len(before.outside) == before.count == 2
    assert after.outside == ()
    assert after.cost < before.cost
    for voxels, factor in zip(fresh.values(), (1 / 3, 2.0), strict=True):
        seen = torch.from_numpy(voxels.seen.astype(np.float32)).T[None, :, :, None]
        told = torch.from_numpy(voxels.told).T[None, :, :, None]
        with torch.inference_mode():
            assert float(made(seen, told).median()) == pytest.approx(factor, rel=0.1)


def test_that_a_calibration_from_one_seed_is_always_the_same():
    one, other = (learnt_calibration(WIDTH, two_tissues(), CONFIG).state_dict() for _ in range(2))
    assert all(torch.equal(one[name], other[name]) for name in one)


def test_that_a_network_without_calibration_makes_the_same_maps_as_with_it():
    plain, with_it = calibrated()
    study = fake_slab().study(0)
    networks = network_with(plain), network_with(with_it)
    before, after = (network_outputs(network, study) for network in networks)
    for name in ("ki", "v", "sigma"):
        np.testing.assert_array_equal(getattr(before, name), getattr(after, name))
    assert before.calibration is None
    np.testing.assert_allclose(after.calibration, 3.0, rtol=1e-6)


def test_that_a_calibration_scales_the_standard_deviation_of_the_consistent_map_alone():
    record = fake_slab()
    study = record.study(0)
    reference = patlak_reference(
        record.patlak_ki(0), record.fur(0), study.normaliser, record.spacing_mm
    )
    found = []
    for weights in calibrated():
        given = network_outputs(network_with(weights), study)
        found.append(make_consistent(given.ki, doubt_in(given), reference))
    np.testing.assert_array_equal(found[0].ki, found[1].ki)
    np.testing.assert_allclose(found[1].sigma, 3.0 * found[0].sigma, rtol=1e-6)


def test_that_a_calibrated_network_is_exported_with_a_fourth_output(tmp_path):
    _, weights = calibrated()
    assert export(weights, tmp_path / "model.onnx") <= 1e-5
    session = onnxruntime.InferenceSession(tmp_path / "model.onnx")
    names = ("ki", "v", "sigma", "calibration")
    assert tuple(o.name for o in session.get_outputs()) == names
    assert output_names(network_with(weights)) == names


def test_that_another_training_does_not_take_the_calibration_over(monkeypatch):
    _, weights = calibrated()
    values = {name: tensor.numpy() for name, tensor in weights.items()}

    class Shipped:
        def tensors(self, _):
            return values

    monkeypatch.setattr("kitrain.architecture.load_catalog", lambda _: Catalogue())
    monkeypatch.setattr("kitrain.architecture.shipped_weights", lambda _: Shipped())

    class Catalogue:
        def card(self, _):
            return None

    network = new_network(SIZE, 1)
    go_on_with(network, "known", None)
    assert torch.equal(network.state_dict()["head.bias"], weights["head.bias"])
    assert network.calibration is None


def test_that_voxels_are_those_of_the_map_that_is_shown():
    record = fake_slab()
    weights, _ = calibrated()
    voxels = voxels_of(network_with(weights), record, 0)["all"]
    study = record.study(0)
    given = network_outputs(network_with(weights), study)
    reference = patlak_reference(
        record.patlak_ki(0), record.fur(0), study.normaliser, record.spacing_mm
    )
    shown = make_consistent(given.ki, doubt_in(given), reference)
    errors = np.abs(shown.ki - record.ki)[record.body > 0] / study.normaliser
    assert np.isin(voxels.error.round(5), errors.astype(np.float32).round(5)).mean() > 0.99
    assert voxels.told.shape == (len(voxels), 4)
    assert voxels.seen.shape == (len(voxels), 4)


def test_that_voxels_of_several_scans_come_together_by_kind_and_tissue():
    part = two_tissues()["standard", "liver"]
    found = gathered([("standard", {"liver": part}), ("standard", {"liver": part})])
    assert len(found["standard", "liver"]) == 2 * len(part)


@pytest.fixture
def site(tmp_path, monkeypatch):
    """The folder of a small network, and people who are all one small slab."""
    slab = fake_slab()
    monkeypatch.setattr("kitrain.calibrated.make_groups", lambda jobs, *_: [tmp_path for _ in jobs])
    monkeypatch.setattr("kitrain.calibrated.load_record", lambda _: slab)
    monkeypatch.setattr(
        "kitrain.calibrated.split_of", lambda *_: Split("calibration", (), (), "5a")
    )
    write_bundle(Run(plain(0), plain(1), RECORD, {}), tmp_path, "smoke")
    return tmp_path / "site-net"


@pytest.mark.slow
def test_that_a_network_is_written_anew_with_the_same_maps(site):
    before = read_bundle(site)
    assert calibrate_network(site, CONFIG, "calibrate", site.parent, print)
    card = load_catalog(site.parent).cards[0]
    verify(card)
    after = read_bundle(site)
    assert card.outputs == ("ki", "v", "sigma", "calibration")
    for name, tensor in before.at(0.5).items():
        assert torch.equal(after.at(0.5)[name], tensor)
    told = tomllib.loads((site / "card.toml").read_text("utf-8"))["training"]["calibration"]
    assert told["data_sha256"] == "5a"
    assert told["held_out_cost"] < told["held_out_cost_before"]
    assert told["config"]["people"] == CONFIG.people
    assert calibrate_network(site, CONFIG, "calibrate", site.parent, print)
    again = read_bundle(site)
    assert all(torch.equal(again.smooth[name], after.smooth[name]) for name in after.smooth)
    features = np.random.default_rng(0).normal(0.5, 1.0, (1, 31, 16, 16)).astype(np.float32)
    outputs = NetworkRuntime(card).run(features)
    expected = network_with(after.at(0.75))(torch.from_numpy(features))[3].detach()
    np.testing.assert_allclose(outputs.calibration, expected, rtol=1e-4)


@pytest.mark.slow
def test_that_a_calibration_that_is_no_better_is_left_out(site, monkeypatch):
    before = {path.name: path.read_bytes() for path in site.iterdir()}
    monkeypatch.setattr("kitrain.calibrated.learnt_calibration", lambda width, *_: _tripling(width))
    said = []
    assert not calibrate_network(site, CONFIG, "calibrate", site.parent, said.append)
    assert "left out" in said[-1]
    assert {path.name: path.read_bytes() for path in site.iterdir()} == before


@pytest.mark.slow
def test_that_a_network_without_uncertainty_cannot_be_calibrated(tmp_path):
    size = {"network": {"width": 4, "with_sigma": False}}
    record = RECORD | {"config": RECORD["config"] | size}
    weights = new_network(NetworkConfig(4), 0).state_dict()
    write_bundle(Run(weights, weights, record, {}), tmp_path, "smoke")
    with pytest.raises(NetworkError, match="tells no uncertainty"):
        calibrate_network(tmp_path / "site-net", CONFIG, "calibrate", tmp_path, print)


def test_that_people_who_calibrate_neither_train_nor_choose_filters():
    size = DataConfig(640, 80, 48, seed=1)
    kinds = calibration_jobs(size, MOST_CALIBRATE)
    assert set(kinds) == {"standard", "low-counts", "high-counts", "as-trained"}
    seeds = {name: [seed for seed, _ in jobs] for name, jobs in kinds.items()}
    assert len({tuple(s) for s in seeds.values()}) == 1
    chosen = {seed for seed, _ in validation_jobs(size, 48)}
    assert not chosen & set(seeds["standard"])
    assert set(seeds["standard"]) < set(spare_seeds(size, 240))
    few = [seed for seed, _ in calibration_jobs(size, 5)["standard"]]
    assert few == seeds["standard"][:5]
