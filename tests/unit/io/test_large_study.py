"""The writer of large studies writes what it is asked to, so that benchmarks read a real study."""

import numpy as np
import pydicom
from tests.helpers.large_study import write_large_series
from tests.helpers.phantoms import axial_affine

from kiview.jobs.open_study import OpenRequest, open_study


def test_that_a_large_study_reads_as_it_was_written(tmp_path):
    stored = np.random.default_rng(0).integers(0, 3000, (7, 5, 6)).astype(np.int16)
    slope = np.array([0.5, 2.0, 1.25])
    start, duration = np.array([0.0, 30.0, 90.0]), np.array([30.0, 60.0, 300.0])
    paths = write_large_series(tmp_path / "s", stored, slope, axial_affine(), start, duration)
    assert len(paths) == 21
    headers = [pydicom.dcmread(path) for path in paths]  # pydicom takes it
    assert len({ds.SOPInstanceUID for ds in headers}) == 21
    assert all(ds.SOPInstanceUID == ds.file_meta.MediaStorageSOPInstanceUID for ds in headers)
    (series,) = open_study(OpenRequest(tmp_path / "s")).series
    for t in range(3):
        np.testing.assert_allclose(series.image.store.frame(t), stored * slope[t], rtol=1e-6)
    np.testing.assert_allclose(series.image.timing.start_s, start, atol=1e-6)
    np.testing.assert_allclose(series.image.timing.duration_s, duration)
    np.testing.assert_allclose(series.image.geometry.affine_lps_mm, axial_affine(), atol=1e-3)
