import io
from dataclasses import replace

import numpy as np
import pytest

from kitrain.group_file import load_group, save_group, slice_hashes
from kitrain.groups import DIRECT, CurveSource, GroupError, Identity, Origin, PlasmaCurve
from kitrain.manifest import entry_of, entry_path, make_entry
from kitrain.records import load_record, record_of
from kitrain.simulated import group_of
from kitrain.targets import INDEPENDENT, Target, direct_v, target_maps
from kiview.core.errors import ReadError
from kiview.core.timing import FrameTiming
from kiview.nets.preprocess import FrameInput
from kiview.simulate.slab import simulate_slab
from kiview.simulate.slab_config import SlabConfig
from tests.training.slabs import CURVE, FRAMES, added_group, fake_group, scaled

NPY = io.BytesIO()
np.save(NPY, np.zeros(3))
SMALL = SlabConfig(pixels=48, pixel_mm=8.0, slices=6, angles=48, subsets=8, frame_count=3)


@pytest.fixture(scope="module")
def slab():
    return simulate_slab(SMALL, 3)


def arrays_of(group):
    maps = group.references[DIRECT]
    found = [group.frames, group.timing.start_s, group.curve.activity, group.basis.mean]
    found += [group.basis.integral_min, group.basis.weight, maps.ki, group.body, group.lesions]
    found += [group.labels] + ([] if maps.v0 is None else [maps.v0])
    if group.truth is not None:
        found += [group.truth.ki, group.truth.v0, group.truth.curve.time_s, group.truth.basis.mean]
    return found


@pytest.mark.parametrize("make", [fake_group, added_group])
def test_that_a_group_survives_writing_and_reading(tmp_path, make):
    group = make()
    save_group(group, tmp_path / "one.npz")
    again = load_group(tmp_path / "one.npz")
    for ours, theirs in zip(arrays_of(group), arrays_of(again), strict=True):
        np.testing.assert_array_equal(ours, theirs)
        assert ours.dtype == theirs.dtype
    assert again.identity == group.identity
    assert again.curve.source is group.curve.source
    assert again.spacing_mm == group.spacing_mm
    assert again.references[DIRECT].settings == {"iterations": 4}
    assert [path.name for path in tmp_path.iterdir()] == ["one.npz"]


def test_that_a_failed_write_leaves_neither_half_a_file_nor_the_old_one_spoilt(tmp_path):
    path = tmp_path / "one.npz"
    save_group(fake_group(), path)
    before = path.read_bytes()
    unwritable = replace(fake_group(), identity=Identity("a", "b", Origin.ADDED, {"x": np.nan}))
    with pytest.raises(ValueError, match="JSON"):
        save_group(unwritable, path)
    assert [p.name for p in tmp_path.iterdir()] == ["one.npz"]
    assert path.read_bytes() == before


@pytest.mark.parametrize("content", [b"", b"PK\x03\x04 not a zip", b"\x80\x04\x95", NPY.getvalue()])
def test_that_a_damaged_file_is_refused_with_its_name(tmp_path, content):
    path = tmp_path / "bad.npz"
    path.write_bytes(content)
    with pytest.raises(ReadError, match=r"bad\.npz"):
        load_group(path)


def test_that_a_file_with_objects_in_it_is_never_unpickled(tmp_path):
    path = tmp_path / "odd.npz"
    np.savez(path, record=np.array([{"version": 1}], dtype=object))
    with pytest.raises(ReadError, match="cannot be read"):
        load_group(path)


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ({"frames": fake_group().frames[:, :1]}, "2 frames or more"),
        ({"frames": np.full((1, 6, 6, 32, 32), np.nan, np.float32)}, "not numbers"),
        ({"frames": fake_group().frames[:1]}, "2 realisations"),
        ({"body": np.ones((6, 32, 31), np.uint8)}, "body is"),
        ({"timing": FrameTiming([0.0, 1.0], [1.0, 1.0])}, "another number of times"),
        ({"spacing_mm": (4.0, 0.0, 4.0)}, "mm cannot be"),
    ],
)
def test_that_a_group_that_contradicts_itself_is_refused(change, told):
    with pytest.raises(GroupError, match=told):
        replace(fake_group(), **change)


def test_that_a_curve_must_be_one():
    with pytest.raises(GroupError, match="do not increase"):
        PlasmaCurve(np.array([0.0, 0.0]), np.ones(2), CurveSource.SAMPLES)
    with pytest.raises(GroupError, match="two samples"):
        PlasmaCurve(np.zeros(1), np.ones(1), CurveSource.SAMPLES)


def test_that_references_of_a_simulated_slab_fit_its_features(slab):
    record = record_of(group_of(slab))
    body = record.body > 0
    assert record.target_scale == 1.0
    assert record.identity.seed == 3
    assert record.patlak_ki(0)[body].mean() == pytest.approx(record.ki[body].mean(), rel=0.25)
    assert record.patlak_v(0)[body].mean() == pytest.approx(record.v[body].mean(), rel=0.15)
    assert record.v_direct[0][body].mean() == pytest.approx(record.v[body].mean(), rel=0.15)
    np.testing.assert_allclose(record.v, slab.v0 * slab.v_scale, rtol=1e-6)
    assert not np.array_equal(record.features[0], record.features[1])


def test_that_the_true_curve_given_as_samples_makes_the_same_features(slab):
    true = group_of(slab)
    again = record_of(group_of(slab, replace(true.curve, source=CurveSource.SAMPLES)))
    np.testing.assert_allclose(again.features, record_of(true).features, rtol=2e-3, atol=2e-3)
    assert again.target_scale == pytest.approx(1, rel=1e-4)
    assert again.curve_source is CurveSource.SAMPLES


def test_that_a_curve_wrong_in_scale_alone_costs_nothing(slab):
    """Frames X = Ki S + V0 C: with s S and s C the same frames mean Ki / s and V / s."""
    true = group_of(slab)
    wrong = replace(true.curve, activity=1.25 * true.curve.activity, source=CurveSource.IMAGE)
    ours, theirs = record_of(true), record_of(group_of(slab, wrong))
    assert theirs.target_scale == pytest.approx(1 / 1.25, rel=1e-4)
    np.testing.assert_allclose(theirs.features, ours.features, rtol=2e-3, atol=2e-3)
    for target in Target:
        for a, b in zip(
            target_maps(ours, target, 0, 0.0), target_maps(theirs, target, 0, 0.0), strict=True
        ):
            n_ours, n_theirs = ours.normaliser[0], theirs.normaliser[0]
            np.testing.assert_allclose(b / n_theirs, a / n_ours, rtol=1e-3, atol=1e-5)


def test_that_the_scale_of_a_wrong_shape_is_that_of_the_weighted_integral():
    shape = FrameInput(FRAMES.mean, FRAMES.integral_min + 100.0, FRAMES.weight)
    group = replace(fake_group(), basis=shape)
    mean = np.average(FRAMES.integral_min, weights=FRAMES.weight)
    assert group.target_scale == pytest.approx(mean / (mean + 100.0))


def test_that_one_frame_table_per_slice_is_kept_and_used(tmp_path):
    group = added_group()
    drift = np.linspace(1.0, 1.3, 6)
    basis = FrameInput(
        *(np.outer(part, drift) for part in (FRAMES.mean, FRAMES.integral_min)),
        np.repeat(FRAMES.weight[:, None], 6, axis=1),
    )
    times = np.repeat(group.timing.start_s[:, None], 6, axis=1) + 5.0 * np.arange(6)
    group = replace(group, basis=basis, timing=FrameTiming(times, np.full((6, 6), 300.0)))
    save_group(group, tmp_path / "g.npz")
    record = load_record(tmp_path / "g.npz")
    flat = record_of(added_group())
    body = record.body > 0
    for z in range(6):
        ratio = record.patlak_ki(0)[z][body[z]].mean() / flat.patlak_ki(0)[z][body[z]].mean()
        assert ratio == pytest.approx(1 / drift[z], rel=1e-4)


def test_that_targets_are_truth_the_same_or_the_other_scan():
    record = record_of(fake_group())
    for r in range(2):
        np.testing.assert_array_equal(target_maps(record, Target.TRUTH, r, 0)[0], record.ki)
        np.testing.assert_array_equal(
            target_maps(record, Target.DIRECT, r, 0)[0], record.ki_direct[r]
        )
        np.testing.assert_array_equal(
            target_maps(record, Target.INDEPENDENT, r, 0)[0], record.ki_direct[1 - r]
        )


def test_that_what_nobody_knows_is_refused_or_left_open():
    record = record_of(added_group())
    with pytest.raises(GroupError, match="Nobody knows the true Ki"):
        target_maps(record, Target.TRUTH, 0, 0)
    with pytest.raises(GroupError, match="shares the noise"):
        target_maps(record, Target.INDEPENDENT, 0, 0)
    with pytest.raises(GroupError, match="no reference 'other'"):
        record.reference("other")
    ki, v = target_maps(record, Target.DIRECT, 0, 12.0)
    assert np.isfinite(ki).all()
    assert np.isnan(v).all()
    assert np.isnan(direct_v(record, 0)).all()


def test_that_an_independent_reference_of_one_scan_is_used():
    group = added_group()
    other = replace(group.references[DIRECT], ki=2 * group.references[DIRECT].ki)
    group = replace(group, references={**group.references, INDEPENDENT: other})
    ki, _ = target_maps(record_of(group), Target.INDEPENDENT, 0, 0)
    np.testing.assert_array_equal(ki, other.ki[0])


def test_that_a_scan_without_uptake_is_refused():
    with pytest.raises(GroupError, match="no uptake"):
        record_of(replace(added_group(), frames=np.zeros((1, 6, 6, 32, 32), np.float32)))


def test_that_slices_are_known_again_however_a_scan_is_cut():
    group = fake_group()
    whole = slice_hashes(group)
    assert len(set(whole)) == 2 * 6
    part = {"frames": group.frames[:, :, 2:5], "references": {}, "truth": None}
    part |= {name: getattr(group, name)[2:5] for name in ("body", "lesions", "labels")}
    assert set(slice_hashes(replace(group, **part))) < set(whole)
    empty = replace(group, frames=np.concatenate([group.frames[:1], 0 * group.frames[:1]]))
    assert len(slice_hashes(empty)) == 6


def test_that_an_entry_is_kept_beside_its_group_and_finds_a_changed_file(tmp_path):
    path = tmp_path / "one.npz"
    save_group(fake_group(), path)
    entry = make_entry(path)
    assert entry == entry_of(path)
    assert (entry.subject, entry.seed, entry.references) == ("sim-0", 0, {DIRECT: "nested EM"})
    assert entry.reference_networks == {}
    path.write_bytes(path.read_bytes() + b"x")
    with pytest.raises(ReadError, match=r"one\.npz was changed"):
        entry_of(path)
    entry_path(path).write_text("{}", encoding="utf-8")
    with pytest.raises(ReadError, match="no entry"):
        entry_of(path)


def test_that_scaling_frames_and_curve_together_changes_nothing():
    group = fake_group()
    doubled = replace(
        group,
        frames=2 * group.frames,
        curve=replace(CURVE, activity=2 * CURVE.activity),
        basis=scaled(FRAMES, 2.0),
    )
    np.testing.assert_allclose(record_of(doubled).features, record_of(group).features, rtol=1e-5)
