"""Multi-frame PET must be read as the same numbers as the single-slice files it was made from."""

import copy
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from pydicom.dataset import Dataset
from tests.helpers.dicom_factory import write_dynamic_series
from tests.helpers.dicom_patterns.facts import SeriesSpec, SliceFacts
from tests.helpers.multiframe import (
    mapping,
    read_slices,
    write_enhanced,
    write_legacy_converted,
)
from tests.helpers.phantoms import QUANTUM_BQML, asymmetric_phantom, oblique_affine
from tests.helpers.results import dciodvfy_errors

from kiview.core.errors import KiviewError
from kiview.core.study import Series, Study, Verdict
from kiview.io.dicom_multiframe import slices_of_objects
from kiview.io.scan import scan
from kiview.jobs.open_study import OpenRequest, open_study

START_S = np.array([20.0, 30.5, 90.5, 390.5])
DURATION_S = np.array([10.5, 60.0, 300.0, 300.0])
SPEC = SeriesSpec(quantum_bqml=QUANTUM_BQML)
SUV_PER_BQML = 70_000.0 / 350e6
SLICES, FRAMES = 5, 4
BEDS = np.array([0, 0, 1, 1, 1])
BED_START_S = np.arange(FRAMES)[:, None] * 120.0 + 60.0 + BEDS * 45.0

Slices = list[Dataset]


def classic(folder: Path, pattern: str = "siemens", **options: object) -> Slices:
    """Single-slice files (t, z) of the phantom; slopes differ from slice to slice."""

    def varied(ds: Dataset, facts: SliceFacts) -> None:
        factor = 1 << ((facts.frame + 2 * facts.slice_index) % 3)
        stored = np.frombuffer(ds.PixelData, "<i2")
        if (stored % factor == 0).all():  # a coarser slope for the same values
            ds.PixelData = (stored // factor).astype("<i2").tobytes()
            ds.RescaleSlope = f"{float(ds.RescaleSlope) * factor:.10g}"

    activity = options.pop("activity", 4 * asymmetric_phantom())
    start, duration = options.pop("start", START_S), options.pop("duration", DURATION_S)
    fields = {**vars(SPEC), "change": varied, **options}
    affine = oblique_affine()
    paths = write_dynamic_series(folder, pattern, activity, affine, start, duration, **fields)
    return read_slices(paths)


def shuffled(slices: Sequence[Dataset]) -> Slices:
    order = np.random.default_rng(5).permutation(len(slices))
    return [slices[i] for i in order]


def read(folder: Path, **overrides: float | str) -> Series:
    series = open_study(OpenRequest(folder, overrides)).main_series
    assert series is not None
    return series


def study_of(folder: Path) -> Study:
    return open_study(OpenRequest(folder, {}))


def voxels(series: Series) -> NDArray[np.float32]:
    assert series.image is not None
    return np.stack([series.image.store.frame(t) for t in range(series.image.frame_count)])


def codes(series: Series) -> set[str]:
    return {finding.code for finding in series.findings}


def assert_same(one: Series, other: Series) -> None:
    """Frames, times, geometry and SUV of two series are identical, not only close."""
    assert one.image is not None
    assert other.image is not None
    np.testing.assert_array_equal(voxels(one), voxels(other))
    for name in ("start_s", "duration_s"):
        np.testing.assert_array_equal(
            getattr(one.image.timing, name), getattr(other.image.timing, name)
        )
    # The corner is that of the first image, which is rounded otherwise in another order.
    np.testing.assert_allclose(
        one.image.geometry.affine_lps_mm, other.image.geometry.affine_lps_mm, rtol=0, atol=1e-9
    )
    assert one.image.suv_factor == other.image.suv_factor
    assert one.file_suv_factor_g_per_bq == other.file_suv_factor_g_per_bq
    assert one.max_value == other.max_value
    assert one.file_units == other.file_units
    assert (one.suv_verdict, one.kinetics_verdict) == (other.suv_verdict, other.kinetics_verdict)


def per_frame(slices: Slices) -> list[Slices]:
    return [slices[t * SLICES : (t + 1) * SLICES] for t in range(FRAMES)]


def per_slice(slices: Slices) -> list[Slices]:
    return [slices[z::SLICES] for z in range(SLICES)]


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


@pytest.mark.parametrize("kind", ["enhanced", "converted"])
def test_that_beds_keep_their_own_times(kind: str, tmp_path: Path) -> None:
    duration = np.full_like(BED_START_S, 40.0)
    slices = classic(tmp_path / "classic", "multibed", start=BED_START_S, duration=duration)
    beds = [[one for i, one in enumerate(slices) if BEDS[i % SLICES] == bed] for bed in (1, 0)]
    write = write_enhanced if kind == "enhanced" else write_legacy_converted
    write(tmp_path / "beds", beds)
    series = read(tmp_path / "beds")
    assert series.image is not None
    np.testing.assert_allclose(series.image.timing.start_s, BED_START_S, atol=1e-6)
    assert_same(series, read(tmp_path / "classic"))


def test_that_objects_with_their_own_decay_reference_come_to_the_injection(
    tmp_path: Path,
) -> None:
    """Each object corrected to its own frame start: the factor back is 2 ** (start / half-life)."""
    slices = classic(tmp_path / "classic", decay_correction="ADMIN")

    def to_frame_start(ds: Dataset) -> None:
        content = ds.PerFrameFunctionalGroupsSequence[0].FrameContentSequence[0]
        ds.DecayCorrectionDateTime = content.FrameAcquisitionDateTime
        for group in ds.PerFrameFunctionalGroupsSequence:
            del group.PETFrameCorrectionFactorsSequence

    write_enhanced(tmp_path / "enhanced", per_frame(slices), change=to_frame_start)
    expected = 4 * asymmetric_phantom() * 2.0 ** (START_S / 6586.2)[:, None, None, None]
    series = read(tmp_path / "enhanced")
    np.testing.assert_allclose(voxels(series), expected, rtol=1e-6)
    assert series.file_suv_factor_g_per_bq is None  # no one factor holds for all frames
    assert series.image is not None
    assert series.image.suv_factor == pytest.approx(SUV_PER_BQML, rel=1e-6)
    assert not series.findings


def test_that_the_decay_factor_of_a_frame_is_checked_against_its_own_reference(
    tmp_path: Path,
) -> None:
    """From the frame start to its mean: x / (1 - exp(-x)) with x = ln 2 x duration / half-life."""
    slices = classic(tmp_path / "classic")
    span = np.log(2.0) / 6586.2 * DURATION_S
    factor = iter(span / (1.0 - np.exp(-span)))

    def to_frame_start(ds: Dataset) -> None:
        groups = ds.PerFrameFunctionalGroupsSequence
        moment = groups[0].FrameContentSequence[0].FrameAcquisitionDateTime
        ds.DecayCorrectionDateTime = moment
        text = f"{next(factor):.10g}"
        for group in groups:
            group.PETFrameCorrectionFactorsSequence[0].DecayFactor = text

    write_enhanced(tmp_path / "enhanced", per_frame(slices), change=to_frame_start)
    assert codes(read(tmp_path / "enhanced")) == set()

    def wrong(group: Dataset, _one: Dataset) -> None:
        group.PETFrameCorrectionFactorsSequence[0].DecayFactor = "1.2"

    write_enhanced(tmp_path / "wrong", [slices], change_frame=wrong)
    assert codes(read(tmp_path / "wrong")) == {"decay-factor-differs"}


SUV_PER_COUNT = 1e-3


def test_that_suv_is_read_where_the_mapping_says_so(tmp_path: Path) -> None:
    def as_suv(group: Dataset, one: Dataset) -> None:
        slope = float(one.RescaleSlope) * SUV_PER_COUNT
        group.RealWorldValueMappingSequence = [mapping("g/ml{SUVbw}", slope)]

    slices = classic(tmp_path / "classic", decay_correction="ADMIN")
    write_enhanced(tmp_path / "enhanced", [slices], change_frame=as_suv)
    series = read(tmp_path / "enhanced")
    assert series.file_units == "GML"
    assert series.file_suv_factor_g_per_bq == 1.0
    np.testing.assert_allclose(voxels(series), 4 * asymmetric_phantom() * SUV_PER_COUNT, rtol=1e-6)


def test_that_activity_is_preferred_to_suv_and_an_intercept_is_added(tmp_path: Path) -> None:
    def both(group: Dataset, one: Dataset) -> None:
        slope = float(one.RescaleSlope)
        group.RealWorldValueMappingSequence = [
            mapping("g/ml{SUVbw}", slope * SUV_PER_COUNT),
            mapping("Bq/ml", slope, 12.0),
        ]

    slices = classic(tmp_path / "classic", decay_correction="ADMIN")
    write_enhanced(tmp_path / "enhanced", [slices], change_frame=both)
    series = read(tmp_path / "enhanced")
    assert series.file_units == "BQML"
    np.testing.assert_allclose(voxels(series), 4 * asymmetric_phantom() + 12.0, rtol=1e-6)
    assert series.max_value == pytest.approx(4 * asymmetric_phantom().max() + 12.0, rel=1e-6)
    assert codes(series) == set()  # an intercept is allowed here, unlike in single-slice PET


def test_that_the_mapping_wins_over_rescale_and_is_to_be_confirmed(tmp_path: Path) -> None:
    def twice(group: Dataset, one: Dataset) -> None:
        group.RealWorldValueMappingSequence = [mapping("Bq/ml", 2 * float(one.RescaleSlope))]

    slices = classic(tmp_path / "classic", decay_correction="ADMIN")
    write_enhanced(tmp_path / "enhanced", [slices], change_frame=twice)
    series = read(tmp_path / "enhanced")
    np.testing.assert_allclose(voxels(series), 8 * asymmetric_phantom(), rtol=1e-6)
    assert codes(series) == {"value-mapping-used"}
    assert series.suv_verdict is Verdict.CONFIRM


def test_that_a_mapping_that_ignores_the_slopes_of_frames_is_refused(tmp_path: Path) -> None:
    def one_for_all(group: Dataset, _one: Dataset) -> None:
        group.RealWorldValueMappingSequence = [mapping("Bq/ml", 1.0)]

    write_enhanced(tmp_path / "enhanced", [classic(tmp_path / "classic")], change_frame=one_for_all)
    series = read(tmp_path / "enhanced")
    assert "value-mapping-contradicts" in codes(series)
    assert series.suv_verdict is Verdict.REFUSED
    assert series.kinetics_verdict is Verdict.REFUSED


@pytest.mark.parametrize("unit", ["umol/min/ml", "g/ml", "kBq/ml"])
def test_that_a_unit_that_cannot_be_suv_is_told(unit: str, tmp_path: Path) -> None:
    def other(group: Dataset, one: Dataset) -> None:
        group.RealWorldValueMappingSequence = [mapping(unit, float(one.RescaleSlope))]

    write_enhanced(tmp_path / "enhanced", [classic(tmp_path / "classic")], change_frame=other)
    series = read(tmp_path / "enhanced")
    told = {finding.code: finding.message for finding in series.findings}
    assert unit.upper() in told["units-unknown"]
    assert series.suv_verdict is Verdict.REFUSED


def test_that_the_quantity_tells_the_kind_of_suv_of_plain_g_per_ml(tmp_path: Path) -> None:
    def suv(group: Dataset, one: Dataset) -> None:
        item = mapping("g/ml", float(one.RescaleSlope))
        quantity, concept = Dataset(), Dataset()
        concept.CodeValue, concept.CodingSchemeDesignator = "126401", "DCM"
        concept.CodeMeaning = "SUVbw"
        quantity.ValueType, quantity.ConceptCodeSequence = "CODE", [concept]
        item.QuantityDefinitionSequence = [quantity]
        group.RealWorldValueMappingSequence = [item]

    write_enhanced(tmp_path / "enhanced", [classic(tmp_path / "classic")], change_frame=suv)
    assert read(tmp_path / "enhanced").file_units == "GML"


def test_that_a_dose_in_bq_is_recognised_and_to_be_confirmed(tmp_path: Path) -> None:
    def in_bq(ds: Dataset) -> None:
        ds.RadiopharmaceuticalInformationSequence[0].RadionuclideTotalDose = "350000000"

    write_enhanced(tmp_path / "enhanced", [classic(tmp_path / "classic")], change=in_bq)
    series = read(tmp_path / "enhanced")
    assert codes(series) == {"dose-in-bq"}
    assert series.image is not None
    assert series.image.suv_factor == pytest.approx(SUV_PER_BQML, rel=1e-6)


def test_that_frames_are_ordered_by_their_index_where_times_are_unknown(tmp_path: Path) -> None:
    def timeless(group: Dataset, _one: Dataset) -> None:
        content = group.FrameContentSequence[0]
        del content.FrameAcquisitionDateTime, content.FrameReferenceDateTime

    def undated(ds: Dataset) -> None:
        del ds.AcquisitionDateTime

    slices = shuffled(classic(tmp_path / "classic", decay_correction="ADMIN"))
    write_enhanced(tmp_path / "enhanced", [slices], change_frame=timeless, change=undated)
    series = read(tmp_path / "enhanced")
    assert "frame-times-unknown" in codes(series)
    np.testing.assert_allclose(voxels(series), 4 * asymmetric_phantom(), rtol=1e-6)


def test_that_the_reference_time_tells_frames_where_their_start_is_absent(tmp_path: Path) -> None:
    def referenced(group: Dataset, _one: Dataset) -> None:
        del group.FrameContentSequence[0].FrameAcquisitionDateTime

    slices = shuffled(classic(tmp_path / "classic"))
    write_enhanced(tmp_path / "enhanced", [slices], change_frame=referenced)
    series = read(tmp_path / "enhanced")
    assert series.image is not None
    # half a frame before the average-activity time, which lies up to 0.4 s before the centre
    np.testing.assert_allclose(series.image.timing.start_s, START_S, atol=0.41)


def test_that_the_time_of_a_frame_wins_over_that_of_its_object(tmp_path: Path) -> None:
    def acquired(ds: Dataset) -> None:
        ds.AcquisitionDate, ds.AcquisitionTime = "20201217", "101112.5"

    slices = classic(tmp_path / "classic")
    write_enhanced(tmp_path / "enhanced", [slices], change=acquired)
    assert_same(read(tmp_path / "enhanced"), read(tmp_path / "classic"))


def test_that_one_time_zone_is_one_clock_and_two_are_refused(tmp_path: Path) -> None:
    def zoned(zone: str) -> Callable[[Dataset, Dataset], None]:
        def change(group: Dataset, _one: Dataset) -> None:
            content = group.FrameContentSequence[0]
            content.FrameAcquisitionDateTime = f"{content.FrameAcquisitionDateTime}+0100"
            content.FrameReferenceDateTime = f"{content.FrameReferenceDateTime}{zone}"

        return change

    slices = classic(tmp_path / "classic")
    write_enhanced(tmp_path / "one", [slices], change_frame=zoned("+0100"))
    assert_same(read(tmp_path / "one"), read(tmp_path / "classic"))
    write_enhanced(tmp_path / "two", [slices], change_frame=zoned("+0000"))
    assert "several time zones (+0000, +0100)" in refusal(tmp_path / "two")


@pytest.mark.parametrize("told", ["BQML", "Bq/ml"])
def test_that_the_rescale_type_tells_the_unit_where_no_mapping_does(
    told: str, tmp_path: Path
) -> None:
    def unmapped(group: Dataset, _one: Dataset) -> None:
        del group.RealWorldValueMappingSequence
        group.PixelValueTransformationSequence[0].RescaleType = told

    slices = classic(tmp_path / "classic")
    write_enhanced(tmp_path / "enhanced", [slices], change_frame=unmapped)
    assert_same(read(tmp_path / "enhanced"), read(tmp_path / "classic"))

    def unspecified(group: Dataset, one: Dataset) -> None:
        unmapped(group, one)
        group.PixelValueTransformationSequence[0].RescaleType = "US"

    write_enhanced(tmp_path / "unspecified", [slices], change_frame=unspecified)
    assert "units-unknown" in codes(read(tmp_path / "unspecified"))


def test_that_an_index_against_the_times_is_told(tmp_path: Path) -> None:
    def backwards(group: Dataset, _one: Dataset) -> None:
        content = group.FrameContentSequence[0]
        content.TemporalPositionIndex = FRAMES + 1 - content.TemporalPositionIndex

    slices = classic(tmp_path / "classic")
    write_enhanced(tmp_path / "enhanced", [slices], change_frame=backwards)
    series = read(tmp_path / "enhanced")
    assert codes(series) == {"temporal-order-differs"}
    np.testing.assert_array_equal(voxels(series), voxels(read(tmp_path / "classic")))


def test_that_indices_may_begin_again_in_each_object(tmp_path: Path) -> None:
    slices = classic(tmp_path / "classic")
    halves = [slices[: 2 * SLICES], slices[2 * SLICES :]]

    def again(ds: Dataset) -> None:
        for group in ds.PerFrameFunctionalGroupsSequence:
            content = group.FrameContentSequence[0]
            content.TemporalPositionIndex = (content.TemporalPositionIndex - 1) % 2 + 1

    write_enhanced(tmp_path / "enhanced", halves, change=again)
    assert codes(read(tmp_path / "enhanced")) == set()


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


def refusal(folder: Path) -> str:
    with pytest.raises(KiviewError) as caught:
        study_of(folder)
    return str(caught.value)


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


def test_that_a_gap_between_frames_is_told(tmp_path: Path) -> None:
    start = START_S + np.array([0.0, 0.0, 0.0, 60.0])
    slices = classic(tmp_path / "classic", start=start)
    write_enhanced(tmp_path / "enhanced", per_frame(slices))
    assert "frame-gaps" in codes(read(tmp_path / "enhanced"))


def test_that_a_copy_of_an_object_is_ignored_and_listed(tmp_path: Path) -> None:
    slices = classic(tmp_path / "classic")
    paths = write_enhanced(tmp_path / "enhanced", per_frame(slices))
    copied = tmp_path / "enhanced" / "zcopy.dcm"
    copied.write_bytes(paths[2].read_bytes())
    study = study_of(tmp_path / "enhanced")
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
