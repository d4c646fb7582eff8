"""Multi-frame objects as slices: a row of headers per frame, in the words of single-slice files.

Enhanced PET (PS3.3 A.56) says when, where and how much in functional groups, with absolute times, a
real-world value mapping and the injected dose in MBq (C.8.22.4). Legacy converted PET (A.72) keeps
the attributes of the single-slice files. Both become rows, so that one reader knows all rules.
Frames of CT and MR (A.38, A.36) take the same way; their values are those of the rescale.
"""

import re
from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from kiview.core.errors import InvalidInputError, ReadError, UnsupportedDataError
from kiview.core.study import Finding
from kiview.io.dicom_fast import DEFLATED
from kiview.io.dicom_groups import MultiFrameObject, Values, read_groups
from kiview.io.dicom_headers import FRAME, HeaderTable
from kiview.io.dicom_inflate import inflated
from kiview.io.dicom_multiframe_values import (
    agent_values,
    correction_values,
    dose_findings,
    mapped_values,
    mapping_findings,
)
from kiview.io.dicom_tags import MULTI_FRAME_PET

_DATE_TIMES = (
    "AcquisitionDateTime",
    "FrameReferenceDateTime",
    "DecayReferenceDateTime",
    "RadiopharmaceuticalStartDateTime",
)
_ZONE = re.compile(r"[+-]\d{4}$")
_GROUP_BYTES = 16 << 10
"""What one frame's functional groups may take in a deflated file."""


@dataclass(frozen=True, slots=True, eq=False)
class SlicesOfObjects:
    """The frames of a series of multi-frame objects.

    Attributes:
        headers: One row per frame, in the order of files and frames.
        findings: What was assumed.
    """

    headers: HeaderTable
    findings: tuple[Finding, ...] = ()


def slices_of_objects(files: HeaderTable) -> SlicesOfObjects:
    """Read the functional groups of a series.

    Args:
        files: One row per file.

    Raises:
        ReadError: a file is damaged or cut off.
        InvalidInputError: a file contradicts itself.
        UnsupportedDataError: gated frames, several radiopharmaceuticals, values by a table.
    """
    rows: list[dict[str, str]] = []
    sources: list[int] = []
    places: list[NDArray[np.int64]] = []
    for index in range(len(files)):
        found = _object_of(files, index)
        count = _frame_count(files, index, found)
        rows += [
            _row(files, index, found, frame, number) for number, frame in enumerate(found.frames)
        ]
        sources += [index] * count
        places.append(_places(files, index, found, count))
    _refuse_several_agents(rows)
    _refuse_several_zones(rows)
    headers = _table(files, rows, sources)
    headers.files[:, 2:] = np.concatenate(places)
    return SlicesOfObjects(headers, (*dose_findings(headers), *mapping_findings(headers)))


def _object_of(files: HeaderTable, index: int) -> MultiFrameObject:
    path = files.paths[index]
    if files.text_at("TransferSyntaxUID", index) != DEFLATED:
        return read_groups(path)
    frames = _positive(files, index, "NumberOfFrames")
    most = frames * (_frame_bytes(files, index) + _GROUP_BYTES)
    with inflated(path, most) as plain:
        found = read_groups(str(plain))
    found.pixel_offset = -1  # not a place in the deflated file
    return found


def _frame_count(files: HeaderTable, index: int, found: MultiFrameObject) -> int:
    told, listed = _positive(files, index, "NumberOfFrames"), len(found.frames)
    if told != listed:
        raise ReadError(
            f"{files.paths[index]} says {told} frames but describes {listed}; export it again."
        )
    return told


def _positive(files: HeaderTable, index: int, name: str) -> int:
    value = files.numbers(name)[index]
    if not value >= 1:
        raise InvalidInputError(f"{name} is absent or not positive in {files.paths[index]}.")
    return int(value)


def _frame_bytes(files: HeaderTable, index: int) -> int:
    bits = _positive(files, index, "BitsAllocated")
    return _positive(files, index, "Rows") * _positive(files, index, "Columns") * bits // 8


def _places(
    files: HeaderTable, index: int, found: MultiFrameObject, count: int
) -> NDArray[np.int64]:
    """(frames, 2) first byte of each frame's pixels, -1 where compressed, and its bytes."""
    if found.pixel_offset < 0:
        return np.tile(np.array([-1, 0], np.int64), (count, 1))
    size = _frame_bytes(files, index)
    end = found.pixel_offset + count * size
    if found.pixel_length < count * size or end > files.files[index, 0]:
        raise ReadError(f"{files.paths[index]} is cut off: pixels are missing; copy it again.")
    first = found.pixel_offset + size * np.arange(count, dtype=np.int64)
    return np.stack([first, np.full(count, size, np.int64)], axis=1)


def _row(
    files: HeaderTable, index: int, found: MultiFrameObject, frame: Values, number: int
) -> dict[str, str]:
    """One frame in the words of a single-slice file."""
    group = _merged(found.shared, frame)
    own = {name: text for name, text in group.items() if isinstance(text, str)}

    def text(name: str) -> str:
        return own.get(name) or files.text_at(name, index)

    for name in ("FrameType", "ImageType"):
        if "GATED" in text(name).upper():
            raise UnsupportedDataError("A gated series is no time course; open the ungated one.")
    sop_class = files.text_at("SOPClassUID", index)
    agents = found.agents or group.get("Agents", [])
    moment = own.get("FrameAcquisitionDateTime", "")
    if moment:
        own.update(AcquisitionDateTime=moment, AcquisitionDate="", AcquisitionTime="")
    if own.get("FrameAcquisitionDuration"):
        own["ActualFrameDuration"] = own["FrameAcquisitionDuration"]
    own.update(agent_values(agents, group.get("UsedAgents", []), sop_class))
    own.update(correction_values(text, sop_class))
    if sop_class in MULTI_FRAME_PET:
        own.update(mapped_values(group.get("Mappings", []), text))
    own["SOPInstanceUID"] = f"{files.text_at('SOPInstanceUID', index)}/{number + 1}"
    own["NumberOfFrames"], own[FRAME] = "1", str(number)
    return own


def _merged(shared: Values, frame: Values) -> Values:
    """Values of one frame: its own win over shared ones, groups over unassigned attributes."""
    merged: Values = {}
    for part in (shared, frame):
        for unassigned in part.get("Unassigned", []):
            merged.update(unassigned)
    return {**merged, **shared, **frame}


def _refuse_several_agents(rows: Iterable[dict[str, str]]) -> None:
    names = ("RadiopharmaceuticalStartDateTime", "RadiopharmaceuticalStartTime", "Radionuclide")
    if len({tuple(row.get(name, "") for name in names) for row in rows}) > 1:
        raise UnsupportedDataError(
            "The frames were measured after different injections, which KiView does not tell apart;"
            " separate them."
        )


def _refuse_several_zones(rows: Iterable[dict[str, str]]) -> None:
    """Times are read as those of one clock, so all that tell their zone must tell the same one."""
    told = {row.get(name, "") for row in rows for name in _DATE_TIMES}
    zones = {found.group() for text in told if (found := _ZONE.search(text)) is not None}
    if len(zones) > 1:
        raise UnsupportedDataError(
            f"The times of the frames are told in several time zones ({', '.join(sorted(zones))}),"
            " which KiView does not convert; export the series in one."
        )


def _table(files: HeaderTable, rows: list[dict[str, str]], sources: list[int]) -> HeaderTable:
    """Headers of all frames; what a frame says wins over what its file says."""
    table = files.take(sources)
    names = dict.fromkeys(name for row in rows for name in row)
    for name in names:
        of_file = table.texts(name)
        texts = [row.get(name, text) for row, text in zip(rows, of_file, strict=True)]
        one = all(text == texts[0] for text in texts)
        table.columns[name] = texts[0] if one else texts
    return table
