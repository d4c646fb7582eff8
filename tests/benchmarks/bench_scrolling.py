"""Scrolling four linked 900 x 900 views of a whole body, against stock pyqtgraph."""

import os
import sys
import time

os.environ.setdefault("QT_QPA_PLATFORM", "offscreen")

import numpy as np
import pyqtgraph as pg
from PySide6.QtCore import QObject, QTimer
from PySide6.QtWidgets import QApplication, QGridLayout, QWidget

from kiview.core.geometry import VolumeGeometry
from kiview.core.images import DynamicImage, ParametricMap, ScaledFrameStore
from kiview.core.provenance import Provenance
from kiview.core.reslice import Plane
from kiview.core.roi_shapes import Cylinder
from kiview.core.timing import FrameTiming
from kiview.core.units import KI, SUV_BW
from kiview.viewmodels.rois import RoisViewModel
from kiview.viewmodels.views import ViewsViewModel
from kiview.views.canvas.canvas_widget import CanvasWidget
from kiview.views.canvas.decorations import HEADER_HEIGHT
from tests.benchmarks.measure import Ratio

SHAPE_ZYX = (645, 440, 440)
SPACING_ZYX_MM = (1.65, 1.65, 1.65)
VIEW_PX = 900
STEPS = 60
ROUNDS = 7
EARLY_FRAMES = 12


def body(rng):
    """(z, y, x) float32, a smooth body with noise."""
    z, y, x = (np.linspace(-1, 1, n, dtype=np.float32) for n in SHAPE_ZYX)
    ellipse = (x / 0.8) ** 2 + (y[:, None] / 0.5) ** 2
    profile = np.clip(1 - np.abs(z) ** 3, 0, 1)
    volume = profile[:, None, None] * np.clip(1.2 - ellipse, 0, 1)
    return volume + 0.2 * rng.random(SHAPE_ZYX, dtype=np.float32)


def geometry():
    """Grid about the origin, left, posterior and head along x, y, z."""
    affine = np.zeros((4, 4))
    affine[[2, 1, 0], [0, 1, 2]] = SPACING_ZYX_MM
    affine[:3, 3] = -(np.array(SHAPE_ZYX[::-1]) - 1) / 2 * np.array(SPACING_ZYX_MM)
    affine[3, 3] = 1
    return VolumeGeometry(SHAPE_ZYX, affine)


def our_canvas(frames, ki):
    """Two columns (int16 frames and a float32 map) by coronal and sagittal, 900 x 900 each."""
    grid = geometry()
    count = len(frames)
    views, rois = ViewsViewModel(), RoisViewModel()
    canvas = CanvasWidget(views, rois)
    timing = FrameTiming(5.0 * np.arange(count), np.full(count, 5.0))
    views.set_image(DynamicImage(ScaledFrameStore(frames, 1e-3), grid, timing, SUV_BW))
    views.set_map("patlak", ParametricMap(ki, KI, grid, Provenance("patlak", "")), "Ki", "Ki")
    rois.add(Cylinder(((0, 0, -200), (20, 10, 200)), 30))
    views.show_planes((Plane.CORONAL, Plane.SAGITTAL))
    canvas.show()
    for view in canvas.slice_views:
        view.setFixedSize(VIEW_PX, VIEW_PX + HEADER_HEIGHT)
    canvas.adjustSize()
    return canvas, views


class StockViews(QObject):
    """The same four slices as plain pyqtgraph image items with crosshair and one region."""

    def __init__(self, volumes) -> None:
        super().__init__()
        self.window = QWidget()
        grid = QGridLayout(self.window)
        grid.setContentsMargins(0, 0, 0, 0)
        self._parts = []
        table = pg.colormap.get("inferno").getLookupTable()
        for column, volume in enumerate(volumes):
            high = float(volume[::16, ::16, ::16].max())
            for row, axis in enumerate((1, 2)):
                shown = pg.GraphicsView()
                shown.setFixedSize(VIEW_PX, VIEW_PX)
                box = pg.ViewBox(lockAspect=True, invertY=True)
                shown.setCentralItem(box)
                item = pg.ImageItem(axisOrder="row-major", lut=table, levels=(0, high))
                item.setImage(volume.take(0, axis=axis), autoLevels=False)
                lines = [pg.InfiniteLine(angle=angle) for angle in (0, 90)]
                region = pg.EllipseROI([150, 200], [60, 240], movable=False)
                for each in (item, *lines, region):
                    box.addItem(each)
                box.setRange(item.boundingRect())
                grid.addWidget(shown, row, column)
                self._parts.append((volume, axis, item, lines))
        self.window.show()

    def go(self, index: int) -> None:
        """Show other slices."""
        for volume, axis, item, (across, down) in self._parts:
            item.setImage(volume.take(index, axis=axis), autoLevels=False)
            across.setValue(index)
            down.setValue(index)


def seconds_per_step(application, *ways) -> list[float]:
    """Mean of the fastest round of `STEPS` steps, each shown before the next.

    The ways take turns, so that other work on the machine slows them alike.
    """
    rounds = []
    for _ in range(ROUNDS):
        rounds.append([])
        for go in ways:
            begin = time.perf_counter()
            for index in range(190, 190 + STEPS):
                go(index)
                application.processEvents()
            rounds[-1].append((time.perf_counter() - begin) / STEPS)
    return np.min(rounds, axis=0).tolist()


def longest_gap_s(application, views) -> float:
    """Longest time that the event loop was away while frames and means change and scroll."""
    beats = []
    timer = QTimer()
    timer.setInterval(1)
    timer.timeout.connect(lambda: beats.append(time.perf_counter()))
    timer.start()
    actions = [views.frames.show_early, lambda: views.frames.show_frame(3)]
    actions += [lambda i=i: views.link.set_cursor((i, 2 * i, -i)) for i in range(5)]
    for act in (*actions, views.frames.show_early, *actions[2:]):
        act()
        end = time.perf_counter() + 0.25
        while time.perf_counter() < end:
            application.processEvents()
    timer.stop()
    return float(np.diff(beats).max())


def run() -> list[Ratio]:
    """Our canvas against stock pyqtgraph."""
    application = QApplication.instance() or QApplication([])
    rng = np.random.default_rng(0)
    volume = body(rng)
    ki = volume * np.float32(0.03)
    frame = np.round(volume * 3000).astype(np.int16)
    frames = np.broadcast_to(frame, (EARLY_FRAMES, *SHAPE_ZYX))
    canvas, views = our_canvas(frames, ki)
    centre = views.image.geometry.to_lps_mm(np.array(SHAPE_ZYX) // 2)

    def go(index: int) -> None:
        place = views.image.geometry.to_lps_mm((0, index, index))
        views.link.set_cursor((place[0], place[1], centre[2]))

    stock = StockViews([volume, ki])
    application.processEvents()
    ours_s, stock_s = seconds_per_step(application, go, stock.go)
    stock.window.close()
    gap_s = longest_gap_s(application, views)
    canvas.close()
    return [
        Ratio("scrolling four 900 x 900 views, steps/s", 1 / ours_s, ">= 60"),
        Ratio("stock pyqtgraph / KiView, same slices", stock_s / ours_s, ">= 2"),
        Ratio("longest gap while frames and means change, ms", 1000 * gap_s, "<= 100"),
    ]


if __name__ == "__main__":
    for row in run():
        sys.stdout.write(f"{row}\n")
