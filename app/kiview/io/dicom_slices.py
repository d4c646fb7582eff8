"""Where the images of a series lie, and how they make a volume or frames."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from kiview.core.errors import InvalidInputError, ReadError
from kiview.core.geometry import VolumeGeometry
from kiview.core.study import Finding, Verdict
from kiview.io.dicom_headers import HeaderTable

SAME_POSITION_MM = 0.03
SPACING_TOLERANCE_MM = 0.1
"""Slice spacing differs by up to this at the joints of GE beds."""
_SPACING_SHARE = 0.1
_SHIFT_TOLERANCE_MM = 0.1
_ORTHONORMAL = 1e-3
_DIRECTION_TOLERANCE = 1e-4
_LACKS_SLICES = "belongs to a frame that lacks slices"
_IS_COPY = "a copy of another file of the series"
_TIMES = ("AcquisitionDate", "AcquisitionTime", "AcquisitionDateTime", "FrameReferenceTime")
_SAME_IN_COPIES = (
    "SOPInstanceUID",
    "ImagePositionPatient",
    *_TIMES,
    "ActualFrameDuration",
    "RescaleSlope",
    "RescaleIntercept",
)
"""What a copy shares with its original; a bad anonymiser gives many images one UID."""


@dataclass(frozen=True, slots=True, eq=False)
class SliceStack:
    """Positions of the images of one series.

    Attributes:
        geometry: Grid of the distinct positions, ascending along the normal.
        position: (n,) index of each image's position, 0 to slices - 1.
        findings: What does not quite fit.
    """

    geometry: VolumeGeometry
    position: NDArray[np.int64]
    findings: tuple[Finding, ...] = ()

    @property
    def slice_count(self) -> int:
        """Number of distinct positions."""
        return self.geometry.shape_zyx[0]


def stack_slices(headers: HeaderTable) -> SliceStack:
    """Order images by their position along the normal of the image plane.

    Raises:
        ReadError: the images do not make one volume: several matrices, orientations or spacings, a
            missing slice.
        InvalidInputError: a position or orientation is absent or no number.
    """
    rows, columns = _one_number(headers, "Rows"), _one_number(headers, "Columns")
    orientation = _one_vector(headers, "ImageOrientationPatient", 6, _DIRECTION_TOLERANCE)
    spacing = _one_vector(headers, "PixelSpacing", 2, 1e-4)
    if min(spacing) <= 0:
        raise InvalidInputError(f"PixelSpacing is {spacing[0]:g}, {spacing[1]:g} mm.")
    along_x, along_y = _unit_axes(orientation)
    normal = np.cross(along_x, along_y)
    corners = headers.vectors("ImagePositionPatient", 3)
    distance = corners @ normal
    position, place = _cluster(distance)
    _refuse_shifted_frames(place, np.bincount(position))
    step, findings = _slice_step(place, headers)
    corner = _common_corner(corners, distance, normal)
    affine = np.eye(4)
    affine[:3, 0] = normal * step
    affine[:3, 1] = along_y * spacing[0]
    affine[:3, 2] = along_x * spacing[1]
    affine[:3, 3] = corner + normal * place[0]
    frame_of_reference = headers.distinct("FrameOfReferenceUID")
    geometry = VolumeGeometry(
        (len(place), rows, columns),
        affine,
        frame_of_reference[0] if len(frame_of_reference) == 1 else "",
    )
    return SliceStack(geometry, position, findings)


def _one_number(headers: HeaderTable, name: str) -> int:
    values = np.unique(headers.numbers(name))
    if len(values) > 1:
        sizes = " and ".join(f"{value:g}" for value in values[:2])
        raise ReadError(
            f"The series mixes images of different size ({name} {sizes}); separate them."
        )
    if not values[0] >= 1:
        raise InvalidInputError(f"{name} is absent or not positive.")
    return int(values[0])


def _one_vector(
    headers: HeaderTable, name: str, size: int, tolerance: float
) -> NDArray[np.float64]:
    values = headers.vectors(name, size)
    if np.ptp(values, axis=0).max() > tolerance:
        raise ReadError(f"The series mixes images of different {name}; separate them.")
    return np.asarray(values[0])


def _unit_axes(orientation: NDArray[np.float64]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Directions of rising column and row index, made exactly orthonormal."""
    along_x, along_y = orientation[:3], orientation[3:]
    lengths = np.linalg.norm(along_x), np.linalg.norm(along_y)
    if abs(along_x @ along_y) > _ORTHONORMAL or np.abs(np.array(lengths) - 1).max() > _ORTHONORMAL:
        raise InvalidInputError("ImageOrientationPatient is not two directions at right angles.")
    along_x = along_x / lengths[0]
    along_y = along_y - (along_y @ along_x) * along_x
    return along_x, along_y / np.linalg.norm(along_y)


def _cluster(distance: NDArray[np.float64]) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
    """Index of each image's position, and the positions in mm, ascending."""
    order = np.argsort(distance, kind="stable")
    steps = np.diff(distance[order]) > SAME_POSITION_MM
    label = np.concatenate([[0], np.cumsum(steps)]).astype(np.int64)
    position = np.empty_like(label)
    position[order] = label
    count = np.bincount(position)
    return position, np.bincount(position, distance) / count


def _refuse_shifted_frames(place: NDArray[np.float64], count: NDArray[np.int64]) -> None:
    """Refuse positions that few frames have, close to those of most frames."""
    few = 2 * count < count.max()
    usual = np.diff(place[~few])
    if not few.any() or len(usual) == 0:
        return
    apart = np.abs(place[few][:, None] - place[~few]).min(axis=1)
    between = (apart > SAME_POSITION_MM) & (apart < (1 - _SPACING_SHARE) * np.median(usual))
    if between.any():
        at = int(np.argmax(between))
        raise ReadError(
            f"The slice positions differ between frames: {count[few][at]} of {count.max()} frames"
            f" are shifted by {apart[at]:.2f} mm, which KiView cannot show; leave those frames out"
            " or bring all to one grid."
        )


def _slice_step(
    place: NDArray[np.float64], headers: HeaderTable
) -> tuple[float, tuple[Finding, ...]]:
    """Mean distance of neighbouring slices."""
    if len(place) == 1:
        thickness = float(headers.numbers("SliceThickness")[0])
        return (thickness if thickness > 0 else 1.0), ()
    gaps = np.diff(place)
    usual = float(np.median(gaps))
    allowed = max(SPACING_TOLERANCE_MM, _SPACING_SHARE * usual)
    wrong = np.abs(gaps - usual) > allowed
    if wrong.any():
        at = int(np.argmax(wrong))
        raise ReadError(
            f"The slices are not evenly spaced: {gaps[at]:.2f} mm instead of {usual:.2f} mm after"
            f" slice {at + 1} of {len(place)}. A slice seems to be missing; copy the study again."
        )
    mean = float((place[-1] - place[0]) / (len(place) - 1))
    drift = np.abs(place - place[0] - mean * np.arange(len(place))).max()
    if drift <= SPACING_TOLERANCE_MM:
        return mean, ()
    return mean, (
        Finding(
            "slice-spacing-uneven",
            f"Slice positions differ by up to {drift:.2f} mm from even spacing ({mean:.3f} mm).",
        ),
    )


def _common_corner(
    corners: NDArray[np.float64], distance: NDArray[np.float64], normal: NDArray[np.float64]
) -> NDArray[np.float64]:
    """First voxel of all slices moved into the plane through the origin."""
    inside = corners - distance[:, None] * normal
    if np.ptp(inside, axis=0).max() > _SHIFT_TOLERANCE_MM:
        raise ReadError(
            "The slices are shifted against each other sideways, which KiView cannot show;"
            " reconstruct them on one grid."
        )
    return np.asarray(inside[0])


@dataclass(frozen=True, slots=True, eq=False)
class FrameOrder:
    """Which file is which slice of which frame.

    Attributes:
        files: (t, z) index of files.
        findings: Frames and files left out.
        left_out: Index of files that were left out, with the reason.
        copies: (copy, original) index of files that are left out as copies by their headers.
    """

    files: NDArray[np.int64]
    findings: tuple[Finding, ...] = ()
    left_out: tuple[tuple[int, str], ...] = ()
    copies: tuple[tuple[int, int], ...] = ()


def order_frames(
    headers: HeaderTable, stack: SliceStack, start_s: NDArray[np.float64]
) -> FrameOrder:
    """Sort the images of each position by time; frames exist only where a position repeats.

    Args:
        headers: Of the series.
        stack: Positions.
        start_s: (n,) start of each image, of copies anything; NaN orders by number.

    Raises:
        ReadError: images cannot be told apart or are missing in every frame.
    """
    keep, copies = without_copies(headers)
    left_out = tuple((copy, _IS_COPY) for copy, _ in copies)
    is_timed = bool(np.isfinite(start_s[keep]).all())
    key = start_s if is_timed else _number_in_series(headers, stack.position, keep)
    keep = keep[np.lexsort((key[keep], stack.position[keep]))]
    counts = np.bincount(stack.position[keep], minlength=stack.slice_count)
    findings = (*_copies_finding(headers, copies), *_uid_findings(headers, keep))
    _refuse_twins(headers, keep, stack.position, key)
    if counts.min() == counts.max():
        files = keep.reshape(stack.slice_count, counts[0]).T
        return FrameOrder(np.ascontiguousarray(files), findings, left_out, copies)
    files, incomplete = _complete_frames(keep, stack, key)
    lost = tuple((int(index), _LACKS_SLICES) for index in np.setdiff1d(keep, files))
    return FrameOrder(files, (*findings, incomplete), (*left_out, *lost), copies)


def without_copies(
    headers: HeaderTable,
) -> tuple[NDArray[np.int64], tuple[tuple[int, int], ...]]:
    """Index of the images that are no copy of one before, and (copy, original) of the rest."""
    seen: dict[tuple[str, ...], int] = {}
    keep, copies = [], []
    columns = (headers.texts(name) for name in _SAME_IN_COPIES)
    for index, (uid, *rest) in enumerate(zip(*columns, strict=True)):
        original = seen.setdefault((uid, *rest), index) if uid else index
        if original == index:
            keep.append(index)
        else:
            copies.append((index, original))
    return np.array(keep, np.int64), tuple(copies)


def _copies_finding(
    headers: HeaderTable, copies: tuple[tuple[int, int], ...]
) -> tuple[Finding, ...]:
    if not copies:
        return ()
    count = len({headers.paths[copy] for copy, _ in copies})
    return (Finding("copies-ignored", f"{count} files are copies of others and were ignored."),)


def _uid_findings(headers: HeaderTable, keep: NDArray[np.int64]) -> tuple[Finding, ...]:
    """Different images that share a SOP instance UID: all are read, and it is told."""
    uids = headers.texts("SOPInstanceUID")
    first: dict[str, int] = {}
    pairs = [(first.setdefault(uids[i], i), i) for i in keep.tolist() if uids[i]]
    doubled = [pair for pair in pairs if pair[0] != pair[1]]
    if not doubled:
        return ()
    one, other = (headers.paths[index] for index in doubled[0])
    message = (
        f"{len(doubled)} images have the SOPInstanceUID of another image at another place or time"
        f" (the first are {one} and {other}); all were read, but what refers to images by UID is"
        " ambiguous: have the files exported or de-identified again."
    )
    return (Finding("uids-repeated", message),)


def _number_in_series(
    headers: HeaderTable, position: NDArray[np.int64], keep: NDArray[np.int64]
) -> NDArray[np.float64]:
    """Numbers that tell the images of each position apart, where times do not; else zeros."""
    for name in ("TemporalPositionIndex", "ImageIndex", "InstanceNumber"):
        numbers = headers.numbers(name)
        pairs = set(zip(position[keep].tolist(), numbers[keep].tolist(), strict=True))
        if np.isfinite(numbers).all() and len(pairs) == len(keep):
            return numbers
    return np.zeros(len(headers))


def _refuse_twins(
    headers: HeaderTable,
    keep: NDArray[np.int64],
    position: NDArray[np.int64],
    key: NDArray[np.float64],
) -> None:
    is_twin = (np.diff(position[keep]) == 0) & (np.diff(key[keep]) <= 0)
    if is_twin.any():
        one, other = (headers.paths[index] for index in _twins(headers, keep, position, is_twin))
        raise ReadError(
            f"Two different images have the same position and time ({one} and {other}), so the"
            " frames cannot be told apart; separate the reconstructions."
        )


def _twins(
    headers: HeaderTable,
    keep: NDArray[np.int64],
    position: NDArray[np.int64],
    is_twin: NDArray[np.bool_],
) -> tuple[int, int]:
    """Two images that tell the same position and times; else the first two that look alike."""
    told = list(zip(position, *(headers.texts(name) for name in _TIMES), strict=True))
    seen: dict[tuple[object, ...], int] = {}
    for index in keep.tolist():
        if seen.setdefault(told[index], index) != index:
            return seen[told[index]], index
    at = int(np.argmax(is_twin))
    return int(keep[at]), int(keep[at + 1])


def _complete_frames(
    keep: NDArray[np.int64], stack: SliceStack, key: NDArray[np.float64]
) -> tuple[NDArray[np.int64], Finding]:
    """Frames that have every slice, where frames share their start among slices."""
    times, frame = np.unique(np.round(key[keep], 3), return_inverse=True)
    counts = np.bincount(frame)
    complete = np.flatnonzero(counts == stack.slice_count)
    lost = len(times) - len(complete)
    if len(complete) == 0 or len(complete) < len(times) / 2:
        missing = stack.slice_count * int(np.bincount(stack.position[keep]).max()) - len(keep)
        raise ReadError(
            f"{missing} image(s) are missing and no frame can be told to be complete;"
            " copy the study again."
        )
    chosen = [keep[frame == t] for t in complete]
    files = np.array([part[np.argsort(stack.position[part])] for part in chosen])
    numbers = ", ".join(str(t + 1) for t in np.flatnonzero(counts != stack.slice_count)[:10])
    finding = Finding(
        "frames-incomplete",
        f"{lost} of {len(times)} frames lack slices and were left out (frame {numbers});"
        " copy the study again to have them.",
        kinetics=Verdict.CONFIRM,
    )
    return files, finding
