"""Load highdicom's table of the DICOM standard without stopping every other thread.

highdicom parses 22 MB of JSON in one call the first time it writes an object. That call keeps the
interpreter for about 0.3 s, in which a window cannot redraw. Parsed piece by piece the same table
takes as long, but others run in between.
"""

import gc
import json
import threading
from types import ModuleType, SimpleNamespace
from typing import Any

from highdicom import _standard_utils

_SPACE = " \t\r\n"
_lock = threading.Lock()


def load_tables() -> None:
    """Load the table once; does nothing when a later highdicom loads it in another way."""
    tables: Any = _standard_utils
    load = getattr(tables, "get_module_attribute_map", None)
    used = getattr(tables, "json", None)
    if load is None or not isinstance(used, ModuleType):
        return
    with _lock:
        if load.cache_info().currsize:
            return
        collecting = gc.isenabled()
        gc.disable()  # a collection of half a million new objects would stop the others as well
        tables.json = SimpleNamespace(loads=parse_in_pieces)
        try:
            load()
        finally:
            tables.json = used
            gc.freeze()
            if collecting:
                gc.enable()


def parse_in_pieces(text: str) -> dict[str, Any]:
    """Parse a JSON object one member at a time.

    Args:
        text: A JSON object.

    Returns:
        The same as `json.loads`.

    Raises:
        ValueError: the text is no JSON object.
    """
    decode = json.JSONDecoder().raw_decode
    found: dict[str, Any] = {}
    at = _expect(text, 0, "{")
    at = _skip(text, at)
    while text[at : at + 1] != "}":
        name, at = decode(text, at)
        at = _skip(text, _expect(text, at, ":"))
        found[name], at = decode(text, at)
        at = _skip(text, at)
        if text[at : at + 1] == ",":
            at = _skip(text, at + 1)
        elif text[at : at + 1] != "}":
            raise ValueError(f"no comma at {at}")
    return found


def _skip(text: str, at: int) -> int:
    while text[at : at + 1] in _SPACE and at < len(text):
        at += 1
    return at


def _expect(text: str, at: int, mark: str) -> int:
    at = _skip(text, at)
    if text[at : at + 1] != mark:
        raise ValueError(f"no {mark} at {at}")
    return at + 1
