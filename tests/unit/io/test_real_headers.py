"""SUV factors of real header excerpts, against the factors that their authors publish."""

from pathlib import Path

import pytest
from tests.helpers.real_headers import write_excerpt

from kiview.core.study import Verdict
from kiview.jobs.open_study import OpenRequest, open_study

FACTORS = {
    "SIEMENS": 0.00042748316187197236,
    "GE_MEDICAL_AND_BQML": 0.0005367387681819742,
    "PHILIPS_CNTS_AND_BQML_SUV": 0.000551,
    "CPS_AND_BQML_AC_DT_-_S_DT": 0.00026503312764157046,
}


@pytest.mark.parametrize("name", FACTORS)
def test_that_the_published_suv_factor_is_found(name: str, tmp_path: Path) -> None:
    write_excerpt(tmp_path, name)
    series = open_study(OpenRequest(tmp_path)).series[0]
    assert series.file_suv_factor_g_per_bq == pytest.approx(FACTORS[name], abs=1e-6 * FACTORS[name])
    assert series.suv_verdict is not Verdict.REFUSED


def test_that_siemens_bed_motion_starts_where_its_acquisition_time_says(tmp_path: Path) -> None:
    write_excerpt(tmp_path, "SIEMENS")
    image = open_study(OpenRequest(tmp_path)).series[0].image
    assert image is not None
    elapsed = 10 * 3600 + 48 * 60 + 30.35137 - (8 * 3600 + 30 * 60 + 45)
    assert image.timing.start_s.min() == pytest.approx(elapsed, abs=1e-3)
    assert image.timing.duration_s[0].tolist() == pytest.approx([74.324, 75.676, 77.027])
