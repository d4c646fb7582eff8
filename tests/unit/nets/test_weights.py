import dataclasses
import hashlib
import json

import numpy as np
import pytest
from safetensors.numpy import save_file
from tests.unit.nets.fakes import card

from kiview.core.errors import NetworkError
from kiview.nets.catalog import HashedFile
from kiview.nets.weights import (
    WeightSet,
    WeightState,
    load_weight_set,
    read_tensors,
    save_weight_set,
    shipped_weights,
    weight_set_id,
)

TENSORS = {"b": np.arange(6, dtype=np.float32).reshape(2, 3), "a": np.ones(2, np.float32)}


def test_that_weights_as_shipped_are_bit_for_bit_those_in_the_onnx_file():
    onnx = pytest.importorskip("onnx", reason="platform: onnx is not installed")
    network = card()
    graph = onnx.load_from_string(network.network.read()).graph
    inside = {i.name: onnx.numpy_helper.to_array(i) for i in graph.initializer}
    for name, tensor in shipped_weights(network).tensors(network).items():
        np.testing.assert_array_equal(tensor, inside[name])


def test_that_only_the_shipped_choices_count_as_shipped():
    network = card()
    shipped = shipped_weights(network)
    assert shipped.state(network) is WeightState.SHIPPED
    moved = dataclasses.replace(shipped, position=0.25)
    blended = dataclasses.replace(shipped, image_blend=0.1)
    assert moved.state(network) is blended.state(network) is WeightState.MODIFIED


def test_that_the_slider_mixes_the_weights_of_both_ends():
    network = card()
    ends = [WeightSet(network.network.sha256, a).tensors(network) for a in (0.0, 1.0)]
    middle = WeightSet(network.network.sha256, 0.3).tensors(network)
    for name, tensor in middle.items():
        mixed = 0.7 * ends[0][name].astype(np.float64) + 0.3 * ends[1][name].astype(np.float64)
        np.testing.assert_allclose(tensor, mixed, rtol=1e-6, atol=1e-9)


@pytest.mark.parametrize("values", [{"position": 1.01}, {"position": 0.5, "image_blend": -0.1}])
def test_that_choices_outside_their_range_are_refused(values):
    with pytest.raises(NetworkError, match="outside 0 to 1"):
        WeightSet("0" * 64, **values)


def test_that_a_weight_set_of_another_network_is_refused():
    with pytest.raises(NetworkError, match="another network"):
        WeightSet("0" * 64, 0.5).tensors(card())


def test_that_weights_that_do_not_fit_the_card_are_refused(tmp_path):
    network = card()
    path = tmp_path / "end.safetensors"
    save_file(TENSORS, path)
    with pytest.raises(NetworkError, match="checksum"):
        read_tensors(network, HashedFile(path, "0" * 64))
    digest = hashlib.sha256(path.read_bytes()).hexdigest()
    with pytest.raises(NetworkError, match="do not fit"):
        read_tensors(network, HashedFile(path, digest))


def test_that_the_identity_depends_on_content_and_not_on_order():
    reordered = dict(reversed(TENSORS.items()))
    assert weight_set_id(TENSORS) == weight_set_id(reordered)
    assert len(weight_set_id(TENSORS)) == 64


@pytest.mark.parametrize(
    "other",
    [
        {**TENSORS, "a": np.array([1, np.nextafter(np.float32(1), 2)], np.float32)},
        {**TENSORS, "a": np.ones((2, 1), np.float32)},
        {**TENSORS, "a": np.ones(2, np.float64)},
        {"b": TENSORS["b"], "c": TENSORS["a"]},
        {"b": TENSORS["b"]},
    ],
)
def test_that_any_change_of_name_shape_type_or_value_changes_the_identity(other):
    assert weight_set_id(other) != weight_set_id(TENSORS)


def test_that_the_identity_is_that_of_a_written_out_recipe():
    digest = hashlib.sha256()
    digest.update(b'["a", [2], "float32"]' + np.ones(2, "<f4").tobytes())
    digest.update(b'["b", [2, 3], "float32"]' + np.arange(6, dtype="<f4").tobytes())
    assert weight_set_id(TENSORS) == digest.hexdigest()


def test_that_an_image_blend_changes_the_identity():
    ids = {weight_set_id(TENSORS, blend) for blend in (0.0, 0.1, 0.2)}
    assert len(ids) == 3


def test_that_a_weight_set_survives_writing_and_reading(tmp_path):
    path = tmp_path / "mine.json"
    chosen = WeightSet("ab" * 32, 0.37, 0.25)
    save_weight_set(chosen, path)
    assert load_weight_set(path) == chosen
    assert [p.name for p in tmp_path.iterdir()] == ["mine.json"]


@pytest.mark.parametrize(
    "content",
    [
        "",
        "[]",
        "{}",
        "3",
        "[" * 100_000,
        '{"format_version": 1}',
        '{"format_version": 1, "position": 1}',
        '{"format_version": 1, "network_sha256": "", "position": 1%s, "image_blend": 0}'
        % ("0" * 400),
    ],
    ids=range(8),
)
def test_that_a_file_that_is_no_weight_set_is_refused_by_name(tmp_path, content):
    path = tmp_path / "mine.json"
    path.write_text(content, encoding="utf-8")
    with pytest.raises(NetworkError, match=r"mine\.json is not a weight set"):
        load_weight_set(path)


def test_that_a_missing_file_and_another_version_are_refused(tmp_path):
    path = tmp_path / "mine.json"
    with pytest.raises(NetworkError, match="is not a weight set"):
        load_weight_set(path)
    path.write_text(json.dumps({"format_version": 2}), encoding="utf-8")
    with pytest.raises(NetworkError, match="another version"):
        load_weight_set(path)
