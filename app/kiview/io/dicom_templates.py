"""Read the headers of a series by what its files share.

Most bytes of a series' headers are the same in every file. A template keeps them with the places
where files differ, learned from files that were parsed whole; in the next file the shared bytes are
compared at once and only the rest is looked at. Anything unexpected is parsed whole again.
"""

from dataclasses import dataclass, field

from kiview.io.dicom_fast import EXPLICIT_LITTLE_ENDIAN, RawHeader, Span, parse, text_of

_PREAMBLE = 128
_SHORT_HEADER = 8
_UNDEFINED = 0xFFFFFFFF
_MOST_TEMPLATES = 4


@dataclass(frozen=True, slots=True)
class _Hole:
    """A place where files differ.

    Attributes:
        prefix: Bytes of the tag (and value representation) that must be there.
        length_start: Where the length stands, from the start of the element.
        length_size: Its bytes.
        header_size: Bytes before the value.
        name: Keyword, empty if not wanted.
        kind: Value representation.
    """

    prefix: bytes
    length_start: int
    length_size: int
    header_size: int
    name: str
    kind: str


@dataclass(slots=True, eq=False)
class Template:
    """What the headers of a series share.

    Attributes:
        shared: Keyword -> text, the same in all files.
        transfer_syntax: UID.
    """

    data: bytes
    raw: RawHeader
    differing: set[int]
    shared: dict[str, str] = field(default_factory=dict)
    parts: list[tuple[bytes, _Hole]] = field(default_factory=list)

    @property
    def transfer_syntax(self) -> str:
        """UID of the files' encoding."""
        return self.raw.transfer_syntax

    def build(self) -> None:
        """Prepare for matching."""
        begin = _PREAMBLE
        self.parts = []
        own = set()
        last = len(self.raw.spans) - 1
        for index, span in enumerate(self.raw.spans):
            if index in self.differing or index == last:
                hole = self._hole(span)
                self.parts.append((self.data[begin : span.start], hole))
                begin = span.end
                own.add(span.name)
        self.shared = {name: self.raw.text(name) for name in self.raw.values if name not in own}

    def match(self, data: bytes) -> tuple[dict[str, str], int, int] | None:
        """Texts of one file besides the shared ones, pixel offset and length; None if it differs.

        Args:
            data: First bytes of the file.
        """
        own: dict[str, str] = {}
        position, end, length, start = _PREAMBLE, len(data), 0, -1
        for same, hole in self.parts:
            if start + length > end or not data.startswith(same, position):
                return None
            position += len(same)
            if not data.startswith(hole.prefix, position):
                return None
            at = position + hole.length_start
            length = int.from_bytes(data[at : at + hole.length_size], "little")
            if length == _UNDEFINED:
                return None
            start = position + hole.header_size
            position = start + length
            if hole.name:
                text = text_of(hole.kind, data[start:position])
                if text is None:
                    return None
                own[hole.name] = text
        return (own, start, length) if start <= end else None

    def learn(self, data: bytes, raw: RawHeader) -> bool:
        """Take in a file that was parsed whole; False if it is built otherwise."""
        mine, other = self.raw.spans, raw.spans
        if len(mine) != len(other):
            return False
        differing = set()
        for index, (a, b) in enumerate(zip(mine, other, strict=True)):
            if not _is_same_element(self.data, a, data, b):
                return False
            if self.data[a.start : a.end] != data[b.start : b.end]:
                if a.is_fixed:
                    return False
                differing.add(index)
        if not differing <= self.differing:
            self.differing |= differing
            self.build()
        return True

    def _hole(self, span: Span) -> _Hole:
        header = span.value_start - span.start
        content = self.data[span.start : span.value_start]
        is_meta = content[:2] == b"\x02\x00"
        is_explicit = is_meta or self.raw.transfer_syntax == EXPLICIT_LITTLE_ENDIAN
        kind = self.raw.values[span.name][0] if span.name else ""
        if header > _SHORT_HEADER:
            return _Hole(content[:6], 8, 4, header, span.name, kind)
        if is_explicit:
            return _Hole(content[:6], 6, 2, header, span.name, kind)
        return _Hole(content[:4], 4, 4, header, span.name, kind)


def _is_same_element(first: bytes, a: Span, second: bytes, b: Span) -> bool:
    size = a.value_start - a.start
    if size != b.value_start - b.start or a.name != b.name:
        return False
    return first[a.start : a.start + 4] == second[b.start : b.start + 4]


@dataclass(slots=True)
class TemplateReader:
    """Parses headers, with templates of the series met so far."""

    templates: list[Template] = field(default_factory=list)

    def match(self, data: bytes) -> tuple[Template, dict[str, str], int, int] | None:
        """Header of a file by a template, or None if none fits."""
        for template in self.templates:
            found = template.match(data)
            if found is not None:
                return template, *found
        return None

    def parse(self, data: bytes) -> RawHeader:
        """Parse a header whole and learn from it.

        Raises:
            NotPlainError: leave this file to pydicom.
            MoreNeededError: read more bytes and try again.
        """
        raw = parse(data)
        if raw.pixel_offset >= 0:
            self._learn(data[: raw.pixel_offset], raw)
        return raw

    def _learn(self, data: bytes, raw: RawHeader) -> None:
        for template in list(self.templates):
            if template.learn(data, raw):
                self.templates.remove(template)
                self.templates.insert(0, template)
                return
        fresh = Template(data, raw, set())
        fresh.build()
        self.templates = [fresh, *self.templates][:_MOST_TEMPLATES]
