"""The whole journey of a user on the demo study: by Qt's mouse, or by a real one under X."""

import gc
import json
from contextlib import contextmanager

import nibabel
import numpy as np
import pytest
from PySide6.QtCore import QEventLoop, QPoint, QTimer
from PySide6.QtWidgets import QAbstractButton, QLabel, QSlider, QTabWidget
from tests.helpers.heartbeat import Heartbeat, freezes
from tests.helpers.mouse import QtMouse, XMouse, has_real_pointer
from tests.helpers.qt import child

from kiview import application
from kiview.core.reslice import Plane
from kiview.core.roi import Roi
from kiview.core.roi_shapes import Cylinder, Sphere
from kiview.core.study import SeriesKind
from kiview.jobs.demo_study import find_aorta, read_description
from kiview.jobs.export import ExportFormat
from kiview.viewmodels.results import NETWORK, PATLAK
from kiview.views.main_window import MainWindow

pytestmark = pytest.mark.slow

AUC_END_S = 3600.0


def wait(milliseconds: int) -> None:
    """Let the event loop run."""
    loop = QEventLoop()
    QTimer.singleShot(milliseconds, loop.quit)
    loop.exec()


class Journey:
    """A user at the window."""

    def __init__(self, window, models, study):
        self.window, self.models, self.study = window, models, study
        self.mouse = (XMouse if has_real_pointer() else QtMouse)(wait)
        self.truth = read_description(study)

    def until(self, condition, what):
        for _ in range(6000):
            if condition():
                return
            wait(10)
        pytest.fail(f"waited in vain for: {what}; banner: {self.models.messages.current}")

    def idle(self):
        self.until(lambda: not self.models.runner.tasks, "background work to end")

    def click(self, name):
        self.mouse.click(child(self.window, QAbstractButton, name))

    def panel(self, title):
        bar = child(self.window, QTabWidget, "panels").tabBar()
        index = [bar.tabText(i) for i in range(bar.count())].index(title)
        self.mouse.click(bar, bar.tabRect(index).center())
        assert bar.currentIndex() == index

    def view(self, key, plane):
        return self.window.canvas.slice_view(key, plane)

    def point(self, key, plane, position_mm):
        """Click on a place in the patient."""
        view = self.view(key, plane)
        self.mouse.click(view, view.pixel_of(position_mm))

    def text(self, name):
        return child(self.window, QLabel, name).text()

    # Steps

    def open(self):
        self.models.study.open_path(self.study)
        self.until(lambda: self.models.study.series is not None, "the study to open")
        self.idle()

    def draw_aorta(self):
        aorta = find_aorta(self.study)
        self.panel("Regions")
        self.click("regionsEarly")
        self.point("image", Plane.SAGITTAL, aorta.centre_lps_mm)
        self.point("image", Plane.CORONAL, aorta.centre_lps_mm)
        self.click("tool_cylinder")
        view = self.view("image", Plane.CORONAL)
        start, end = (view.pixel_of(point) for point in aorta.points)
        self.mouse.drag(view, start, end, wheel=-4)
        self.until(lambda: len(self.models.rois.rois) == 1, "the region")
        self.until(lambda: self.models.input_function.input_function is not None, "the curve")

    def compute(self):
        self.panel("Maps")
        self.click("computePatlak")
        self.until(lambda: self.models.results.get(PATLAK) is not None, "the Patlak map")
        self.panel("Network")
        self.click("computeNetwork")
        self.until(lambda: self.models.results.get(NETWORK) is not None, "the network map")
        self.idle()
        self.until(lambda: self.models.agreement.comparison is not None, "the comparison")

    def look_at(self, position_mm):
        self.click("frame-late")
        self.point("patlak", Plane.SAGITTAL, position_mm)
        self.point("network", Plane.CORONAL, position_mm)
        wait(150)

    def move_slider(self):
        self.panel("Network")
        slider = child(self.window, QSlider, "weightSlider")
        self.mouse.click(slider, QPoint(slider.width() // 2, slider.height() // 2))
        self.until(lambda: self.models.network.is_modified, "another slider position")

    def export(self, folder):
        self.panel("Export")
        for form in ExportFormat:
            self.models.export.set_format(form, True)
        self.models.export.set_folder(folder)
        self.click("exportStart")
        self.until(lambda: bool(self.models.export.written), "the export")
        self.idle()

    def reopen(self, folder):
        self.models.study.open_path(folder)
        self.until(lambda: self.models.study.path == folder, "the reopened export")
        self.idle()


@pytest.fixture
def start(qtbot, demo_study):
    @contextmanager
    def begun():
        models = application.build_models(application.shipped_jobs())
        application.provide_networks(models)
        application.apply_settings(models)
        window = MainWindow(models)
        qtbot.addWidget(window)
        window.resize(1280, 800)
        window.move(0, 0)
        window.show()
        qtbot.waitExposed(window)
        wait(300)
        gc.collect()
        gc.freeze()  # as the program does
        yield Journey(window, models, demo_study)
        gc.unfreeze()
        models.runner.close()
        qtbot.waitUntil(lambda: not models.runner.tasks, timeout=20_000)
        window.close()

    return begun


def test_that_a_user_gets_from_an_empty_window_to_reopened_maps(start, tmp_path, monkeypatch):
    def walk(number: int) -> Heartbeat:
        monkeypatch.setenv("KIVIEW_USER_DIR", str(tmp_path / f"user{number}"))
        with start() as journey:
            return go_through(journey, tmp_path / f"out{number}")

    assert freezes(walk) == []


def go_through(journey, folder):
    """The whole way, with its checks, and how long the window was held at each step."""
    with Heartbeat() as heartbeat:
        heartbeat.note = "open"
        journey.open()
        heartbeat.note = "draw"
        journey.draw_aorta()
        check_input_function(journey)
        heartbeat.note = "compute"
        journey.compute()
        check_lesion(journey)
        heartbeat.note = "look"
        check_cursor(journey)
        heartbeat.note = "slider"
        check_slider(journey)
        heartbeat.note = "export"
        exported = journey.models.results.get(PATLAK).maps.by_code("Ki")
        journey.export(folder)
        heartbeat.note = "reopen"
        journey.reopen(folder / "patlak_Ki_dicom")
    check_export(journey, folder, exported)  # reading files here is not the window's time
    return heartbeat


def check_input_function(journey):
    """The drawn aorta's area under the curve is within 10 % of the phantom's blood."""
    drawn = journey.models.rois.rois[0]
    assert isinstance(drawn.shape, Cylinder)
    blood = journey.truth["blood"]
    start, duration = np.array(blood["start_s"]), np.array(blood["duration_s"])
    inside = start + duration <= AUC_END_S + 1
    truth = float((np.array(blood["mean"]) * duration)[inside].sum())
    end_s = float((start + duration)[inside].max())
    found = float(journey.models.input_function.input_function.integral(end_s))
    assert found == pytest.approx(truth, rel=0.10)
    journey.until(lambda: "Aorta" in journey.text("curvesLegend"), "the curve plot")


def check_lesion(journey):
    """Ki of the large lesion by Patlak is within 15 % of truth."""
    lesion = journey.truth["lesions"][journey.truth["large_lesion"]]
    ball = Sphere(tuple(lesion["centre_lps_mm"]), 0.35 * lesion["diameter_mm"])
    ki = journey.models.results.get(PATLAK).maps.by_code("Ki")
    inside = Roi("lesion", "lesion", "#ffffff", ball).rasterise(ki.geometry).inside
    assert float(np.nanmean(ki.values[inside])) == pytest.approx(lesion["ki_per_min"], rel=0.15)


def check_cursor(journey):
    """One click moves every view; the readout is the voxel under it in every map."""
    models = journey.models
    lesion = journey.truth["lesions"][journey.truth["large_lesion"]]["centre_lps_mm"]
    journey.look_at(lesion)
    at = models.views.link.cursor_lps_mm
    np.testing.assert_allclose(at, lesion, atol=4.0)
    for view in journey.window.canvas.slice_views:
        u, v, _ = view.plane.to_screen_mm(at).tolist()
        shown = view.viewport.to_pixels(u, v)
        assert view.rect().contains(shown.toPoint())
    for method in (PATLAK, NETWORK):
        ki = models.results.get(method).maps.by_code("Ki")
        voxel = ki.values[ki.geometry.nearest_index(at)]
        assert models.views.layer(method).value_at(at) == pytest.approx(float(voxel))
        assert f"{float(voxel):.4f}" in journey.text("readout")


def check_slider(journey):
    """Moving the slider says MODIFIED; a computed map keeps it, differs, and was previewed."""
    models = journey.models
    before = models.results.get(NETWORK)
    journey.move_slider()
    assert "MODIFIED" in journey.text("modelState")
    assert models.results.get(NETWORK).is_stale
    journey.until(lambda: models.preview.is_complete, "the preview of both planes")
    journey.idle()
    assert models.results.get(NETWORK).maps is before.maps
    previewed = shown_planes(models)
    journey.click("computeNetwork")
    journey.until(lambda: models.results.get(NETWORK).maps is not before.maps, "the other map")
    journey.idle()
    now = models.results.get(NETWORK)
    assert now.maps.provenance.modified
    assert models.views.layer(NETWORK).modified
    assert now.maps.provenance.weight_set_id != before.maps.provenance.weight_set_id
    assert float(np.nanmax(np.abs(now.maps.main.values - before.maps.main.values))) > 0
    for preview, computed in zip(previewed, shown_planes(models), strict=True):
        np.testing.assert_allclose(preview, computed, atol=1e-5 * now.maps.main.values.max())


def shown_planes(models):
    """Values of the network column on both rows."""
    layer, at = models.views.layer(NETWORK), models.views.link.cursor_lps_mm
    planes = (Plane.CORONAL, Plane.SAGITTAL)
    return [layer.planes.read(plane, float(at[plane.normal_axis])).values for plane in planes]


def check_export(journey, folder, shown):
    """What was written is what was shown, at the same place, and says what made it."""
    record = json.loads((folder / "network_Ki.json").read_text())
    assert record_says_modified(record)
    written = nibabel.load(folder / "patlak_Ki.nii.gz")
    np.testing.assert_array_equal(np.asarray(written.dataobj).T, shown.values)
    corner_lps = shown.geometry.to_lps_mm([3, 5, 7])
    corner_ras = written.affine @ [7, 5, 3, 1]
    np.testing.assert_allclose(corner_ras[:3] * [-1, -1, 1], corner_lps, atol=1e-3)
    series = journey.models.study.series
    assert series.kind is SeriesKind.MAP
    read = series.image.store.frame(0)
    image = series.image
    centre = journey.truth["lesions"][journey.truth["large_lesion"]]["centre_lps_mm"]
    voxel = read[image.geometry.nearest_index(centre)]
    expected = shown.values[shown.geometry.nearest_index(centre)]
    slice_maximum = float(np.nanmax(np.abs(shown.values)))
    assert float(voxel) == pytest.approx(float(expected), abs=slice_maximum / 30_000)


def record_says_modified(record):
    """Whether `weights_modified` is true anywhere in a record."""
    if not isinstance(record, dict):
        return False
    inner = any(record_says_modified(value) for value in record.values())
    return bool(record.get("weights_modified")) or inner
