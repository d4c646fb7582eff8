"""The Network panel: fake jobs behind it, and hands on it."""

from dataclasses import replace

from PySide6.QtCore import Qt
from PySide6.QtTest import QTest
from PySide6.QtWidgets import QApplication, QDialog, QDoubleSpinBox, QPushButton

from kiview.core.images import MapSet, ParametricMap
from kiview.core.provenance import Provenance
from kiview.core.units import KI, KI_STANDARD_DEVIATION
from kiview.jobs.preview_network import Preview
from kiview.jobs.probe_network import ProbeReport, ProbeScores
from tests.helpers.qt import child

LEFT = Qt.MouseButton.LeftButton
GAIN, SHIFT = 5, 6
"""Columns of the table of layers."""
BOTH = "MODIFIED \N{MIDDLE DOT} UNTIED"


def fake_network(request, _progress):
    """A flat Ki and its standard deviation on the image's grid."""
    image = request.image
    values = image.store.frame(image.frame_count - 1) * 1e-6
    record = {"device": "CPU", "tied_to_patlak": request.tied}
    modified = request.weights.position != request.card.shipped_position
    made = Provenance("network", "test", settings=record, network_id=request.card.id)
    made = replace(made, weight_set_id="0123456789", modified=modified)
    maps = [
        ParametricMap(values * factor, quantity, image.geometry, made)
        for factor, quantity in ((1.0, KI), (0.1, KI_STANDARD_DEVIATION))
    ]
    return MapSet(tuple(maps))


def fake_preview(request, kept, _key, _progress):
    """The computed map once more, whole at once."""
    modified = request.run.weights.position != request.run.card.shipped_position
    made = replace(request.computed.provenance, modified=modified)
    return Preview(replace(request.computed, provenance=made), kept, True, 1.0)


def fake_probe(request, _kept, _progress):
    """Scores in which the changed network has less noise."""
    one = ProbeScores(0.15, -0.03, 0.16, -0.10, 0.89, 0, 14)
    return ProbeReport(request, one, replace(one, noise=0.08), one, None)


def click(qtbot, parent, name):
    """Press a button by its name."""
    qtbot.mouseClick(child(parent, QPushButton, name), LEFT)


def open_dialog(qtbot, panel, models):
    """The window that edits weights."""
    click(qtbot, panel, "expertFold")
    click(qtbot, panel, "editWeights")
    qtbot.waitUntil(lambda: bool(models.weight_editor.layers))
    return child(panel, QDialog, "weightsDialog")


def type_into(qtbot, table, line, column, text):
    """Choose a cell with the mouse, type over it, end with Enter."""
    place = table.visualItemRect(table.item(line, column)).center()
    qtbot.mouseClick(table.viewport(), LEFT, pos=place)
    QTest.keyClicks(table, text[0])
    editor = table.findChild(QDoubleSpinBox)
    editor.selectAll()
    QTest.keyClicks(editor, text)
    QTest.keyClick(editor, Qt.Key.Key_Return)
    qtbot.waitUntil(lambda: table.findChild(QDoubleSpinBox) is None)


def walk(first, steps):
    """Names of what has the keyboard while the Tab key is pressed again and again."""
    first.setFocus()
    seen = []
    for _ in range(steps):
        QTest.keyClick(QApplication.focusWidget(), Qt.Key.Key_Tab)
        seen.append(QApplication.focusWidget().objectName())
    return seen
