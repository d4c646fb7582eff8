"""The same truth in every vendor's tags must be read as the same numbers."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from tests.helpers.dicom_patterns import VENDORS
from tests.helpers.four_frames import DURATION_S, SPEC, START_S, SUV_PER_BQML, write
from tests.helpers.opening import read_main as read
from tests.helpers.opening import read_study, voxels
from tests.helpers.phantoms import (
    asymmetric_phantom,
    axial_affine,
    feet_first_affine,
    oblique_affine,
)

from kiview.core.study import Verdict

ONE_MS = 1e-3


@pytest.mark.parametrize("vendor", VENDORS)
def test_that_every_vendor_gives_the_same_activity_suv_and_times(
    vendor: str, tmp_path: Path
) -> None:
    series = read(write(tmp_path, vendor))
    image = series.image
    assert image is not None
    np.testing.assert_allclose(voxels(series), asymmetric_phantom(), rtol=1e-6)
    assert image.suv_factor == pytest.approx(SUV_PER_BQML, rel=1e-6)
    np.testing.assert_allclose(image.timing.start_s, START_S, atol=ONE_MS)
    np.testing.assert_allclose(image.timing.duration_s, DURATION_S, atol=ONE_MS)
    assert image.decay_corrected
    assert not image.timing.is_per_slice
    assert image.injection is not None
    assert image.injection.radionuclide.half_life_s == 6586.2
    is_proven = vendor != "cps"  # nothing tells that its first frame is there
    expected = Verdict.READY if is_proven else Verdict.CONFIRM
    assert (series.suv_verdict, series.kinetics_verdict) == (expected, expected)


# One count factor for a series cannot hold frames that each have their own decay.
OTHER_STATES = [(v, c) for v in VENDORS for c in ("ADMIN", "NONE") if (v, c) != ("philips", "NONE")]


@pytest.mark.parametrize(("vendor", "correction"), OTHER_STATES)
def test_that_other_decay_states_come_to_the_injection_too(
    vendor: str, correction: str, tmp_path: Path
) -> None:
    def without_decay(ds: object, _facts: object) -> None:
        if correction == "NONE":
            ds.CorrectedImage = [word for word in ds.CorrectedImage if word != "DECY"]
            ds.DecayFactor = "1.0"
        elif "DecayFactor" in ds:
            del ds.DecayFactor

    folder = write(tmp_path, vendor, decay_correction=correction, change=without_decay)
    series = read(folder)
    relative = 1e-6 if correction == "ADMIN" else 2e-3  # NONE is quantised by another step
    np.testing.assert_allclose(voxels(series), asymmetric_phantom(), rtol=relative)


@pytest.mark.parametrize("vendor", VENDORS)
@pytest.mark.parametrize("geometry", [axial_affine, oblique_affine, feet_first_affine])
def test_that_every_voxel_lies_where_it_was_written(
    vendor: str, geometry: object, tmp_path: Path
) -> None:
    affine = geometry()
    image = read(write(tmp_path, vendor, affine=affine)).image
    assert image is not None
    np.testing.assert_allclose(image.geometry.affine_lps_mm, affine, atol=1e-6)
    phantom = asymmetric_phantom()
    for index in [(0, 0, 0), (4, 1, 2), (3, 7, 0), (1, 5, 10)]:
        place = affine @ [*index, 1.0]
        found = image.geometry.nearest_index(place[:3])
        assert found == index
        assert image.store.frame(2)[found] == pytest.approx(phantom[2][index], rel=1e-6)


def test_that_feet_first_slices_ascend_along_the_normal_to_the_feet(tmp_path: Path) -> None:
    image = read(write(tmp_path, "siemens", affine=feet_first_affine())).image
    assert image is not None
    assert image.geometry.axis_letters(0) == ("H", "F")
    assert image.geometry.axis_letters(2) == ("L", "R")


def test_that_the_suv_factor_of_the_files_is_reported_at_their_reference(tmp_path: Path) -> None:
    series = read(write(tmp_path, "ge"))
    left = 2.0 ** (-20.0 / 6586.2)
    assert series.file_suv_factor_g_per_bq == pytest.approx(SUV_PER_BQML / left, rel=1e-6)
    assert series.max_value == pytest.approx(asymmetric_phantom().max() * left, rel=1e-6)


def test_that_ki_needs_no_weight_but_suv_does(tmp_path: Path) -> None:
    series = read(write(tmp_path, "siemens", weight_kg=None))
    assert series.suv_verdict is Verdict.REFUSED
    assert series.kinetics_verdict is Verdict.READY
    entered = read(tmp_path, weight_kg=70.0)
    assert entered.suv_verdict is Verdict.READY
    assert entered.image is not None
    assert entered.image.suv_factor == pytest.approx(SUV_PER_BQML, rel=1e-6)
    assert ("weight_kg", 70.0) in entered.image.user_given


def test_that_patterns_really_differ_in_their_tags(tmp_path: Path) -> None:
    import pydicom  # noqa: PLC0415 - the tags themselves are looked at here only

    seen = {}
    for vendor in VENDORS:
        spec = replace(SPEC, seed=3)
        paths = sorted(write(tmp_path / vendor, vendor, spec).iterdir())
        ds = pydicom.dcmread(paths[0])
        seen[vendor] = (ds.Units, str(ds.FrameReferenceTime), ds.AcquisitionTime, ds.SeriesTime)
    assert len(set(seen.values())) == len(set(VENDORS) - {"multibed"})


def test_that_centimetres_of_height_are_recognised(tmp_path: Path) -> None:
    study = read_study(write(tmp_path, "philips", height_m=175.0))
    assert study.patient.height_m == pytest.approx(1.75)


def test_that_philips_counts_with_only_an_suv_factor_are_suv(tmp_path: Path) -> None:
    def only_suv(ds: object, _facts: object) -> None:
        del ds[0x7053, 0x1009]

    series = read(write(tmp_path, "philips", change=only_suv))
    assert series.image is not None
    assert series.image.quantity.code == "SUV"
    expected = asymmetric_phantom()[1] * SUV_PER_BQML
    np.testing.assert_allclose(series.image.store.frame(1), expected, rtol=1e-6)


def test_that_philips_counts_without_weight_and_one_decay_have_no_suv(tmp_path: Path) -> None:
    def uncorrected(ds: object, _facts: object) -> None:
        ds.CorrectedImage = ["ATTN"]
        ds.DecayCorrection = "NONE"

    series = read(write(tmp_path, "philips", change=uncorrected))
    assert series.image is not None
    assert series.image.suv_factor == pytest.approx(SUV_PER_BQML, rel=1e-6)
    assert series.file_suv_factor_g_per_bq is None  # it differs from frame to frame

    def forget(ds: object, facts: object) -> None:
        uncorrected(ds, facts)
        del ds.PatientWeight

    without = read(write(tmp_path / "b", "philips", change=forget))
    assert "suv-unknown" in {finding.code for finding in without.findings}
    assert without.suv_verdict is Verdict.REFUSED


def test_that_entered_dose_and_half_life_win_over_the_files(tmp_path: Path) -> None:
    series = read(write(tmp_path, "siemens"), dose_bq=700e6, half_life_s=6600.0)
    assert series.image is not None
    assert series.image.suv_factor == pytest.approx(SUV_PER_BQML / 2, rel=1e-6)
    assert series.image.injection is not None
    assert series.image.injection.radionuclide.half_life_s == 6600.0
