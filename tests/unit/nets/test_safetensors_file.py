"""Files of tensors: crafted and damaged ones are refused in a sentence."""

import json
import struct

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kiview.core.errors import NetworkError
from kiview.nets import safetensors_file
from kiview.nets.safetensors_file import decode, encode


def crafted(header: object, data: bytes = b"") -> bytes:
    text = header if isinstance(header, bytes) else json.dumps(header).encode()
    return struct.pack("<Q", len(text)) + text + data


def entry(shape, first, last, dtype="F32"):
    return {"dtype": dtype, "shape": shape, "data_offsets": [first, last]}


@pytest.mark.parametrize(
    ("content", "told"),
    [
        (b"", "header is longer"),
        (b"\xff" * 8, "header is longer"),
        (struct.pack("<Q", 1 << 30) + b"{}", "header is longer"),
        (crafted(b"[" * 50_000), "nested too deeply"),
        (crafted(b"\xff\xfe"), "no text in UTF-8"),
        (crafted([]), "no table"),
        (crafted({"a": 1}), "not described as one"),
        (crafted({"a": entry([2], 0, 8, "F16")}, bytes(8)), "type 'F16'"),
        (crafted({"a": entry([2], 0, 16, "F64")}, bytes(16)), "type 'F64'"),
        (crafted({"a": entry([2], 0, 4)}, bytes(4)), "does not fit its shape"),
        (crafted({"a": entry([-2], 0, 8)}, bytes(8)), "cannot be"),
        (crafted({"a": entry([1] * 9, 0, 4)}, bytes(4)), "cannot be"),
        (crafted({"a": entry([2**62, 2**62], 0, 8)}, bytes(8)), "does not fit its shape"),
        (crafted({"a": entry([1], 0, 4), "b": entry([1], 2, 6)}, bytes(6)), "overlap"),
        (crafted({"a": entry([1], 0, 4), "b": entry([1], 8, 12)}, bytes(12)), "gap"),
        (crafted({"a": entry([1], 0, 4)}, bytes(3)), "end before or after"),
        (crafted({"a": entry([1], 0, 4)}, bytes(5)), "end before or after"),
        (crafted({"__metadata__": {"a": 1}}), "metadata are no texts"),
        (crafted({"__metadata__": 1}), "metadata are no texts"),
        (crafted(b'{"a": 1, "a": 2}'), "key twice"),
        (crafted({"a": entry([1], 0, 4)}, struct.pack("<f", float("nan"))), "no finite numbers"),
        (crafted({"a": entry([1], 0, 4)}, struct.pack("<f", float("inf"))), "no finite numbers"),
    ],
    ids=range(22),
)
def test_that_crafted_tensors_are_refused_with_the_reason(content, told):
    with pytest.raises(NetworkError, match=told):
        decode(content, "x.safetensors")


def test_that_a_file_of_too_many_tensors_is_refused(monkeypatch):
    monkeypatch.setattr(safetensors_file, "MOST_TENSORS", 1)
    content = crafted({"a": entry([1], 0, 4), "b": entry([1], 4, 8)}, bytes(8))
    with pytest.raises(NetworkError, match="lists 2 tensors"):
        decode(content, "x.safetensors")


def test_that_the_library_and_the_check_agree_on_a_sound_file():
    tensors = {"a": np.arange(6, dtype=np.float32).reshape(2, 3), "b": np.ones(1, np.float32)}
    read = decode(encode(tensors, {"k": "v"}), "x.safetensors")
    assert dict(read.metadata) == {"k": "v"}
    assert {name: tensor.tolist() for name, tensor in read.tensors.items()} == {
        "a": [[0, 1, 2], [3, 4, 5]],
        "b": [1],
    }


SMALL = encode({"a": np.ones((2, 3), np.float32), "b": np.zeros(4, np.float32)}, {"format": "x"})


@settings(max_examples=300)
@given(
    st.lists(st.tuples(st.integers(0, len(SMALL) - 1), st.integers(0, 255)), max_size=6),
    st.integers(0, len(SMALL)),
)
def test_that_damaged_tensors_are_refused_or_read_and_nothing_else(changes, end):
    content = bytearray(SMALL)
    for place, value in changes:
        content[place] = value
    try:
        read = decode(bytes(content[: end or None]), "x.safetensors")
    except NetworkError:
        return
    assert all(np.isfinite(tensor).all() for tensor in read.tensors.values())
