"""Volumes from shuffled slices, whatever way they lie in the patient."""

from random import Random

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray
from scipy.spatial.transform import Rotation

from kiview.core.errors import ReadError
from kiview.io.dicom_headers import Header, HeaderTable
from kiview.io.dicom_slices import order_frames, stack_slices
from kiview.io.nifti_header import lps_affine

angles = st.tuples(*[st.floats(-180, 180)] * 3)
spacings = st.tuples(*[st.floats(0.5, 8.0)] * 3)
corners = st.tuples(*[st.floats(-900, 900)] * 3)


def right_handed_affine(
    angle_deg: tuple[float, ...], spacing_mm: tuple[float, ...], corner_mm: tuple[float, ...]
) -> NDArray[np.float64]:
    """Index (z, y, x, 1) -> LPS mm with z along the normal of rows and columns."""
    axes_xyz = Rotation.from_euler("zyx", angle_deg, degrees=True).as_matrix()
    affine = np.eye(4)
    affine[:3, :3] = axes_xyz[:, ::-1] * np.array(spacing_mm)
    affine[:3, 3] = corner_mm
    return affine


def headers_of(affine: NDArray[np.float64], slices: int, order: NDArray[np.int64]) -> HeaderTable:
    """Headers of slices (frames x slices) in any order."""
    spacing = np.linalg.norm(affine[:3, :3], axis=0)
    directions = [*affine[:3, 2] / spacing[2], *affine[:3, 1] / spacing[1]]
    headers = []
    for number in order:
        corner = (affine @ [number % slices, 0, 0, 1])[:3]
        values = {
            "Rows": "4",
            "Columns": "5",
            "ImagePositionPatient": "\\".join(f"{v:.10g}" for v in corner),
            "ImageOrientationPatient": "\\".join(f"{v:.10g}" for v in directions),
            "PixelSpacing": f"{spacing[1]:.10g}\\{spacing[2]:.10g}",
            "SOPInstanceUID": f"1.2.{number}",
        }
        headers.append(Header(str(number), 0, 0, values, ""))
    return HeaderTable.from_headers(headers)


@given(angles, spacings, corners, st.integers(2, 9), st.integers(1, 4), st.randoms())
def test_that_any_volume_is_found_again_from_shuffled_slices(
    angle_deg: tuple[float, ...],
    spacing_mm: tuple[float, ...],
    corner_mm: tuple[float, ...],
    slices: int,
    frames: int,
    random: Random,
) -> None:
    affine = right_handed_affine(angle_deg, spacing_mm, corner_mm)
    numbers = list(range(slices * frames))
    random.shuffle(numbers)
    order = np.array(numbers)
    headers = headers_of(affine, slices, order)
    stack = stack_slices(headers)
    np.testing.assert_allclose(stack.geometry.affine_lps_mm, affine, atol=1e-5)
    assert stack.geometry.shape_zyx == (slices, 4, 5)
    found = order_frames(headers, stack, (order // slices).astype(float)).files
    np.testing.assert_array_equal(order[found], np.arange(slices * frames).reshape(frames, slices))


@given(angles, spacings, corners)
def test_that_ras_and_lps_affines_name_the_same_places(
    angle_deg: tuple[float, ...], spacing_mm: tuple[float, ...], corner_mm: tuple[float, ...]
) -> None:
    lps = right_handed_affine(angle_deg, spacing_mm, corner_mm)
    ras = np.diag([-1.0, -1.0, 1.0, 1.0]) @ lps[:, [2, 1, 0, 3]]
    np.testing.assert_allclose(lps_affine(ras), lps, atol=1e-9)
    np.testing.assert_allclose(lps_affine(ras * [[1], [1], [1], [1]], 10.0)[:3], 10 * lps[:3])


@given(st.integers(4, 12), st.data())
def test_that_a_missing_slice_inside_is_always_noticed(slices: int, data: st.DataObject) -> None:
    affine = right_handed_affine((0, 0, 0), (3.0, 2.0, 1.0), (0, 0, 0))
    lost = data.draw(st.integers(1, slices - 2))
    order = np.array([z for z in range(slices) if z != lost])
    with pytest.raises(ReadError, match="missing"):
        stack_slices(headers_of(affine, slices, order))
