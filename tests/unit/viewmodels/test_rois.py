"""Regions: history, names, revisions and saving, without a widget."""

import json

import numpy as np
import pytest
from tests.helpers import torso

from kiview.core import roi as roi_files
from kiview.core.geometry import VolumeGeometry
from kiview.core.roi import Roi
from kiview.core.roi_shapes import Sphere
from kiview.viewmodels.rois import CHANGED, COLOURS, RoisViewModel, RoiTool

BALL = Sphere((0, 0, 0), 10)
ELSEWHERE = Sphere((5, 0, 0), 10)
GRID = VolumeGeometry((4, 20, 20), np.diag([1.0, 1, 1, 1])[:, [2, 1, 0, 3]])


@pytest.fixture
def rois():
    return RoisViewModel()


def voxels_of(read):
    return [roi.voxels(GRID) for roi in read]


def test_that_the_first_region_is_the_aorta_and_every_one_has_its_colour(rois):
    rois.add(BALL)
    rois.add(BALL)
    rois.add(BALL, "Liver", "#123456")
    assert [roi.name for roi in rois.rois] == ["Aorta", "Region 2", "Liver"]
    assert [roi.colour for roi in rois.rois] == [COLOURS[0], COLOURS[1], "#123456"]
    assert rois.selected.name == "Liver"


def test_that_a_shape_has_another_revision_and_a_name_has_not(rois):
    roi_id = rois.add(BALL)
    before = rois.roi(roi_id).revision
    rois.rename(roi_id, "Descending aorta")
    rois.recolour(roi_id, "#00ff00")
    assert rois.roi(roi_id).revision == before
    rois.reshape(roi_id, ELSEWHERE)
    assert rois.roi(roi_id).revision != before


def test_that_undo_and_redo_walk_through_every_change(rois):
    roi_id = rois.add(BALL)
    states = [rois.rois]
    for change in (
        lambda: rois.reshape(roi_id, ELSEWHERE),
        lambda: rois.rename(roi_id, "Vessel"),
        lambda: rois.recolour(roi_id, "#abcdef"),
        lambda: rois.delete(roi_id),
    ):
        change()
        states.append(rois.rois)
    for expected in reversed(states[:-1]):
        rois.undo()
        assert rois.rois == expected
    rois.undo()
    assert rois.rois == ()
    assert not rois.can_undo
    for expected in states:
        rois.redo()
        assert rois.rois == expected
    assert not rois.can_redo
    rois.redo()


def test_that_undo_brings_back_the_revision_that_results_remember(rois):
    roi_id = rois.add(BALL)
    before = rois.roi(roi_id).revision
    rois.reshape(roi_id, ELSEWHERE)
    changed = rois.roi(roi_id).revision
    rois.undo()
    assert rois.roi(roi_id).revision == before
    rois.reshape(roi_id, Sphere((9, 9, 9), 3))
    assert rois.roi(roi_id).revision not in (before, changed)


def test_that_a_new_change_ends_what_could_be_redone(rois):
    rois.add(BALL)
    rois.undo()
    rois.add(ELSEWHERE)
    assert not rois.can_redo


def test_that_changes_without_effect_make_no_history(rois, qtbot):
    roi_id = rois.add(BALL)
    with qtbot.assertNotEmitted(rois.rois_changed):
        rois.reshape(roi_id, Sphere((0, 0, 0), 10))
        rois.rename(roi_id, "  ")
        rois.rename(roi_id, "Aorta")
        rois.recolour(roi_id, COLOURS[0])
        rois.delete("nothing")
    rois.undo()
    assert not rois.can_undo


def test_that_deleting_the_selected_region_selects_none(rois, qtbot):
    roi_id = rois.add(BALL)
    with qtbot.waitSignals([rois.selection_changed, rois.rois_changed], timeout=1000):
        rois.delete(roi_id)
    assert rois.selected is None


def test_that_regions_survive_saving_and_start_a_new_history(rois):
    rois.add(BALL)
    rois.add(ELSEWHERE, "Liver")
    saved = roi_files.from_dict(json.loads(json.dumps(roi_files.to_dict(rois.rois))))
    other = RoisViewModel()
    other.restore(saved, voxels_of(saved))
    assert other.rois == rois.rois
    assert not other.can_undo
    new = other.add(BALL)
    assert new not in {roi.roi_id for roi in rois.rois}
    assert other.roi(new).revision > max(roi.revision for roi in rois.rois)


def test_that_what_was_drawn_before_the_kept_ones_came_stays_and_can_be_taken_back(rois):
    first = rois.add(BALL, "Drawn")
    rois.add(ELSEWHERE, "Also drawn")
    rois.undo()
    kept = [Roi(first, "Kept", "#112233", BALL, revision=7), Roi("region-9", "Liver", "", BALL)]
    rois.restore(kept, voxels_of(kept))
    names = ["Kept", "Liver", "Drawn"]
    assert [roi.name for roi in rois.rois] == names
    assert len({roi.roi_id for roi in rois.rois}) == 3
    assert rois.roi(first).name == "Kept"
    rois.redo()
    assert [roi.name for roi in rois.rois] == [*names, "Also drawn"]
    assert len({roi.roi_id for roi in rois.rois}) == 4
    rois.undo()
    rois.undo()
    assert [roi.name for roi in rois.rois] == ["Kept", "Liver"]
    assert not rois.can_undo


def test_that_kept_regions_keep_their_revision_and_new_ones_get_others(rois):
    kept = [Roi("region-1", "Aorta", "#112233", BALL, revision=7)]
    rois.restore(kept, voxels_of(kept))
    assert rois.rois[0].revision == 7
    rois.reshape("region-1", ELSEWHERE)
    assert rois.rois[0].revision == 8


@pytest.mark.parametrize("way", ["read", "restored"])
def test_that_undo_does_not_work_out_voxels_again_that_were_read(rois, way):
    roi = Roi("a", "Liver", "#112233", BALL)
    (on_grid,) = voxels_of([roi])
    (rois.add_all if way == "read" else rois.restore)([roi], [on_grid])
    rois.delete(rois.rois[0].roi_id)
    rois.undo()
    assert rois.voxels(rois.rois[0], GRID) is on_grid
    rois.clear()
    assert rois._voxels == {}


def test_that_a_mask_holds_the_voxels_and_is_none_without_any(rois):
    grid = torso.geometry()
    roi_id = rois.add(BALL)
    assert rois.mask(roi_id, grid).voxel_count == rois.roi(roi_id).rasterise(grid).voxel_count
    assert rois.mask(rois.add(Sphere((1e4, 0, 0), 5)), grid) is None
    assert rois.mask("nothing", grid) is None


def test_that_voxels_for_display_are_kept_until_the_shape_changes(rois):
    grid = torso.geometry()
    roi_id = rois.add(BALL)
    first = rois.voxels(rois.roi(roi_id), grid)
    assert rois.voxels(rois.roi(roi_id), torso.geometry()) is first
    rois.reshape(roi_id, ELSEWHERE)
    assert rois.voxels(rois.roi(roi_id), grid) is not first


def test_that_a_new_study_forgets_regions_and_history(rois):
    rois.add(BALL)
    rois.clear()
    assert rois.rois == ()
    assert rois.selected is None
    assert not rois.can_undo


def test_that_tools_and_selection_tell_only_of_changes(rois, qtbot):
    with qtbot.waitSignal(rois.tool_changed, timeout=1000):
        rois.use_tool(RoiTool.SPHERE)
    with qtbot.assertNotEmitted(rois.tool_changed):
        rois.use_tool(RoiTool.SPHERE)
    with qtbot.assertNotEmitted(rois.selection_changed):
        rois.select(None)


def test_that_read_regions_come_in_one_step_with_their_voxels(rois):
    drawn = rois.add(BALL)
    read = [Roi("a", "Liver", "#112233", BALL, origin="SEG 1"), Roi("b", "Spleen", "", ELSEWHERE)]
    kept = voxels_of(read)
    rois.add_all(read, kept)
    assert [roi.name for roi in rois.rois] == ["Aorta", "Liver", "Spleen"]
    assert len({roi.roi_id for roi in rois.rois}) == 3
    assert len({roi.revision for roi in rois.rois}) == 3
    assert rois.rois[1].colour == "#112233"
    assert rois.rois[2].colour in COLOURS
    assert rois.selected.name == "Spleen"
    assert rois.voxels(rois.rois[1], GRID) is kept[0]
    rois.undo()
    assert [roi.roi_id for roi in rois.rois] == [drawn]


def test_that_a_read_region_keeps_its_origin_until_it_is_changed(rois):
    roi = Roi("a", "Liver", "#112233", BALL, origin="SEG 1")
    rois.add_all([roi], voxels_of([roi]))
    roi_id = rois.rois[0].roi_id
    rois.rename(roi_id, "Liver, left")
    assert rois.roi(roi_id).origin == "SEG 1"
    for shape in (ELSEWHERE, Sphere((9, 9, 9), 3)):
        rois.reshape(roi_id, shape)
        assert rois.roi(roi_id).origin == f"SEG 1{CHANGED}"
