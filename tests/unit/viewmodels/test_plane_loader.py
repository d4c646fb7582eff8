"""Planes that take long are read beside the GUI thread and arrive later."""

import threading

import numpy as np
import pytest
from tests.helpers import torso

from kiview.core.images import DynamicImage, ScaledFrameStore
from kiview.core.reslice import ArraySource, Plane
from kiview.viewmodels import layers
from kiview.viewmodels.layers import DifferenceSource, FrameSource, PlaneCache
from kiview.viewmodels.plane_loader import PlaneLoader


class SlowSource(ArraySource):
    """Reads when it is let, and remembers who read what."""

    def __init__(self) -> None:
        grid = torso.geometry()
        super().__init__(torso.spot_values(grid), grid)
        self.go = threading.Event()
        self.read: list[tuple[int, str]] = []
        self.error: OSError | None = None

    @property
    def is_slow(self) -> bool:
        return True

    def plane(self, axis, index):
        assert self.go.wait(5)
        self.read.append((index, threading.current_thread().name))
        if self.error:
            raise self.error
        return super().plane(axis, index)


@pytest.fixture
def slow():
    return PlaneCache(SlowSource())


@pytest.fixture
def loader(qapp):  # noqa: ARG001 - its timer needs an application
    return PlaneLoader()


def test_that_quick_planes_are_there_at_once(loader):
    grid = torso.geometry()
    cache = PlaneCache(ArraySource(torso.spot_values(grid), grid))
    assert loader.image(cache, Plane.AXIAL, 0.0) is cache.read(Plane.AXIAL, 0.0)
    assert not loader.is_busy


def test_that_slow_planes_arrive_later_and_are_read_elsewhere(loader, slow, qtbot):
    assert loader.image(slow, Plane.AXIAL, 2.5) is None
    assert loader.is_busy
    with qtbot.waitSignal(loader.loaded, timeout=5000):
        slow.source.go.set()
    image = loader.image(slow, Plane.AXIAL, 2.5)
    assert image.position_mm == 2.5
    assert slow.source.read == [(10, "planes")]
    qtbot.waitUntil(lambda: not loader.is_busy, timeout=5000)
    assert loader.image(slow, Plane.AXIAL, 2.5) is image


def test_that_a_newer_slice_of_a_view_replaces_the_one_still_waiting(loader, slow, qtbot):
    for w in (-30.0, -20.0, -10.0, 2.5):
        loader.image(slow, Plane.AXIAL, w)
    slow.source.go.set()
    qtbot.waitUntil(lambda: not loader.is_busy, timeout=5000)
    read = [index for index, _ in slow.source.read]
    assert read[-1] == 10
    assert len(read) <= 2, "the first was begun, the others were overtaken"


def test_that_the_next_slice_is_read_ahead_while_scrolling(loader, qtbot):
    grid = torso.geometry()
    cache = PlaneCache(ArraySource(torso.spot_values(grid), grid))
    loader.image(cache, Plane.AXIAL, 2.5)
    loader.image(cache, Plane.AXIAL, 7.5)
    qtbot.waitUntil(lambda: cache.kept(Plane.AXIAL, 12) is not None, timeout=5000)
    assert cache.kept(Plane.AXIAL, 13) is None
    with qtbot.assertNotEmitted(loader.loaded, wait=50):
        loader.image(cache, Plane.AXIAL, 47.5)
        loader.image(cache, Plane.AXIAL, -47.5)
    assert not loader.is_busy


def test_that_what_is_no_longer_shown_is_not_read(loader, slow, qtbot):
    loader.image(slow, Plane.AXIAL, 0.0)
    loader.image(slow, Plane.CORONAL, 0.0)
    loader.image(slow, Plane.SAGITTAL, 0.0)
    loader.forget()
    slow.source.go.set()
    qtbot.waitUntil(lambda: not loader.is_busy, timeout=5000)
    assert len(slow.source.read) <= 1


def test_that_an_unreadable_plane_is_not_asked_for_again_and_again(loader, slow, qtbot):
    slow.source.error = OSError("gone")
    slow.source.go.set()
    with qtbot.waitSignal(loader.loaded, timeout=5000):
        loader.image(slow, Plane.AXIAL, 0.0)
    qtbot.waitUntil(lambda: not loader.is_busy, timeout=5000)
    assert loader.image(slow, Plane.AXIAL, 0.0) is None
    assert not loader.is_busy
    assert len(slow.source.read) == 1


def test_that_large_files_sums_and_resampling_count_as_slow(tmp_path, monkeypatch):
    image = torso.dynamic_image()
    assert not FrameSource(image, (0,)).is_slow
    assert not FrameSource(image, tuple(range(9))).is_slow
    monkeypatch.setattr(layers, "SLOW_SUM_VOXELS", 1500)
    assert FrameSource(image, tuple(range(9))).is_slow
    mapped = np.memmap(tmp_path / "frames", np.float32, "w+", shape=image.store.shape_tzyx)
    on_disk = DynamicImage(ScaledFrameStore(mapped), image.geometry, image.timing, image.quantity)
    assert not FrameSource(on_disk, (0,)).is_slow
    monkeypatch.setattr(layers, "LARGE_FILE_BYTES", 1000)
    assert FrameSource(on_disk, (0,)).is_slow
    oblique = torso.geometry(((0, 0.6, 0.8), (0, 0.8, -0.6), (1, 0, 0)))
    straight_source = ArraySource(torso.spot_values(image.geometry), image.geometry)
    oblique_source = ArraySource(torso.spot_values(oblique), oblique)
    assert not PlaneCache(oblique_source).is_slow
    assert not DifferenceSource(straight_source, oblique_source).is_slow
    monkeypatch.setattr(layers, "SLOW_RESAMPLED_PIXELS", 100)
    assert PlaneCache(oblique_source).is_slow
    assert DifferenceSource(straight_source, oblique_source).is_slow
    assert not PlaneCache(straight_source).is_slow
