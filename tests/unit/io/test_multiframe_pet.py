"""Multi-frame PET must be read as the same numbers as the single-slice files it was made from."""

import copy
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from pydicom.dataset import Dataset
from tests.helpers.dicom_patterns.facts import SliceFacts
from tests.helpers.four_frames import DURATION_S, START_S, SUV_PER_BQML
from tests.helpers.multiframe import (
    FRAMES,
    SLICES,
    Slices,
    classic,
    mapping,
    per_frame,
    per_slice,
    shuffled,
    write_enhanced,
    write_legacy_converted,
)
from tests.helpers.opening import assert_same, codes, read_study, refusal, voxels
from tests.helpers.opening import read_main as read
from tests.helpers.phantoms import asymmetric_phantom, oblique_affine
from tests.helpers.results import dciodvfy_errors

from kiview.core.study import Verdict
from kiview.io.dicom_multiframe import slices_of_objects
from kiview.io.scan import scan
from kiview.jobs.open_study import OpenRequest, open_study

LAYOUTS: dict[str, Callable[[Slices], list[Slices]]] = {
    "one object": lambda slices: [slices],
    "one object, frames in any order": lambda slices: [shuffled(slices)],
    "an object per frame": lambda slices: shuffled(per_frame(slices)),
    "an object per position": lambda slices: shuffled(per_slice(slices)),
}


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("correction", ["START", "ADMIN", "NONE"])
def test_that_enhanced_objects_are_read_like_the_single_slices(
    layout: str, correction: str, tmp_path: Path
) -> None:
    def told(ds: Dataset, _facts: SliceFacts) -> None:
        if correction == "NONE":
            ds.CorrectedImage = [word for word in ds.CorrectedImage if word != "DECY"]
        del ds.DecayFactor

    slices = classic(tmp_path / "classic", decay_correction=correction, change=told)
    write_enhanced(tmp_path / "enhanced", LAYOUTS[layout](slices))
    enhanced = read(tmp_path / "enhanced")
    assert_same(enhanced, read(tmp_path / "classic"))
    assert enhanced.kinetics_verdict is Verdict.READY
    assert enhanced.suv_verdict is Verdict.READY


def test_that_enhanced_objects_hold_the_truth(tmp_path: Path) -> None:
    slices = classic(tmp_path / "classic")
    assert len({str(one.RescaleSlope) for one in slices}) > 2
    write_enhanced(tmp_path / "enhanced", [shuffled(slices)])
    series = read(tmp_path / "enhanced")
    image = series.image
    assert image is not None
    np.testing.assert_allclose(voxels(series), 4 * asymmetric_phantom(), rtol=1e-6)
    np.testing.assert_allclose(image.timing.start_s, START_S, atol=1e-6)
    np.testing.assert_allclose(image.timing.duration_s, DURATION_S, atol=1e-6)
    np.testing.assert_allclose(image.geometry.affine_lps_mm, oblique_affine(), atol=1e-6)
    assert image.suv_factor == pytest.approx(SUV_PER_BQML, rel=1e-6)
    assert image.injection is not None
    assert image.injection.activity_bq == 350e6  # from 350 MBq
    assert image.injection.tracer == "Fluorodeoxyglucose F^18^"
    assert series.source_files == (str(tmp_path / "enhanced" / "enhanced0.dcm"),)
    assert not series.findings


@pytest.mark.parametrize("pattern", ["siemens", "ge", "philips_bqml", "cps", "multibed"])
@pytest.mark.parametrize("layout", ["one object", "an object per frame"])
def test_that_converted_objects_are_read_like_their_originals(
    pattern: str, layout: str, tmp_path: Path
) -> None:
    slices = classic(tmp_path / "classic", pattern)
    write_legacy_converted(tmp_path / "converted", LAYOUTS[layout](slices))
    assert_same(read(tmp_path / "converted"), read(tmp_path / "classic"))


def test_that_frames_of_one_file_have_keys_of_their_own(tmp_path: Path) -> None:
    write_enhanced(tmp_path / "enhanced", [classic(tmp_path / "classic")])
    (files,) = scan(tmp_path / "enhanced").dicom
    headers = slices_of_objects(files.headers).headers
    assert len(set(headers.identities(range(len(headers))))) == SLICES * FRAMES
    assert len({path for path, *_ in headers.identities([0, 0])}) == 1


def without(name: str) -> Callable[[Dataset], None]:
    def change(ds: Dataset) -> None:
        delattr(ds, name)

    return change


def value(name: str, text: str) -> Callable[[Dataset], None]:
    def change(ds: Dataset) -> None:
        setattr(ds, name, text)

    return change


@pytest.mark.parametrize(
    ("change", "code", "suv", "kinetics"),
    [
        (without("DecayCorrected"), "decay-correction-unknown", "REFUSED", "REFUSED"),
        (without("DecayCorrectionDateTime"), "decay-correction-unknown", "REFUSED", "REFUSED"),
        (value("DecayCorrected", "NO"), "", "READY", "READY"),
        (without("AttenuationCorrected"), "corrections-unknown", "CONFIRM", "CONFIRM"),
        (value("AttenuationCorrected", "NO"), "not-attenuation-corrected", "REFUSED", "REFUSED"),
        (without("PatientWeight"), "weight-missing", "REFUSED", "READY"),
        (
            without("RadiopharmaceuticalInformationSequence"),
            "injection-time-missing",
            "REFUSED",
            "REFUSED",
        ),
    ],
)
def test_that_what_an_object_does_not_say_is_a_finding(
    change: Callable[[Dataset], None], code: str, suv: str, kinetics: str, tmp_path: Path
) -> None:
    slices = classic(tmp_path / "classic")
    write_enhanced(tmp_path / "enhanced", [slices], change=change)
    series = read(tmp_path / "enhanced")
    assert code in codes(series) or not code
    assert (series.suv_verdict, series.kinetics_verdict) == (Verdict[suv], Verdict[kinetics])


def test_that_an_entered_decay_correction_settles_an_unknown_one(tmp_path: Path) -> None:
    slices = classic(tmp_path / "classic", decay_correction="ADMIN")
    write_enhanced(tmp_path / "enhanced", [slices], change=without("DecayCorrectionDateTime"))
    series = read(tmp_path / "enhanced", decay_correction="ADMIN")
    np.testing.assert_allclose(voxels(series), 4 * asymmetric_phantom(), rtol=1e-6)


def two_agents(ds: Dataset) -> None:
    first = ds.RadiopharmaceuticalInformationSequence[0]
    second = copy.deepcopy(first)
    second.RadiopharmaceuticalAgentNumber = 2
    second.RadionuclideHalfLife = "1223.4"
    second.RadiopharmaceuticalStartDateTime = "20201217080000"
    ds.RadiopharmaceuticalInformationSequence = [second, first]


def test_that_the_agent_that_frames_use_is_taken(tmp_path: Path) -> None:
    slices = classic(tmp_path / "classic")
    write_enhanced(tmp_path / "enhanced", [slices], change=two_agents)
    series = read(tmp_path / "enhanced")
    assert series.image is not None
    assert series.image.injection is not None
    assert series.image.injection.radionuclide.half_life_s == 6586.2
    assert_same(series, read(tmp_path / "classic"))


def unused_agents(ds: Dataset) -> None:
    two_agents(ds)
    del ds.SharedFunctionalGroupsSequence[0].RadiopharmaceuticalUsageSequence


def strange_agent(ds: Dataset) -> None:
    usage = ds.SharedFunctionalGroupsSequence[0].RadiopharmaceuticalUsageSequence[0]
    usage.RadiopharmaceuticalAgentNumber = 9


def another_agent_in_one_frame(ds: Dataset) -> None:
    two_agents(ds)
    usage = Dataset()
    usage.RadiopharmaceuticalAgentNumber = 2
    ds.PerFrameFunctionalGroupsSequence[3].RadiopharmaceuticalUsageSequence = [usage]


def gated(ds: Dataset) -> None:
    ds.ImageType = ["ORIGINAL", "PRIMARY", "CARDIAC_GATED", "NONE"]


def fewer_groups(ds: Dataset) -> None:
    ds.PerFrameFunctionalGroupsSequence = ds.PerFrameFunctionalGroupsSequence[:-1]


def cut_pixels(ds: Dataset) -> None:
    ds.PixelData = ds.PixelData[:-20]


def two_ranges(ds: Dataset) -> None:
    for group in ds.PerFrameFunctionalGroupsSequence:
        group.RealWorldValueMappingSequence.append(mapping("Bq/ml", 77.0))


def no_positions(ds: Dataset) -> None:
    for group in ds.PerFrameFunctionalGroupsSequence:
        del group.PlanePositionSequence


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        (unused_agents, "several radiopharmaceuticals"),
        (strange_agent, "radiopharmaceutical 9, which the object does not list"),
        (another_agent_in_one_frame, "different injections"),
        (gated, "gated series"),
        (fewer_groups, "says 20 frames but describes 19"),
        (cut_pixels, "cut off"),
        (two_ranges, "a table or several ranges"),
        (no_positions, "ImagePositionPatient needs 3 numbers"),
    ],
)
def test_that_an_object_that_cannot_be_read_says_why(
    change: Callable[[Dataset], None], sentence: str, tmp_path: Path
) -> None:
    write_enhanced(tmp_path / "enhanced", [classic(tmp_path / "classic")], change=change)
    assert sentence in refusal(tmp_path / "enhanced")


def test_that_a_missing_slice_leaves_its_frame_out(tmp_path: Path) -> None:
    slices = classic(tmp_path / "classic")
    write_enhanced(tmp_path / "enhanced", [[*slices[:7], *slices[8:]]])
    series = read(tmp_path / "enhanced")
    assert "frames-incomplete" in codes(series)
    assert series.image is not None
    np.testing.assert_allclose(series.image.timing.start_s, START_S[[0, 2, 3]], atol=1e-6)


def test_that_a_missing_position_and_a_doubled_frame_are_refused(tmp_path: Path) -> None:
    slices = classic(tmp_path / "classic")
    gone = [one for i, one in enumerate(slices) if i % SLICES != 2]
    write_enhanced(tmp_path / "gap", [gone])
    assert "A slice seems to be missing" in refusal(tmp_path / "gap")
    write_enhanced(tmp_path / "twins", [[*slices, slices[4]]])
    assert "same position and time" in refusal(tmp_path / "twins")


def test_that_a_copy_of_an_object_is_ignored_and_listed(tmp_path: Path) -> None:
    slices = classic(tmp_path / "classic")
    paths = write_enhanced(tmp_path / "enhanced", per_frame(slices))
    copied = tmp_path / "enhanced" / "zcopy.dcm"
    copied.write_bytes(paths[2].read_bytes())
    study = read_study(tmp_path / "enhanced")
    assert study.main_series is not None
    assert_same(study.main_series, read(tmp_path / "classic"))
    (told,) = study.main_series.findings
    assert told.code == "copies-ignored"
    assert told.message.startswith("1 files are copies")
    assert [path for path, _ in study.unused_files] == [str(copied)]


def test_that_one_object_of_several_opens_its_whole_series(tmp_path: Path) -> None:
    slices = classic(tmp_path / "classic")
    paths = write_enhanced(tmp_path / "enhanced", per_frame(slices))
    assert_same(read(paths[1]), read(tmp_path / "classic"))


def test_that_objects_are_read_from_the_cache_the_second_time(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    slices = classic(tmp_path / "classic")
    write_enhanced(tmp_path / "enhanced", [shuffled(slices)])
    request = OpenRequest(
        tmp_path / "enhanced", {}, cache_folder=tmp_path / "cache", memory_limit_bytes=100
    )
    first = open_study(request).main_series
    monkeypatch.setattr("kiview.io.dicom_pixels._planes", None)  # not called again
    second = open_study(request).main_series
    assert first is not None
    assert second is not None
    assert_same(first, second)
    monkeypatch.undo()
    assert_same(second, read(tmp_path / "classic"))


_OF_THE_SCANNER = (
    "EnhancedPETAcquisition",
    "PETFrameAcquisitionMacro",
    "PETDetectorMotionDetailsMacro",
    "PETPositionMacro",
    "PETReconstructionMacro",
)
"""Modules and macros about the scanner that the helper leaves out and the reader never looks at."""


def test_that_the_objects_of_these_tests_keep_to_the_standard(tmp_path: Path) -> None:
    slices = classic(tmp_path / "classic")
    enhanced = write_enhanced(tmp_path / "enhanced", [slices])[0]
    told = [
        line
        for line in dciodvfy_errors(enhanced)
        if not any(f"Module=<{name}>" in line for name in _OF_THE_SCANNER)
    ]
    assert told == []
