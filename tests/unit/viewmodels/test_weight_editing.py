"""Editing, loading, saving and scoring weights; updates; which networks there are."""

import json
from dataclasses import replace

import numpy as np
import pytest

from kiview import application, paths
from kiview.core.errors import NetworkError
from kiview.jobs.probe_network import ProbeReport, ProbeScores, score_rows
from kiview.nets.catalog import BrokenNetwork, Catalog, Origin, load_catalog
from kiview.nets.edits import SingleEdit
from kiview.nets.weights import shipped_weights
from kiview.viewmodels.catalog import CatalogViewModel
from kiview.viewmodels.weight_editor import WEIGHT_DECIMALS


@pytest.fixture
def jobs():
    return replace(application.shipped_jobs(), probe=fake_probe, update=fake_update)


def scores(nrmse):
    return ProbeScores(nrmse, -0.034, 0.156, -0.2, 0.71, 3, 14)


def fake_probe(request, kept, _progress):
    """Scores that tell what was asked for."""
    shipped = scores(0.1) if kept is None else kept.shipped
    return ProbeReport(request, shipped, scores(request.weights.position), scores(0.5), "phantom")


def fake_update(request, progress):
    progress.step(0.5, "training")
    return f"made from {request.folder.name}"


@pytest.fixture
def editor(qtbot, models):
    models.weight_editor.watch(True)
    qtbot.waitUntil(lambda: models.weight_editor.content is not None)
    return models.weight_editor


def is_idle(models):
    return lambda: not models.runner.tasks


def test_that_weights_are_read_only_while_somebody_looks(qtbot, models):
    models.network.set_position(0.5)
    qtbot.wait(40)
    assert models.weight_editor.content is None
    models.weight_editor.watch(True)
    qtbot.waitUntil(lambda: models.weight_editor.content is not None)
    models.weight_editor.watch(False)
    models.network.set_position(0.25)
    qtbot.waitUntil(is_idle(models))
    assert models.weight_editor.content.weights.position == 0.5


def test_that_every_layer_is_listed_with_its_norm_as_the_file_has_it(models, editor):
    card = models.network.card
    tensors = shipped_weights(card).tensors(card)
    assert len(editor.layers) > 5
    for layer in editor.layers:
        parts = (tensors[f"{layer.name}.weight"], tensors[f"{layer.name}.bias"])
        flat = np.concatenate([part.ravel() for part in parts]).astype(np.float64)
        assert layer.norm == pytest.approx(np.linalg.norm(flat), rel=1e-6)
        assert layer.norm == layer.shipped_norm
        assert (layer.gain, layer.bias_shift) == (1.0, 0.0)


def test_that_layers_and_tensors_stand_in_the_order_of_the_network(editor):
    names = [layer.name for layer in editor.layers]
    blocks = list(dict.fromkeys(name.partition(".")[0] for name in names))
    known = ["encoder0", "encoder1", "bottom", "decoder1", "decoder0", "head", "calibration"]
    assert blocks == known
    tensors = [name.rpartition(".")[0] for name, _ in editor.tensors]
    assert list(dict.fromkeys(tensors)) == names


def test_that_a_gain_changes_the_norm_of_its_layer_only_and_is_undone(qtbot, models, editor):
    first, second = editor.layers[:2]
    editor.set_gain(first.name, 1.25)
    assert models.network.is_modified
    assert editor.layers[0].gain == 1.25
    qtbot.waitUntil(lambda: editor.layers[0].norm != first.norm)
    assert editor.layers[0].norm == pytest.approx(1.25 * first.norm, rel=1e-6)
    assert editor.layers[1] == second
    models.undo.undo()
    assert not models.network.is_modified
    qtbot.waitUntil(lambda: editor.layers[0] == first)


def test_that_gain_and_shift_of_a_layer_stand_together(models, editor):
    name = editor.layers[0].name
    editor.set_gain(name, 0.75)
    editor.set_shift(name, -0.1)
    assert editor.layers[0].bias_shift == -0.1
    assert editor.layers[0].gain == 0.75
    assert len(models.network.weights.layers) == 1


def test_that_a_value_beyond_its_limits_is_refused_and_nothing_changes(models, editor):
    with pytest.raises(NetworkError, match="outside"):
        editor.set_gain(editor.layers[0].name, 9.0)
    assert not models.network.is_modified


def test_that_one_weight_is_seen_set_and_taken_back(qtbot, models, editor):
    tensor, shape = editor.tensors[0]
    index = tuple(n - 1 for n in shape)
    shipped = editor.value(tensor, index)
    assert not shipped.is_edited
    assert shipped.now == shipped.shipped
    assert abs(shipped.now) <= shipped.limit
    wanted = 0.5 * shipped.limit
    editor.set_single(tensor, index, wanted)
    qtbot.waitUntil(lambda: editor.value(tensor, index).now == pytest.approx(wanted))
    assert editor.value(tensor, index).is_edited
    assert [(e.tensor, e.index) for e in editor.singles] == [(tensor, index)]
    editor.reset_single(tensor, index)
    qtbot.waitUntil(lambda: editor.value(tensor, index) == shipped)
    assert not models.network.is_modified


def test_that_a_single_weight_may_be_set_to_its_limit_and_not_beyond(models, editor):
    tensor, shape = editor.tensors[0]
    index = tuple(0 for _ in shape)
    limit = editor.value(tensor, index).limit
    assert round(limit, WEIGHT_DECIMALS) == limit
    with pytest.raises(NetworkError, match=f"-{limit:g} to {limit:g}"):
        editor.set_single(tensor, index, -limit - 1e-5)
    assert not models.network.is_modified
    editor.set_single(tensor, index, -limit)
    assert models.network.is_modified


def test_that_a_weight_that_is_not_there_has_no_value(editor):
    tensor, shape = editor.tensors[0]
    assert editor.value("nothing.weight", (0,)) is None
    assert editor.value(tensor, tuple(shape)) is None
    assert editor.value(tensor, (0,) * (len(shape) + 1)) is None


def test_that_an_edit_that_cannot_be_applied_is_told_once(qtbot, models, editor):
    tensor, shape = editor.tensors[0]
    beyond = 3 * editor.value(tensor, tuple(0 for _ in shape)).limit
    edit = SingleEdit(tensor, tuple(0 for _ in shape), beyond)
    models.network.adjust(models.network.weights.with_single(edit), "a file")
    qtbot.waitUntil(lambda: models.messages.current is not None)
    assert "cannot be" in models.messages.current.text
    models.messages.dismiss()
    models.network.changed.emit()
    qtbot.wait(60)
    assert models.messages.current is None


@pytest.mark.parametrize("ending", [".json", ".safetensors"])
def test_that_saved_weights_come_back_the_same(qtbot, models, editor, tmp_path, ending):
    card = models.network.card
    models.network.set_position(0.25)
    editor.set_gain(editor.layers[0].name, 1.25)
    tensor, shape = editor.tensors[-1]
    editor.set_single(tensor, tuple(0 for _ in shape), 0.001)
    identity = models.network.weights.identity(card)
    path = tmp_path / f"mine{ending}"
    models.weight_files.save(path)
    qtbot.waitUntil(is_idle(models))
    assert f"mine{ending}" in models.messages.current.text
    models.network.reset()
    models.weight_files.load(path)
    qtbot.waitUntil(is_idle(models))
    assert models.network.weights.identity(card) == identity
    assert models.network.is_modified
    models.network.undo()
    assert not models.network.is_modified


def test_that_tensors_from_a_file_put_the_slider_out_of_use(qtbot, models, tmp_path):
    assert models.network.why_no_slider == ""
    path = tmp_path / "mine.safetensors"
    models.network.set_position(0.5)
    models.weight_files.save(path)
    qtbot.waitUntil(is_idle(models))
    models.weight_files.load(path)
    qtbot.waitUntil(is_idle(models))
    assert "from a file" in models.network.why_no_slider
    models.network.reset()
    assert models.network.why_no_slider == ""


@pytest.mark.parametrize(
    ("content", "told"),
    [("not json", "not a weight set"), (json.dumps({"format_version": 9}), "another version")],
)
def test_that_a_file_that_is_no_weight_set_is_told_and_changes_nothing(
    qtbot, models, tmp_path, content, told
):
    path = tmp_path / "odd.json"
    path.write_text(content, encoding="utf-8")
    before = models.network.weights
    models.weight_files.load(path)
    qtbot.waitUntil(lambda: models.messages.current is not None)
    assert told in models.messages.current.text
    assert models.network.weights == before


def test_that_a_folder_that_cannot_be_written_is_told(qtbot, models, tmp_path):
    models.weight_files.save(tmp_path / "not there" / "mine.json")
    qtbot.waitUntil(lambda: models.messages.current is not None)
    assert "choose another folder" in models.messages.current.text


def test_that_a_probe_is_computed_on_demand_and_goes_stale_with_the_weights(qtbot, models):
    probe = models.probe
    assert probe.report is None
    models.network.set_position(0.25)
    qtbot.wait(30)
    assert probe.report is None
    probe.compute()
    assert probe.is_running
    qtbot.waitUntil(lambda: probe.report is not None and not probe.is_running)
    assert probe.is_current
    assert probe.why_not == "These weights are scored already."
    models.network.set_tied(False)
    assert not probe.is_current
    assert "score again" in probe.status
    models.network.set_tied(True)
    assert probe.is_current


def test_that_scores_are_shown_in_percent_with_true_minus_signs(qtbot, models):
    models.probe.compute()
    qtbot.waitUntil(lambda: models.probe.report is not None)
    rows = {name: values for name, _, *values in score_rows(models.probe.report)}
    now = f"{models.network.card.shipped_position:.3f}"
    assert rows["Error, NRMSE"] == ["0.100", now, "0.500"]
    assert rows["Noise %"] == ["16"] * 3
    assert rows["Body bias %"] == ["\N{MINUS SIGN}3"] * 3
    assert rows["Lost lesions"] == ["3 of 14"] * 3


def test_that_an_update_tells_what_it_made_and_lists_the_networks_again(qtbot, models):
    models.update.can_train = True
    assert models.update.how == ""
    with qtbot.waitSignal(models.update.updated):
        models.update.start()
        assert models.update.is_running
    assert models.messages.current.text == f"made from {models.network.card.id}"
    qtbot.waitUntil(lambda: not models.update.is_running)


def test_that_without_the_training_program_the_way_to_it_is_told(models):
    models.update.can_train = False
    assert "[train]" in models.update.how
    assert f"--network {models.network.card.id}" in models.update.how
    models.update.start()
    assert not models.update.is_running


def test_that_an_update_can_be_cancelled(qtbot, models):
    def endless(_request, progress):
        while True:
            progress.step(0.1, "epoch 1")

    models.update.can_train, models.update._job = True, endless
    models.update.start()
    models.update.cancel()
    qtbot.waitUntil(lambda: not models.update.is_running)
    assert models.messages.current is None


def test_that_the_chosen_network_stays_when_a_new_version_appears(models):
    shipped = load_catalog(paths.models_dir()).default
    newer = replace(shipped, version="9.0.0", origin=Origin.USER)
    models.network.provide((shipped, newer))
    assert models.network.card.origin is Origin.SHIPPED
    models.network.choose(newer.name)
    models.network.provide((shipped, newer))
    assert models.network.card == newer
    models.network.provide((shipped,))
    assert models.network.card == shipped


def test_that_weights_that_fit_the_chosen_network_are_loaded_into_it(qtbot, models, tmp_path):
    shipped = models.network.card
    newer = replace(shipped, version="9.0.0", origin=Origin.USER)
    models.network.provide((shipped, newer))
    models.network.set_position(0.25)
    path = tmp_path / "mine.safetensors"
    models.weight_files.save(path)
    qtbot.waitUntil(is_idle(models))
    models.network.choose(newer.name)
    models.weight_files.load(path)
    qtbot.waitUntil(lambda: models.network.weights_file == path.name)
    assert models.network.card == newer


def test_that_a_broken_network_is_told_and_hides_no_other(models):
    shipped = load_catalog(paths.models_dir())
    broken = BrokenNetwork("theirs", Origin.SITE, "The card of 'theirs' was changed.")
    catalog = CatalogViewModel(
        models.network, models.messages, lambda: Catalog(shipped.cards, (broken,))
    )
    catalog.refresh()
    told = "Network theirs (site): The card of 'theirs' was changed."
    assert models.messages.current.text == told
    assert models.network.card is not None


def test_that_weights_survive_listing_the_networks_again(models):
    models.network.set_position(0.5)
    models.catalog.refresh()
    assert models.network.position == 0.5
    assert models.network.can_undo
