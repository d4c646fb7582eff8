"""Outlines of regions are kept while their study is open."""

import numpy as np
import pytest

from kiview.core.geometry import VolumeGeometry
from kiview.core.reslice import Plane
from kiview.core.roi import Roi
from kiview.core.roi_shapes import Sphere
from kiview.viewmodels.rois import RoisViewModel
from kiview.views.canvas.region_painter import RegionPainter

GRID = VolumeGeometry((8, 60, 60), np.diag([1.0, 1, 1, 1])[:, [2, 1, 0, 3]])


def show_region(rois, radius_mm):
    """Open a study with one region, the first of its id and revision."""
    roi = Roi("region-1", "Aorta", "#112233", Sphere((30, 30, 4), radius_mm))
    rois.clear()
    rois.restore([roi], [roi.voxels(GRID)])
    return rois.rois[0]


def width_mm(drawn):
    return max(line.x1() for line in drawn.lines) - min(line.x1() for line in drawn.lines)


@pytest.mark.usefixtures("qtbot")
def test_that_an_outline_is_worked_out_once_and_forgotten_with_its_study():
    rois = RoisViewModel()
    painter = RegionPainter(rois)
    first = painter._cut(show_region(rois, 10), Plane.AXIAL, 4.0)
    assert painter._cut(rois.rois[0], Plane.AXIAL, 4.0) is first
    other = painter._cut(show_region(rois, 20), Plane.AXIAL, 4.0)
    assert abs(width_mm(first) - 20) < 1.5
    assert abs(width_mm(other) - 40) < 1.5
