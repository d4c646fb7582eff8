"""Read NIfTI images with their JSON sidecars, and region masks."""

import gzip
import hashlib
import zlib
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, BinaryIO, cast

import nibabel
import numpy as np
from numpy.typing import NDArray

from kiview.core.errors import InvalidInputError, KiviewError, ReadError, UnsupportedDataError
from kiview.core.geometry import VolumeGeometry
from kiview.core.images import DynamicImage, ScaledFrameStore
from kiview.core.progress import Progress
from kiview.core.roi import RoiMask
from kiview.core.study import Finding, PatientInfo, Series, SeriesKind, Verdict
from kiview.core.suv import SuvScale, suvbw_factor_g_per_bq
from kiview.core.timing import FrameTiming
from kiview.core.tracer import Injection, Radionuclide
from kiview.core.units import ACTIVITY, SUV_BW, UNKNOWN, Quantity, Unit
from kiview.io import bids_sidecar
from kiview.io.bids_sidecar import Sidecar, SidecarTimes, read_sidecar
from kiview.io.dicom_frame_times import FIELDS
from kiview.io.dicom_frames import UNKNOWN_TIMES, stand_in_timing
from kiview.io.dicom_meaning import BOTH_REFUSED, finding
from kiview.io.dicom_pet import ReadSeries
from kiview.io.dicom_suv import weight_findings
from kiview.io.dicom_volume import KNOWN_QUANTITIES, not_pet
from kiview.io.frame_store import VoxelCache, cache_key, identity
from kiview.io.overrides import UserGiven

_LENGTH_IN_MM = {"meter": 1000.0, "mm": 1.0, "micron": 1e-3, "unknown": 1.0}
_SWAP_TO_LPS = np.diag([-1.0, -1.0, 1.0, 1.0])
_HTML_STARTS = (b"<!doc", b"<html", b"<?xml", b"<head")
_LARGEST_SIDE = 1 << 15


@dataclass(frozen=True, slots=True, eq=False)
class NiftiHeader:
    """What a NIfTI header says.

    Attributes:
        path: The image.
        geometry: Grid in LPS mm.
        frame_count: Number of volumes.
        dtype: Type as stored.
        offset: First byte of the voxels.
        slope: Factor, 1 where none is given.
        intercept: Offset, 0 where none is given.
        findings: What is not certain.
    """

    path: Path
    geometry: VolumeGeometry
    frame_count: int
    dtype: np.dtype[Any]
    offset: int
    slope: float
    intercept: float
    findings: tuple[Finding, ...]

    @property
    def shape_tzyx(self) -> tuple[int, int, int, int]:
        """Frames, slices, rows, columns."""
        return (self.frame_count, *self.geometry.shape_zyx)


def read_header(path: Path) -> NiftiHeader:
    """Read the header of a NIfTI image.

    Raises:
        ReadError: the file is no NIfTI image.
        UnsupportedDataError: it holds colours, complex numbers or more than four dimensions.
    """
    _refuse_web_page(path)
    try:
        image: Any = nibabel.load(path)
        header = image.header
        offset = int(image.dataobj.offset)
        slope, intercept = float(image.dataobj.slope), float(image.dataobj.inter)
        affine = np.asarray(image.affine, np.float64)
        shape = tuple(int(n) for n in image.shape)
        dtype = np.dtype(header.get_data_dtype())
        length_unit = header.get_xyzt_units()[0]
    except KiviewError:
        raise
    except Exception as error:  # nibabel raises many kinds on damaged files
        raise ReadError(f"{path} is no NIfTI image: {_short(error)}.") from error
    if not isinstance(image, nibabel.Nifti1Image | nibabel.Nifti2Image):
        raise UnsupportedDataError(f"{path} is a pair of files or another format, no .nii image.")
    sides = _sides(path, shape)
    if dtype.kind not in "iuf" or dtype.itemsize > 8:
        raise UnsupportedDataError(f"{path} holds {dtype} voxels, no plain numbers.")
    x, y, z = sides[:3]
    geometry = VolumeGeometry((z, y, x), lps_affine(affine, _LENGTH_IN_MM.get(length_unit, 1.0)))
    told = header["sform_code"] > 0 or header["qform_code"] > 0
    return NiftiHeader(
        path,
        geometry,
        sides[3],
        dtype,
        offset,
        slope,
        intercept,
        () if told else (_orientation_unknown(path),),
    )


def lps_affine(affine_ras: NDArray[np.float64], mm: float = 1.0) -> NDArray[np.float64]:
    """(4, 4) from index (z, y, x, 1) to LPS mm, from NIfTI's index (x, y, z, 1) to RAS.

    Args:
        affine_ras: As NIfTI has it.
        mm: Length of its unit in mm.
    """
    affine = _SWAP_TO_LPS @ affine_ras
    affine = affine[:, [2, 1, 0, 3]]
    affine[:3] *= mm
    return affine


def _short(error: Exception) -> str:
    text = str(error).split("\n", maxsplit=1)[0]
    return text[:120].rstrip(".") or type(error).__name__


def _refuse_web_page(path: Path) -> None:
    try:
        with path.open("rb") as file:
            start = file.read(64)
    except OSError as error:
        raise ReadError(f"{path} cannot be read ({error.strerror}).") from error
    if start.lstrip().lower()[:5] in _HTML_STARTS:
        raise ReadError(
            f"{path} is no NIfTI image but a web page, probably saved instead of the data; download"
            " the image again."
        )
    if not start:
        raise ReadError(f"{path} is empty; copy it again.")


def _sides(path: Path, shape: tuple[int, ...]) -> tuple[int, int, int, int]:
    while len(shape) > 4 and shape[-1] == 1:
        shape = shape[:-1]
    if not 3 <= len(shape) <= 4:
        raise UnsupportedDataError(f"{path} has {len(shape)} dimensions; 3 or 4 are read.")
    if min(shape) < 1 or max(shape) > _LARGEST_SIDE:
        raise ReadError(f"{path} has the impossible shape {shape}.")
    x, y, z, t = (*shape, 1)[:4]
    return x, y, z, t


def _orientation_unknown(path: Path) -> Finding:
    message = (
        f"{path.name} does not say how it lies in the patient (sform and qform code 0): left and"
        " right may be exchanged. Compare it with another image."
    )
    return finding("orientation-unknown", message, (Verdict.CONFIRM, Verdict.CONFIRM))


def load_voxels(header: NiftiHeader, cache: VoxelCache, progress: Progress) -> NDArray[Any]:
    """Voxels (t, z, y, x) as stored; large ones are memory-mapped in the cache.

    The image itself is never mapped: a file that shrinks or vanishes would end the program.

    Raises:
        ReadError: the file is cut off or damaged.
    """
    is_packed = header.path.name.lower().endswith(".gz")
    key = cache_key([identity(header.path)])
    found = cache.find(key)
    if found is not None and found[0].shape == header.shape_tzyx:
        return found[0]
    native = header.dtype.newbyteorder("=")
    try:
        with (
            gzip.open(header.path, "rb") if is_packed else header.path.open("rb") as file,
            cache.create(key, header.shape_tzyx, native) as writer,
        ):
            _fill(cast("BinaryIO", file), header, writer.voxels, progress)
            return writer.finish({})
    except (OSError, EOFError, zlib.error) as error:
        raise ReadError(f"{header.path} is damaged: {_short(error)}.") from error


def _fill(file: BinaryIO, header: NiftiHeader, voxels: NDArray[Any], progress: Progress) -> None:
    file.read(header.offset)
    z, y, x = header.geometry.shape_zyx
    slice_bytes = y * x * header.dtype.itemsize
    for t in range(header.frame_count):
        progress.step(t / header.frame_count, f"Reading frame {t + 1} of {header.frame_count}")
        for k in range(z):
            data = file.read(slice_bytes)
            if len(data) != slice_bytes:
                raise _cut_off(header.path)
            voxels[t, k] = np.frombuffer(data, header.dtype).reshape(y, x)


def _cut_off(path: Path) -> ReadError:
    return ReadError(f"{path} is cut off: it holds fewer voxels than it says; copy it again.")


def sidecar_path(path: Path) -> Path:
    """The JSON file beside an image."""
    stem = path.name[:-7] if path.name.lower().endswith(".nii.gz") else path.stem
    return path.with_name(stem + ".json")


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
        asked = fields if isinstance(error, InvalidInputError) else ()
        refused = finding("series-refused", str(error), BOTH_REFUSED, *asked)
        series = Series(_uid(path), SeriesKind.OTHER, "", path.name, None, (refused,))
        series = replace(series, source_files=(str(path),))
    return ReadSeries(series, patient)


def _is_pet(sidecar: Sidecar, given: UserGiven) -> bool:
    known = {"FrameTimesStart", "TracerName", "InjectedRadioactivity", "TracerRadionuclide"}
    return bool(known & sidecar.values.keys() or given.word("units"))


def _uid(path: Path) -> str:
    return "nifti-" + hashlib.sha256(str(path.resolve()).encode()).hexdigest()[:24]


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
    voxels = load_voxels(header, *means)
    uid = _uid(header.path)
    image = DynamicImage(
        ScaledFrameStore(voxels, header.slope, header.intercept),
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
        _largest(voxels, header),
        source_files=(str(header.path),),
        file_units=quantity.unit.symbol if quantity != UNKNOWN else "",
    )


def _largest(voxels: NDArray[Any], header: NiftiHeader) -> float | None:
    values = [float(np.nanmax(frame)) for frame in voxels if not np.isnan(frame).all()]
    smallest = [float(np.nanmin(frame)) for frame in voxels if not np.isnan(frame).all()]
    if not values:
        return None
    return max(max(values) * header.slope, min(smallest) * header.slope) + header.intercept


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
    if is_activity:
        findings += [*decay_findings, *dose.findings]
        findings += weight_findings(given.number("weight_kg"))
    if header.frame_count == 1:
        message = "The image has one frame; Ki needs a dynamic one."
        findings.append(finding("single-frame", message, (Verdict.READY, Verdict.REFUSED)))
    refused = any(one.suv is Verdict.REFUSED for one in findings)
    voxels = load_voxels(header, cache, progress)
    to_injection = factor if factor is not None and is_activity else np.ones(header.frame_count)
    scale = (to_injection * meaning.factor)[:, None]
    weight = given.number("weight_kg")
    suv = None
    if is_activity and not refused and weight and dose.dose_bq:
        suv = suvbw_factor_g_per_bq(weight, dose.dose_bq, 0.0, half_life or 1.0)
    uid = _uid(header.path)
    image = DynamicImage(
        ScaledFrameStore(voxels, header.slope * scale, header.intercept * scale),
        header.geometry,
        times.timing,
        meaning.quantity,
        _injection(sidecar, half_life, dose.dose_bq),
        SuvScale(suv) if suv else None,
        uid,
        sidecar.text("SeriesDescription") or header.path.name,
        meaning.quantity == SUV_BW or factor is not None,
        given.record(),
    )
    is_one_time = bool(np.ptp(to_injection) == 0)
    return Series(
        uid,
        SeriesKind.DYNAMIC if image.is_dynamic else SeriesKind.STATIC,
        "PT",
        image.description,
        image,
        tuple(findings),
        _largest(voxels, header),
        suv * float(scale[0, 0]) if suv and is_one_time else _own_suv_factor(meaning.quantity),
        (str(header.path),),
        meaning.units,
    )


def _own_suv_factor(quantity: Quantity) -> float | None:
    return 1.0 if quantity == SUV_BW else None


def _times(header: NiftiHeader, sidecar: Sidecar, given: UserGiven) -> SidecarTimes:
    """Frame table: entered, of the sidecar, or a stand-in for a dynamic image without one."""
    if given.lists:
        start, duration = given.lists["frame_start_s"], given.lists["frame_duration_s"]
        if not len(start) == len(duration) == header.frame_count:
            raise InvalidInputError(
                f"The image has {header.frame_count} frames but {len(start)} values of"
                f" frame_start_s and {len(duration)} of frame_duration_s were entered."
            )
        return SidecarTimes(FrameTiming(start, duration), sidecar.number("InjectionStart") or 0.0)
    if "FrameTimesStart" in sidecar.values:
        return bids_sidecar.frame_table(sidecar, header.frame_count)
    message = (
        f"{header.path.name} has no frame table in a sidecar; enter frame_start_s and"
        " frame_duration_s."
    )
    unknown = finding(UNKNOWN_TIMES, message, (Verdict.READY, Verdict.REFUSED), *FIELDS)
    return SidecarTimes(stand_in_timing(header.frame_count), 0.0, (unknown,))


def _injection(
    sidecar: Sidecar, half_life_s: float | None, dose_bq: float | None
) -> Injection | None:
    if half_life_s is None:
        return None
    nuclide = Radionuclide(bids_sidecar.nuclide_of(sidecar), half_life_s)
    return Injection(nuclide, dose_bq, sidecar.text("TracerName"))


def read_mask(
    path: Path, geometry: VolumeGeometry, name: str = "", label: int | None = None
) -> RoiMask:
    """Read a region mask and bring it to a grid by nearest neighbour.

    Args:
        path: NIfTI file; voxels above 0.5 are inside.
        geometry: Grid of the image that the region is used on.
        name: Name of the region; the file name if empty.
        label: Take voxels of this value only.

    Raises:
        ReadError: the file is no NIfTI image.
        InvalidInputError: no voxel of the grid lies in the region.
    """
    header = read_header(path)
    if header.frame_count > 1:
        raise UnsupportedDataError(f"{path} holds several volumes; a region needs one.")
    no_cache = VoxelCache(path.parent, memory_limit_bytes=1 << 62)
    stored = load_voxels(header, no_cache, _Silent())[0]
    values = stored * header.slope + header.intercept
    inside = values > 0.5 if label is None else np.rint(values) == label  # noqa: PLR2004
    stem = path.name.removesuffix(".gz").removesuffix(".nii")
    return RoiMask(_nearest(inside, header.geometry, geometry), geometry, name or stem)


class _Silent(Progress):
    def step(self, fraction: float | None, message: str) -> None:
        """Do nothing."""


def _nearest(
    inside: NDArray[np.bool_], source: VolumeGeometry, target: VolumeGeometry
) -> NDArray[np.bool_]:
    """Mask on another grid, slice by slice; outside of the source there is no region."""
    if source.matches(target):
        return inside
    out = np.zeros(target.shape_zyx, np.bool_)
    rows, columns = np.indices(target.shape_zyx[1:])
    limits = np.array(source.shape_zyx)
    for z in range(target.shape_zyx[0]):
        index = np.stack([np.full_like(rows, z), rows, columns], axis=-1)
        found = np.rint(source.to_index(target.to_lps_mm(index))).astype(np.int64)
        valid = ((found >= 0) & (found < limits)).all(axis=-1)
        i, j, k = found[valid].T
        out[z][valid] = inside[i, j, k]
    return out
