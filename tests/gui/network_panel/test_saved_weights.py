"""Weights saved to files and loaded by the buttons of the Network panel."""

import pytest
from PySide6.QtWidgets import QFileDialog, QLabel, QMessageBox
from tests.helpers.network_panel import click
from tests.helpers.qt import child


def test_that_weights_are_saved_and_loaded_by_the_buttons(
    qtbot, panel, models, tmp_path, monkeypatch
):
    path = tmp_path / "mine.json"
    click(qtbot, panel, "expertFold")
    models.network.set_position(0.25)
    monkeypatch.setattr(
        QFileDialog, "getSaveFileName", lambda *_: (str(tmp_path / "mine"), "Choices (*.json)")
    )
    click(qtbot, panel, "saveWeights")
    qtbot.waitUntil(path.exists)
    models.network.reset()
    monkeypatch.setattr(QFileDialog, "getOpenFileName", lambda *_: (str(path), ""))
    click(qtbot, panel, "loadWeights")
    qtbot.waitUntil(lambda: models.network.position == 0.25)
    monkeypatch.setattr(QFileDialog, "getOpenFileName", lambda *_: ("", ""))
    click(qtbot, panel, "loadWeights")
    assert models.network.position == 0.25


def test_that_a_file_that_is_loaded_is_told_and_takes_the_last_refusal_away(
    qtbot, panel, models, tmp_path
):
    good, bad = tmp_path / "good.json", tmp_path / "bad.json"
    bad.write_text("no JSON", encoding="utf-8")
    models.weight_files.save(good)
    qtbot.waitUntil(lambda: good.exists() and not models.runner.tasks)
    banner = child(panel, QLabel, "bannerText")
    models.weight_files.load(bad)
    qtbot.waitUntil(lambda: banner.text().startswith("bad.json is not"))
    models.weight_files.load(good)
    card = models.network.card
    told = f"{card.id} {card.version} now has the weights in good.json."
    qtbot.waitUntil(lambda: banner.text() == told)


ALL, CHOICES = "All weights (*.safetensors)", "Choices (*.json)"


@pytest.mark.parametrize(
    "case",
    [
        ("ki-weights.json", ALL, "ki-weights.safetensors"),
        ("mine.safetensors", CHOICES, "mine.json"),
        ("my set 1.0", CHOICES, "my set 1.0.json"),
        ("my set 1.0", ALL, "my set 1.0.safetensors"),
        ("MINE.JSON", CHOICES, "MINE.JSON"),
    ],
)
def test_that_the_chosen_filter_decides_the_form_of_saved_weights(
    qtbot, panel, models, tmp_path, monkeypatch, case
):
    (typed, kind, written), asked = case, []
    monkeypatch.setattr(QFileDialog, "getSaveFileName", lambda *_: (str(tmp_path / typed), kind))
    monkeypatch.setattr(models.weight_files, "save", asked.append)
    click(qtbot, panel, "expertFold")
    click(qtbot, panel, "saveWeights")
    assert asked == [tmp_path / written]


def test_that_a_file_with_the_ending_added_is_replaced_only_when_asked(
    qtbot, panel, models, tmp_path, monkeypatch
):
    asked, answers = [], [QMessageBox.StandardButton.No, QMessageBox.StandardButton.Yes]
    (tmp_path / "mine.json").write_text("{}", encoding="utf-8")
    monkeypatch.setattr(
        QFileDialog, "getSaveFileName", lambda *_: (str(tmp_path / "mine"), CHOICES)
    )
    monkeypatch.setattr(models.weight_files, "save", asked.append)
    monkeypatch.setattr(QMessageBox, "question", lambda *_: answers.pop(0))
    click(qtbot, panel, "expertFold")
    click(qtbot, panel, "saveWeights")
    assert asked == []
    click(qtbot, panel, "saveWeights")
    assert asked == [tmp_path / "mine.json"]


def test_that_weights_from_a_file_are_told_by_its_name(qtbot, panel, models, tmp_path):
    click(qtbot, panel, "expertFold")
    told = child(panel, QLabel, "weightPosition")
    for name in ("sharp.safetensors", "a very long name of a set of weights.safetensors"):
        models.network.set_position(0.25)
        models.weight_files.save(tmp_path / name)
        qtbot.waitUntil((tmp_path / name).exists)
        qtbot.waitUntil(lambda: not models.runner.tasks)
        models.weight_files.load(tmp_path / name)
        qtbot.waitUntil(lambda name=name: models.network.weights_file == name)
        assert told.text().startswith(f"weights from {name[0]}")
        needed = told.fontMetrics().horizontalAdvance(told.text())
        qtbot.waitUntil(lambda needed=needed: told.width() >= needed)
        models.network.reset()
        at = f"{models.network.card.shipped_position:.2f}"
        assert told.text() == f"weights {at} \N{MIDDLE DOT} installed {at}"
        models.network.undo()
        assert models.network.weights_file == name
        models.network.reset()
