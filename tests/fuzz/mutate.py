"""Damage to bytes, tables, JSON and TOML; the same `random.Random` gives the same damage."""

import json
import random
import re
import struct
from collections.abc import Callable, Iterator
from typing import Any

ByteDamage = Callable[[random.Random, bytes], bytes]

_LONGEST_INSERT = 200
_MOST_FLIPS = 40
_HEAD_BYTES = 600
"""Headers lie here; half of the damage goes there."""
_NUMBERS = tuple(
    struct.pack(order + code, value)
    for order in "<>"
    for code, values in (
        ("f", (float("nan"), float("inf"), -1.0, 1e38, 0.0)),
        ("d", (float("nan"), float("-inf"), -1.0, 1e308, 0.0)),
        ("h", (0, -1, 32767)),
        ("i", (0, -1, 2**31 - 1, -(2**31))),
        ("q", (-1, 2**62)),
    )
    for value in values
)
WORDS = (
    "NaN", "inf", "-inf", "1e308", "-1e308", "1e999", "1e-320", "-1", "0", "-0.0", "2147483648",
    "9223372036854775808", "1" + "0" * 400, "1_000", "1,5", "0x10", "", " ", "n/a", "abc", "--",
    "\x00", "\x1b[31m", "a\nb", "\u2028", "٣", "∞", "true", "null", "../../escape", "%s%n",
)  # fmt: skip
"""What is put where a number or a word was."""
_VALUES: tuple[Any, ...] = (
    None, True, False, 0, 1, -1, -0.0, 1e308, -1e308, 1e-320, float("nan"), float("inf"), 2**31,
    2**63, 10**400, "", "abc", "1", "\x00", "a\nb", "\x1b[2J", "\ud800", "../../escape", "x" * 5000,
    [], {}, [[]], [None], {"": None}, [1, 2, 3], ["a"] * 300, {"a": {"b": {"c": []}}},
)  # fmt: skip
_OTHER_NUMBERS = (0, -1, 1, 1e-320, 1e308, 2**31, 10**400, float("nan"), float("-inf"))
_PERSONAL = ("PatientName", "PatientID")
_DEEP = "@deep@"
_DEPTHS = (30, 900, 100_000)
_NUMBER = re.compile(r"-?\d+(?:\.\d+)?(?:[eE][-+]?\d+)?")


def _place(rng: random.Random, content: bytes) -> int:
    end = len(content) if rng.random() < 0.5 else min(len(content), _HEAD_BYTES)
    return rng.randrange(end) if end else 0


def flip(rng: random.Random, content: bytes) -> bytes:
    """Change single bits or bytes."""
    made = bytearray(content)
    for _ in range(rng.randint(1, _MOST_FLIPS) if made else 0):
        at = _place(rng, content)
        made[at] = made[at] ^ 1 << rng.randrange(8) if rng.random() < 0.5 else rng.randrange(256)
    return bytes(made)


def truncate(rng: random.Random, content: bytes) -> bytes:
    """Cut the end, often near the beginning."""
    return content[: _place(rng, content)]


def insert(rng: random.Random, content: bytes) -> bytes:
    """Put bytes between others, rubbish or a piece of the file."""
    at, start = _place(rng, content), _place(rng, content)
    count = rng.randint(1, _LONGEST_INSERT)
    piece = rng.randbytes(count) if rng.random() < 0.5 else content[start : start + count]
    return content[:at] + piece + content[at:]


def remove(rng: random.Random, content: bytes) -> bytes:
    """Take bytes out of the middle."""
    at = _place(rng, content)
    return content[:at] + content[at + rng.randint(1, _LONGEST_INSERT) :]


def inflate(rng: random.Random, content: bytes) -> bytes:
    """Make what may be a length field very large."""
    made = bytearray(content)
    at = _place(rng, content) & ~1
    fields = (b"\xff\xff", b"\xff\xff\xff\xff", b"\xff\xff\xff\x7f", b"\x7f\xff\xff\xff")
    field = rng.choice(fields)
    made[at : at + len(field)] = field
    return bytes(made)


def odd_number(rng: random.Random, content: bytes) -> bytes:
    """Write NaN, infinity, the largest or a negative number over some bytes."""
    made = bytearray(content)
    for _ in range(rng.randint(1, 3)):
        number = rng.choice(_NUMBERS)
        at = _place(rng, content) // 2 * 2
        made[at : at + len(number)] = number
    return bytes(made)


def repeat(rng: random.Random, content: bytes) -> bytes:
    """Write a piece several times."""
    at = _place(rng, content)
    piece = content[at : at + rng.randint(1, _LONGEST_INSERT)]
    return content[:at] + piece * rng.randint(2, 50) + content[at:]


def replace_all(rng: random.Random, content: bytes) -> bytes:
    """Another file under this name: empty, rubbish, text."""
    return rng.choice((b"", b"\0" * len(content), rng.randbytes(len(content)), b"no such file\n"))


BYTES: tuple[ByteDamage, ...] = (
    flip,
    truncate,
    insert,
    remove,
    inflate,
    odd_number,
    repeat,
    replace_all,
)


def damage_bytes(rng: random.Random, content: bytes) -> bytes:
    """One or two kinds of damage to any file."""
    for damage in rng.sample(BYTES[:-1], rng.choice((1, 1, 2))):
        content = damage(rng, content)
    return replace_all(rng, content) if rng.random() < 0.02 else content


# --- tables and other text


def _lines(text: str) -> list[str]:
    return text.splitlines(keepends=True)


def odd_cell(rng: random.Random, text: str) -> str:
    """Another word in place of a number, or of all numbers of a column's height."""
    found = list(_NUMBER.finditer(text))
    for match in rng.sample(found, min(len(found), rng.choice((1, 1, 2, 5)))):
        text = text[: match.start()] + rng.choice(WORDS) + text[match.end() :]
        found = list(_NUMBER.finditer(text))
    return text


def odd_word(rng: random.Random, text: str) -> str:
    """Another word in place of a word, for example of a title or a unit."""
    found = list(re.finditer(r"[A-Za-z_/]+", text))
    if not found:
        return text
    match = rng.choice(found)
    return text[: match.start()] + rng.choice(WORDS) + text[match.end() :]


def lose_line(rng: random.Random, text: str) -> str:
    """A line less; often the first."""
    lines = _lines(text)
    if lines:
        del lines[0 if rng.random() < 0.3 else rng.randrange(len(lines))]
    return "".join(lines)


def double_line(rng: random.Random, text: str) -> str:
    """A line several times."""
    lines = _lines(text)
    at = rng.randrange(len(lines)) if lines else 0
    return "".join(lines[:at] + lines[at : at + 1] * rng.choice((2, 3, 2000)) + lines[at:])


def shuffle_lines(rng: random.Random, text: str) -> str:
    """The same lines in another order."""
    lines = _lines(text)
    rng.shuffle(lines)
    return "".join(lines)


def other_separators(rng: random.Random, text: str) -> str:
    """Commas, blanks or nothing between cells; other ends of lines."""
    old, new = rng.choice((("\t", ","), ("\t", " "), ("\t", "\t\t"), ("\n", "\r"), ("\n", "\r\n")))
    return text.replace(old, new)


def add_cells(rng: random.Random, text: str) -> str:
    """Cells too many in one line."""
    lines = _lines(text) or [""]
    at = rng.randrange(len(lines))
    lines[at] = lines[at].rstrip("\n") + "\t" + "\t".join(rng.choices(WORDS, k=3)) + "\n"
    return "".join(lines)


TEXT = (
    odd_cell,
    odd_cell,
    odd_word,
    lose_line,
    double_line,
    shuffle_lines,
    other_separators,
    add_cells,
)
_ENCODINGS = ("utf-8", "utf-8", "utf-8", "utf-8", "utf-8-sig", "utf-16", "latin-1")


def damage_text(rng: random.Random, content: bytes) -> bytes:
    """One to three kinds of damage to a table, a TOML file or another text."""
    text = content.decode("utf-8", "replace")
    for damage in rng.sample(TEXT, rng.choice((1, 1, 2, 3))):
        text = damage(rng, text)
    made = text.encode(rng.choice(_ENCODINGS), "replace")
    return damage_bytes(rng, made) if rng.random() < 0.15 else made


# --- JSON

_Parent = dict[str, Any] | list[Any]


def _nodes(document: Any) -> Iterator[tuple[_Parent, Any]]:
    """(container, key or index) of every value below a document."""
    waiting = [document]
    while waiting:
        parent = waiting.pop()
        keys = list(parent) if isinstance(parent, dict) else list(range(len(parent)))
        for key in keys:
            yield parent, key
            if isinstance(parent[key], dict | list):
                waiting.append(parent[key])


def _change_node(rng: random.Random, nodes: list[tuple[_Parent, Any]]) -> None:
    numbers = [one for one in nodes if type(one[0][one[1]]) in (int, float)]
    if numbers and rng.random() < 0.4:  # still a number: it goes deeper into a reader
        parent, key = rng.choice(numbers)
        parent[key] = rng.choice((*_OTHER_NUMBERS, -parent[key], parent[key] * 1000))
        return
    parent, key = rng.choice(nodes)
    kind = rng.randrange(7)
    if kind <= 2:
        parent[key] = rng.choice((*_VALUES, _DEEP))
    elif kind == 3:
        del parent[key]
    elif kind == 4 and isinstance(parent, dict):
        parent[rng.choice(("", "no", "NaN", f"{key} "))] = parent.pop(key)
    elif kind == 5:
        other, place = rng.choice(nodes)
        if place not in _PERSONAL:  # in another place it would rightly be told
            parent[key] = json.loads(json.dumps(other[place]))
    elif isinstance(parent[key], list):
        parent[key] = parent[key] * rng.choice((0, 2, 40))
    else:
        parent[key] = [parent[key]]


def damage_json(rng: random.Random, content: bytes) -> bytes:
    """Swap types, lose, rename and repeat keys, nest deeply, or damage the text."""
    if rng.random() < 0.2:
        return damage_text(rng, content) if rng.random() < 0.5 else damage_bytes(rng, content)
    document = json.loads(content)
    for _ in range(rng.choice((1, 1, 1, 2, 4))):
        nodes = list(_nodes(document))
        if nodes:
            _change_node(rng, nodes)
    if rng.random() < 0.03:
        document = rng.choice(_VALUES)
    depth = rng.choice(_DEPTHS)
    deep = "[" * depth + "]" * depth if rng.random() < 0.5 else '{"a":' * depth + "1" + "}" * depth
    text = json.dumps(document, indent=rng.choice((None, 1)))
    if rng.random() < 0.05:
        text = text.replace("{", '{"schema_version": 1, "schema_version": 2, ', 1)
    return text.replace(f'"{_DEEP}"', deep).encode()
