"""Read NIfTI images with their JSON sidecars."""

from contextlib import suppress
from dataclasses import replace
from pathlib import Path

import numpy as np

from kiview.core.errors import InvalidInputError, KiviewError, UnsupportedDataError
from kiview.core.images import DynamicImage, ScaledFrameStore
from kiview.core.progress import Progress
from kiview.core.study import Finding, PatientInfo, Series, SeriesKind, Verdict
from kiview.core.suv import SuvScale
from kiview.core.timing import FrameTiming
from kiview.core.tracer import Injection, Radionuclide
from kiview.core.units import ACTIVITY, SUV_BW, UNKNOWN, Quantity, Unit
from kiview.io import bids_sidecar
from kiview.io.arrival import without_voxels
from kiview.io.bids_sidecar import Sidecar, SidecarTimes, read_sidecar
from kiview.io.dicom_frame_times import FIELDS
from kiview.io.dicom_frames import UNKNOWN_TIMES, gap_findings, stand_in_timing
from kiview.io.dicom_meaning import BOTH_REFUSED, BOTH_TO_CONFIRM, finding
from kiview.io.dicom_pet import ReadSeries
from kiview.io.dicom_suv import weight_findings
from kiview.io.dicom_volume import KNOWN_QUANTITIES, not_pet
from kiview.io.file_series import (
    file_uid,
    own_suv_factor,
    refused_file,
    single_frame_findings,
    suv_at_injection,
)
from kiview.io.frame_store import VoxelCache
from kiview.io.image_kinds import files_of, sidecar_path
from kiview.io.nifti_header import NiftiHeader, load_voxels, read_header
from kiview.io.nuclides import half_life_findings
from kiview.io.overrides import UserGiven
from kiview.io.sidecar_checks import attenuation_findings, value_findings, why_no_weight
from kiview.io.sidecar_facts import SidecarPet, facts_of
from kiview.io.suv_check import suv_findings
from kiview.io.time_checks import entered_findings, late_findings


def read_nifti(path: Path, given: UserGiven, cache: VoxelCache, progress: Progress) -> ReadSeries:
    """Read one image with its sidecar; what keeps it from being shown becomes a finding.

    Args:
        path: `.nii` or `.nii.gz`.
        given: Values entered by the user.
        cache: Where large series are kept.
        progress: Told at each frame.
    """
    patient = PatientInfo(weight_kg=given.number("weight_kg"), height_m=given.number("height_m"))
    fields: tuple[str, ...] = ()
    try:
        header = read_header(path)
        sidecar = read_sidecar(sidecar_path(path))
        fields = () if given.lists else FIELDS
        if "quantity" in sidecar.values and "method" in sidecar.values:
            return ReadSeries(_map_series(header, sidecar, cache, progress), patient)
        is_volume = header.frame_count == 1 and not _is_pet(sidecar, given)
        series = (
            _volume_series(header, cache, progress)
            if is_volume
            else _pet_series(header, sidecar, given, cache, progress)
        )
    except KiviewError as error:
        series = refused_file(files_of(path), nifti_uid(path), error, fields)
    return ReadSeries(series, patient)


def _is_pet(sidecar: Sidecar, given: UserGiven) -> bool:
    known = {"FrameTimesStart", "TracerName", "InjectedRadioactivity", "TracerRadionuclide"}
    return bool(known & sidecar.values.keys() or given.word("units"))


def nifti_uid(path: Path) -> str:
    """Identity of the series of a file, of its place."""
    return file_uid(path, "nifti")


def _volume_series(header: NiftiHeader, cache: VoxelCache, progress: Progress) -> Series:
    message = f"{header.path.name} has no sidecar that says what its values mean: no SUV and no Ki."
    unknown = finding("units-unknown", message, BOTH_REFUSED, "units")
    return _plain_series(header, SeriesKind.OTHER, UNKNOWN, (unknown,), (cache, progress))


def _map_series(
    header: NiftiHeader, sidecar: Sidecar, cache: VoxelCache, progress: Progress
) -> Series:
    """A map that KiView exported."""
    code, symbol = sidecar.text("quantity"), sidecar.text("unit")
    quantity = KNOWN_QUANTITIES.get(code)
    if quantity is None or quantity.unit.symbol != symbol:
        unit = Unit(symbol or "unknown", sidecar.text("Units") or "{unknown}")
        quantity = Quantity(code or "map", sidecar.text("label") or code or "Map", unit)
    series = _plain_series(
        header, SeriesKind.MAP, quantity, (not_pet(SeriesKind.MAP),), (cache, progress)
    )
    description = sidecar.text("description")
    if series.image is None or not description:
        return series
    image = replace(series.image, description=description)
    return replace(series, description=description, image=image)


def _plain_series(
    header: NiftiHeader,
    kind: SeriesKind,
    quantity: Quantity,
    findings: tuple[Finding, ...],
    means: tuple[VoxelCache, Progress],
) -> Series:
    if header.frame_count > 1:
        raise UnsupportedDataError(f"{header.path} holds {header.frame_count} volumes, not one.")
    stored = load_voxels(header, *means)
    uid = nifti_uid(header.path)
    image = DynamicImage(
        ScaledFrameStore(stored.voxels, header.slope, header.intercept),
        header.geometry,
        stand_in_timing(1),
        quantity,
        series_uid=uid,
        description=header.path.name,
    )
    return Series(
        uid,
        kind,
        "",
        header.path.name,
        image,
        (*header.findings, *findings),
        stored.largest(header.slope, header.intercept),
        source_files=files_of(header.path),
        file_units=quantity.unit.symbol if quantity != UNKNOWN else "",
    )


def _pet_series(
    header: NiftiHeader,
    sidecar: Sidecar,
    given: UserGiven,
    cache: VoxelCache,
    progress: Progress,
) -> Series:
    meaning = bids_sidecar.meaning_of(sidecar, given)
    times = _times(header, sidecar, given)
    half_life = given.number("half_life_s") or bids_sidecar.half_life_of(sidecar)
    dose = bids_sidecar.dose_of(sidecar, given)
    factor, decay_findings = bids_sidecar.decay_to_injection(sidecar, given, times, half_life)
    is_activity = meaning.quantity == ACTIVITY
    findings = [*header.findings, *meaning.findings, *times.findings]
    findings += _injection_findings(sidecar, given, times, half_life)
    if is_activity:
        findings += [*decay_findings, *dose.findings]
        weight, height = given.number("weight_kg"), given.number("height_m")
        findings += weight_findings(weight, why_no_weight(sidecar), height_m=height)
    findings += [*attenuation_findings(sidecar), *single_frame_findings(header.frame_count)]
    to_injection = factor if factor is not None and is_activity else np.ones(header.frame_count)
    suv = None
    if is_activity and not any(one.suv is Verdict.REFUSED for one in findings):
        suv = suv_at_injection(given.number("weight_kg"), dose.dose_bq)
    scale = (to_injection * meaning.factor)[:, None]
    slope, intercept = header.slope * scale, header.intercept * scale
    early = DynamicImage(
        ScaledFrameStore(without_voxels(header.shape_tzyx, np.int16), slope, intercept),
        header.geometry,
        times.timing,
        meaning.quantity,
        _injection(sidecar, half_life, dose.dose_bq),
        SuvScale(suv) if suv else None,
        nifti_uid(header.path),
        sidecar.text("SeriesDescription") or header.path.name,
        meaning.quantity == SUV_BW or factor is not None,
        given.record(),
    )
    stored = load_voxels(header, cache, progress, early)
    image = replace(early, store=ScaledFrameStore(stored.voxels, slope, intercept))
    is_one_time = bool(np.ptp(to_injection) == 0)
    of_file = suv * float(scale[0, 0]) if suv and is_one_time else own_suv_factor(meaning.quantity)
    largest = stored.largest(header.slope, header.intercept)
    findings += [*suv_findings(image), *value_findings(header.path.name, largest)]
    known = SidecarPet(header, sidecar, given, meaning, times, dose.dose_bq, half_life)
    return Series(
        image.series_uid,
        SeriesKind.DYNAMIC if image.is_dynamic else SeriesKind.STATIC,
        "PT",
        image.description,
        image,
        tuple(findings),
        largest,
        of_file,
        files_of(header.path),
        meaning.units,
        facts_of(known, of_file, suv, tuple(findings)),
    )


def _injection_findings(
    sidecar: Sidecar, given: UserGiven, times: SidecarTimes, half_life_s: float | None
) -> list[Finding]:
    """Whether half-life and injection are such as they can be."""
    told: list[Finding] = []
    if half_life_s is not None:
        entered = given.number("half_life_s") is not None
        nuclide = bids_sidecar.nuclide_of(sidecar)
        told += half_life_findings(half_life_s, nuclide, is_entered=entered)
    if times.timing.is_known:
        told += bids_sidecar.injection_findings(times.timing, half_life_s)
        told += late_findings(times.timing, half_life_s)
    if given.word("injection_time"):
        message = (
            "The injection time that you entered is not used: a sidecar counts in seconds, without"
            " a clock. Enter frame_start_s and frame_duration_s from the injection."
        )
        told.append(finding("injection-time-unused", message, BOTH_TO_CONFIRM, *FIELDS))
    return told


def _times(header: NiftiHeader, sidecar: Sidecar, given: UserGiven) -> SidecarTimes:
    """Frame table: entered, of the sidecar, or a stand-in for a dynamic image without one."""
    if given.lists:
        start, duration = given.lists["frame_start_s"], given.lists["frame_duration_s"]
        if not len(start) == len(duration) == header.frame_count:
            raise InvalidInputError(
                f"The image has {header.frame_count} frames but {len(start)} values of"
                f" frame_start_s and {len(duration)} of frame_duration_s were entered."
            )
        return _entered(sidecar, FrameTiming(start, duration))
    if "FrameTimesStart" in sidecar.values:
        return bids_sidecar.frame_table(sidecar, header.frame_count)
    message = (
        f"{header.path.name} has no frame table in a sidecar; enter frame_start_s and"
        " frame_duration_s."
    )
    unknown = finding(UNKNOWN_TIMES, message, (Verdict.READY, Verdict.REFUSED), *FIELDS)
    return SidecarTimes(stand_in_timing(header.frame_count), 0.0, (unknown,))


def _entered(sidecar: Sidecar, timing: FrameTiming) -> SidecarTimes:
    """An entered frame table, compared with that of the sidecar where there is one."""
    injection_s, told_s = sidecar.number("InjectionStart"), None
    if injection_s is not None and "FrameTimesStart" in sidecar.values:
        with suppress(InvalidInputError):  # an entered table replaces one that cannot be read
            told_s = bids_sidecar.frame_table(sidecar, timing.frame_count).timing.start_s
    odd = entered_findings(timing, told_s, needs_decay=True)
    return SidecarTimes(timing, injection_s or 0.0, (*odd, *gap_findings(timing)))


def _injection(
    sidecar: Sidecar, half_life_s: float | None, dose_bq: float | None
) -> Injection | None:
    if half_life_s is None:
        return None
    nuclide = Radionuclide(bids_sidecar.nuclide_of(sidecar), half_life_s)
    return Injection(nuclide, dose_bq, sidecar.text("TracerName"))
