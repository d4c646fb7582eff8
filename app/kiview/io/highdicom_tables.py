"""Load highdicom's table of the DICOM standard without stopping every other thread.

highdicom reads, decodes and parses 22 MB of JSON in three calls the first time it writes an object.
Each keeps the interpreter, together for about 0.4 s, in which a window cannot redraw. Here it is
read and parsed piece by piece, and of its modules only those stay that the objects written by
KiView have: whoever writes another kind of object with highdicom adds it to `_WANTED`.
"""

import gc
import io
import json
import threading
import time
from collections.abc import Callable
from importlib import resources
from types import ModuleType, SimpleNamespace
from typing import Any, TextIO

from highdicom import _standard_utils

_SPACE = " \t\r\n"
_PIECE = 1 << 16
"""Characters read at a time."""
_AHEAD = 1 << 20
"""Bytes read at a time where nothing is done with them."""
_BREATH_S = 0.001
"""Pause after each piece: the window has many short calls, and each waits for its turn."""
_WANTED = ("pet", "positron", "parametric-map", "segmentation")
"""Parts of the names of the objects (IODs) whose modules are kept."""
_lock = threading.Lock()


def load_tables() -> None:
    """Load the table once; does nothing when a later highdicom loads it in another way."""
    tables: Any = _standard_utils
    load = getattr(tables, "get_module_attribute_map", None)
    used = getattr(tables, "pkgutil", None), getattr(tables, "json", None)
    if load is None or not all(isinstance(module, ModuleType) for module in used):
        return
    with _lock:
        if load.cache_info().currsize:
            return
        wanted = _wanted_modules(tables)
        collecting = gc.isenabled()
        gc.disable()  # a collection of half a million new objects would stop the others as well
        tables.pkgutil = SimpleNamespace(get_data=_OpenedLater)
        tables.json = SimpleNamespace(loads=lambda source: _parse_closing(source, wanted))
        try:
            load()
        finally:
            tables.pkgutil, tables.json = used
            gc.freeze()
            if collecting:
                gc.enable()


class _OpenedLater:
    """Stands for the bytes of a package's file until someone asks for their text."""

    def __init__(self, package: str, name: str) -> None:
        self._file = resources.files(package).joinpath(name)

    def decode(self, encoding: str) -> TextIO:
        """The text, to be read in pieces."""
        with self._file.open("rb") as file:
            while file.read(_AHEAD):  # from the disk now, while others run
                pass
        return io.TextIOWrapper(self._file.open("rb"), encoding)


def _wanted_modules(tables: Any) -> frozenset[str]:  # noqa: ANN401 - highdicom's own module
    """Modules of PET, Parametric Maps and segmentations: what KiView writes and comes from.

    The whole table is a hundred megabytes of small objects, whose making stalls every thread.
    """
    found = {
        str(module["key"])
        for name, modules in tables.get_iod_module_map().items()
        if any(word in name for word in _WANTED)
        for module in modules
    }
    return frozenset(found)


def _parse_closing(source: TextIO, wanted: frozenset[str]) -> dict[str, Any]:
    with source:
        # A collection of young objects that another thread asks for would go through all of them.
        return parse_in_pieces(source, gc.freeze, wanted)


def parse_in_pieces(
    source: TextIO,
    after_member: Callable[[], None] = lambda: None,
    wanted: frozenset[str] | None = None,
) -> dict[str, Any]:
    """Parse a JSON object with no long call: member by member, lists in them entry by entry.

    Args:
        source: Text of a JSON object; never held as a whole.
        after_member: Called when a member has been read.
        wanted: Members to keep; None keeps all.

    Returns:
        The same as `json.load`.

    Raises:
        ValueError: the text is no JSON object.
    """
    text = _Pieces(source)
    found: dict[str, Any] = {}
    text.expect("{")
    if text.skips("}"):
        return found
    while True:
        name = text.value()
        text.expect(":")
        value = _entries(text) if text.skips("[") else text.value()
        if wanted is None or name in wanted:
            found[name] = value
        after_member()
        if not text.skips(","):
            text.expect("}")
            return found


def _entries(text: "_Pieces") -> list[Any]:
    """What is left of a list whose bracket has been read."""
    found: list[Any] = []
    if text.skips("]"):
        return found
    while True:
        found.append(text.value())
        if not text.skips(","):
            text.expect("]")
            return found


class _Pieces:
    """Text of which only the part in use is held."""

    def __init__(self, source: TextIO) -> None:
        self._source = source
        self._decode = json.JSONDecoder().raw_decode
        self._text, self._at = "", 0

    def skips(self, mark: str) -> bool:
        """Go past white space, and past the mark if it is next."""
        self._skip_space()
        there = self._text.startswith(mark, self._at)
        self._at += there
        return there

    def expect(self, mark: str) -> None:
        """Go past a mark.

        Raises:
            ValueError: something else is next.
        """
        if not self.skips(mark):
            raise ValueError(f"no {mark} where one has to be")

    def value(self) -> Any:  # noqa: ANN401 - any JSON value
        """The next value.

        Raises:
            ValueError: there is none, or it does not end.
        """
        self._skip_space()
        while True:
            try:
                found, end = self._decode(self._text, self._at)
            except json.JSONDecodeError:
                if not self._read_on():
                    raise
                continue
            if end == len(self._text) and self._read_on():
                continue  # a number may go on in the next piece
            self._at = end
            return found

    def _skip_space(self) -> None:
        while True:
            while self._at < len(self._text) and self._text[self._at] in _SPACE:
                self._at += 1
            if self._at < len(self._text) or not self._read_on():
                return

    def _read_on(self) -> bool:
        """Hold another piece instead of what was read; False at the end."""
        time.sleep(_BREATH_S)
        piece = self._source.read(_PIECE)
        self._text, self._at = self._text[self._at :] + piece, 0
        return bool(piece)
