import json

import numpy as np
import pytest

from kiview.core.errors import InvalidInputError
from kiview.core.feng import FengParameters
from kiview.core.input_curves import Curve, FengCurve, FrameCurve, SampledCurve
from kiview.core.input_function import Compartment, InputFunction, InputSource
from kiview.core.input_record import from_record, to_record
from kiview.core.units import ACTIVITY, SUV_BW

START, DURATION = np.array([40.0, 100.0, 400.0]), np.array([60.0, 200.0, 300.0])
CURVES = {
    "feng": FengCurve(FengParameters(tau_min=0.1), 1234.5 / 7),
    "samples": SampledCurve(np.array([10.0, 70.0, 800.0]), np.array([1.0, 1 / 3, 0.1])),
    "frames": FrameCurve(START, DURATION, np.array([5.0, 3.0, 1 / 7]), 99.9),
}


@pytest.mark.parametrize("kind", CURVES)
def test_that_a_recorded_curve_gives_the_same_values_to_the_bit(kind):
    made = InputFunction(
        CURVES[kind], InputSource.IMAGE, SUV_BW, Compartment.PLASMA, 1.07, "a curve", ("told",)
    )
    record = json.loads(json.dumps(to_record(made), allow_nan=False))
    read = from_record(record)
    times = np.linspace(0.0, 690.0, 400)
    np.testing.assert_array_equal(read.at(times), made.at(times))
    np.testing.assert_array_equal(read.integral(times), made.integral(times))
    for name in ("source", "quantity", "compartment", "plasma_factor", "description", "findings"):
        assert getattr(read, name) == getattr(made, name)


def record(**changes):
    made = InputFunction(CURVES["frames"], InputSource.IMAGE, ACTIVITY)
    return {**to_record(made), **changes}


def frames(**changes):
    return record(curve={**record()["curve"], **changes})


@pytest.mark.parametrize(
    "wrong",
    [
        None,
        [],
        {},
        record(curve=None),
        record(source="nowhere"),
        record(quantity="Ki"),
        record(plasma_factor="1"),
        record(plasma_factor=float("inf")),
        record(plasma_factor=-1),
        record(plasma_factor=10**400),
        frames(kind="pickle"),
        frames(mean=[1.0]),
        frames(mean=[1.0, 2.0, "3"]),
        frames(mean=3),
        frames(start_s=[], duration_s=[], mean=[]),
        frames(duration_s=[1.0, 0.0, 1.0]),
        record(curve={"kind": "samples", "time_s": [1.0, 0.5], "activity": [1.0, 1.0]}),
        record(curve={"kind": "feng", "scale": 1.0}),
    ],
    ids=range(18),
)
def test_that_a_record_of_no_curve_is_refused(wrong):
    with pytest.raises(InvalidInputError):
        from_record(wrong)


def test_that_a_curve_of_an_unknown_kind_is_not_recorded():
    class Odd(Curve):
        at = integral = natural_time_s = None

    with pytest.raises(InvalidInputError, match="Odd cannot be recorded"):
        to_record(InputFunction(Odd(), InputSource.IMAGE, ACTIVITY))
