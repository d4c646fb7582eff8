"""Structures of the study as a user meets them: listed, read, taken back, saved."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PySide6.QtCore import QPoint, Qt
from PySide6.QtWidgets import (
    QAbstractButton,
    QFileDialog,
    QLabel,
    QListWidget,
    QMessageBox,
    QPushButton,
)
from tests.helpers import small_study
from tests.helpers.heartbeat import Heartbeat, freezes
from tests.helpers.qt import child
from tests.helpers.region_objects import circle, write_structure_set

from kiview import application
from kiview.core.progress import NullProgress
from kiview.core.reslice import Plane
from kiview.core.roi import Roi
from kiview.core.roi_voxels import VoxelSet
from kiview.jobs.region_objects import list_region_object
from kiview.jobs.regions import read_regions
from kiview.jobs.save_regions import SaveRegionsRequest, save_regions
from kiview.views.canvas.handles import grabbed

NAMES = (
    "Aorta", "Liver", "Spleen", "Left kidney", "Right kidney", "Heart", "Left lung", "Right lung",
    "Lesion 1", "Lesion 2", "Bladder", "Body",
)  # fmt: skip
SLICES_MM = np.arange(260.0, 345.0, 5.0)


def write_planning(folder: Path, corners: int = 60, reference: str = "1.2.3") -> Path:
    structures = {
        name: [circle(6.0 + 2 * i, z, (10.0 - 7 * i, 20.0 - 3 * i), corners) for z in SLICES_MM]
        for i, name in enumerate(NAMES)
    }
    return write_structure_set(folder / "RS.dcm", structures, frame_of_reference=reference)


def write_segmentation(folder: Path) -> Path:
    geometry = small_study.geometry()
    read = read_regions(write_planning(folder), geometry, NullProgress())
    rois = tuple(
        Roi(mask.name, mask.name, "#22aa44", VoxelSet.cropped(mask.inside, geometry))
        for mask in read[:3]
    )
    request = SaveRegionsRequest(path=folder / "seg.dcm", rois=rois, geometry=geometry)
    save_regions(request, NullProgress())
    return folder / "seg.dcm"


@pytest.fixture
def files(tmp_path):
    return (write_planning(tmp_path),)


@pytest.fixture
def jobs(files, tmp_path):
    objects = tuple(list_region_object(path) for path in files)
    study = replace(small_study.study(uid=tmp_path.name), region_objects=objects)
    return replace(application.shipped_jobs(), open_study=small_study.open_job(study))


@pytest.fixture
def opened(qtbot, window, models):
    with qtbot.waitSignal(models.study.study_changed):
        models.study.open_path(Path("small"))
    window.show_panel("Regions")
    rest(qtbot, models)
    return window


def rest(qtbot, models):
    qtbot.waitUntil(
        lambda: not models.runner.tasks and not models.curves.is_reading, timeout=20_000
    )


def click(qtbot, window, name):
    qtbot.mouseClick(child(window, QAbstractButton, name), Qt.MouseButton.LeftButton)


def choose(qtbot, window, row):
    structures = child(window, QListWidget, "studyStructures")
    item = structures.item(row)
    structures.scrollToItem(item)
    place = structures.visualItemRect(item).center()
    qtbot.mouseClick(structures.viewport(), Qt.MouseButton.LeftButton, pos=place)
    return item.text().strip()


def test_that_the_structures_of_the_study_are_listed_by_name(opened):
    assert child(opened, QLabel, "studyStructuresTitle").text() == "In this study: 12 structures"
    structures = child(opened, QListWidget, "studyStructures")
    texts = [structures.item(i).text().strip() for i in range(structures.count())]
    assert texts == ["RT structure set \N{MIDDLE DOT} Planning", *NAMES]


@pytest.mark.parametrize("files", [()])
def test_that_nothing_is_shown_where_the_study_has_none(opened):
    assert not child(opened, QListWidget, "studyStructures").isVisible()
    assert not child(opened, QLabel, "studyStructuresTitle").isVisible()


def test_that_one_structure_is_read_with_name_colour_and_origin_and_taken_back(
    qtbot, opened, models, files
):
    assert choose(qtbot, opened, 3) == "Spleen"
    click(qtbot, opened, "structuresRead")
    rest(qtbot, models)
    (spleen,) = models.rois.rois
    assert (spleen.name, spleen.colour) == ("Spleen", "#285aff")
    uid = list_region_object(files[0]).uid
    assert spleen.origin.startswith(f"RT structure set {uid}, structure 3")
    assert child(opened, QListWidget, "regionList").item(0).toolTip() == spleen.origin
    values = child(opened, QLabel, "regionValues").text()
    expected = spleen.rasterise(small_study.geometry())
    assert values.startswith(f"{expected.voxel_count} voxels")
    qtbot.keyClick(opened, Qt.Key.Key_Z, Qt.KeyboardModifier.ControlModifier)
    assert models.rois.rois == ()
    qtbot.keyClick(opened, Qt.Key.Key_Y, Qt.KeyboardModifier.ControlModifier)
    assert models.rois.rois == (spleen,)


def test_that_all_are_read_in_one_step_beside_what_was_drawn(qtbot, opened, models):
    models.rois.add(small_study.aorta(), "Drawn")
    choose(qtbot, opened, 0)
    assert not child(opened, QPushButton, "structuresRead").isEnabled()
    click(qtbot, opened, "structuresReadAll")
    rest(qtbot, models)
    assert [roi.name for roi in models.rois.rois] == ["Drawn", *NAMES]
    assert len({roi.roi_id for roi in models.rois.rois}) == 13
    click(qtbot, opened, "regionUndo")
    assert [roi.name for roi in models.rois.rois] == ["Drawn"]


def test_that_a_double_click_reads_one(qtbot, opened, models):
    structures = child(opened, QListWidget, "studyStructures")
    choose(qtbot, opened, 1)
    place = structures.visualItemRect(structures.item(1)).center()
    qtbot.mouseDClick(structures.viewport(), Qt.MouseButton.LeftButton, pos=place)
    rest(qtbot, models)
    assert [roi.name for roi in models.rois.rois] == ["Aorta"]


def test_that_a_read_region_that_is_moved_says_so(qtbot, opened, models):
    choose(qtbot, opened, 1)
    click(qtbot, opened, "structuresRead")
    rest(qtbot, models)
    (aorta,) = models.rois.rois
    models.rois.reshape(aorta.roi_id, aorta.shape.moved([5.0, 0.0, 0.0]))
    models.rois.reshape(aorta.roi_id, aorta.shape.moved([9.0, 0.0, 0.0]))
    assert models.rois.rois[0].origin == f"{aorta.origin}, changed by hand"


class TestElsewhere:
    @pytest.fixture
    def files(self, tmp_path):
        return (write_planning(tmp_path, reference="9.9"),)

    @pytest.mark.parametrize("answer", ["positionLeave", "positionRead"])
    def test_that_positions_of_another_frame_of_reference_are_asked_about(
        self, qtbot, opened, models, answer
    ):
        choose(qtbot, opened, 2)
        click(qtbot, opened, "structuresRead")
        box = child(opened, QMessageBox, "positionDialog")
        assert "another frame of reference" in box.text()
        assert box.defaultButton().objectName() == "positionLeave"
        click(qtbot, box, answer)
        rest(qtbot, models)
        names = [roi.name for roi in models.rois.rois]
        assert names == (["Liver"] if answer == "positionRead" else [])
        told = "" if models.messages.current is None else models.messages.current.text
        assert ("read all the same" in told) == (answer == "positionRead")


class TestSegmentation:
    @pytest.fixture
    def files(self, tmp_path):
        return (write_segmentation(tmp_path),)

    def test_that_segments_are_read_outlined_by_voxels_and_never_dragged(
        self, qtbot, opened, models
    ):
        choose(qtbot, opened, 2)
        click(qtbot, opened, "structuresRead")
        rest(qtbot, models)
        (liver,) = models.rois.rois
        assert isinstance(liver.shape, VoxelSet)
        assert liver.origin.endswith("structure 2, binary")
        centre = Plane.AXIAL.to_screen_mm(liver.shape.centre_lps_mm)
        assert grabbed(liver.shape, Plane.AXIAL, centre, 50.0) is None
        click(qtbot, opened, "regionGo")
        np.testing.assert_allclose(models.views.link.cursor_lps_mm, liver.shape.centre_lps_mm)


@pytest.mark.parametrize("name", ["regions.dcm", "regions.json"])
def test_that_regions_are_saved_and_read_back_by_the_command_line(
    qtbot, opened, models, tmp_path, monkeypatch, name
):
    assert not child(opened, QPushButton, "regionsSave").isEnabled()
    models.rois.add(small_study.aorta(), "Vessel")
    target = tmp_path / name
    monkeypatch.setattr(QFileDialog, "getSaveFileName", lambda *_: (str(target), ""))
    click(qtbot, opened, "regionsSave")
    rest(qtbot, models)
    assert models.messages.current.text == f"Saved 1 region to {name}."
    (mask,) = read_regions(target, small_study.geometry(), NullProgress())
    expected = models.rois.mask(models.rois.rois[0].roi_id, small_study.geometry())
    np.testing.assert_array_equal(mask.inside, expected.inside)


def test_that_a_name_without_ending_takes_that_of_the_filter_and_replaces_nothing(
    qtbot, opened, models, tmp_path, monkeypatch
):
    models.rois.add(small_study.aorta(), "Vessel")
    there = tmp_path / "mine.nii.gz"
    there.write_bytes(b"mine")
    chosen = (str(tmp_path / "mine"), "NIfTI mask (*.nii.gz)")
    monkeypatch.setattr(QFileDialog, "getSaveFileName", lambda *_: chosen)
    click(qtbot, opened, "regionsSave")
    rest(qtbot, models)
    assert there.read_bytes() == b"mine"
    assert "exists already" in models.messages.current.text


def test_that_structures_read_for_one_study_never_reach_another(qtbot, opened, models):
    choose(qtbot, opened, 0)
    click(qtbot, opened, "structuresReadAll")
    models.study.close_study()
    rest(qtbot, models)
    assert models.rois.rois == ()


def test_that_everything_has_room_in_a_small_window(qtbot, opened, models):
    choose(qtbot, opened, 0)
    click(qtbot, opened, "structuresReadAll")
    rest(qtbot, models)
    panel = child(opened, QListWidget, "studyStructures")
    for name in ("structuresRead", "structuresReadAll", "regionsSave"):
        made = child(opened, QPushButton, name)
        assert made.width() >= made.sizeHint().width()
        right = made.mapTo(opened, QPoint(made.width(), 0)).x()
        assert right <= opened.width()
    assert panel.width() > 250


class TestLarge:
    @pytest.fixture
    def files(self, tmp_path):
        """12 structures of 17 slices with 300 corners each."""
        return (write_planning(tmp_path, corners=300),)

    @pytest.mark.slow
    def test_that_the_window_answers_while_many_contours_are_read(self, qtbot, opened, models):
        def walk(_number):
            with Heartbeat() as heart:
                qtbot.wait(50)
                heart.note = "read"
                choose(qtbot, opened, 0)
                click(qtbot, opened, "structuresReadAll")
                rest(qtbot, models)
                assert len(models.rois.rois) == 12
                heart.note = "undo"
                models.rois.undo()
                rest(qtbot, models)
            return heart

        assert freezes(walk) == []
