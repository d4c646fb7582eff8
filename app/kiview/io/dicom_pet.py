"""Read PET series, single-slice or multi-frame: frames, times, activity at the injection, SUV."""

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from kiview.core.errors import InvalidInputError, KiviewError, ReadError, UnsupportedDataError
from kiview.core.images import DynamicImage, ScaledFrameStore
from kiview.core.progress import Progress
from kiview.core.study import Finding, PatientInfo, Series, SeriesKind, Verdict
from kiview.core.tracer import Injection, Radionuclide
from kiview.core.units import ACTIVITY, COUNTS, SUV_BW
from kiview.io.arrival import without_voxels
from kiview.io.dicom_checks import removed_findings, slice_count_findings
from kiview.io.dicom_facts import PetHeaders, facts_of
from kiview.io.dicom_frames import frame_table, frames_of
from kiview.io.dicom_headers import HeaderTable
from kiview.io.dicom_injection import InjectionFacts, injection_of, span_of
from kiview.io.dicom_meaning import (
    BOTH_REFUSED,
    REFERENCE_ASSUMED,
    DecayState,
    Meaning,
    decay_state_of,
    finding,
    meaning_of,
    shared_word,
)
from kiview.io.dicom_multiframe import SlicesOfObjects, slices_of_objects
from kiview.io.dicom_multiframe_values import MAPPED
from kiview.io.dicom_pixels import (
    StoredPixels,
    load_pixels,
    lossy_findings,
    refuse_changed_copies,
)
from kiview.io.dicom_slices import FrameOrder, stack_slices
from kiview.io.dicom_suv import (
    SuvFactors,
    decay_to_injection,
    patient_of,
    suv_factors,
    weight_findings,
)
from kiview.io.dicom_tags import MULTI_FRAME_PET
from kiview.io.dicom_times import Clock
from kiview.io.frame_store import VoxelCache
from kiview.io.overrides import UserGiven
from kiview.io.scan import DicomSeriesFiles
from kiview.io.suv_check import suv_findings
from kiview.io.time_checks import late_findings

_DECAYING = (ACTIVITY, COUNTS)
_ONLY_FOR_FACTOR = ("dose-missing", "dose-unusual")
_ONLY_FOR_DECAY = ("half-life-missing", "half-life-differs")


@dataclass(frozen=True, slots=True, eq=False)
class ReadSeries:
    """A series and what else its files said.

    Attributes:
        series: The series.
        patient: The patient of its files.
        unused: (path, reason) of files left out.
    """

    series: Series
    patient: PatientInfo
    unused: tuple[tuple[str, str], ...] = ()


def read_pet(
    files: DicomSeriesFiles, given: UserGiven, cache: VoxelCache, progress: Progress
) -> ReadSeries:
    """Read one PET series.

    What keeps it from being shown becomes a finding of a series without an image.

    Args:
        files: Files of the series.
        given: Values entered by the user.
        cache: Where large series are kept.
        progress: Told while reading pixels.
    """
    patient = PatientInfo()
    try:
        refuse_mixtures(files.headers)
        patient = patient_of(files.headers, given)
        slices = _slices_of(files)
        facts = _facts(slices, given, patient)
        order, early = facts.frames.order, _before_pixels(files.uid, facts)
        refuse_changed_copies(slices.headers, order.copies, progress)
        pixels = load_pixels(slices.headers, order.files, cache, progress, early)
        series = _series(files.uid, facts, pixels)
    except KiviewError as error:
        return ReadSeries(refused_series(files, str(error)), patient)
    series = replace(series, findings=(*files.findings, *series.findings))
    left_out = files_left_out(slices, order, series.source_files)
    return ReadSeries(series, patient, left_out)


def files_left_out(
    slices: SlicesOfObjects, order: FrameOrder, used: tuple[str, ...]
) -> tuple[tuple[str, str], ...]:
    """(path, reason) of files of which no slice is used, each once."""
    paths, kept = slices.headers.paths, set(used)
    told = {paths[i]: why for i, why in order.left_out}
    return tuple((path, why) for path, why in told.items() if path not in kept)


def _slices_of(files: DicomSeriesFiles) -> SlicesOfObjects:
    if files.sop_class in MULTI_FRAME_PET:
        slices = slices_of_objects(files.headers)
        refuse_mixtures(slices.headers)
        return slices
    return SlicesOfObjects(files.headers)


def refused_series(files: DicomSeriesFiles, reason: str) -> Series:
    """A series that is listed with the reason why it cannot be shown."""
    headers = files.headers
    return Series(
        uid=files.uid,
        kind=SeriesKind.OTHER,
        modality=headers.text("Modality"),
        description=headers.text("SeriesDescription"),
        image=None,
        findings=(finding("series-refused", reason, BOTH_REFUSED),),
        file_units=headers.text("Units"),
        source_files=tuple(headers.paths),
    )


def refuse_mixtures(headers: HeaderTable) -> None:
    """Refuse what is no plain time course of one patient.

    Raises:
        ReadError: several patients in one series.
        UnsupportedDataError: gated images or projections.
    """
    if len({name for name in headers.distinct("PatientID") if name}) > 1:
        raise ReadError("The series mixes images of several patients; separate them.")
    kind = shared_word(headers, "SeriesType").split("\\")
    if kind[0] == "GATED":
        raise UnsupportedDataError("A gated series is no time course; open the ungated one.")
    if "REPROJECTION" in kind:
        raise UnsupportedDataError("The series holds projections, no slices.")


def _facts(slices: SlicesOfObjects, given: UserGiven, patient: PatientInfo) -> PetHeaders:
    headers = slices.headers
    clock = Clock.of(headers)
    meaning = meaning_of(headers, given)
    state = decay_state_of(headers, clock, given)
    stack = stack_slices(headers)
    frames = frames_of(headers, clock, stack, state, given)
    if frames.source.fits_decay:
        proven = tuple(one for one in state.findings if one.code != REFERENCE_ASSUMED)
        state = replace(state, findings=proven)
    span = span_of(
        headers,
        clock,
        frames.first_s,
        frames.last_s,
        needs_injection=state.correction != "ADMIN" and meaning.quantity == ACTIVITY,
    )
    injection = injection_of(headers, clock, given, span)
    timing, timing_findings = frame_table(
        frames, injection.time_s, state, given, needs_decay=_needs_decay(meaning, state)
    )
    findings = (
        *slices.findings,
        *stack.findings,
        *slice_count_findings(headers, frames.shape_tz),
        *frames.findings,
        *removed_findings(headers),
        *_slope_findings(headers),
        *lossy_findings(headers),
        *timing_findings,
        *late_findings(timing, injection.half_life_s),
        *_value_findings(headers, meaning, state, injection, patient),
        *_frame_count_findings(frames.count),
    )
    return PetHeaders(
        headers,
        given,
        patient,
        meaning,
        state,
        stack,
        frames,
        injection,
        timing,
        tuple({one.code: one for one in reversed(findings)}.values())[::-1],
        clock,
    )


def _needs_decay(meaning: Meaning, state: DecayState) -> bool:
    """Whether values are brought to the injection by the time since it."""
    return state.correction != "ADMIN" and meaning.quantity in _DECAYING


def _slope_findings(headers: HeaderTable) -> tuple[Finding, ...]:
    """RescaleSlope must be positive and the intercept 0 (PS3.3 C.8.9.4.1.7)."""
    slope = headers.numbers("RescaleSlope")
    if not np.isfinite(slope).all():
        raise InvalidInputError("RescaleSlope is absent, so the values cannot be known.")
    if not (slope > 0).all():
        raise InvalidInputError(
            f"RescaleSlope is {slope.min():g} in a slice; a PET slice needs a positive one."
        )
    intercept = np.nan_to_num(headers.numbers("RescaleIntercept"))
    largest = float(intercept[np.abs(intercept).argmax()])
    if largest == 0 or "YES" in headers.distinct(MAPPED):
        return ()
    message = (
        f"RescaleIntercept is {largest:g}, but PET requires 0: the values cannot be trusted; no SUV"
        " and no Ki."
    )
    return (finding("intercept-not-zero", message, BOTH_REFUSED),)


def _value_findings(
    headers: HeaderTable,
    meaning: Meaning,
    state: DecayState,
    injection: InjectionFacts,
    patient: PatientInfo,
) -> tuple[Finding, ...]:
    """Findings about values, without those that this unit or decay state does not need."""
    needs_factor = meaning.quantity == ACTIVITY and not (
        meaning.units == "CNTS" and headers.number("PhilipsSuvFactor")
    )
    unneeded: tuple[str, ...] = () if needs_factor else _ONLY_FOR_FACTOR
    unneeded += () if _needs_decay(meaning, state) else _ONLY_FOR_DECAY
    return (
        *meaning.findings,
        *state.findings,
        *(one for one in injection.findings if one.code not in unneeded),
        *(
            weight_findings(
                patient.weight_kg, headers.positive("PatientWeight")[1], patient.height_m
            )
            if needs_factor
            else ()
        ),
    )


def _frame_count_findings(count: int) -> tuple[Finding, ...]:
    if count > 1:
        return ()
    message = "The series has one frame; Ki needs a dynamic series."
    return (finding("single-frame", message, (Verdict.READY, Verdict.REFUSED)),)


def _series(uid: str, facts: PetHeaders, pixels: StoredPixels) -> Series:
    headers, order = facts.headers, facts.frames.order.files
    image, factors, findings = _image_of(uid, facts, pixels.voxels)
    findings += suv_findings(image)
    slope_tz, intercept_tz = _scale_of(facts)
    return Series(
        uid=uid,
        kind=SeriesKind.DYNAMIC if image.is_dynamic else SeriesKind.STATIC,
        modality=headers.text("Modality") or "PT",
        description=image.description,
        image=image,
        findings=findings,
        max_value=float((pixels.largest_tz * slope_tz + intercept_tz).max()),
        file_suv_factor_g_per_bq=factors.of_file,
        file_units=facts.meaning.units,
        source_files=tuple(dict.fromkeys(headers.paths[i] for i in order.ravel())),
        facts=facts_of(facts, factors, findings),
    )


def _before_pixels(uid: str, facts: PetHeaders) -> DynamicImage:
    """The image as far as it is known before its pixels are read."""
    _, rows, columns = facts.stack.geometry.shape_zyx
    shape = (*facts.frames.order.files.shape, rows, columns)
    return _image_of(uid, facts, without_voxels(shape, np.int16))[0]


def _image_of(
    uid: str, facts: PetHeaders, voxels: NDArray[np.integer]
) -> tuple[DynamicImage, SuvFactors, tuple[Finding, ...]]:
    """The image with these voxels (t, z, y, x), its SUV factors, and what headers tell of it."""
    headers, meaning = facts.headers, facts.meaning
    tz = facts.frames.start_tz.shape
    start, duration = (
        np.broadcast_to(values[:, None] if values.ndim == 1 else values, tz)
        for values in (facts.timing.start_s, facts.timing.duration_s)
    )
    if not facts.timing.is_known:
        start = np.full(tz, np.nan)  # the table in the image is a stand-in
    to_injection = decay_to_injection(
        facts.state, facts.injection, start, duration, facts.references_tz
    )
    factors = suv_factors(headers, meaning, facts.injection, to_injection, facts.patient.weight_kg)
    is_corrected = meaning.quantity == SUV_BW or to_injection is not None
    findings = (*facts.findings, *_last_findings(facts, factors, is_corrected=is_corrected))
    if any(one.suv is Verdict.REFUSED for one in findings):
        factors = SuvFactors()
    image = DynamicImage(
        store=_store(facts, voxels, to_injection),
        geometry=facts.stack.geometry,
        timing=facts.timing,
        quantity=meaning.quantity,
        injection=_core_injection(facts.injection),
        suv_scale=factors.at_injection,
        series_uid=uid,
        description=headers.text("SeriesDescription"),
        decay_corrected=is_corrected,
        user_given=facts.given.record(),
        body_part=headers.text("BodyPartExamined"),
    )
    return image, factors, findings


def _last_findings(
    facts: PetHeaders, factors: SuvFactors, *, is_corrected: bool
) -> tuple[Finding, ...]:
    """What could not be computed although no finding before said so."""
    told = []
    if (
        facts.meaning.quantity == ACTIVITY
        and factors.at_injection is None
        and not any(one.suv is Verdict.REFUSED for one in facts.findings)
    ):
        message = "SUV cannot be computed: decay could not be brought to the injection."
        told.append(finding("suv-unknown", message, (Verdict.REFUSED, Verdict.READY)))
    if not is_corrected and not any(one.kinetics is Verdict.REFUSED for one in facts.findings):
        message = "The frames could not be brought to one decay reference: no Ki."
        told.append(finding("decay-unknown", message, (Verdict.READY, Verdict.REFUSED)))
    return tuple(told)


def _store(
    facts: PetHeaders,
    voxels: NDArray[np.integer],
    to_injection: NDArray[np.float64] | None,
) -> ScaledFrameStore:
    slope_tz, intercept_tz = _scale_of(facts)
    factor = np.full(slope_tz.shape, facts.meaning.factor)
    if to_injection is not None and facts.meaning.quantity in _DECAYING:
        factor = factor * to_injection
    return ScaledFrameStore(voxels, slope_tz * factor, intercept_tz * factor)


def _scale_of(facts: PetHeaders) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Factor and offset of the stored values, each (t, z)."""
    headers, order = facts.headers, facts.frames.order.files
    slope_tz = headers.numbers("RescaleSlope")[order]
    intercept_tz = np.nan_to_num(headers.numbers("RescaleIntercept"))[order]
    return slope_tz, intercept_tz


def _core_injection(facts: InjectionFacts) -> Injection | None:
    if facts.half_life_s is None:
        return None
    return Injection(Radionuclide(facts.nuclide, facts.half_life_s), facts.dose_bq, facts.tracer)
