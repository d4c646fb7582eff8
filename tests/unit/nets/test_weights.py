import dataclasses
import hashlib

import numpy as np
import pytest
from safetensors.numpy import save_file
from tests.unit.nets.fakes import card

from kiview.core.errors import NetworkError
from kiview.nets.edits import LayerEdit, SingleEdit, value_limit
from kiview.nets.layers import layer_table
from kiview.nets.tensors import network_tensors, read_tensors, weight_set_id
from kiview.nets.untrusted import HashedFile
from kiview.nets.weights import (
    LoadedTensors,
    WeightSet,
    WeightState,
    loaded_weights,
    shipped_weights,
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


def without_slider():
    return dataclasses.replace(card(), slider=None)


def test_that_a_network_without_slider_has_the_weights_of_its_file():
    network = without_slider()
    tensors = shipped_weights(network).tensors(network)
    assert weight_set_id(tensors) == shipped_weights(card()).identity(card())
    assert shipped_weights(network).state(network) is WeightState.SHIPPED
    with pytest.raises(NetworkError, match="the network has none; set it to 1"):
        WeightSet(network.network.sha256, 0.5).tensors(network)


def test_that_a_card_that_places_weights_outside_its_file_is_refused():
    network = card()
    far = dataclasses.replace(network.tensors[0], offset=network.network.path.stat().st_size - 8)
    with pytest.raises(NetworkError, match=r"outside model\.onnx"):
        network_tensors(dataclasses.replace(network, tensors=(far,)))


def test_that_a_gain_scales_and_a_shift_moves_one_layer_only():
    network = card()
    shipped = shipped_weights(network)
    edited = shipped.with_layer(LayerEdit("head", 1.25, -0.5))
    before, after = shipped.tensors(network), edited.tensors(network)
    reach = max(np.abs(before["head.weight"]).max(), np.abs(before["head.bias"]).max())
    np.testing.assert_allclose(after["head.weight"], 1.25 * before["head.weight"], rtol=1e-6)
    moved = 1.25 * before["head.bias"].astype(float) - 0.5 * float(reach)
    np.testing.assert_allclose(after["head.bias"], moved, rtol=1e-6)
    others = {name for name in before if not name.startswith("head.")}
    assert all(np.array_equal(after[name], before[name]) for name in others)
    assert edited.state(network) is WeightState.MODIFIED


def test_that_single_weights_are_set_after_the_gain_of_their_layer():
    network = card()
    chosen = shipped_weights(network).with_layer(LayerEdit("head", 0.5))
    chosen = chosen.with_single(SingleEdit("head.weight", (1, 3, 0, 0), 0.0))
    chosen = chosen.with_single(SingleEdit("head.bias", (0,), 0.001))
    before, after = shipped_weights(network).tensors(network), chosen.tensors(network)
    expected = 0.5 * before["head.weight"]
    expected[1, 3, 0, 0] = 0.0
    np.testing.assert_allclose(after["head.weight"], expected, rtol=1e-6)
    assert after["head.bias"][0] == np.float32(0.001)
    assert after["head.bias"][1] == np.float32(0.5) * before["head.bias"][1]


def test_that_edits_taken_back_give_the_shipped_set_again():
    network = card()
    shipped = shipped_weights(network)
    edited = shipped.with_layer(LayerEdit("head", 1.2)).with_layer(LayerEdit("head"))
    assert edited == shipped
    single = shipped.with_single(SingleEdit("head.bias", (0,), 0.0))
    assert single.without_single("head.bias", (0,)) == shipped
    assert edited.state(network) is WeightState.SHIPPED


def test_that_equal_choices_are_equal_whatever_their_order():
    one, other = LayerEdit("a", 1.1), LayerEdit("b", 0.9)
    sets = [WeightSet("0" * 64, 1.0, layers=order) for order in ((one, other), (other, one))]
    assert sets[0] == sets[1]
    assert hash(sets[0]) == hash(sets[1])


@pytest.mark.parametrize(
    ("make", "told"),
    [
        (lambda: LayerEdit("head", 1.51), "gain 1.51 of layer 'head' is outside 0.5 to 1.5"),
        (lambda: LayerEdit("head", float("nan")), "gain nan"),
        (lambda: LayerEdit("head", 1.0, -1.01), "bias shift -1.01 of layer 'head' is outside"),
        (lambda: SingleEdit("head.bias", (0,), float("inf")), r"head.bias\[0\] cannot be inf"),
        (lambda: SingleEdit("head.bias", (-1,), 0.0), "negative index"),
        (lambda: WeightSet("", 1, layers=(LayerEdit("a", 1.1), LayerEdit("a", 1.2))), "twice"),
        (
            lambda: WeightSet("", 1, singles=(SingleEdit("a", (0,), 1), SingleEdit("a", (0,), 2))),
            "twice",
        ),
        (
            lambda: WeightSet("", 1, singles=[SingleEdit("a", (i,), 1) for i in range(10_001)]),
            "at most 10000",
        ),
    ],
)
def test_that_edits_outside_their_bounds_are_refused(make, told):
    with pytest.raises(NetworkError, match=told):
        make()


@pytest.mark.parametrize(
    ("edit", "told"),
    [
        (LayerEdit("tail", 1.1), "no layer 'tail'"),
        (SingleEdit("tail.bias", (0,), 0.0), r"no weight tail.bias\[0\]"),
        (SingleEdit("head.bias", (2,), 0.0), r"no weight head.bias\[2\]"),
        (SingleEdit("head.bias", (0, 0), 0.0), "no weight head.bias"),
        (SingleEdit("head.bias", (0,), 1e3), "an edited one at most"),
    ],
)
def test_that_edits_that_do_not_fit_the_network_are_refused(edit, told):
    network = card()
    chosen = shipped_weights(network)
    chosen = chosen.with_layer(edit) if isinstance(edit, LayerEdit) else chosen.with_single(edit)
    with pytest.raises(NetworkError, match=told):
        chosen.tensors(network)


def test_that_a_single_weight_may_reach_twice_the_largest_of_its_tensor():
    network = card()
    bias = shipped_weights(network).tensors(network)["head.bias"]
    limit = value_limit(bias)
    assert limit == 2 * float(np.abs(bias).max())
    chosen = shipped_weights(network).with_single(SingleEdit("head.bias", (1,), -limit))
    assert chosen.tensors(network)["head.bias"][1] == np.float32(-limit)


def test_that_loaded_tensors_take_the_place_of_the_sliders_and_can_be_edited():
    network = card()
    smooth = WeightSet(network.network.sha256, 0.0).tensors(network)
    loaded = loaded_weights(network, smooth)
    assert loaded.state(network) is WeightState.MODIFIED
    assert loaded.identity(network) == weight_set_id(smooth)
    edited = loaded.with_layer(LayerEdit("head", 1.5)).tensors(network)
    np.testing.assert_allclose(edited["head.bias"], 1.5 * smooth["head.bias"], rtol=1e-6)
    assert not np.shares_memory(edited["head.weight"], loaded.loaded.values["head.weight"])
    with pytest.raises(NetworkError, match="the weights come from a file; set it to 1"):
        dataclasses.replace(loaded, position=0.5).tensors(network)


def test_that_loaded_tensors_are_compared_by_content_and_cannot_be_changed():
    one, same = LoadedTensors(TENSORS), LoadedTensors(dict(reversed(TENSORS.items())))
    assert one == same
    assert hash(one) == hash(same)
    assert one != LoadedTensors({**TENSORS, "a": np.zeros(2, np.float32)})
    assert "array" not in repr(one)
    with pytest.raises(ValueError, match="read-only"):
        one.values["a"][0] = 2.0


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ({"head.bias": None}, "'head.bias' is missing"),
        ({"head.bias": np.zeros(3, np.float32)}, r"'head.bias' has shape \(3,\)"),
        ({"tail": np.zeros(3, np.float32)}, "no weight 'tail'"),
        ({"head.bias": np.array([0, np.nan], np.float32)}, "not numbers"),
    ],
)
def test_that_loaded_tensors_that_do_not_fit_are_refused(change, told):
    network = card()
    tensors = shipped_weights(network).tensors(network) | change
    tensors = {name: tensor for name, tensor in tensors.items() if tensor is not None}
    with pytest.raises(NetworkError, match=told):
        loaded_weights(network, tensors)


def test_that_the_layer_table_lists_every_convolution_with_its_edits():
    network = card()
    shipped = shipped_weights(network)
    rows = layer_table(network, shipped.with_layer(LayerEdit("head", 0.5, 0.25)))
    assert [row.name for row in rows] == sorted(row.name for row in rows)
    total = sum(int(np.prod(spec.shape)) for spec in network.tensors)
    assert sum(row.parameter_count for row in rows) == total
    by_name = {row.name: row for row in rows}
    head = by_name["head"]
    tensors = shipped.tensors(network)
    flat = np.concatenate([tensors["head.weight"].ravel(), tensors["head.bias"]]).astype(float)
    assert (head.shape, head.gain, head.bias_shift) == ((2, 32, 1, 1), 0.5, 0.25)
    assert head.shipped_norm == pytest.approx(np.linalg.norm(flat), rel=1e-9)
    assert head.reach == np.abs(flat).max()
    changed = 0.5 * flat
    changed[-2:] += 0.25 * head.reach
    assert head.norm == pytest.approx(np.linalg.norm(changed), rel=1e-6)
    bottom = by_name["bottom.layers.0"]
    assert (bottom.gain, bottom.bias_shift, bottom.norm) == (1.0, 0.0, bottom.shipped_norm)
