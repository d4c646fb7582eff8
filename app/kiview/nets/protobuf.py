"""A bounded reader of protobuf messages, for ONNX files that somebody else made, and a writer.

Wire format: https://protobuf.dev/programming-guides/encoding. Only what a schema names is accepted,
each single field at most once, so that no other reader can understand a file differently.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from enum import Enum
from typing import NamedTuple

_VARINT, _FIXED64, _BYTES, _FIXED32 = 0, 1, 2, 5
_LONGEST_VARINT = 10
_INT64_SIGN, _INT64_RANGE = 1 << 63, 1 << 64


class MalformedError(ValueError):
    """The bytes are not the message they should be."""


class Kind(Enum):
    """How a field is written: its wire type, and whether it may be there more than once."""

    INT = (_VARINT, False)
    INTS = (_VARINT, True)
    FLOAT = (_FIXED32, False)
    FLOATS = (_FIXED32, True)
    BYTES = (_BYTES, False)
    MANY_BYTES = (_BYTES, True)


Schema = Mapping[int, Kind]


class Span(NamedTuple):
    """A stretch of the file, half-open."""

    start: int
    end: int


@dataclass(frozen=True, slots=True)
class Message:
    """Fields of one message by number.

    Attributes:
        ints: Whole numbers (int64).
        spans: Where texts, bytes and messages lie, and the four bytes of floats.
    """

    ints: Mapping[int, list[int]]
    spans: Mapping[int, list[Span]]

    def number(self, field: int, default: int = 0) -> int:
        """A single whole number."""
        return self.ints.get(field, [default])[0]


class Reader:
    """Reads messages out of one file.

    The number of fields in all is limited, so that no file takes long or much memory.
    """

    def __init__(self, content: bytes, most_fields: int) -> None:
        self.content = content
        self._left = most_fields

    @property
    def whole(self) -> Span:
        """The whole file."""
        return Span(0, len(self.content))

    def text(self, message: Message, field: int) -> str:
        """A single text, empty if the field is not there.

        Raises:
            MalformedError: it is no UTF-8.
        """
        spans = message.spans.get(field, [])
        return self.decoded(spans[0]) if spans else ""

    def decoded(self, span: Span) -> str:
        """A stretch as text.

        Raises:
            MalformedError: it is no UTF-8.
        """
        try:
            return self.content[span.start : span.end].decode("utf-8")
        except UnicodeDecodeError as error:
            raise MalformedError("it holds a text that is none") from error

    def message(self, span: Span, schema: Schema, refused: Mapping[int, str]) -> Message:
        """Read one message.

        Args:
            span: Where it lies.
            schema: Fields that may be there.
            refused: What other fields mean, for what is told.

        Raises:
            MalformedError: it is damaged or holds something else.
        """
        ints: dict[int, list[int]] = {}
        spans: dict[int, list[Span]] = {}
        place = span.start
        while place < span.end:
            self._spend()
            key, place = self._varint(place, span.end)
            field, wire = key >> 3, key & 7
            kind = schema.get(field)
            if kind is None:
                raise MalformedError(f"it holds {refused.get(field, f'an unknown field {field}')}")
            many = kind.value[1]
            if not many and (field in ints or field in spans):
                raise MalformedError(f"it holds field {field} twice")
            if wire == _VARINT and kind.value[0] == _VARINT:
                value, place = self._varint(place, span.end)
                ints.setdefault(field, []).append(_signed(value))
                continue
            found, place = self._stretch(place, span.end, wire)
            if wire == _BYTES and kind is Kind.INTS:
                ints.setdefault(field, []).extend(self._packed(found))
            elif wire == kind.value[0] or (wire == _BYTES and kind is Kind.FLOATS):
                spans.setdefault(field, []).append(found)
            else:
                raise MalformedError(f"its field {field} is of the wrong kind")
        return Message(ints, spans)

    def _spend(self) -> None:
        self._left -= 1
        if self._left < 0:
            raise MalformedError("it has more parts than a network can have")

    def _varint(self, place: int, end: int) -> tuple[int, int]:
        value = 0
        for i in range(_LONGEST_VARINT):
            if place + i >= end:
                raise MalformedError("it ends in the middle")
            byte = self.content[place + i]
            value |= (byte & 0x7F) << (7 * i)
            if byte < 0x80:
                if value >= _INT64_RANGE:
                    break
                return value, place + i + 1
        raise MalformedError("it holds a number that is too long")

    def _stretch(self, place: int, end: int, wire: int) -> tuple[Span, int]:
        if wire == _BYTES:
            length, place = self._varint(place, end)
        elif wire in (_FIXED32, _FIXED64):
            length = 4 if wire == _FIXED32 else 8
        else:
            raise MalformedError(f"it holds wire type {wire}")
        if place + length > end:
            raise MalformedError("it ends in the middle")
        return Span(place, place + length), place + length

    def _packed(self, span: Span) -> list[int]:
        values, place = [], span.start
        while place < span.end:
            self._spend()
            value, place = self._varint(place, span.end)
            values.append(_signed(value))
        return values


def written(fields: Iterable[tuple[int, int | bytes]]) -> bytes:
    """A message.

    Args:
        fields: Number of each field and its whole number, or its text, bytes or written message.
    """
    parts = []
    for field, value in fields:
        if isinstance(value, int):
            parts.append(_as_varint(field << 3 | _VARINT) + _as_varint(value % _INT64_RANGE))
        else:
            parts.append(_as_varint(field << 3 | _BYTES) + _as_varint(len(value)) + value)
    return b"".join(parts)


def _as_varint(value: int) -> bytes:
    found = bytearray()
    while value >= 0x80:
        found.append(value & 0x7F | 0x80)
        value >>= 7
    return bytes([*found, value])


def _signed(value: int) -> int:
    return value - _INT64_RANGE if value >= _INT64_SIGN else value
