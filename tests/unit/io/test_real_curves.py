"""Blood tables of public studies: read in Bq/mL and s, or refused with the reason."""

import numpy as np
import pytest
from tests.helpers.real_headers import DATA

from kiview.core.errors import ReadError
from kiview.core.input_function import Compartment
from kiview.core.units import ACTIVITY
from kiview.io.curve_bids import read_input_function


@pytest.mark.parametrize(
    ("name", "count", "last_s", "largest_bqml"),
    [
        ("openneuro-ds004869/sub-01_ses-baseline_recording-manual_blood.tsv", 20, None, 97010.28),
        (
            "openneuro-ds004230/sub-PS11_ses-baseline_recording-manual_blood.tsv",
            11,
            None,
            47136.51,
        ),
        (
            "bids-examples/sub-01_ses-01_trc-CIMBI36_recording-manual_blood.tsv",
            11,
            7193.0,
            48960.0,
        ),
    ],
)
def test_that_real_plasma_samples_come_in_becquerel(
    name: str, count: int, last_s: float | None, largest_bqml: float
) -> None:
    curve = read_input_function(DATA / name)
    time_s, activity = curve.samples(7200.0)
    assert curve.quantity == ACTIVITY
    assert curve.compartment is Compartment.PLASMA
    assert len(time_s) == count
    assert float(np.max(activity)) == pytest.approx(largest_bqml, abs=0.01)
    if last_s is not None:
        assert time_s[-1] == last_s


def test_that_whole_blood_is_used_where_there_is_no_plasma() -> None:
    name = "bids-examples/sub-01_ses-01_trc-CIMBI36_recording-autosampler_blood.tsv"
    curve = read_input_function(DATA / name)
    assert curve.compartment is Compartment.WHOLE_BLOOD
    assert float(curve.at(17.0)) == pytest.approx(301287.9118)


def test_that_counts_at_clock_times_are_refused_with_row_and_column() -> None:
    path = DATA / "openneuro-ds003397" / "sub-01_run-001-recording-blood_discrete.tsv"
    with pytest.raises(ReadError) as caught:
        read_input_function(path)
    text = str(caught.value)
    assert "Column CPM holds counts" in text
    assert "Column SampleTime holds clock times (12:12:30 in row 3)" in text
