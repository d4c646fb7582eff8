"""Values of a header that pydicom has read, as the same texts that the fast reader gives."""

from collections.abc import Iterable

from pydicom.dataset import Dataset

from kiview.io.dicom_fast import decode_text, one_line, text_of
from kiview.io.dicom_tags import (
    FURTHER,
    NESTED,
    NUCLIDE_CODES,
    PRIVATE,
    RADIOPHARMACEUTICAL,
    RADIOPHARMACEUTICALS,
    TOP_LEVEL,
)


def values_of(dataset: Dataset) -> dict[str, str]:
    """Keyword -> text of the elements that headers are read for, several parts joined."""
    declared = _raw(dataset, 0x00080005, "CS", [""]) or ""
    sets = declared.split("\\")
    values: dict[str, str] = {}
    _collect(dataset, TOP_LEVEL, sets, values)
    item = _first_item(dataset, RADIOPHARMACEUTICALS)
    if item is not None:
        _collect(item, NESTED[RADIOPHARMACEUTICALS], sets, values)
        nuclide = _first_item(item, NUCLIDE_CODES)
        if nuclide is not None:
            _collect(nuclide, NESTED[NUCLIDE_CODES], sets, values)
        further = dataset[RADIOPHARMACEUTICALS].value[1:]
        for tag, (name, kind) in RADIOPHARMACEUTICAL.items() if further else ():
            texts = [_raw(one, tag, kind, sets) or "" for one in further]
            values[FURTHER + name] = "\\".join(texts)
    creators = _creators(dataset)
    for (group, creator, element), (name, kind) in PRIVATE.items():
        block = creators.get((group, creator))
        if block is not None:
            text = _raw(dataset, group << 16 | block << 8 | element, kind, sets)
            if text is not None:
                values[name] = text
    return values


def _collect(
    dataset: Dataset, wanted: dict[int, tuple[str, str]], sets: list[str], into: dict[str, str]
) -> None:
    for tag, (name, kind) in wanted.items():
        text = _raw(dataset, tag, kind, sets)
        if text is not None:
            into[name] = text


def _creators(dataset: Dataset) -> dict[tuple[int, str], int]:
    found: dict[tuple[int, str], int] = {}
    for group in {key[0] for key in PRIVATE}:
        for block in range(0x10, 0x100):
            text = _raw(dataset, group << 16 | block, "LO", [""])
            if text:
                found.setdefault((group, text.upper()), block)
    return found


def _first_item(dataset: Dataset, tag: int) -> Dataset | None:
    if tag not in dataset:
        return None
    items = dataset[tag].value
    return items[0] if items else None


def _raw(dataset: Dataset, tag: int, usual: str, sets: list[str]) -> str | None:
    """One value as text, from its bytes where pydicom still has them."""
    if tag not in dataset:
        return None
    element = dataset.get_item(tag)
    value = getattr(element, "value", None)
    if not isinstance(value, bytes):
        return _joined(value)
    known = getattr(element, "VR", None)
    kind = usual if known in (None, "UN") else known
    if not dataset.original_encoding[1]:
        return _joined(dataset[tag].value)
    text = text_of(str(kind), value)
    return text if text is not None else decode_text(value, sets)


def _joined(value: object) -> str:
    if value is None:
        return ""
    if isinstance(value, str | bytes | int | float):
        return one_line(str(value).strip())
    if isinstance(value, Iterable):
        return one_line("\\".join(str(part) for part in value))
    return one_line(str(value))
