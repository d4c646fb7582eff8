"""Damage to the structure of DICOM files: elements lost, doubled, of other types and lengths.

Files in explicit little-endian are taken apart and written again by a few lines of our own, as
pydicom refuses to write most of what is wanted here.
"""

import random
import struct
from dataclasses import dataclass, field

from pydicom.datadict import keyword_for_tag

from tests.fuzz.mutate import damage_bytes

_PREAMBLE = 132
_LONG = frozenset(b"OB OW OF OD OL OV SQ UC UR UT UN SV UV".split())
_KNOWN = (
    frozenset(b"AE AS AT CS DA DS DT FL FD IS LO LT PN SH SL SS ST TM UI UL US".split()) | _LONG
)
_PERSONAL = frozenset((0x00100010, 0x00100020))
_UNDEFINED = 0xFFFFFFFF
_TEXTS = (
    b"NaN", b"inf", b"-inf", b"1e308", b"-1e308", b"1e999", b"-1", b"0", b"2147483648", b"abc",
    b"", b" ", b"\\", b"1\\2", b"1\\2\\3\\4\\5\\6\\7", b"1,5", b"\x00\x00", b"\xff\xfe",
    b"\x1b[31m", b"a\nb", b"24:61:99", b"99999999", b"20201301", b"x" * 3000,
    b"1" * 400, b"1\\" * 500,
)  # fmt: skip
_NUMBERS = tuple(
    struct.pack("<" + code, value)
    for code, values in (
        ("H", (0, 1, 65535)),
        ("I", (0, 2**31, 2**32 - 1)),
        ("f", (float("nan"), float("inf"), 1e38)),
        ("d", (float("nan"), float("inf"), 1e308, -1.0)),
    )
    for value in values
)


@dataclass
class Element:
    """One element: its value as bytes, or its items."""

    tag: int
    vr: bytes
    value: bytes = b""
    items: list[list["Element"]] = field(default_factory=list)
    length: int | None = None
    """Written in place of the right length."""


class _Opaque(Exception):
    """The rest is not taken apart."""


def _elements(content: bytes, at: int, end: int) -> tuple[list[Element], int]:
    """Elements up to `end`, and where taking apart stopped (undefined lengths)."""
    found: list[Element] = []
    while at + 8 <= end:
        group, number = struct.unpack_from("<HH", content, at)
        vr = content[at + 4 : at + 6]
        if vr not in _KNOWN:
            return found, at
        if vr in _LONG:
            (length,), start = struct.unpack_from("<I", content, at + 8), at + 12
        else:
            (length,), start = struct.unpack_from("<H", content, at + 6), at + 8
        if length == _UNDEFINED or start + length > end:
            return found, at
        element = Element(group << 16 | number, vr)
        if vr == b"SQ":
            element.items = _items(content, start, start + length)
        else:
            element.value = content[start : start + length]
        found.append(element)
        at = start + length
    return found, at


def _items(content: bytes, at: int, end: int) -> list[list[Element]]:
    found = []
    while at + 8 <= end:
        (length,) = struct.unpack_from("<I", content, at + 4)
        if length == _UNDEFINED:
            raise _Opaque
        elements, stopped = _elements(content, at + 8, at + 8 + length)
        if stopped != at + 8 + length:
            raise _Opaque
        found.append(elements)
        at += 8 + length
    return found


def _written(elements: list[Element]) -> bytes:
    parts = []
    for one in elements:
        value = one.value
        if one.vr == b"SQ":
            bodies = [_written(item) for item in one.items]
            value = b"".join(
                b"\xfe\xff\x00\xe0" + struct.pack("<I", len(body)) + body for body in bodies
            )
        elif len(value) % 2:
            value += b" "
        length = len(value) if one.length is None else one.length
        parts.append(struct.pack("<HH", one.tag >> 16, one.tag & 0xFFFF) + one.vr)
        if one.vr in _LONG:
            parts.append(struct.pack("<HI", 0, length & _UNDEFINED))
        else:
            parts.append(struct.pack("<H", length & 0xFFFF))
        parts.append(value)
    return b"".join(parts)


def _lists(elements: list[Element]) -> list[list[Element]]:
    """Every list of elements: the file's own and those of items."""
    found, waiting = [], [elements]
    while waiting:
        one = waiting.pop()
        found.append(one)
        waiting += [item for element in one for item in element.items]
    return found


def _change(rng: random.Random, elements: list[Element]) -> None:
    lists = [one for one in _lists(elements) if one]
    where = elements if rng.random() < 0.6 or not lists else rng.choice(lists)
    able = [i for i, one in enumerate(where) if one.tag not in _PERSONAL]
    if not able:
        return
    at = rng.choice(able)
    one = where[at]
    kind = rng.randrange(9)
    if kind == 0:
        del where[at]
    elif kind == 1:
        where.insert(at, Element(one.tag, one.vr, rng.choice(_TEXTS), one.items))
    elif kind == 2:
        one.vr = rng.choice(sorted(_KNOWN))
    elif kind == 3:
        one.length = rng.choice((0, 1, 0xFFFF, 0x7FFFFFFF, _UNDEFINED, len(one.value) + 2))
    elif kind == 4:
        one.value = b"\\".join([one.value.rstrip(b" \0")] * rng.choice((2, 3, 200)))
        one.items = one.items * rng.choice((0, 2, 30))
    elif kind == 5:
        _nest(rng, where, at)
    else:
        _other_value(rng, one)


def _other_value(rng: random.Random, one: Element) -> None:
    if one.vr in (b"US", b"UL", b"SS", b"SL", b"FL", b"FD", b"AT"):
        one.value = rng.choice(_NUMBERS)
    elif one.vr == b"SQ":
        one.items = rng.choice(([], [[]], one.items[:-1]))
    elif one.vr in _LONG:
        one.value = one.value[: rng.randrange(len(one.value) + 1)]
    else:
        one.value = rng.choice(_TEXTS)


def _nest(rng: random.Random, where: list[Element], at: int) -> None:
    """Put a sequence within a sequence within a sequence."""
    inner = where[at]
    for _ in range(rng.choice((2, 40, 150))):
        inner = Element(inner.tag, b"SQ", items=[[inner]])
    where[at] = inner


def damage_dicom(rng: random.Random, content: bytes) -> bytes:
    """Damage one file; only its bytes where it cannot be taken apart."""
    if rng.random() < 0.35 or content[128:132] != b"DICM":
        return damage_bytes(rng, content)
    try:
        elements, stopped = _elements(content, _PREAMBLE, len(content))
    except _Opaque:
        return damage_bytes(rng, content)
    if not elements:
        return damage_bytes(rng, content)
    for _ in range(rng.choice((1, 1, 2, 4))):
        _change(rng, elements)
    return content[:_PREAMBLE] + _written(elements) + content[stopped:]


def named(content: bytes) -> set[str]:
    """Keywords of the elements that a file is taken apart into, for tests of this module."""
    elements, _ = _elements(content, _PREAMBLE, len(content))
    return {keyword_for_tag(one.tag) for part in _lists(elements) for one in part}
