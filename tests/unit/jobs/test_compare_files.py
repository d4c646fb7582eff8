"""Comparing exported maps: grids, units, regions without a value."""

import json
from dataclasses import replace

import numpy as np
import pytest
from tests.helpers.phantoms import axial_affine
from tests.helpers.results import MODIFIED, ki_map, map_set, oblique_geometry

from kiview.core.errors import ExportError, InvalidInputError, QuantityMismatchError
from kiview.core.geometry import VolumeGeometry
from kiview.core.images import MapSet, ParametricMap
from kiview.core.progress import NullProgress
from kiview.core.units import KI
from kiview.io.nifti_writer import write_nifti_volume
from kiview.jobs.compare_files import CompareFilesRequest, compare_files
from kiview.jobs.export import ExportFormat, ExportRequest, export_maps


def exported(folder, result, *formats):
    request = ExportRequest(
        results=(result,), folder=folder, formats=formats or (ExportFormat.NIFTI,)
    )
    export_maps(request, NullProgress())
    return folder


def compare(first, second, folder, **changes):
    return compare_files(CompareFilesRequest(first, second, folder, **changes), NullProgress())


def test_that_a_map_agrees_with_itself_in_every_format(tmp_path):
    maps = exported(tmp_path / "maps", map_set(), *ExportFormat)
    nifti, pm = maps / "patlak_Ki.nii.gz", maps / "patlak_Ki_pm.dcm"
    (row,) = compare(nifti, pm, tmp_path / "pm").rows
    assert (row.bias, row.voxel_count) == (0.0, 440 - 2)
    (row,) = compare(nifti, maps / "patlak_Ki_dicom", tmp_path / "pet").rows
    assert abs(row.bias) < 0.08 / 65000
    assert row.concordance > 1 - 1e-8


UNTIED = {"tied_to_patlak": False}


@pytest.mark.parametrize("name", ["network_Ki.nii.gz", "network_Ki_dicom", "network_Ki_pm.dcm"])
@pytest.mark.parametrize(
    ("made_by", "marks"),
    [
        (MODIFIED, "MODIFIED"),
        (replace(MODIFIED, modified=False, settings=UNTIED), "UNTIED"),
        (replace(MODIFIED, settings=UNTIED), "MODIFIED, UNTIED"),
    ],
)
def test_that_a_marked_map_is_named_as_one(tmp_path, name, made_by, marks):
    modified = exported(tmp_path / "mine", map_set(made_by), *ExportFormat)
    shipped = exported(tmp_path / "shipped", map_set())
    out = tmp_path / "out"
    report = compare(shipped / "patlak_Ki.nii.gz", modified / name, out)
    assert report.names == ("patlak_Ki.nii.gz", f"{name} ({marks})")
    for file in out.iterdir():
        assert f"{name} ({marks})" in file.read_text(encoding="utf-8")


def ramp(shape, affine):
    """A map whose value is a plane in patient space, so that interpolation is exact."""
    geometry = VolumeGeometry(shape, affine)
    x, y, z = np.moveaxis(geometry.to_lps_mm(np.stack(np.indices(shape), axis=-1)), -1, 0)
    values = (1.0 + 1e-2 * x + 2e-3 * y - 5e-3 * z).astype(np.float32)
    return MapSet((ParametricMap(values, KI, geometry, ki_map().provenance),))


def test_that_maps_on_two_grids_are_compared_at_the_same_place(tmp_path):
    coarse = ramp((6, 8, 10), axial_affine((4.0, 4.0, 4.0), (0.0, 0.0, 0.0)))
    fine = ramp((20, 30, 40), axial_affine((1.5, 1.25, 1.0), (-1.0, -2.0, -3.0)))
    a, b = exported(tmp_path / "a", coarse), exported(tmp_path / "b", fine)
    name = "patlak_Ki.nii.gz"
    (row,) = compare(a / name, b / name, tmp_path / "out").rows
    assert row.voxel_count > 200
    assert abs(row.bias) < 1e-5
    assert row.sd_difference < 1e-5


def test_that_a_region_without_a_value_is_told_and_others_stay(tmp_path):
    maps = exported(tmp_path / "maps", map_set())
    labels = np.zeros((5, 8, 11), np.float32)
    labels[0, 0, 0] = 1  # not fitted
    labels[4, 5:, 6:] = 2
    mask = tmp_path / "parts.nii.gz"
    write_nifti_volume(mask, labels, oblique_geometry(), "mask", NullProgress())
    ki = maps / "patlak_Ki.nii.gz"
    report = compare(ki, ki, tmp_path / "out", regions=mask)
    assert [row.name for row in report.rows] == ["all voxels", "parts 2"]
    assert len(report.findings) == 1
    record = json.loads((tmp_path / "out" / "agreement.json").read_text(encoding="utf-8"))
    assert record["findings"] == list(report.findings)


def test_that_units_grids_of_nothing_and_existing_files_are_refused(tmp_path):
    maps = exported(tmp_path / "maps", map_set(), *ExportFormat)
    ki, v0 = (maps / f"patlak_{code}.nii.gz" for code in ("Ki", "V0"))
    with pytest.raises(QuantityMismatchError, match="mL/min/mL"):
        compare(ki, v0, tmp_path / "out")
    with pytest.raises(InvalidInputError, match="not one map"):
        compare(maps, ki, tmp_path / "out")
    assert not (tmp_path / "out").exists()
    compare(ki, ki, tmp_path / "out")
    with pytest.raises(ExportError, match=r"agreement\.csv and 3 more exist already"):
        compare(ki, ki, tmp_path / "out")
    compare(ki, ki, tmp_path / "out", overwrite=True)
