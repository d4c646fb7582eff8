"""Open a study as the program does, and look at what came of it."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from kiview.core.errors import KiviewError
from kiview.core.images import DynamicImage
from kiview.core.study import Series, Study
from kiview.jobs.open_study import OpenRequest, open_study


def read_study(path: Path, **overrides: Any) -> Study:
    """Everything that a file or folder holds; `overrides` are what the user enters."""
    return open_study(OpenRequest(path, overrides))


def read(path: Path, **overrides: Any) -> Series:
    """The first series."""
    return read_study(path, **overrides).series[0]


def read_main(path: Path, **overrides: Any) -> Series:
    """The series that is shown first."""
    series = read_study(path, **overrides).main_series
    assert series is not None
    return series


def refusal(path: Path) -> str:
    """Why nothing can be opened."""
    with pytest.raises(KiviewError) as caught:
        read_study(path)
    return str(caught.value)


def codes(series: Series) -> set[str]:
    """Codes of the findings."""
    return {finding.code for finding in series.findings}


def image_of(series: Series) -> DynamicImage:
    """The image, which is there."""
    assert series.image is not None
    return series.image


def voxels(series: Series) -> NDArray[np.float32]:
    """(t, z, y, x) all frames in the series' quantity."""
    image = image_of(series)
    return np.stack([image.store.frame(t) for t in range(image.frame_count)])


def assert_same(one: Series, other: Series) -> None:
    """Frames, times, geometry and SUV of two series are identical, not only close."""
    assert one.image is not None
    assert other.image is not None
    np.testing.assert_array_equal(voxels(one), voxels(other))
    for name in ("start_s", "duration_s"):
        np.testing.assert_array_equal(
            getattr(one.image.timing, name), getattr(other.image.timing, name)
        )
    # The corner is that of the first image, which is rounded otherwise in another order.
    np.testing.assert_allclose(
        one.image.geometry.affine_lps_mm, other.image.geometry.affine_lps_mm, rtol=0, atol=1e-9
    )
    assert one.image.suv_factor == other.image.suv_factor
    assert one.file_suv_factor_g_per_bq == other.file_suv_factor_g_per_bq
    assert one.max_value == other.max_value
    assert one.file_units == other.file_units
    assert (one.suv_verdict, one.kinetics_verdict) == (other.suv_verdict, other.kinetics_verdict)
