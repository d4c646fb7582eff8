"""Network files as bytes: what is cut, damaged or too much is refused in a sentence."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.unit.nets.fakes import card

from kiview import paths
from kiview.core.errors import NetworkError
from kiview.nets import onnx_file
from kiview.nets.catalog import load_catalog
from kiview.nets.network_check import check_network

NETWORK = card()
CONTENT = NETWORK.network.read()


@pytest.mark.parametrize("content", [b"", b"\x00", b"PK\x03\x04", CONTENT[:-1], CONTENT[: 1 << 19]])
def test_that_a_file_that_is_no_whole_network_is_refused(content):
    with pytest.raises(NetworkError, match="is not used"):
        check_network(NETWORK, content)


def test_that_two_graphs_in_one_file_are_refused():
    with pytest.raises(NetworkError, match="holds field 1 twice"):
        check_network(NETWORK, CONTENT + CONTENT)


def test_that_a_network_with_fewer_outputs_holds_what_they_need_and_nothing_more():
    onnx = pytest.importorskip("onnx", reason="platform: onnx is not installed")
    content = load_catalog(paths.models_dir()).default.network.read()
    less = onnx_file.with_outputs(content, ("ki", "v", "sigma"))
    onnx.checker.check_model(onnx.load_from_string(less), full_check=True)
    before, after = onnx_file.read_graph(content), onnx_file.read_graph(less)
    assert [value.name for value in after.outputs] == ["ki", "v", "sigma"]
    used = {name for node in after.nodes for name in node.inputs}
    assert set(after.tensors) == used & set(before.tensors)
    assert all(used.intersection(n.outputs) or n.outputs[0] in "ki v sigma" for n in after.nodes)
    left_out = {node.outputs for node in before.nodes} - {node.outputs for node in after.nodes}
    assert ("calibration",) in left_out
    assert len(left_out) == len(before.nodes) - len(after.nodes) == 17


def test_that_a_network_with_all_its_outputs_stays_the_same_network():
    same = onnx_file.with_outputs(CONTENT, ("ki", "v", "none such"))
    assert onnx_file.read_graph(same).nodes == onnx_file.read_graph(CONTENT).nodes


def test_that_a_flood_of_parts_ends_early():
    flood = b"\x42\x00" * (onnx_file.MOST_FIELDS + 1)
    with pytest.raises(NetworkError, match="more parts than a network can have"):
        check_network(NETWORK, flood)
    packed = b"\x00" * (onnx_file.MOST_FIELDS + 1)
    dims = b"\x0a" + varint(len(packed)) + packed
    initialiser = b"\x2a" + varint(len(dims)) + dims
    graph = b"\x3a" + varint(len(initialiser)) + initialiser + b"\x42\x02\x10\x14"
    with pytest.raises(NetworkError, match="more parts than a network can have"):
        check_network(NETWORK, graph)


def varint(value):
    out = bytearray()
    while value >= 0x80:
        out.append(value & 0x7F | 0x80)
        value >>= 7
    return bytes([*out, value])


@pytest.mark.parametrize(
    ("content", "told"),
    [
        (b"\x08" + b"\xff" * 10, "too long"),
        (b"\x08" + b"\xff" * 9 + b"\x7f", "too long"),
        (b"\x08\x80", "ends in the middle"),
        (b"\x12\x05ab", "ends in the middle"),
        (b"\x0b", "wire type 3"),
        (b"\x0d\x00\x00\x00\x00", "of the wrong kind"),
        (b"\xfa\x07\x00", "unknown field 127"),
        (b"\x08\x0a", "no graph"),
        (b"\x42\x03\x0a\x01\xff\x3a\x00", "a text that is none"),
    ],
)
def test_that_bytes_that_are_no_message_are_refused(content, told):
    with pytest.raises(NetworkError, match=told):
        check_network(NETWORK, content)


def test_that_numbers_of_tensors_operations_and_weights_are_limited(monkeypatch):
    for name, told in (("MOST_TENSORS", "tensors"), ("MOST_NODES", "operations")):
        with monkeypatch.context() as patch:
            patch.setattr(onnx_file, name, 3)
            with pytest.raises(NetworkError, match=f"{told}, at most 3"):
                check_network(NETWORK, CONTENT)
    monkeypatch.setattr(onnx_file, "MOST_VALUES", 1000)
    with pytest.raises(NetworkError, match="weights, at most 1000"):
        check_network(NETWORK, CONTENT)


@settings(max_examples=400)
@given(
    st.lists(st.tuples(st.integers(0, len(CONTENT) - 1), st.integers(0, 255)), max_size=4),
    st.lists(st.tuples(st.integers(0, 4600), st.integers(0, 255)), max_size=4),
    st.lists(st.tuples(st.integers(1_038_000, len(CONTENT) - 1), st.integers(0, 255)), max_size=4),
    st.one_of(st.just(len(CONTENT)), st.integers(0, len(CONTENT))),
)
def test_that_damaged_networks_are_refused_or_understood_and_nothing_else(
    anywhere, first, last, end
):
    content = bytearray(CONTENT)
    for place, value in (*anywhere, *first, *last):
        content[place] = value
    try:
        check_network(NETWORK, bytes(content[:end]))
    except NetworkError as error:
        assert len(str(error)) < 500  # noqa: PT017 - most are refused, some are not
