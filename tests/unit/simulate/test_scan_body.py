"""Whole bodies: as large as the person, late frames only, noise that is shared between slices."""

from dataclasses import replace

import numpy as np
import pytest
from tests.unit.simulate.test_acquisition import expected

from kiview.core.progress import NullProgress
from kiview.simulate.acquisition import ScannerSettings, draw_background_errors, noise_free
from kiview.simulate.body import body_range_mm
from kiview.simulate.coarse import support_of
from kiview.simulate.kinetics import patlak_basis
from kiview.simulate.person import draw_person
from kiview.simulate.recon import System
from kiview.simulate.scan import WHOLE_BODY, ScanConfig, simulate_scan
from kiview.simulate.scan_bench import ScanBench, ScanNoise, measure_by_slice
from kiview.simulate.scan_person import draw_scan_person
from kiview.simulate.scanner_errors import mixing_taps
from kiview.simulate.tissues import Label

TINY = ScanConfig(
    person="body",
    lesions=5,
    first_start_s=1800.0,
    frame_seconds=(600.0, 600.0, 600.0),
    direct_window_s=(1800.0, 3600.0),
    slices=WHOLE_BODY,
    slice_mm=40.0,
    pixels=48,
    pixel_mm=10.0,
    angles=32,
    subsets=8,
    iterations=2,
    threads=1,
    slices_per_chunk=7,
)
ARMS_DOWN_SEED = 7
SHARING = replace(
    TINY,
    slices=11,
    slice_mm=4.0,
    middle_z_mm=60.0,
    scanner=ScannerSettings(axial_mixing_fwhm_mm=5.0, trues_per_frame=2e6),
    slices_per_chunk=4,
)


def person_of(seed):
    return draw_person(np.random.default_rng(seed).spawn(1)[0])


@pytest.fixture(scope="module")
def body():
    return simulate_scan(TINY, ARMS_DOWN_SEED)


def bench_of(config, seed=1):
    person_seed, noise = np.random.SeedSequence(seed).spawn(2)
    person = draw_scan_person(config, np.random.default_rng(person_seed), NullProgress())
    system = System.build(config.projector(fine=False), support_of(person.body), config.subsets)
    return ScanBench(person, system, 1e-3, ScanNoise.drawn(config, noise))


def nothing():
    """Nobody watches."""


def test_that_a_body_reaches_from_the_thighs_to_the_top_of_the_head(body):
    low, high = body_range_mm(person_of(ARMS_DOWN_SEED))
    found = body.geometry.to_lps_mm(np.array([[-0.5, 0, 0], [len(body.ki) - 0.5, 0, 0]]))[:, 2]
    assert found[0] == pytest.approx(low, abs=0.5 * TINY.slice_mm)
    assert found[1] == pytest.approx(high, abs=0.5 * TINY.slice_mm)
    heights = [np.argwhere(body.labels == label)[:, 0].mean() for label in (
        Label.URINE, Label.LIVER, Label.LUNG, Label.GREY_MATTER)]  # fmt: skip
    assert heights == sorted(heights)


def test_that_slices_are_wide_enough_for_lowered_arms(body):
    """Nobody with lowered arms fits into 480 mm; nothing of the person touches the rim."""
    assert person_of(ARMS_DOWN_SEED).arms == "down"
    pixels = body.config.pixels
    assert pixels > TINY.pixels
    assert pixels % 8 == 0
    _, y, x = np.nonzero(body.body)
    middle = 0.5 * (pixels - 1)
    assert np.hypot(y - middle, x - middle).max() < 0.5 * pixels - 1


def test_that_a_body_says_its_weight_and_volume_and_can_be_made_again(body):
    assert body.config.weight_kg == person_of(ARMS_DOWN_SEED).weight_kg
    assert body.config.slices == len(body.ki)
    again = simulate_scan(body.config, ARMS_DOWN_SEED)
    np.testing.assert_array_equal(again.frames_bqml, body.frames_bqml)
    np.testing.assert_array_equal(again.direct.ki, body.direct.ki)


def test_that_late_frames_begin_late_and_hold_what_the_truth_says(body):
    assert list(body.timing.start_s) == [1800.0, 2400.0, 3000.0]
    basis = patlak_basis(body.plasma, body.timing)
    said = body.ki * basis[0, -1] + body.v0 * basis[1, -1]
    assert body.frames_bqml[-1].sum() == pytest.approx(said.sum(), rel=0.06)
    inside = body.body
    assert body.direct.ki[inside].mean() == pytest.approx(body.ki[inside].mean(), rel=0.15)


def test_that_lesions_of_a_part_of_a_body_lie_in_that_part():
    config = replace(SHARING, lesions=2, slices=9, slice_mm=20.0)
    found = simulate_scan(config, 5)
    assert len(found.ki) == 9
    assert len(found.lesions) == 2
    assert all(-30 <= lesion.centre_lps_mm[2] <= 150 for lesion in found.lesions)


def test_that_chunks_see_the_same_counts_of_the_slices_between():
    """However the volume is cut, its data are the same to the bit."""
    cut = [replace(SHARING, slices_per_chunk=n) for n in (4, 11)]
    found = [
        [bench.measured(c, nothing) for c in range(len(bench.person.config.chunks))]
        for bench in map(bench_of, cut)
    ]
    counts, background = (
        [np.concatenate([getattr(d, name) for d in data], axis=2) for data in found]
        for name in ("counts", "background")
    )
    np.testing.assert_array_equal(counts[0], counts[1])
    np.testing.assert_array_equal(background[0], background[1])
    assert counts[0].shape[2] == SHARING.slices


def test_that_noise_is_correlated_across_the_border_of_chunks_as_inside_them():
    """The difference of two scans of one person, from slice to slice."""
    first = bench_of(SHARING)
    other = replace(first, noise=ScanNoise.drawn(SHARING, np.random.SeedSequence(77)))
    scans = [
        np.concatenate([b.measured(c, nothing).counts for c in range(3)], axis=2)
        for b in (first, other)
    ]
    attenuation = np.concatenate([first.measured(c, nothing).attenuation for c in range(3)], axis=2)
    noise = (scans[0] - scans[1]) / attenuation[..., None]
    taps = mixing_taps(5.0, SHARING.slice_mm)
    shared = np.correlate(taps, taps, "full")
    stated = shared[taps.size] / shared[taps.size - 1]
    inside = attenuation.min(axis=2) < 0.5
    found = [
        np.corrcoef(noise[inside, z].ravel(), noise[inside, z + 1].ravel())[0, 1] for z in range(10)
    ]
    assert np.abs(np.array(found) - stated).max() < 0.05


def test_that_a_stream_per_slice_is_poisson_and_does_not_depend_on_its_neighbours():
    settings = ScannerSettings()
    three = expected(settings)
    errors = draw_background_errors(settings, 3, np.random.default_rng(0))
    seeds = np.random.SeedSequence(9).spawn(three.attenuation.shape[2])
    data = measure_by_slice(three, errors, seeds)
    clean = noise_free(three)
    assert (data.counts == np.round(data.counts)).all()
    excess = (data.counts - clean.counts) / np.sqrt(np.maximum(clean.counts, 1e-6))
    busy = clean.counts > 5
    assert excess[busy].std() == pytest.approx(1.0, abs=0.03)
    again = measure_by_slice(three, errors, seeds)
    np.testing.assert_array_equal(again.counts, data.counts)
    other = measure_by_slice(three, errors, [seeds[0], *np.random.SeedSequence(8).spawn(1)])
    np.testing.assert_array_equal(other.counts[:, :, 0], data.counts[:, :, 0])
    assert (other.counts[:, :, 1] != data.counts[:, :, 1]).any()
