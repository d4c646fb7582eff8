"""Sheets of pictures: where is what, how dark, how long."""

from dataclasses import replace

import numpy as np
import pytest
from PIL import Image

from kitrain.groups import GroupError
from kitrain.pictures import (
    MM_PER_PIXEL,
    Planes,
    hot_window,
    inverse_grey,
    picture_sheet,
    richest_planes,
    save_sheet,
)
from kitrain.records import record_of
from kiview.core.errors import ExportError, GeometryMismatchError, InvalidInputError
from kiview.simulate.tissues import Label
from tests.training.slabs import added_group, fake_slab

HIGH = 0.04
BLOCK = 5


@pytest.fixture
def record():
    """A body that fills 30 slices of 48 x 40 pixels of 4 mm, without margin around it."""
    shape = (30, 48, 40)
    slab = fake_slab()
    truth = replace(
        slab.truth, ki=np.full(shape, 0.004, np.float32), v0=np.zeros(shape, np.float32)
    )
    return replace(
        slab,
        truth=truth,
        body=np.ones(shape, np.uint8),
        lesions=np.zeros(shape, np.uint8),
        labels=np.full(shape, Label.MUSCLE, np.uint8),
    )


def dark_places(record, corner):
    """Centres (row, column) of the black blocks in the coronal and the sagittal picture.

    Args:
        record: Of the body.
        corner: First voxel (z, y, x) of a block of 5 x 5 x 5 voxels.
    """
    ki = np.zeros(record.body.shape, np.float32)
    z, y, x = corner
    ki[z : z + BLOCK, y : y + BLOCK, x : x + BLOCK] = HIGH
    planes = Planes(y + 2, x + 2)
    empty = np.asarray(picture_sheet(record, {"a": 0 * ki}, planes, HIGH), int)
    drawn = np.asarray(picture_sheet(record, {"a": ki}, planes, HIGH), int)
    changed = np.argwhere((empty - drawn).max(axis=2) > 128)
    rows = changed[:, 0] < empty.shape[0] / 2
    return [changed[rows].mean(axis=0), changed[~rows].mean(axis=0)]


def test_that_the_head_is_up_the_right_side_left_and_the_front_left(record):
    base = dark_places(record, (10, 20, 15))
    higher, more_left, further_back = (
        dark_places(record, c) for c in ((20, 20, 15), (10, 20, 25), (10, 30, 15))
    )
    ten = 10 * 4.0 / MM_PER_PIXEL
    for row in (0, 1):
        np.testing.assert_allclose(higher[row] - base[row], (-ten, 0), atol=1)
    np.testing.assert_allclose(more_left[0] - base[0], (0, ten), atol=1)
    np.testing.assert_allclose(more_left[1] - base[1], (0, 0), atol=1)
    np.testing.assert_allclose(further_back[0] - base[0], (0, 0), atol=1)
    np.testing.assert_allclose(further_back[1] - base[1], (0, ten), atol=1)


def test_that_thick_slices_are_shown_as_thick_as_they_are(record):
    thick = replace(record, spacing_mm=(8.0, 4.0, 4.0))
    moved = dark_places(thick, (20, 20, 15))[0] - dark_places(thick, (10, 20, 15))[0]
    assert moved[0] == pytest.approx(-10 * 8.0 / MM_PER_PIXEL, abs=1)


def test_that_grey_is_inverse_and_clipped():
    shares = np.array([-1.0, 0.0, 0.2, 1.0, 3.0], np.float32)
    assert inverse_grey(shares).tolist() == [255, 255, 204, 0, 0]


def test_that_all_columns_have_one_window_and_one_size(record):
    ki = np.full(record.body.shape, 0.25 * HIGH, np.float32)
    sheet = np.asarray(picture_sheet(record, {"a": ki, "b": 2 * ki}, Planes(24, 20), HIGH))
    quarter, half = ((sheet == level).all(axis=2) for level in (191, 128))
    # a column of 40 x 4 mm over two rows, less the frame and the letters
    area = (30 * 4 / MM_PER_PIXEL) * ((40 + 48) * 4 / MM_PER_PIXEL)
    assert quarter.sum() == pytest.approx(area, rel=0.08)
    assert half.sum() == pytest.approx(area, rel=0.08)
    columns = [np.quantile(np.nonzero(level)[1], (0.01, 0.99)) for level in (quarter, half)]
    assert columns[0][1] < columns[1][0]


def test_that_what_surrounds_the_body_is_cut_off_but_for_12_mm(record):
    body = np.zeros_like(record.body)
    body[5:25, 10:30, 10:30] = 1
    maps = {"a": np.zeros(body.shape, np.float32)}
    whole, cut = (
        picture_sheet(r, maps, Planes(20, 20), HIGH) for r in (record, replace(record, body=body))
    )
    assert whole.height - cut.height == 2 * round((30 - 20 - 6) * 4 / MM_PER_PIXEL)
    nobody = replace(record, body=0 * body)
    assert picture_sheet(nobody, maps, Planes(20, 20), HIGH).size == whole.size


def test_that_long_titles_and_colour_bar_stay_on_the_sheet(record):
    maps = {"a name that is longer than its picture": np.zeros(record.body.shape, np.float32)}
    sheet = np.asarray(picture_sheet(record, maps, Planes(24, 20), HIGH))
    for edge in (sheet[0], sheet[-1], sheet[:, 0], sheet[:, -1]):
        assert (edge == 255).all()


def test_that_the_planes_cut_most_lesions_then_most_of_them():
    lesions = np.zeros((8, 10, 12), np.uint8)
    lesions[2, 3, 4] = 1
    lesions[5, 3, 9] = 2
    lesions[4:8, 6:9, 9] = 3
    body = np.ones_like(lesions)
    assert richest_planes(lesions, body) == Planes(coronal=3, sagittal=9)
    lesions[5, 3, 9] = 0
    assert richest_planes(lesions, body) == Planes(coronal=6, sagittal=9)
    assert richest_planes(0 * lesions, body) == Planes(coronal=4, sagittal=6)
    with pytest.raises(InvalidInputError, match="no body"):
        richest_planes(0 * lesions, 0 * body)


def test_that_the_window_is_a_round_number_above_the_tissue_but_not_the_urine(record):
    ki = record.ki.copy()
    ki[:3] = 0.035
    labels = record.labels.copy()
    ki[20:, :10, :10] = 0.1
    labels[20:, :10, :10] = Label.URINE
    hot = replace(record, truth=replace(record.truth, ki=ki), labels=labels)
    assert hot_window(hot) == pytest.approx(0.04)
    assert hot_window(record) == pytest.approx(0.004)


def test_that_a_saved_sheet_is_what_was_drawn(record, tmp_path):
    sheet = picture_sheet(record, {"truth": record.ki})
    save_sheet(sheet, tmp_path / "sheet.png")
    with Image.open(tmp_path / "sheet.png") as found:
        assert found.format == "PNG"
        np.testing.assert_array_equal(np.asarray(found), np.asarray(sheet))
    with pytest.raises(ExportError, match="can be written"):
        save_sheet(sheet, tmp_path / "nowhere" / "sheet.png")


def test_that_sheets_that_would_mislead_are_refused(record):
    maps = {"truth": record.ki}
    added = record_of(added_group())
    with pytest.raises(GroupError, match="which way up"):
        picture_sheet(added, {"direct": added.ki_direct[0]})
    with pytest.raises(InvalidInputError, match="at least one map"):
        picture_sheet(record, {})
    with pytest.raises(GeometryMismatchError, match="'short'"):
        picture_sheet(record, {"short": record.ki[1:]})
    with pytest.raises(InvalidInputError, match="not numbers"):
        picture_sheet(record, {"a": record.ki * np.float32(np.nan)})
    for planes, high in ((Planes(48, 0), HIGH), (Planes(0, -1), HIGH), (Planes(0, 0), 0.0)):
        with pytest.raises(InvalidInputError, match="cannot be shown"):
            picture_sheet(record, maps, planes, high)
