"""Files of weights: written and read to the bit, matched to their network, or refused."""

import dataclasses
import json

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from safetensors.numpy import save
from tests.unit.nets.fakes import card

from kiview.core.errors import NetworkError
from kiview.nets import weight_files
from kiview.nets.edits import LayerEdit, SingleEdit
from kiview.nets.safetensors_file import encode
from kiview.nets.weight_files import load_weight_set, save_weight_set
from kiview.nets.weights import WeightSet, loaded_weights, shipped_weights

NETWORK = card()
CARDS = (NETWORK,)
SHA256 = NETWORK.network.sha256


def every_choice() -> WeightSet:
    chosen = WeightSet(SHA256, 1 / 3, 0.1)
    chosen = chosen.with_layer(LayerEdit("head", 1.1, 0.01))
    return chosen.with_single(SingleEdit("encoder0.layers.0.weight", (3, 2, 1, 0), 0.1 / 3))


def smooth_tensors():
    return WeightSet(SHA256, 0.0).tensors(NETWORK)


def test_that_choices_survive_writing_and_give_the_same_weights_to_the_bit(tmp_path):
    chosen = every_choice()
    written = save_weight_set(NETWORK, chosen, tmp_path / "mine.json")
    network, read = load_weight_set(tmp_path / "mine.json", CARDS)
    assert written == (tmp_path / "mine.json",)
    assert [path.name for path in tmp_path.iterdir()] == ["mine.json"]
    assert read == chosen
    assert network == NETWORK
    assert read.identity(network) == chosen.identity(NETWORK)


def test_that_weights_survive_writing_to_the_bit(tmp_path):
    chosen = every_choice()
    save_weight_set(NETWORK, chosen, tmp_path / "mine.safetensors")
    network, read = load_weight_set(tmp_path / "mine.safetensors", CARDS)
    assert read.image_blend == chosen.image_blend
    assert read.loaded is not None
    assert read.identity(network) == chosen.identity(NETWORK)


def test_that_loaded_tensors_lie_beside_the_choices(tmp_path):
    chosen = loaded_weights(NETWORK, smooth_tensors(), 0.2).with_layer(LayerEdit("head", 0.9))
    beside = tmp_path / f"mine-{chosen.loaded.sha256[:8]}.safetensors"
    written = save_weight_set(NETWORK, chosen, tmp_path / "mine.json")
    assert written == (tmp_path / "mine.json", beside)
    assert sorted(tmp_path.iterdir()) == sorted(written)
    assert load_weight_set(tmp_path / "mine.json", CARDS)[1] == chosen
    other = loaded_weights(NETWORK, shipped_weights(NETWORK).tensors(NETWORK))
    save_weight_set(NETWORK, other, beside)
    with pytest.raises(NetworkError, match="not those that were saved"):
        load_weight_set(tmp_path / "mine.json", CARDS)
    beside.unlink()
    with pytest.raises(NetworkError, match=rf"{beside.name} cannot be read: it is missing"):
        load_weight_set(tmp_path / "mine.json", CARDS)


def test_that_saving_choices_never_replaces_another_file_of_weights(tmp_path):
    path, own = tmp_path / "mine.json", tmp_path / "mine.safetensors"
    own.write_bytes(b"of the user")
    chosen = loaded_weights(NETWORK, smooth_tensors(), 0.2)
    _, beside = save_weight_set(NETWORK, chosen, path)
    assert own.read_bytes() == b"of the user"
    before = beside.stat().st_mtime_ns
    edited = chosen.with_layer(LayerEdit("head", 0.9))
    assert save_weight_set(NETWORK, edited, path) == (path, beside)
    assert beside.stat().st_mtime_ns == before
    assert load_weight_set(path, CARDS)[1] == edited
    beside.write_bytes(b"of the user too")
    with pytest.raises(NetworkError, match=f"{beside.name}, where .* Choose another name"):
        save_weight_set(NETWORK, chosen, path)
    assert beside.read_bytes() == b"of the user too"
    assert json.loads(path.read_text(encoding="utf-8"))["layers"]


def test_that_choices_whose_tensors_have_the_name_of_before_are_read(tmp_path):
    chosen = loaded_weights(NETWORK, smooth_tensors(), 0.2)
    path, beside = save_weight_set(NETWORK, chosen, tmp_path / "mine.json")
    beside.rename(tmp_path / "mine.safetensors")
    text = path.read_text(encoding="utf-8").replace(beside.name, "mine.safetensors")
    path.write_text(text, encoding="utf-8")
    assert load_weight_set(path, CARDS)[1] == chosen


def test_that_the_first_version_of_the_file_is_still_read(tmp_path):
    path = tmp_path / "old.json"
    record = {"format_version": 1, "network_sha256": SHA256, "position": 0.3, "image_blend": 0.25}
    path.write_text(json.dumps(record), encoding="utf-8")
    assert load_weight_set(path, CARDS)[1] == WeightSet(SHA256, 0.3, 0.25)


@pytest.mark.parametrize("ending", [".json", ".JSON", ".safetensors", ".SAFETENSORS"])
def test_that_the_ending_may_be_in_capitals(tmp_path, ending):
    path = tmp_path / f"mine{ending}"
    chosen = loaded_weights(NETWORK, every_choice().tensors(NETWORK), 0.1)
    save_weight_set(NETWORK, chosen, path)
    assert load_weight_set(path, CARDS)[1] == chosen


def test_that_a_byte_order_mark_is_no_trouble(tmp_path):
    path = written(tmp_path)
    path.write_bytes(b"\xef\xbb\xbf" + path.read_bytes())
    assert load_weight_set(path, CARDS)[1] == every_choice()


@pytest.mark.parametrize(
    ("content", "told"),
    [
        (b"{}", "format_version is missing"),
        (b'{"format_version": 2}', "nothing else in one place"),
        (b"{]", "it is no JSON (line 1, column 2)"),
        (b"\xff{}", "it is no text in UTF-8"),
        (b'{"format_version": ' + b"1" * 5000 + b"}", "it holds a number that is too large"),
        (b'{"format_version": ' + b"1" * 301 + b"}", "it holds a number that is too large"),
        (b'{"format_version": 1e999}', "it holds a number that is too large"),
        (b'{"format_version": NaN}', "it holds NaN, which is no number"),
    ],
    ids=range(8),
)
def test_that_a_reader_is_told_in_words_of_kiview(tmp_path, content, told):
    path = tmp_path / "mine.json"
    path.write_bytes(content)
    with pytest.raises(NetworkError) as refusal:
        load_weight_set(path, CARDS)
    start, _, reason = str(refusal.value).partition(": ")
    assert start == "mine.json is not a weight set that KiView can read"
    assert reason.endswith(f"{told}.")


def test_that_another_ending_is_refused(tmp_path):
    with pytest.raises(NetworkError, match=r"\.json or \.safetensors, not as 'mine\.pt'"):
        save_weight_set(NETWORK, every_choice(), tmp_path / "mine.pt")


def written(tmp_path, **changes):
    path = tmp_path / "mine.json"
    save_weight_set(NETWORK, every_choice(), path)
    record = json.loads(path.read_text(encoding="utf-8"))
    path.write_text(json.dumps(record | changes), encoding="utf-8")
    return path


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({"position": 0.4}, "do not give the weights that are named with them"),
        ({"position": 1.5}, "slider position 1.5 is outside"),
        ({"position": "0.5"}, "'0.5' is no number"),
        ({"position": True}, "'True' is no number"),
        ({"position": 10**400}, "is not a weight set"),
        ({"format_version": 3}, "another version"),
        ({"network_sha256": "0" * 64}, "another network"),
        ({"layers": {}}, "is no list"),
        ({"layers": [{"layer": "head", "gain": 3, "bias_shift": 0}]}, "gain 3.0"),
        ({"layers": [{"layer": "head", "gain": 1}]}, "it needs bias_shift, gain, layer"),
        ({"weights": [{"tensor": "head.bias", "index": [9], "value": 0}]}, "no weight"),
        ({"weights": [{"tensor": "head.bias", "index": [0.5], "value": 0}]}, "no whole number"),
        ({"unknown": 1}, "nothing else"),
        ({"loaded": {"file": "../x.safetensors", "sha256": ""}}, "leads elsewhere"),
        ({"loaded": {"file": "x.pt", "sha256": ""}}, "leads elsewhere"),
        ({"loaded": {"file": "x.safetensors", "sha256": ""}}, "missing"),
    ],
)
def test_that_changed_choices_are_refused_with_the_reason(tmp_path, changes, told):
    with pytest.raises(NetworkError, match=told):
        load_weight_set(written(tmp_path, **changes), CARDS)


@pytest.mark.parametrize(
    "content",
    [
        "",
        "[]",
        "{}",
        "3",
        "[" * 100_000,
        "[" * 20 + "]" * 20,
        '{"format_version": 1}',
        '{"format_version": 1, "format_version": 1}',
        '{"format_version": 1, "position": NaN}',
        "\ud800",
    ],
    ids=range(10),
)
def test_that_a_file_that_is_no_weight_set_is_refused_by_name(tmp_path, content):
    path = tmp_path / "mine.json"
    path.write_bytes(content.encode("utf-8", "surrogatepass"))
    with pytest.raises(NetworkError, match=r"mine\.json is not a weight set"):
        load_weight_set(path, CARDS)


@pytest.mark.parametrize("name", ["mine.json", "mine.safetensors"])
def test_that_missing_and_huge_files_are_refused_before_they_are_read(tmp_path, name):
    path = tmp_path / name
    with pytest.raises(NetworkError, match="is missing or no ordinary file"):
        load_weight_set(path, CARDS)
    with path.open("wb") as file:
        file.truncate(1 << 40)  # sparse: nothing is written
    with pytest.raises(NetworkError, match="is larger than"):
        load_weight_set(path, CARDS)
    path.unlink()
    path.mkdir()
    with pytest.raises(NetworkError, match="no ordinary file"):
        load_weight_set(path, CARDS)


def test_that_tensors_say_what_they_belong_to(tmp_path):
    path = tmp_path / "mine.safetensors"
    path.write_bytes(save(smooth_tensors()))
    with pytest.raises(NetworkError, match="does not say that it holds weights for KiView"):
        load_weight_set(path, CARDS)
    metadata = {"format": weight_files.TENSORS_FORMAT, "network_sha256": "0" * 64}
    path.write_bytes(save(smooth_tensors(), metadata))
    with pytest.raises(NetworkError, match="another network"):
        load_weight_set(path, CARDS)
    path.write_bytes(save(smooth_tensors(), metadata | {"network_sha256": SHA256}))
    with pytest.raises(NetworkError, match="how much of Patlak"):
        load_weight_set(path, CARDS)


def test_that_a_companion_of_another_network_is_refused(tmp_path):
    chosen = loaded_weights(NETWORK, smooth_tensors())
    _, beside = save_weight_set(NETWORK, chosen, tmp_path / "mine.json")
    beside.write_bytes(encode(smooth_tensors(), {}))
    with pytest.raises(NetworkError, match="belong to another network"):
        load_weight_set(tmp_path / "mine.json", CARDS)


TEXT = json.dumps(
    weight_files.weight_record(NETWORK, every_choice()) | {"loaded": {"file": "x", "sha256": ""}}
).encode()


@settings(max_examples=200, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    st.lists(st.tuples(st.integers(0, len(TEXT) - 1), st.integers(0, 255)), min_size=1, max_size=6),
    st.integers(0, len(TEXT)),
)
def test_that_damaged_choices_are_refused_in_a_sentence(tmp_path, changes, end):
    content = bytearray(TEXT)
    for place, value in changes:
        content[place] = value
    path = tmp_path / "mine.json"
    path.write_bytes(bytes(content[: end or None]))
    with pytest.raises(NetworkError) as refusal:
        load_weight_set(path, CARDS)
    assert len(str(refusal.value)) < 500


def test_that_a_set_without_loaded_tensors_has_none_to_write():
    with pytest.raises(NetworkError, match="from the network's own files"):
        weight_files.loaded_content(NETWORK, every_choice())


def test_that_a_file_the_disk_cannot_read_is_told(tmp_path, monkeypatch):
    path = written(tmp_path)

    def fail(*_args, **_kwargs):
        raise OSError(5, "Input/output error")

    monkeypatch.setattr(type(path), "open", fail)
    with pytest.raises(NetworkError, match=r"mine\.json cannot be read \(Input/output error\)"):
        load_weight_set(path, CARDS)


def test_that_sets_of_several_networks_find_their_own(tmp_path):
    other = dataclasses.replace(
        NETWORK, id="other", network=dataclasses.replace(NETWORK.network, sha256="1" * 64)
    )
    path = written(tmp_path)
    assert load_weight_set(path, (other, NETWORK))[0] is NETWORK
    with pytest.raises(NetworkError, match=r"those installed \(other 1"):
        load_weight_set(path, (other,))
    with pytest.raises(NetworkError, match=r"those installed \(none\)"):
        load_weight_set(path, ())


def twin(name: str):
    """A network with the same network file and exchanged slider ends."""
    slider = NETWORK.slider
    ends = dataclasses.replace(slider, smooth=slider.sharp, sharp=slider.smooth)
    return dataclasses.replace(NETWORK, id=name, slider=ends)


@pytest.mark.parametrize("name", ["mine.json", "mine.safetensors"])
def test_that_weights_find_the_network_they_were_made_with_among_twins(tmp_path, name):
    other = twin("other")
    chosen = WeightSet(SHA256, 0.25, 0.1)
    for owner in (NETWORK, other):
        save_weight_set(owner, chosen, tmp_path / name)
        found, weights = load_weight_set(tmp_path / name, (NETWORK, other))
        assert found is owner
        assert weights.identity(owner) == chosen.identity(owner)
        assert load_weight_set(tmp_path / name, (owner,))[0] is owner


def test_that_the_network_of_the_caller_goes_before_the_one_of_the_file(tmp_path):
    other = dataclasses.replace(NETWORK, id="other")
    path = written(tmp_path)
    assert load_weight_set(path, (NETWORK, other), other)[0] is other
    unfit = dataclasses.replace(
        NETWORK, id="unfit", network=dataclasses.replace(NETWORK.network, sha256="1" * 64)
    )
    assert load_weight_set(path, (NETWORK, unfit), unfit)[0] is NETWORK
    with pytest.raises(NetworkError, match=r"network ends@1\.0\.0: .* another network"):
        load_weight_set(path, (NETWORK,), twin("ends"))


def test_that_weights_without_a_name_are_not_given_to_one_of_several(tmp_path):
    path = tmp_path / "old.json"
    record = {"format_version": 1, "network_sha256": SHA256, "position": 0.3, "image_blend": 0.25}
    path.write_text(json.dumps(record), encoding="utf-8")
    cards = (NETWORK, twin("other"))
    with pytest.raises(NetworkError, match=f"belong to {NETWORK.name} or other@1.0.0"):
        load_weight_set(path, cards)
    assert load_weight_set(path, cards, cards[1])[0] is cards[1]
