"""Whole bodies as groups: of test people only, in SUV, kept on disk, checked for leaks."""

from dataclasses import replace

import numpy as np
import pytest

from kitrain.bodies import (
    LESIONS_RANGE,
    body_config,
    body_group,
    body_name,
    body_seeds,
    make_bodies,
)
from kitrain.config import DataConfig
from kitrain.data import POOL_SEEDS, is_test_seed, split_of, split_seeds
from kitrain.group_file import load_group, save_group
from kitrain.groups import ActivityUnit, CurveSource
from kitrain.leaks import LeakError, check_splits
from kitrain.records import load_record
from kiview.core.errors import InvalidInputError
from kiview.simulate.body import body_range_mm
from kiview.simulate.person import draw_person
from kiview.simulate.slab_recipes import standard_config
from kiview.simulate.tissues import Label
from tests.training.slabs import fake_group

SEED = body_seeds(1)[0]


def coarse(seed):
    """The same person on 40 mm slices and 12 mm pixels."""
    return replace(
        body_config(seed), slice_mm=40.0, pixels=48, pixel_mm=12.0, angles=32, subsets=8,
        iterations=2, frame_seconds=(900.0, 900.0),
    )  # fmt: skip


@pytest.fixture(scope="module")
def group():
    return body_group(SEED, coarse(SEED))


def test_that_bodies_are_test_people_whom_no_slab_shows():
    bodies = [body_seeds(6, seed) for seed in range(100)]
    everyone = [person for seeds in bodies for person in seeds]
    slabs = {s for seed in range(100) for s in split_seeds("test", DataConfig(9, 9, 500, seed))}
    assert len(set(everyone)) == 600
    assert all(map(is_test_seed, everyone))
    assert not slabs & set(everyone)


def test_that_a_body_has_the_protocol_of_the_test_slabs():
    config, slab = body_config(SEED), standard_config()
    assert config.timing == slab.timing
    assert config.scanner == slab.scanner
    assert config.scanner.axial_mixing_fwhm_mm > 0
    for name in ("slice_mm", "pixels", "pixel_mm", "angles", "subsets", "iterations", "direct"):
        assert getattr(config, name) == getattr(slab, name)
    assert config.post_filter_mm == slab.post_filter_mm
    assert config.is_whole_body


def test_that_people_differ_in_curve_and_number_of_lesions():
    found = [body_config(seed) for seed in body_seeds(8)]
    assert found[0] == body_config(SEED)
    assert len({config.blood_suv for config in found}) == 8
    assert len({config.feng for config in found}) == 8
    counts = {config.lesions for config in found}
    assert len(counts) > 3
    assert LESIONS_RANGE[0] <= min(counts) <= max(counts) <= LESIONS_RANGE[1]


def test_that_a_body_is_a_group_of_one_scan_with_everything_that_is_known(group):
    assert group.realisations == 1
    assert group.unit == ActivityUnit.SUV
    assert group.curve.source == CurveSource.TRUE
    assert group.target_scale == 1.0
    assert group.references["direct"].ki.shape == (1, *group.shape_zyx)
    assert group.identity.subject == f"sim-{SEED}"
    assert group.identity.seed == SEED
    assert {Label.GREY_MATTER, Label.LIVER, Label.LUNG} <= set(np.unique(group.labels))
    low, high = body_range_mm(draw_person(np.random.default_rng(SEED).spawn(1)[0]))
    assert group.shape_zyx[0] == np.ceil((high - low) / 40.0)


def test_that_frames_and_curve_of_a_body_fit_together_in_suv(group):
    """Ki x integral + V0 x plasma, in g/mL, and blood of about SUV 2 at 45 min."""
    truth, basis = group.truth, group.basis
    said = truth.ki * basis.integral_min[-1] + truth.v0 * basis.mean[-1]
    assert group.frames[0, -1].sum() == pytest.approx(said.sum(), rel=0.1)
    assert 0.3 < group.frames[0, -1][group.body > 0].mean() < 3
    level = np.interp(45 * 60, group.curve.time_s, group.curve.activity)
    assert level == pytest.approx(body_config(SEED).blood_suv, rel=1e-3)


@pytest.mark.slow
def test_that_bodies_are_made_once_and_can_be_judged_beside_training_people(tmp_path):
    lines = []
    seeds = body_seeds(2)
    paths = make_bodies(seeds, tmp_path, 2, lines.append, coarse)
    assert make_bodies(seeds, tmp_path, 2, lines.append, coarse) == paths
    assert lines == [f"simulated {n} of 2 whole bodies" for n in (1, 2)]
    assert [p.stem for p in paths] == [body_name(coarse(seed), seed) for seed in seeds]
    record = load_record(paths[0])
    np.testing.assert_array_equal(record.ki, body_group(seeds[0], coarse(seeds[0])).truth.ki)
    save_group(fake_group(POOL_SEEDS[0]), tmp_path / "group.npz")
    train = split_of("train", [tmp_path / "group.npz"], tmp_path / "train.json")
    bodies = split_of("test", paths, tmp_path / "bodies.json")
    check_splits(train, bodies)
    with pytest.raises(LeakError, match="Seeds kept for tests"):
        check_splits(replace(bodies, name="train"))
    assert load_group(paths[1]).identity.seed == seeds[1]


def test_that_people_to_learn_from_are_refused(tmp_path):
    with pytest.raises(LeakError, match=rf"seed {POOL_SEEDS[3]} is not kept for tests"):
        make_bodies([SEED, POOL_SEEDS[3]], tmp_path / "bodies", 1, lambda _: None)
    assert not (tmp_path / "bodies").exists()
    with pytest.raises(LeakError, match="seeds from 3000000 to 3999999"):
        body_group(POOL_SEEDS[0])


@pytest.mark.parametrize("window", [None, (2100.0, 3600.0)])
def test_that_a_direct_reference_of_other_frames_is_refused(window):
    with pytest.raises(InvalidInputError, match="direct_window_s"):
        body_group(SEED, replace(body_config(SEED), direct_window_s=window))
