"""The picture in the list: upright, in proportion, black where uptake is high."""

import numpy as np
import pytest
from tests.helpers import small_study

from kiview.core.geometry import VolumeGeometry
from kiview.core.images import DynamicImage, ScaledFrameStore
from kiview.core.progress import CallbackProgress, Cancelled, NullProgress
from kiview.core.timing import FrameTiming
from kiview.core.units import ACTIVITY, SUV_BW
from kiview.library.thumbnail import thumbnail_of

HOT_LPS_MM = np.array([40.0, 10.0, 150.0])
"""Left, and near the head, of a volume of x -60 to 60, y -30 to 30, z 0 to 180 mm."""


def pixels(image: DynamicImage) -> np.ndarray:
    made = thumbnail_of(image, NullProgress())
    return np.frombuffer(made.grey, np.uint8).reshape(made.height, made.width)


def volume(directions, quantity=ACTIVITY, hot=1e4) -> DynamicImage:
    """Two frames of the same box whose voxel axes (z, y, x) run along these patient axes."""
    directions = np.asarray(directions, float)
    size_mm = np.abs(directions).T @ np.array([120.0, 60.0, 180.0])
    shape = tuple(round(mm / 6) for mm in size_mm)
    affine = np.eye(4)
    affine[:3, :3] = directions * 6.0
    centre = np.array([0.0, 0.0, 90.0])
    affine[:3, 3] = centre - affine[:3, :3] @ ((np.array(shape) - 1) / 2)
    geometry = VolumeGeometry(shape, affine)
    frames = np.zeros((2, *shape), np.float32)
    index = geometry.nearest_index(HOT_LPS_MM)
    frames[(1, *index)] = hot
    frames[0] = hot / 3  # the last frame is shown
    timing = FrameTiming(np.array([0.0, 60.0]), np.array([60.0, 60.0]))
    return DynamicImage(ScaledFrameStore(frames), geometry, timing, quantity)


AXES = {
    "axial": [[0, 0, 1], [0, 1, 0], [1, 0, 0]],
    "feet up, mirrored": [[0, 0, -1], [0, -1, 0], [-1, 0, 0]],
    "coronal slices": [[0, 0, 1], [1, 0, 0], [0, -1, 0]],
    "sagittal slices": [[1, 0, 0], [0, 0, 1], [0, -1, 0]],
    "axial, rows along x": [[0, 1, 0], [0, 0, 1], [-1, 0, 0]],
}


@pytest.mark.parametrize("name", AXES)
def test_that_the_head_is_up_and_the_patients_left_at_the_right(name):
    shown = pixels(volume(AXES[name], SUV_BW, hot=7.0))
    assert shown.shape == (96, 64)  # 180 x 120 mm
    rows, columns = np.nonzero(shown < 128)
    # 150 of 180 mm from the feet, 100 of 120 mm from the right edge
    assert rows.mean() / 96 == pytest.approx(30 / 180, abs=0.03)
    assert columns.mean() / 64 == pytest.approx(100 / 120, abs=0.04)
    assert shown[0, 0] == 255


def test_that_suv_7_is_black_and_3_5_half_grey():
    black = pixels(volume(AXES["axial"], SUV_BW, hot=7.0))
    grey = pixels(volume(AXES["axial"], SUV_BW, hot=3.5))
    assert (int(black.min()), int(grey.min())) == (0, 128)


def test_that_an_oblique_image_gives_a_picture():
    c, s = np.cos(0.4), np.sin(0.4)
    tilted = [[0, 0, 1], [s, c, 0], [c, -s, 0]]
    image = volume(AXES["axial"])
    geometry = VolumeGeometry(
        image.geometry.shape_zyx,
        np.block([[np.array(tilted) * 6.0, np.zeros((3, 1))], [np.zeros((1, 3)), np.ones((1, 1))]]),
    )
    made = DynamicImage(image.store, geometry, image.timing, image.quantity)
    assert pixels(made).shape[0] == 96


@pytest.mark.parametrize("value", [0.0, np.nan, np.inf, -5.0])
def test_that_an_image_without_uptake_is_white(value):
    image = volume(AXES["axial"])
    frames = np.full(image.store.shape_tzyx, value, np.float32)
    empty = DynamicImage(ScaledFrameStore(frames), image.geometry, image.timing, image.quantity)
    assert (pixels(empty) == 255).all()


def test_that_a_long_series_is_read_in_part(monkeypatch):
    image = small_study.image()
    read = []
    plane = type(image.store).plane
    monkeypatch.setattr(
        type(image.store), "plane", lambda self, *at: read.append(at) or plane(self, *at)
    )
    shown = pixels(image)
    assert {at[2] for at in read} == {image.frame_count - 1}
    assert shown.shape == (80, 64)  # 40 x 32 voxels of 5 mm
    assert shown.min() < 60


def test_that_making_it_can_be_stopped():
    with pytest.raises(Cancelled):
        thumbnail_of(small_study.image(), CallbackProgress(lambda *_: None, lambda: True))
