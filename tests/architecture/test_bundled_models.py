"""The networks in models/ are whole, listed and what their cards say."""

import hashlib
import tomllib

import onnx

from kiview import paths
from kiview.jobs.curve_network import installed_curve_networks
from kiview.nets.catalog import load_catalog
from kiview.nets.curve_card import CURVE_ENTRY

MODELS = paths.models_dir()
NETWORK_FOLDERS = sorted(path.parent for path in MODELS.glob("*/card.toml"))


def every_card():
    maps = load_catalog(MODELS)
    curves = installed_curve_networks(maps)
    assert curves.broken == ()
    return [*maps.cards, *curves.cards]


def test_that_the_catalogue_lists_every_network_folder_and_no_other():
    listed = {card.id for card in every_card()}
    assert listed == {folder.name for folder in NETWORK_FOLDERS}


def test_that_every_file_has_the_hash_on_its_card():
    for card in every_card():
        for file in card.files:
            assert hashlib.sha256(file.path.read_bytes()).hexdigest() == file.sha256


def test_that_the_catalogue_has_the_hash_of_every_card():
    catalogue = tomllib.loads((MODELS / "catalog.toml").read_text(encoding="utf-8"))
    for entry in [*catalogue["network"], *catalogue.get(CURVE_ENTRY, [])]:
        card = (MODELS / entry["id"] / "card.toml").read_bytes()
        assert hashlib.sha256(card).hexdigest() == entry["card_sha256"]


def test_that_every_network_is_sound_and_keeps_its_weights_inside():
    for folder in NETWORK_FOLDERS:
        network = onnx.load(folder / "model.onnx", load_external_data=False)
        onnx.checker.check_model(network)
        for tensor in network.graph.initializer:
            assert tensor.data_location != onnx.TensorProto.EXTERNAL, tensor.name


def test_that_every_network_tells_in_words_what_it_was_trained_on():
    for folder in NETWORK_FOLDERS:
        assert len((folder / "CARD.md").read_text(encoding="utf-8").split()) > 100


def test_that_no_pickle_is_among_the_models():
    suffixes = {path.suffix for path in MODELS.rglob("*") if path.is_file()}
    assert not suffixes & {".pt", ".pth", ".pkl", ".pickle", ".ckpt", ".joblib"}
