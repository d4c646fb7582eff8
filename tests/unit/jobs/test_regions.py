"""Regions of files on an image's grid."""

import json

import numpy as np
import pytest
from tests.helpers.phantoms import axial_affine
from tests.helpers.results import oblique_geometry

from kiview.core.errors import InvalidInputError, ReadError
from kiview.core.geometry import VolumeGeometry
from kiview.core.progress import NullProgress
from kiview.core.roi import Roi, to_dict
from kiview.core.roi_shapes import Sphere
from kiview.io.nifti_writer import write_nifti_volume
from kiview.jobs.regions import choose_region, read_regions

GRID = oblique_geometry()


def write_mask(path, labels, geometry=GRID):
    write_nifti_volume(path, np.asarray(labels, np.float32), geometry, "mask", NullProgress())
    return path


def read(path, geometry=GRID):
    return read_regions(path, geometry, NullProgress())


def labels_of(*boxes):
    labels = np.zeros(GRID.shape_zyx)
    for number, box in enumerate(boxes, 1):
        labels[box] = number
    return labels


LOW, HIGH = np.s_[0:2, 1:3, 2:5], np.s_[3:5, 5:8, 6:11]


def test_that_a_mask_comes_back_voxel_by_voxel(tmp_path):
    (mask,) = read(write_mask(tmp_path / "aorta.nii.gz", labels_of(HIGH)))
    np.testing.assert_array_equal(mask.inside, labels_of(HIGH) == 1)
    assert mask.name == "aorta"


def test_that_each_label_is_a_region(tmp_path):
    low, high = read(write_mask(tmp_path / "parts.nii.gz", labels_of(LOW, HIGH)))
    assert (low.name, high.name) == ("parts 1", "parts 2")
    np.testing.assert_array_equal(high.inside, labels_of(LOW, HIGH) == 2)


def test_that_a_mask_on_a_finer_grid_covers_the_same_place(tmp_path):
    coarse = VolumeGeometry((6, 8, 10), axial_affine((4.0, 4.0, 4.0)))
    affine = axial_affine((2.0, 2.0, 2.0))
    affine[:3, 3] -= 1.0
    fine = VolumeGeometry((12, 16, 20), affine)
    labels = np.zeros(fine.shape_zyx)
    labels[4:8, 6:12, 2:8] = 1
    (mask,) = read(write_mask(tmp_path / "fine.nii.gz", labels, fine), coarse)
    wanted = np.zeros(coarse.shape_zyx, bool)
    wanted[2:4, 3:6, 1:4] = True
    np.testing.assert_array_equal(mask.inside, wanted)


def test_that_a_region_file_is_drawn_on_the_grid(tmp_path):
    centre = GRID.to_lps_mm([2, 4, 5])
    rois = (Roi("a", "Aorta", "#ff0000", Sphere(tuple(centre), 4.0)),)
    path = tmp_path / "regions.json"
    path.write_text(json.dumps(to_dict(rois)), encoding="utf-8")
    (mask,) = read(path)
    index = np.stack(np.indices(GRID.shape_zyx), axis=-1)
    distance = np.linalg.norm(GRID.to_lps_mm(index) - centre, axis=-1)
    np.testing.assert_array_equal(mask.inside, distance <= 4.0)
    assert mask.name == "Aorta"


@pytest.mark.parametrize(
    ("content", "told"),
    [("{", "damaged"), ('{"schema_version": 1, "regions": []}', "holds no region")],
)
def test_that_a_damaged_region_file_is_refused(tmp_path, content, told):
    path = tmp_path / "regions.json"
    path.write_text(content, encoding="utf-8")
    with pytest.raises(ReadError, match=told):
        read(path)


def test_that_a_region_file_that_is_gone_is_refused(tmp_path):
    with pytest.raises(ReadError, match=r"gone\.json cannot be read"):
        read(tmp_path / "gone.json")


@pytest.mark.parametrize(
    ("values", "told"),
    [
        (np.zeros(GRID.shape_zyx), "every voxel is 0"),
        (np.full(GRID.shape_zyx, 0.5), "other values"),
        (np.arange(440.0).reshape(GRID.shape_zyx), "other values"),
    ],
)
def test_that_an_image_that_is_no_mask_is_refused(tmp_path, values, told):
    with pytest.raises(ReadError, match=told):
        read(write_mask(tmp_path / "image.nii.gz", values))


def masks(tmp_path):
    centre = tuple(GRID.to_lps_mm([2, 4, 5]))
    names = ("Liver", "Descending aorta", "Tumour")
    rois = tuple(Roi(name, name, "#ff0000", Sphere(centre, 4.0)) for name in names)
    path = tmp_path / "regions.json"
    path.write_text(json.dumps(to_dict(rois)), encoding="utf-8")
    return read(path)


def test_that_a_region_is_chosen_by_name_or_by_being_blood(tmp_path):
    regions = masks(tmp_path)
    assert choose_region(regions, "tumour").name == "Tumour"
    assert choose_region(regions, "", blood=True).name == "Descending aorta"
    assert choose_region(regions[:1], "").name == "Liver"


@pytest.mark.parametrize(("name", "told"), [("", "several regions"), ("spleen", "no region")])
def test_that_an_unclear_choice_lists_the_names(tmp_path, name, told):
    with pytest.raises(InvalidInputError, match=f"{told}.*Liver, Descending aorta, Tumour"):
        choose_region(masks(tmp_path), name)


def test_that_a_mask_with_values_that_are_no_numbers_is_refused(tmp_path):
    labels = labels_of(HIGH)
    labels[0, 0, 0] = np.nan
    with pytest.raises(ReadError, match="is no mask"):
        read(write_mask(tmp_path / "aorta.nii.gz", labels))


def test_that_a_region_file_nested_without_end_is_refused(tmp_path):
    path = tmp_path / "regions.json"
    path.write_text("[" * 100_000, encoding="utf-8")
    with pytest.raises(ReadError, match=r"regions\.json is damaged"):
        read(path)
