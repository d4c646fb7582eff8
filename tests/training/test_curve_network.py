from dataclasses import replace

import numpy as np
import onnxruntime
import pytest
import torch

from kitrain.architecture import new_network
from kitrain.config import NetworkConfig, OptimiserConfig
from kitrain.curve_bundle import ki_network_of
from kitrain.curve_data import UNKNOWN, curve_truth, samples_of
from kitrain.curve_loss import curve_error, mask_error, measured, part_of
from kitrain.curve_network import CurveNetwork, ln_ratio
from kitrain.curve_scores import (
    FLOOR,
    NETWORK,
    REGION,
    UNSCALED,
    CurveModel,
    choose_threshold,
    readout_of,
    score_curves,
)
from kitrain.curve_train import CurveTraining, mean_error, train_curve
from kitrain.export_onnx import export_network
from kitrain.groups import GroupError, PlasmaCurve, Truth
from kiview.core.errors import NetworkError
from kiview.core.input_curves import FengCurve
from kiview.core.tracer import F18_HALF_LIFE_S
from kiview.nets.catalog import BLOOD_OUTPUTS
from kiview.nets.curve_features import CURVE_CHANNELS, POPULATION, attended
from kiview.nets.curve_readout import attention, plasma_at
from kiview.nets.preprocess import frame_input
from kiview.simulate.tissues import Label
from tests.training.slabs import added_group, fake_group

SIDE = 32
SCALE = 0.21


def group(seed=0, vessel=True, scale=SCALE):
    """A tiny group whose curve is the population's times a scale, with a vessel in it."""
    made = fake_group(seed, SIDE)
    curve = FengCurve(POPULATION.parameters, scale)
    basis = frame_input(made.timing, curve.integral, F18_HALF_LIFE_S)
    time_s = curve.natural_time_s(3600.0)
    plasma = PlasmaCurve(time_s, curve.at(time_s), made.curve.source)
    rows, columns = slice(18, 24), slice(14, 21)
    ki, v0 = made.truth.ki.copy(), made.truth.v0.copy()
    labels = np.where(made.body > 0, int(Label.MUSCLE), int(Label.AIR)).astype(np.uint8)
    if vessel:
        ki[:, rows, columns], v0[:, rows, columns] = 0.0, 1.0
        labels[:, rows, columns] = Label.BLOOD
        labels[:, rows, columns.start - 1] = UNKNOWN
    clean = ki * basis.integral_min[:, None, None, None] + v0 * basis.mean[:, None, None, None]
    rng = np.random.default_rng(seed)
    scans = [clean * (1 + 0.03 * rng.standard_normal(clean.shape)) for _ in range(2)]
    return replace(
        made,
        frames=np.stack(scans).astype(np.float32),
        labels=labels,
        curve=plasma,
        basis=basis,
        truth=Truth(ki, v0, plasma, basis),
    )


@pytest.fixture(scope="module")
def ki_network():
    return new_network(NetworkConfig(width=4), 0).eval()


@pytest.fixture(scope="module")
def samples(ki_network):
    return [sample for seed in range(4) for sample in samples_of(group(seed), ki_network, 1)]


def test_that_a_sample_knows_blood_and_the_true_area(samples):
    sample = samples[0]
    assert sample.features.shape == (6, CURVE_CHANNELS, SIDE, SIDE)
    assert set(np.unique(sample.blood)) == {0, 1, UNKNOWN}
    assert sample.blood_ml == pytest.approx(6 * 6 * 7 * 0.064)
    assert sample.has_blood
    expected = SCALE * float(POPULATION.integral(3600.0)) / 60.0
    assert sample.truth.area == pytest.approx(expected, rel=1e-3)


def test_that_a_group_without_a_known_curve_is_refused():
    with pytest.raises(GroupError, match="true plasma curve"):
        curve_truth(added_group())


def test_that_torch_measures_what_the_program_measures(samples):
    sample = samples[0]
    logits = torch.randn(sample.blood.shape, generator=torch.Generator().manual_seed(0)) * 3
    part = part_of(sample, np.arange(6), 0, flip=False)
    level, slope, statistics = measured(logits, part)
    weights, probability = attention(logits.numpy())
    blood = attended(
        weights, probability, sample.study, sample.ki, sample.halves, sample.spacing_mm
    )
    np.testing.assert_allclose(statistics, blood.statistics, rtol=1e-4, atol=1e-5)
    assert float(level) == pytest.approx(blood.ln_level, abs=1e-5)
    shape = np.array([0.1, 0.6, -0.2])
    t = np.array([5.0, 40.0])
    program = np.log(plasma_at(blood, shape, t) / POPULATION.at(60.0 * t))
    middle = torch.tensor([blood.middle_min])
    given = torch.from_numpy(shape)[None]
    torch_says = ln_ratio(level[None], middle, slope[None], given, torch.from_numpy(t)[None])
    np.testing.assert_allclose(torch_says[0], program, atol=1e-5)


def test_that_turning_and_mirroring_changes_nothing_that_is_measured(samples):
    sample = samples[0]
    plain = part_of(sample, np.arange(6), 0, flip=False)
    turned = part_of(sample, np.arange(6), 3, flip=True)
    found = [measured(part.maps[1], part) for part in (plain, turned)]
    np.testing.assert_allclose(found[0][2], found[1][2], rtol=1e-4)


def test_that_voxels_of_unknown_tissue_do_not_count():
    blood = torch.tensor([[[0, 1, UNKNOWN]]], dtype=torch.uint8)
    right = torch.tensor([[[-20.0, 20.0, 20.0]]])
    wrong = torch.tensor([[[20.0, 20.0, 20.0]]])
    assert float(mask_error(right, blood)) == pytest.approx(0.0, abs=1e-6)
    assert float(mask_error(wrong, blood)) == pytest.approx(10.0, rel=1e-3)


def test_that_perfect_attention_gives_nearly_the_true_curve(samples):
    sample = samples[0]
    part = part_of(sample, np.arange(6), 0, flip=False)
    network = CurveNetwork(4)
    with torch.no_grad():
        network.readout.out.weight.zero_()
        logits = torch.where(part.blood == 1, 20.0, -20.0)
        error = curve_error(logits, part, network.readout)
    assert float(error) < 0.05


def test_that_training_finds_blood_and_goes_on_where_it_stopped(tmp_path, samples):
    schedule = OptimiserConfig(
        iterations=60, batch=2, learning_rate=5e-3, report_every=30, checkpoint_every=30
    )
    training = CurveTraining(4, 4, schedule, seed=0)
    before = mean_error(CurveNetwork(4), samples[3:])
    trained = train_curve(training, samples[:3], samples[3:], tmp_path, lambda _: None)
    assert 1.0 - trained.history[-1].validation_accuracy < 0.5 * before
    again = train_curve(training, [], [], tmp_path, lambda _: None)
    for name, tensor in trained.weights.items():
        torch.testing.assert_close(again.weights[name], tensor)


def test_that_the_exported_network_is_the_trained_one(tmp_path):
    network = CurveNetwork(4).eval()
    weights = {n: t for n, t in network.state_dict().items() if not n.startswith("readout.")}
    path = tmp_path / "model.onnx"
    export_network(network, CURVE_CHANNELS, BLOOD_OUTPUTS, weights, path)
    features = np.random.default_rng(0).normal(size=(2, CURVE_CHANNELS, 12, 20)).astype(np.float32)
    session = onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])
    (got,) = session.run(list(BLOOD_OUTPUTS), {"features": features})
    with torch.inference_mode():
        expected = network(torch.from_numpy(features)).numpy()
    np.testing.assert_allclose(got, expected, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize(
    ("found", "expected"),
    [
        ([(True, 0.9), (True, 0.8), (False, 0.2), (False, 0.1)], 0.55),
        ([(True, 0.9), (True, 0.05), (False, 0.2), (False, 0.1)], 0.6),
        ([(True, 0.9), (True, 0.3), (True, 0.25), (False, 0.38), (False, 0.1)], 0.69),
        ([(True, 0.9)], 0.45),
    ],
)
def test_that_the_threshold_makes_the_fewest_mistakes(found, expected):
    assert choose_threshold(found) == pytest.approx(expected)


def oracle(groups, least_probability=0.5):
    """A model that attends to true blood, and to nothing where there is none."""
    masks = iter([g.labels == Label.BLOOD for g in groups])
    network = CurveNetwork(4)
    with torch.no_grad():
        network.readout.out.weight.zero_()
    return CurveModel(
        lambda _: np.where(next(masks), 20.0, -20.0).astype(np.float32),
        readout_of(network),
        new_network(NetworkConfig(width=4), 0).eval(),
        least_probability,
    )


def test_that_curves_are_scored_and_empty_scans_refused(ki_network):
    groups = [group(0), group(1, scale=0.1), group(2, vessel=False)]
    scores = score_curves(groups, oracle(groups), lambda _: None, ki_network)
    assert (scores.with_vessel, scores.without_vessel) == (2, 1)
    assert (scores.refused, scores.refused_without) == (0, 1)
    assert scores.mean(NETWORK, "area") < 0.05
    assert scores.mean(FLOOR, "area") < 0.05
    assert scores.mean(REGION, "area") < 0.05
    assert scores.mean(UNSCALED, "area") > 0.25
    assert scores.chain == pytest.approx(1.0, abs=0.1)


def test_that_a_network_that_is_never_sure_refuses_everything(ki_network):
    groups = [group(0)]
    scores = score_curves(groups, oracle(groups, 1.1), lambda _: None, ki_network)
    assert scores.refused == 1
    assert NETWORK not in scores.errors
    assert np.isnan(scores.chain)


def test_that_a_curve_network_without_its_network_of_maps_is_told(tmp_path):
    with pytest.raises(NetworkError, match=r"no network of maps at .*absent"):
        ki_network_of(tmp_path / "absent")
