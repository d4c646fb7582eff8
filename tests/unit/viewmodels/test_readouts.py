"""What is told of the place under the cursor: values, spreads, and where there are none."""

from dataclasses import replace

import numpy as np
import pytest
from tests.helpers import torso

from kiview.core.reslice import Plane


def test_that_readouts_name_every_layer_with_its_value_and_unit(views):
    torso.add_maps(views)
    views.link.set_cursor((0, 0, 0))
    image, patlak, network = (layer.value_at(np.zeros(3)) for layer in views.layers)
    assert views.readout_text == (
        f"SUV {image:.2f} | Patlak {patlak:.4f} | network {network:.4f} mL/min/mL | x 0 y 0 z 0 mm"
    )


def test_that_a_value_is_told_with_its_standard_deviation_unless_it_is_a_preview(views):
    torso.add_maps(views)
    ki = torso.ki_map()
    spread = replace(ki, values=np.where(np.isnan(ki.values), 0.001, 0.1 * ki.values))
    views.set_map("network", ki, "Network Ki", "network", spread=spread)
    views.link.set_cursor((0, 0, 0))
    value = ki.values[ki.geometry.nearest_index(np.zeros(3))]
    assert views.readouts()[2].text == f"{value:.4f} ± {0.1 * value:.4f}"
    views.link.set_cursor((0, 0, -47))
    assert views.readouts()[2].text == "not fitted"
    views.link.set_cursor((900, 0, 0))
    assert views.readouts()[2].text == "outside"
    views.set_map("network", ki, "Network Ki", "network")
    views.mark_preview("network", untied=False)
    views.link.set_cursor((0, 0, 0))
    assert views.readouts()[2].text == f"{value:.4f}"


def test_that_a_voxel_without_a_fit_is_called_not_fitted(views):
    torso.add_maps(views)
    views.link.set_cursor((0, 0, -47))
    assert [each.text for each in views.readouts()[1:]] == ["not fitted", "not fitted"]


def test_that_outside_a_smaller_map_the_readout_says_so(views):
    small = torso.geometry(shape=(4, 4, 4))
    views.set_map("patlak", torso.ki_map(small), "Patlak Ki", "Patlak")
    views.link.set_cursor((30, 0, 0))
    assert views.readouts()[1].text == "outside"


def test_that_values_belong_to_the_same_place_on_every_grid(views):
    feet_first = torso.geometry([(0, 0, -1), (0, 1, 0), (-1, 0, 0)])
    oblique = torso.geometry([(0, 0.6, 0.8), (0, 0.8, -0.6), (1, 0, 0)])
    views.set_map("patlak", torso.ki_map(feet_first), "Patlak Ki", "Patlak")
    views.set_map("network", torso.ki_map(oblique), "Network Ki", "network")
    views.link.set_cursor(torso.LEFT_SPOT_LPS_MM)
    for layer in views.layers[1:]:
        assert layer.value_at(views.link.cursor_lps_mm) == pytest.approx(0.05, rel=0.25)
        for plane in Plane:
            image = layer.planes.read(plane, float(torso.LEFT_SPOT_LPS_MM[plane.normal_axis]))
            row, column = np.unravel_index(np.nanargmax(image.values), image.values.shape)
            u, v = (
                centres[i]
                for centres, i in zip(image.grid.centres_mm(), (column, row), strict=True)
            )
            spot = plane.to_screen_mm(torso.LEFT_SPOT_LPS_MM)
            np.testing.assert_allclose([u, v], spot[:2], atol=2.6)
