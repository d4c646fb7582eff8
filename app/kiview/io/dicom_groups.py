"""Functional groups of multi-frame PET objects, read without their pixels.

The file is mapped, not read, and walked once, so that an object of any size costs little memory.
Only what the reader of slices asks for is kept, under the names of single-slice files.
"""

import mmap
import struct
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from kiview.core.errors import KiviewError, ReadError, UnsupportedDataError
from kiview.io.dicom_fast import (
    ITEM,
    ITEM_END,
    SEQUENCE_END,
    UNDEFINED_LENGTH,
    MoreNeededError,
    NotPlainError,
    RawHeader,
    Walker,
    decode_text,
    is_implicit,
    read_meta,
    text_of,
)
from kiview.io.dicom_tags import (
    NUCLIDE,
    NUCLIDE_CODES,
    PER_FRAME_GROUPS,
    PIXEL_DATA,
    RADIOPHARMACEUTICAL,
    RADIOPHARMACEUTICALS,
    SHARED_GROUPS,
    TOP_LEVEL,
)

_DEEPEST = 16

Values = dict[str, Any]
"""Keyword -> text, or for kept sequences -> list of such dictionaries."""


@dataclass(frozen=True, slots=True)
class _Branch:
    """A sequence that is looked into.

    Attributes:
        inside: Tag -> (keyword, value representation), or a sequence in it.
        name: Where its items are listed; empty puts the first item's values beside the others.
    """

    inside: "_Tree"
    name: str = ""


_Tree = dict[int, "tuple[str, str] | _Branch"]

_AGENT: _Tree = {
    0x00180031: RADIOPHARMACEUTICAL[0x00180031],
    0x00181072: RADIOPHARMACEUTICAL[0x00181072],
    0x00181074: RADIOPHARMACEUTICAL[0x00181074],
    0x00181075: RADIOPHARMACEUTICAL[0x00181075],
    0x00181078: RADIOPHARMACEUTICAL[0x00181078],
    0x00189729: ("RadiopharmaceuticalAgentNumber", "US"),
    NUCLIDE_CODES: _Branch(dict(NUCLIDE)),
    0x00540304: _Branch({0x00080104: ("RadiopharmaceuticalMeaning", "LO")}),
}
_AGENTS = _Branch(_AGENT, "Agents")
_CODE: _Tree = {0x00080100: ("CodeValue", "SH")}
_UNASSIGNED = _Branch({**TOP_LEVEL, RADIOPHARMACEUTICALS: _AGENTS}, "Unassigned")
_MAPPING: _Tree = {
    0x004008EA: _Branch({0x00080100: ("Unit", "SH")}),
    0x00409212: ("RealWorldValueLUTData", "FD"),
    0x00409220: _Branch({0x0040A168: _Branch(_CODE)}, "Quantities"),
    0x00409224: ("RealWorldValueIntercept", "FD"),
    0x00409225: ("RealWorldValueSlope", "FD"),
}
_GROUPS: _Tree = {
    0x00189736: _Branch({0x00541321: ("DecayFactor", "DS")}),
    0x00189737: _Branch({0x00189729: ("Agent", "US")}, "UsedAgents"),
    0x00189751: _Branch({0x00089007: ("FrameType", "CS")}),
    0x00209111: _Branch(
        {
            0x00189074: ("FrameAcquisitionDateTime", "DT"),
            0x00189151: ("FrameReferenceDateTime", "DT"),
            0x00189220: ("FrameAcquisitionDuration", "FD"),
            0x00209128: ("TemporalPositionIndex", "UL"),
        }
    ),
    0x00209113: _Branch({0x00200032: TOP_LEVEL[0x00200032]}),
    0x00209116: _Branch({0x00200037: TOP_LEVEL[0x00200037]}),
    0x00209170: _UNASSIGNED,
    0x00209171: _UNASSIGNED,
    0x00289110: _Branch({tag: TOP_LEVEL[tag] for tag in (0x00180050, 0x00280030)}),
    0x00289145: _Branch(
        {
            0x00281052: TOP_LEVEL[0x00281052],
            0x00281053: TOP_LEVEL[0x00281053],
            0x00281054: ("RescaleType", "LO"),
        }
    ),
    0x00409096: _Branch(_MAPPING, "Mappings"),
}
"""Macros of PS3.3 C.7.6.16.2 and C.8.22.5 that say where, when and how much."""


@dataclass(slots=True)
class MultiFrameObject:
    """What one file says about its frames.

    Attributes:
        agents: Radiopharmaceuticals of the object.
        shared: Values of all frames.
        frames: Values of each frame.
        pixel_offset: First byte of uncompressed pixels, or -1.
        pixel_length: Bytes of those.
    """

    agents: list[Values] = field(default_factory=list)
    shared: Values = field(default_factory=dict)
    frames: list[Values] = field(default_factory=list)
    pixel_offset: int = -1
    pixel_length: int = 0


def read_groups(path: str) -> MultiFrameObject:
    """Read the functional groups of one file in explicit or implicit little endian.

    Raises:
        ReadError: the file cannot be read, is cut off or damaged.
        UnsupportedDataError: another byte order.
    """
    try:
        with (
            Path(path).open("rb") as file,
            mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as data,
        ):
            return _read(data)
    except KiviewError:
        raise
    except MoreNeededError as error:
        raise ReadError(f"{path} is cut off in its header; copy it again.") from error
    except (NotPlainError, struct.error, ValueError) as error:
        raise ReadError(f"{path} is damaged in its functional groups; copy it again.") from error
    except OSError as error:
        raise ReadError(f"{path} cannot be read ({error.strerror}).") from error


def _read(data: mmap.mmap) -> MultiFrameObject:
    header = RawHeader()
    position = read_meta(data, header)
    try:
        implicit = is_implicit(header)
    except NotPlainError as error:
        raise UnsupportedDataError(
            "The multi-frame object is in a byte order that is not read; export it in explicit"
            " little endian."
        ) from error
    return _GroupReader(Walker(data, implicit, header)).read(position)


@dataclass(slots=True)
class _GroupReader:
    """Goes through one object.

    Attributes:
        known: Texts met so far, so that equal ones are kept once.
    """

    walker: Walker
    known: dict[tuple[str, bytes], str] = field(default_factory=dict)

    def read(self, position: int) -> MultiFrameObject:
        """Read the top level, up to the pixels."""
        found, walker = MultiFrameObject(), self.walker
        while position < len(walker.data):
            tag, kind, start, length = walker.element(position)
            if tag in PIXEL_DATA:
                if not walker.header.is_encapsulated:
                    found.pixel_offset, found.pixel_length = start, length
                return found
            if tag == RADIOPHARMACEUTICALS:
                position, found.agents = self._items(start, length, _AGENT)
            elif tag == SHARED_GROUPS:
                position, shared = self._items(start, length, _GROUPS)
                found.shared = shared[0] if shared else {}
            elif tag == PER_FRAME_GROUPS:
                position, found.frames = self._items(start, length, _GROUPS)
            else:
                position = self._after(kind, start, length)
        raise MoreNeededError

    def _after(self, kind: str, start: int, length: int) -> int:
        if length == UNDEFINED_LENGTH:
            return self.walker.skip(start, kind)
        return start + length

    def _items(
        self, start: int, length: int, tree: _Tree, depth: int = 0
    ) -> tuple[int, list[Values]]:
        """Where a sequence ends, and the values of each of its items."""
        if depth > _DEEPEST:
            raise NotPlainError
        whole = len(self.walker.data)
        end = whole if length == UNDEFINED_LENGTH else start + length
        position = start
        found: list[Values] = []
        while position < end:
            tag, _, inside, size = self.walker.element(position)
            if tag == SEQUENCE_END:
                return inside, found
            if tag != ITEM:
                raise NotPlainError
            values: Values = {}
            position = self._item(inside, size, tree, values, depth)
            found.append(values)
        if length == UNDEFINED_LENGTH or end > whole:
            raise MoreNeededError
        return end, found

    def _item(self, start: int, size: int, tree: _Tree, into: Values, depth: int) -> int:
        """Read one item and return where it ends."""
        end = len(self.walker.data) if size == UNDEFINED_LENGTH else start + size
        position = start
        while position < end:
            tag, kind, inside, length = self.walker.element(position)
            if tag == ITEM_END:
                return inside
            wanted = tree.get(tag)
            if isinstance(wanted, _Branch):
                position = self._branch(inside, length, wanted, into, depth + 1)
                continue
            position = self._after(kind, inside, length)
            if wanted is not None:
                into[wanted[0]] = self._text(kind or wanted[1], inside, length)
        if size == UNDEFINED_LENGTH:
            raise MoreNeededError
        return end

    def _branch(self, start: int, length: int, branch: _Branch, into: Values, depth: int) -> int:
        end, items = self._items(start, length, branch.inside, depth)
        if branch.name:
            into.setdefault(branch.name, []).extend(items)
        elif items:
            into.update(items[0])
        return end

    def _text(self, kind: str, start: int, length: int) -> str:
        raw = self.walker.part(start, length)
        text = self.known.get((kind, raw))
        if text is None:
            plain = text_of(kind, raw)
            text = decode_text(raw, [""]) if plain is None else plain
            self.known[kind, raw] = text
        return text
