"""Weight sets as files: JSON of the choices, or safetensors of the weights they give.

JSON gives the same weights to the bit from the network's own files. Tensors that were loaded lie
in a safetensors file beside it, named with their identity.
"""

import json
from collections.abc import Iterable, Mapping
from pathlib import Path

from kiview.core.errors import NetworkError
from kiview.core.provenance import JsonValue
from kiview.nets.catalog import NetworkCard
from kiview.nets.edits import LayerEdit, SingleEdit
from kiview.nets.safetensors_file import TensorFile, decode, encode
from kiview.nets.untrusted import MOST_JSON_BYTES, MOST_NETWORK_BYTES, parse_json, read_limited
from kiview.nets.weights import LoadedTensors, WeightSet, loaded_weights

FORMAT_VERSION = 2
"""Of the JSON; version 1 had slider and image blend only and is still read."""
TENSORS_FORMAT = "kiview-weights-1"
JSON_ENDING, TENSORS_ENDING = ".json", ".safetensors"
_FIRST_KEYS = frozenset({"format_version", "network_sha256", "position", "image_blend"})
_KEYS = _FIRST_KEYS | {"layers", "weights", "loaded", "weight_set_id"}
_NETWORK = "network"
"""Key of the network's name, which files of before do not have."""
_UNREADABLE = (ValueError, KeyError, TypeError, OverflowError)


def weight_record(
    card: NetworkCard, weight_set: WeightSet, tensors_file: str = ""
) -> dict[str, JsonValue]:
    """Choices of a weight set as JSON, enough to make the same weights again.

    Args:
        card: The network.
        weight_set: Of that network.
        tensors_file: Plain name of the file with `loaded_content`, if tensors were loaded.

    Raises:
        NetworkError: the set does not fit the network.
    """
    loaded = weight_set.loaded
    return {
        "format_version": FORMAT_VERSION,
        _NETWORK: card.name,
        "network_sha256": weight_set.network_sha256,
        "position": weight_set.position,
        "image_blend": weight_set.image_blend,
        "layers": [
            {"layer": edit.layer, "gain": edit.gain, "bias_shift": edit.bias_shift}
            for edit in weight_set.layers
        ],
        "weights": [
            {"tensor": edit.tensor, "index": [*edit.index], "value": edit.value}
            for edit in weight_set.singles
        ],
        "loaded": None if loaded is None else {"file": tensors_file, "sha256": loaded.sha256},
        "weight_set_id": weight_set.identity(card),
    }


def loaded_content(card: NetworkCard, weight_set: WeightSet) -> bytes:
    """Safetensors of the tensors that were loaded, before any edit.

    Raises:
        NetworkError: none were loaded.
    """
    if weight_set.loaded is None:
        raise NetworkError("This weight set was made from the network's own files.")
    return encode(weight_set.loaded.values, _metadata(card, 0.0))


def weights_of_record(
    record: JsonValue,
    cards: Iterable[NetworkCard],
    path: Path,
    preferred: NetworkCard | None = None,
) -> tuple[NetworkCard, WeightSet]:
    """The network and the weights that a record describes.

    Args:
        record: From `weight_record`, or a version-1 record.
        cards: The networks there are.
        path: File that held the record; loaded tensors are looked for beside it.
        preferred: Network to take if the weights can belong to it, before the one they name.

    Raises:
        NetworkError: it is no record, there is no such network, or the record does not give the
            weights it names.
    """
    try:
        fields = _known(record)
        card = owner(cards, str(fields["network_sha256"]), str(fields.get(_NETWORK)), preferred)
        chosen = _chosen(card, fields, path)
    except _UNREADABLE as error:
        raise NetworkError(_told(path, error)) from error
    identity, wanted = chosen.identity(card), fields.get("weight_set_id")
    if wanted is not None and wanted != identity:
        raise NetworkError(
            f"The choices in {path.name} do not give the weights that are named with them"
            f" ({identity[:8]} instead of {str(wanted)[:8]}) with the network {card.name}: the file"
            " or the weights of the network were changed, or it was made with another network."
        )
    return card, chosen


def owner(
    cards: Iterable[NetworkCard],
    network_sha256: str,
    name: str = "",
    preferred: NetworkCard | None = None,
) -> NetworkCard:
    """The network that weights belong to.

    Networks that differ only in their slider ends have one network file, so its hash may not tell.

    Args:
        cards: The networks there are.
        network_sha256: Hash of the network file that the weights were made with.
        name: `id@version` of the network they were made with, if it is known.
        preferred: Taken if its network file is that one.

    Raises:
        NetworkError: it is not among the cards, or several could be meant.
    """
    known = tuple(cards)
    if preferred is not None and preferred.network.sha256 == network_sha256:
        return preferred
    possible = [card for card in known if card.network.sha256 == network_sha256]
    named = [card for card in possible if card.name == name]
    if len(possible) == 1 or named:
        return (named or possible)[0]
    if possible:
        raise NetworkError(
            f"The weights may belong to {' or '.join(card.name for card in possible)}, which have"
            " the same network file; choose the network first."
        )
    names = ", ".join(f"{card.id} {card.version}" for card in known) or "none"
    raise NetworkError(
        f"The weights belong to another network ({network_sha256[:8]}) than those installed"
        f" ({names}); install that network first."
    )


def save_weight_set(card: NetworkCard, weight_set: WeightSet, path: Path) -> tuple[Path, ...]:
    """Write a weight set, whole or not at all.

    Args:
        card: The network.
        weight_set: Of that network.
        path: Ends in `.json` for the choices or in `.safetensors` for the weights.

    Returns:
        The files written; two when tensors were loaded and choices are written.

    Raises:
        NetworkError: another ending, or the set does not fit the network.
    """
    if path.suffix == TENSORS_ENDING:
        metadata = _metadata(card, weight_set.image_blend)
        return _written(path, encode(weight_set.tensors(card), metadata))
    if path.suffix != JSON_ENDING:
        raise NetworkError(
            f"A weight set is written as {JSON_ENDING} or {TENSORS_ENDING}, not as {path.name!r}."
        )
    files: tuple[Path, ...] = ()
    tensors = path.with_suffix(TENSORS_ENDING)
    if weight_set.loaded is not None:
        files = _written(tensors, loaded_content(card, weight_set))
    record = weight_record(card, weight_set, tensors.name)
    text = json.dumps(record, indent=2, allow_nan=False) + "\n"
    return (*_written(path, text.encode("utf-8")), *files)


def load_weight_set(
    path: Path, cards: Iterable[NetworkCard], preferred: NetworkCard | None = None
) -> tuple[NetworkCard, WeightSet]:
    """Read a weight set and find the network it belongs to; the weights are checked against it.

    Args:
        path: `.json` or `.safetensors` file.
        cards: The networks there are.
        preferred: Network to take if the weights can belong to it, before the one they name.

    Raises:
        NetworkError: the file is no weight set, belongs to no network there is, or does not fit it.
    """
    if path.suffix == TENSORS_ENDING:
        file = decode(read_limited(path, MOST_NETWORK_BYTES), path.name)
        return _from_tensors(file, path, cards, preferred)
    content = read_limited(path, MOST_JSON_BYTES)
    try:
        record = parse_json(content)
    except ValueError as error:
        raise NetworkError(_told(path, error)) from error
    return weights_of_record(record, cards, path, preferred)


def _told(path: Path, error: Exception) -> str:
    return f"{path.name} is not a weight set that KiView can read: {error}."


def _chosen(card: NetworkCard, fields: Mapping[str, JsonValue], path: Path) -> WeightSet:
    loaded = fields.get("loaded")
    return WeightSet(
        card.network.sha256,
        _number(fields["position"]),
        _number(fields["image_blend"]),
        tuple(_layer(entry) for entry in _list(fields.get("layers", []))),
        tuple(_single(entry) for entry in _list(fields.get("weights", []))),
        None if loaded is None else _loaded(card, loaded, path),
    )


def _beside(path: Path, name: str) -> bytes:
    if name != Path(name).name or "\\" in name or not name.endswith(TENSORS_ENDING):
        raise NetworkError(f"The name {name!r} of a file of weights leads elsewhere.")
    return read_limited(path.with_name(name), MOST_NETWORK_BYTES)


def _from_tensors(
    file: TensorFile, path: Path, cards: Iterable[NetworkCard], preferred: NetworkCard | None
) -> tuple[NetworkCard, WeightSet]:
    if file.metadata.get("format") != TENSORS_FORMAT:
        raise NetworkError(
            f"{path.name} does not say that it holds weights for KiView"
            f" (metadata format = {TENSORS_FORMAT!r})."
        )
    about = file.metadata
    name = f"{about.get('network_id')}@{about.get('network_version')}"
    card = owner(cards, about.get("network_sha256", ""), name, preferred)
    try:
        blend = float(about.get("image_blend", ""))
    except ValueError as error:
        raise NetworkError(f"{path.name} does not say how much of Patlak to blend in.") from error
    return card, loaded_weights(card, file.tensors, blend)


def _loaded(card: NetworkCard, entry: JsonValue, path: Path) -> LoadedTensors:
    fields = _dict(entry, {"file", "sha256"})
    name = str(fields["file"])
    file = decode(_beside(path, name), name)
    if file.metadata.get("network_sha256") != card.network.sha256:
        raise NetworkError(f"The weights in {name} belong to another network than {card.id!r}.")
    loaded = LoadedTensors(file.tensors)
    if loaded.sha256 != fields["sha256"]:
        raise NetworkError(
            f"The weights in {name} are not those that were saved: {loaded.sha256[:8]} instead of"
            f" {str(fields['sha256'])[:8]}."
        )
    return loaded


def _metadata(card: NetworkCard, image_blend: float) -> dict[str, str]:
    return {
        "format": TENSORS_FORMAT,
        "network_id": card.id,
        "network_version": card.version,
        "network_sha256": card.network.sha256,
        "image_blend": repr(float(image_blend)),
    }


def _known(record: JsonValue) -> Mapping[str, JsonValue]:
    if not isinstance(record, dict):
        raise TypeError("it is no table")
    version = record["format_version"]
    if version not in (1, FORMAT_VERSION):
        raise NetworkError("The weight set was made by another version of KiView.")
    if version == 1:
        return _dict(record, set(_FIRST_KEYS))
    return _dict(record, set(_KEYS | ({_NETWORK} & set(record))))


def _layer(entry: JsonValue) -> LayerEdit:
    fields = _dict(entry, {"layer", "gain", "bias_shift"})
    return LayerEdit(str(fields["layer"]), _number(fields["gain"]), _number(fields["bias_shift"]))


def _single(entry: JsonValue) -> SingleEdit:
    fields = _dict(entry, {"tensor", "index", "value"})
    index = tuple(_whole(i) for i in _list(fields["index"]))
    return SingleEdit(str(fields["tensor"]), index, _number(fields["value"]))


def _dict(value: JsonValue, keys: set[str]) -> dict[str, JsonValue]:
    if not isinstance(value, dict) or set(value) != keys:
        raise ValueError(f"it needs {', '.join(sorted(keys))} and nothing else in one place")
    return value


def _list(value: JsonValue) -> list[JsonValue]:
    if not isinstance(value, list):
        raise TypeError(f"{str(value)[:40]!r} is no list")
    return value


def _number(value: JsonValue) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise TypeError(f"{str(value)[:40]!r} is no number")
    return float(value)


def _whole(value: JsonValue) -> int:
    if isinstance(value, bool) or not isinstance(value, int):
        raise TypeError(f"{str(value)[:40]!r} is no whole number")
    return value


def _written(path: Path, content: bytes) -> tuple[Path]:
    part = path.with_name(path.name + ".part")
    part.write_bytes(content)
    part.replace(path)
    return (path,)
