"""Input functions as JSON-like records that give the same curve again, to the last bit."""

from collections.abc import Mapping
from dataclasses import asdict

import numpy as np

from kiview.core.errors import InvalidInputError
from kiview.core.feng import FengParameters
from kiview.core.input_curves import Curve, FengCurve, FrameCurve, SampledCurve
from kiview.core.input_function import Compartment, InputFunction, InputSource
from kiview.core.provenance import JsonValue
from kiview.core.units import ACTIVITY, COUNTS, SUV_BW, UNKNOWN

_QUANTITIES = {quantity.code: quantity for quantity in (ACTIVITY, SUV_BW, COUNTS, UNKNOWN)}
_BROKEN = (KeyError, TypeError, ValueError, OverflowError)


def to_record(input_function: InputFunction) -> dict[str, JsonValue]:
    """An input function as plain values."""
    return {
        "curve": _curve_record(input_function.curve),
        "source": str(input_function.source),
        "quantity": input_function.quantity.code,
        "compartment": str(input_function.compartment),
        "plasma_factor": input_function.plasma_factor,
        "description": input_function.description,
        "findings": list(input_function.findings),
    }


def from_record(record: JsonValue) -> InputFunction:
    """The input function of a record.

    Raises:
        InvalidInputError: it is no such record.
    """
    try:
        fields = _table(record)
        findings = fields["findings"]
        return InputFunction(
            _curve(_table(fields["curve"])),
            InputSource(str(fields["source"])),
            _QUANTITIES[str(fields["quantity"])],
            Compartment(str(fields["compartment"])),
            _number(fields["plasma_factor"]),
            str(fields["description"]),
            tuple(str(text) for text in findings) if isinstance(findings, list) else (),
        )
    except _BROKEN as error:
        raise InvalidInputError(
            "The record holds no input function that can be used; give the curve again."
        ) from error


def _curve_record(curve: Curve) -> dict[str, JsonValue]:
    if isinstance(curve, FengCurve):
        return {"kind": "feng", "scale": float(curve.scale), **asdict(curve.parameters)}
    if isinstance(curve, SampledCurve):
        return {
            "kind": "samples",
            "time_s": curve.time_s.tolist(),
            "activity": curve.activity.tolist(),
        }
    if isinstance(curve, FrameCurve):
        return {
            "kind": "frames",
            "start_s": curve.start_s.tolist(),
            "duration_s": curve.duration_s.tolist(),
            "mean": curve.mean.tolist(),
            "before": float(curve.before),
        }
    raise InvalidInputError(f"A curve of kind {type(curve).__name__} cannot be recorded.")


def _curve(fields: Mapping[str, JsonValue]) -> Curve:
    kind = fields["kind"]
    if kind == "feng":
        names = FengParameters.__dataclass_fields__
        parameters = {name: _number(fields[name]) for name in names}
        return FengCurve(FengParameters(**parameters), _number(fields["scale"]))
    if kind == "samples":
        return SampledCurve(_numbers(fields["time_s"]), _numbers(fields["activity"]))
    if kind != "frames":
        raise ValueError(kind)
    start, duration, mean = (_numbers(fields[n]) for n in ("start_s", "duration_s", "mean"))
    if not len(start) == len(duration) == len(mean) > 0 or (duration <= 0).any():
        raise ValueError(kind)
    return FrameCurve(start, duration, mean, _number(fields["before"]))


def _table(value: JsonValue) -> Mapping[str, JsonValue]:
    if not isinstance(value, dict):
        raise TypeError(type(value).__name__)
    return value


def _number(value: JsonValue) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float) or not np.isfinite(value):
        raise TypeError(type(value).__name__)
    return float(value)


def _numbers(values: JsonValue) -> np.ndarray[tuple[int], np.dtype[np.float64]]:
    if not isinstance(values, list):
        raise TypeError(type(values).__name__)
    return np.array([_number(value) for value in values], dtype=np.float64)
