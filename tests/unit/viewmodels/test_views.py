"""Linked views: columns, frames, windows, cursor and readouts, without a widget."""

import json
from dataclasses import replace

import numpy as np
import pytest
from tests.helpers import torso

from kiview.core.errors import InvalidInputError
from kiview.core.reslice import Plane
from kiview.core.timing import FrameTiming
from kiview.core.units import CT_NUMBER, KI, SIGNAL, SUV_BW, V0
from kiview.io.dicom_frames import stand_in_timing
from kiview.viewmodels.frames import FramesViewModel, time_range_text
from kiview.viewmodels.layers import DisplayWindow, FrameSource
from kiview.viewmodels.study import span_text, times_text
from kiview.viewmodels.views import LAYOUTS, ViewsViewModel
from kiview.viewmodels.views_memory import restore_views, saved_views


def test_that_opening_an_image_shows_its_last_frame_in_suv_from_the_middle(views):
    (layer,) = views.layers
    assert (layer.title, layer.quantity) == ("SUV", SUV_BW)
    assert views.frames.shown.indices == (8,)
    np.testing.assert_allclose(views.link.cursor_lps_mm, (1.5, 2.0, 2.5))
    assert layer.value_at(torso.LEFT_SPOT_LPS_MM) == pytest.approx(45, rel=0.1)


def test_that_an_image_without_suv_is_shown_in_its_own_unit(views):
    views.set_image(torso.dynamic_image(with_suv=False))
    (layer,) = views.layers
    assert (layer.title, layer.quantity.unit.symbol) == ("Activity", "Bq/mL")
    assert views.scales.window(layer.quantity).high > 1000


def test_that_entering_a_weight_turns_the_same_view_into_suv(views):
    views.set_image(torso.dynamic_image(with_suv=False))
    views.link.set_cursor((3, 4, 5))
    views.replace_image(torso.dynamic_image())
    assert views.layers[0].title == "SUV"
    np.testing.assert_allclose(views.link.cursor_lps_mm, (3, 4, 5))


def test_that_closing_the_image_leaves_nothing(views):
    torso.add_maps(views)
    views.set_image(None)
    assert views.layers == ()
    assert views.readout_text == ""
    assert views.frames.text == ""
    assert views.active_layer is None
    views.step_slice(Plane.AXIAL, 1)
    views.frames.next_frame()
    views.frames.show_early()
    assert views.layers == ()


def test_that_all_ki_columns_share_one_scale(views, qtbot):
    torso.add_maps(views)
    with qtbot.waitSignal(views.scales.scale_changed, timeout=1000) as blocker:
        views.scales.set_window(KI, DisplayWindow(0, 0.1))
    assert blocker.args == ["Ki"]
    windows = {views.scales.window(layer.quantity) for layer in views.layers[1:]}
    assert windows == {DisplayWindow(0, 0.1)}
    assert views.scales.window(SUV_BW) == DisplayWindow(0, 7)


def test_that_the_network_stands_right_of_patlak_and_is_compared_with_it_whichever_came_first(
    views,
):
    views.show_difference(True)
    views.set_map("network", torso.ki_map(scale=0.011), "Network Ki", "network")
    views.set_map("patlak", torso.ki_map(), "Patlak Ki", "Patlak")
    assert [layer.key for layer in views.layers] == ["image", "patlak", "network", "difference"]
    assert views.layers[3].title == "network \N{MINUS SIGN} Patlak"
    views.link.set_cursor((0, 0, 0))
    assert views.layers[3].value_at(np.zeros(3)) > 0


def test_that_the_cursor_stays_inside_and_tells_only_of_moves(views, qtbot):
    views.link.set_cursor((1e4, -1e4, 0))
    low, high = views.link.bounds_lps_mm
    np.testing.assert_allclose(views.link.cursor_lps_mm, (high[0], low[1], 0))
    with qtbot.assertNotEmitted(views.link.cursor_changed):
        views.link.set_cursor((1e5, -1e5, 0))


def test_that_wheel_steps_go_from_slice_to_slice(views):
    views.step_slice(Plane.AXIAL, 3)
    assert views.link.cursor_lps_mm[2] == pytest.approx(2.5 + 3 * 5)
    views.step_slice(Plane.AXIAL, 100)
    assert views.link.cursor_lps_mm[2] == pytest.approx(47.5)
    views.step_slice(Plane.SAGITTAL, -1)
    assert views.link.cursor_lps_mm[0] == pytest.approx(-1.5)


def test_that_sums_are_duration_weighted_means(views):
    views.frames.show_early()
    assert views.frames.shown.indices == (0, 1, 2, 3)
    assert views.frames.text == "early mean · 0\N{EN DASH}60 s"
    expected = np.average([1, 2, 3, 4], weights=[10, 10, 20, 20]) * torso.spot_values(
        torso.geometry()
    )
    source = views.layers[0].planes.source
    np.testing.assert_allclose(source.plane(1, 7), expected[:, 7], rtol=1e-5)
    np.testing.assert_allclose(source.plane(0, 3), expected[3], rtol=1e-5)
    np.testing.assert_allclose(source.plane(2, 5), expected[:, :, 5], rtol=1e-5)
    np.testing.assert_allclose(
        source.voxels_at(np.array([[1, 2, 3]])), expected[1, 2, 3], rtol=1e-5
    )


def test_that_sums_weigh_each_slice_by_its_own_times():
    image = torso.dynamic_image()
    per_slice = np.repeat(torso.DURATION_S[:, None], 20, axis=1)
    per_slice[0, 5] = 5.0
    object.__setattr__(
        image, "timing", FrameTiming(np.repeat(torso.START_S[:, None], 20, axis=1), per_slice)
    )
    source = FrameSource(image, (0, 1))
    spot = torso.spot_values(image.geometry)
    ratio = source.plane(1, 3) / spot[:, 3]
    np.testing.assert_allclose(ratio[4], 1.5, rtol=1e-5)
    np.testing.assert_allclose(ratio[5], (5 + 2 * 10) / 15, rtol=1e-5)
    np.testing.assert_allclose(
        source.plane(0, 5)[2] / torso.spot_values(image.geometry)[5, 2], 25 / 15
    )


def test_that_the_late_sum_holds_the_last_twenty_minutes(views):
    views.frames.show_late()
    assert views.frames.shown.indices == (7, 8)
    assert views.frames.text == "late mean · 40\N{EN DASH}60 min"


def test_that_frames_step_and_stay_in_range(views):
    views.frames.show_frame(3)
    views.frames.step(-10)
    assert views.frames.text == "frame 1 · 0\N{EN DASH}10 s"
    views.frames.show_frame(99)
    assert views.frames.text == "frame 9 · 50\N{EN DASH}60 min"
    views.frames.next_frame()
    assert views.frames.frame == 0


def test_that_cine_runs_through_the_frames_until_a_sum_is_shown(views, qtbot):
    views.frames.show_frame(0)
    views.frames.play()
    qtbot.waitUntil(lambda: views.frames.frame >= 2, timeout=5000)
    assert views.frames.is_playing
    views.frames.show_early()
    assert not views.frames.is_playing
    views.frames.toggle_cine()
    views.frames.toggle_cine()
    assert not views.frames.is_playing


def test_that_a_static_image_has_no_cine(qtbot):  # noqa: ARG001
    frames = FramesViewModel()
    frames.open(FrameTiming([3000.0], [300.0]))
    frames.play()
    assert not frames.is_playing
    assert frames.text == "frame 1 · 50\N{EN DASH}55 min"


def test_that_short_times_are_told_in_seconds():
    assert time_range_text(0, 60) == "0\N{EN DASH}60 s"
    assert time_range_text(120, 180) == "2\N{EN DASH}3 min"
    assert time_range_text(3300.4, 3600.2) == "55\N{EN DASH}60 min"


def test_that_maps_are_marked_stale_modified_and_mismatched(views):
    torso.add_maps(views)
    views.mark("patlak", stale=True)
    views.mark("network", note="has other frames")
    views.set_map("network", torso.ki_map(modified=True), "Network Ki", "network")
    assert views.layer("patlak").stale
    assert views.layer("network").modified
    assert not views.layer("network").stale
    views.mark("patlak", stale=False)
    assert not views.layer("patlak").stale
    views.mark("nothing", stale=True)


def test_that_the_difference_is_the_second_map_minus_the_first(views):
    torso.add_maps(views)
    views.show_difference(True)
    layer = views.layers[-1]
    assert layer.title == "network \N{MINUS SIGN} Patlak"
    assert layer.is_difference
    expected = 0.001 * torso.spot_values(torso.geometry())
    np.testing.assert_allclose(layer.planes.source.plane(1, 4)[1:], expected[1:, 4], atol=1e-6)
    assert np.isnan(layer.planes.source.plane(0, 0)).all()
    assert views.scales.colormap(layer.quantity) == "blue-red"
    views.mark("patlak", stale=True)
    assert views.layers[-1].stale
    views.show_difference(False)
    assert [each.key for each in views.layers] == ["image", "patlak", "network"]


def test_that_a_difference_on_two_grids_is_taken_on_the_first_maps_grid(views):
    views.set_map("patlak", torso.ki_map(), "Patlak Ki", "Patlak")
    turned = torso.geometry([(0, 0, -1), (0, 1, 0), (-1, 0, 0)])
    views.set_map("network", torso.ki_map(turned), "Network Ki", "network")
    views.show_difference(True)
    layer = views.layer("difference")
    assert layer.geometry is views.layer("patlak").geometry
    np.testing.assert_allclose(layer.planes.source.plane(2, 9)[1:-1], 0, atol=1e-6)
    np.testing.assert_allclose(layer.value_at(torso.LEFT_SPOT_LPS_MM), 0, atol=1e-6)


def test_that_maps_of_other_quantities_are_not_subtracted(views):
    views.set_map("patlak", torso.ki_map(), "Patlak Ki", "Patlak")
    views.set_map("v0", torso.ki_map(quantity=V0), "V0", "V0")
    views.show_difference(True)
    assert views.layer("difference") is None
    views.remove_map("v0")
    assert [layer.key for layer in views.layers] == ["image", "patlak"]


def test_that_the_image_column_stays_first_when_the_frame_changes(views):
    torso.add_maps(views)
    views.frames.show_frame(2)
    assert [layer.key for layer in views.layers] == ["image", "patlak", "network"]


def test_that_a_new_image_drops_the_maps_of_the_old(views):
    torso.add_maps(views)
    views.set_image(torso.dynamic_image())
    assert [layer.key for layer in views.layers] == ["image"]


def test_that_number_keys_choose_rows_and_the_last_row_stays(views):
    views.use_layout(5)
    assert views.planes == LAYOUTS[4]
    views.use_layout(9)
    assert views.planes == LAYOUTS[4]
    views.show_planes((Plane.AXIAL,))
    views.toggle_plane(Plane.AXIAL, False)
    assert views.planes == (Plane.AXIAL,)
    views.toggle_plane(Plane.CORONAL, True)
    assert views.planes == (Plane.AXIAL, Plane.CORONAL)


def test_that_one_view_can_fill_the_canvas_and_reset_brings_the_rest_back(views):
    views.toggle_full_size("image", Plane.AXIAL)
    views.scales.set_window(SUV_BW, DisplayWindow(1, 2))
    views.link.set_zoom(4, (10, 0, 0))
    views.reset()
    assert views.full_size is None
    assert views.link.zoom == 1
    assert views.scales.window(SUV_BW) == DisplayWindow(0, 7)


def test_that_the_window_can_be_fitted_to_what_is_shown(views):
    views.link.set_cursor(torso.LEFT_SPOT_LPS_MM)
    views.fit_window(SUV_BW)
    window = views.scales.window(SUV_BW)
    assert window.low == 0
    assert 20 < window.high <= 45


def test_that_a_window_without_width_is_refused():
    with pytest.raises(InvalidInputError, match="lower end below"):
        DisplayWindow(1, 1)
    with pytest.raises(InvalidInputError):
        DisplayWindow(0, float("nan"))


def test_that_views_survive_saving(views):
    torso.add_maps(views)
    views.link.set_zoom(3, (10, 5, -5))
    views.link.set_cursor((6, 2, 8))
    views.frames.show_early()
    views.scales.set_window(KI, DisplayWindow(0, 0.02))
    views.scales.set_colormap(KI, "viridis")
    views.show_planes((Plane.AXIAL, Plane.SAGITTAL))
    saved = json.loads(json.dumps(saved_views(views)))
    other = ViewsViewModel()
    other.set_image(torso.dynamic_image())
    restore_views(other, saved)
    assert saved_views(other) == saved
    views.frames.show_frame(2)
    restore_views(other, saved_views(views))
    assert other.frames.frame == 2


@pytest.mark.parametrize(
    "change",
    [
        {"planes": ["upside down"]},
        {"zoom": "much"},
        {"frames": None},
        {"scales": {"windows": {"Ki": [1]}}},
    ],
)
def test_that_damaged_saved_views_are_refused_with_a_sentence(views, change):
    with pytest.raises(InvalidInputError, match="damaged"):
        restore_views(views, saved_views(views) | change)


def test_that_settings_give_the_first_colours(views):
    views.scales.set_default_colormaps("grey", "viridis")
    assert views.scales.colormap(SUV_BW) == "grey"
    assert views.scales.colormap(KI) == "viridis"
    views.scales.set_default_window("Ki", DisplayWindow(0, 0.2))
    assert views.scales.window(KI).high == 0.2


def test_that_a_ct_or_mr_is_grey_and_says_nothing_of_time(views):
    for quantity in (CT_NUMBER, SIGNAL):
        assert views.scales.colormap(quantity) == "grey"
    assert views.scales.window(CT_NUMBER) == DisplayWindow(-160.0, 240.0)  # soft tissue
    still = replace(torso.dynamic_image(), timing=stand_in_timing(9))
    views.frames.open_image(replace(still, quantity=CT_NUMBER))
    assert views.frames.text == ""
    views.frames.open_image(still)
    assert views.frames.text == "frame 9 · time unknown"
    views.frames.open(stand_in_timing(1))  # a static PET: its time matters
    assert views.frames.text == "frame 1 · time unknown"


def test_that_planes_already_shown_are_not_read_again(views):
    layer = views.layers[0]
    first = layer.planes.read(Plane.CORONAL, 0.0)
    assert layer.planes.read(Plane.CORONAL, 0.4) is first
    for w in range(-36, 36, 2):
        layer.planes.read(Plane.SAGITTAL, float(w))
        layer.planes.read(Plane.AXIAL, float(w))
    assert layer.planes.read(Plane.CORONAL, 0.0) is not first


def test_that_the_window_controls_follow_the_layer_clicked(views, qtbot):
    torso.add_maps(views)
    with qtbot.waitSignal(views.active_changed, timeout=1000):
        views.activate("patlak")
    assert views.active_layer.key == "patlak"
    views.activate("nothing")
    views.remove_map("patlak")
    assert views.active_layer.key == "image"


def test_that_unknown_times_are_never_shown(views):
    frames = views.frames
    frames.open(stand_in_timing(8))
    assert frames.text == "frame 8 · time unknown"
    frames.show_early()
    assert frames.text == "frame 1 · time unknown"
    frames.show_late()
    assert frames.text == "frame 8 · time unknown"
    assert span_text(8, 5, None) == "8 frames · time unknown"
    image = replace(torso.dynamic_image(), timing=stand_in_timing(9))
    assert times_text(image) == "9 frames · time unknown"


def test_that_spans_before_the_injection_are_readable():
    assert span_text(8, 5, (-4980.0, -1980.0)) == "8 frames · -83 to -33 min"
    assert time_range_text(-4980.0, -1980.0) == "-83 to -33 min"
    assert time_range_text(-82200.0, -82000.0) == "-1370 to -1367 min"
    assert time_range_text(-30.0, 30.0) == "-30 to 30 s"
