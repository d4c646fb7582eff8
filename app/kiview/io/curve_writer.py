"""Write curves as BIDS-style TSV with a JSON sidecar.

Columns: `time` in s from injection, `whole_blood_radioactivity`, `plasma_radioactivity`, and
`region_radioactivity` for a region that is not called after blood. Curves that come from frames
also have `frame_start` and `frame_duration`, so that reading them back gives the exact integral of
the frames.
"""

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from kiview import __version__
from kiview.core.blood_names import sounds_like_blood
from kiview.core.errors import ExportError
from kiview.core.input_curves import FrameCurve
from kiview.core.input_function import Compartment, InputFunction, InputSource
from kiview.core.provenance import JsonValue
from kiview.core.tac import TimeActivityCurve
from kiview.io.curve_bids import REGION
from kiview.io.dicom_common import APPLICATION, RESEARCH_USE

TIME, BLOOD, PLASMA = "time", "whole_blood_radioactivity", "plasma_radioactivity"
FRAME_START, FRAME_DURATION, SPREAD = "frame_start", "frame_duration", "standard_deviation"

Columns = Mapping[str, NDArray[np.float64]]

_DESCRIPTIONS = {
    TIME: "Time from injection; for frames their middle",
    BLOOD: "Radioactivity of whole blood, {decay}decay-corrected to injection",
    REGION: "Mean radioactivity of the region, {decay}decay-corrected to injection",
    PLASMA: "Radioactivity of plasma, {decay}decay-corrected to injection",
    FRAME_START: "Start of the frame from injection",
    FRAME_DURATION: "Duration of the frame",
    SPREAD: "Standard deviation over the voxels of the region",
}


@dataclass(frozen=True, slots=True)
class CurveOrigin:
    """What is known of the series that a curve is from; its sidecar tells it.

    Attributes:
        given: Names and values that the user entered for the study.
        findings: Sentences about the series that stand.
        is_at_injection: Whether its values are decay-corrected to the injection.
    """

    given: Iterable[tuple[str, JsonValue]] = ()
    findings: tuple[str, ...] = ()
    is_at_injection: bool = True

    def record(self) -> dict[str, JsonValue]:
        """What the sidecar tells of the user's values and of decay."""
        values = dict(self.given)
        told: dict[str, JsonValue] = {"user_given": values} if values else {}
        return told | {"decay_corrected_to_injection": self.is_at_injection}


def write_region_curve(
    path: Path, tac: TimeActivityCurve, origin: CurveOrigin | None = None
) -> tuple[Path, Path]:
    """Write the curve of a region; returns the TSV and its sidecar."""
    timing, origin = tac.timing, origin or CurveOrigin()
    columns = {
        TIME: timing.mid_s,
        BLOOD if sounds_like_blood(tac.name) else REGION: tac.mean,
        FRAME_START: timing.start_s,
        FRAME_DURATION: timing.duration_s,
        SPREAD: tac.std,
    }
    record: dict[str, JsonValue] = {
        "source": str(InputSource.IMAGE),
        "description": f"image-derived, region {tac.name or 'unnamed'} ({tac.voxel_count} voxels)",
        "region": tac.name,
        "voxel_count": tac.voxel_count,
        "findings": list(origin.findings),
        **origin.record(),
    }
    return _write(path, columns, tac.quantity.unit.symbol, record)


def write_input_function(
    path: Path, curve: InputFunction, end_s: float, origin: CurveOrigin | None = None
) -> tuple[Path, Path]:
    """Write an input function; returns the TSV and its sidecar.

    Args:
        path: File ending in `.tsv`.
        curve: The input function.
        end_s: Where to end a curve that has no end itself.
        origin: What is known of the series it is from.
    """
    origin = origin or CurveOrigin()
    time_s, plasma = curve.samples(end_s)
    columns = {TIME: time_s}
    if curve.compartment is Compartment.WHOLE_BLOOD:
        columns[BLOOD] = curve.curve.at(time_s)
    if curve.compartment is Compartment.PLASMA or curve.plasma_factor != 1.0:
        columns[PLASMA] = plasma
    record: dict[str, JsonValue] = {
        "source": str(curve.source),
        "description": curve.description,
        "compartment": str(curve.compartment),
        "plasma_factor": curve.plasma_factor,
        "findings": [*curve.findings, *origin.findings],
        **origin.record(),
    }
    if isinstance(curve.curve, FrameCurve):
        columns[FRAME_START], columns[FRAME_DURATION] = curve.curve.start_s, curve.curve.duration_s
        record["integral_before_first_frame"] = curve.curve.before
    return _write(path, columns, curve.quantity.unit.symbol, record)


def _write(
    path: Path, columns: Columns, activity_unit: str, record: Mapping[str, JsonValue]
) -> tuple[Path, Path]:
    if path.suffix != ".tsv":
        raise ExportError(f"A curve is written as .tsv, not as {path.name!r}.")
    table = np.column_stack(list(columns.values()))
    lines = ["\t".join(columns)]
    lines += ["\t".join(_text(value) for value in row) for row in table]
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    sidecar = path.with_suffix(".json")
    content = _sidecar(columns, activity_unit, record) | dict(record)
    sidecar.write_text(json.dumps(content, indent=2, allow_nan=False) + "\n", encoding="utf-8")
    return path, sidecar


def _text(value: float) -> str:
    return "n/a" if np.isnan(value) else f"{value:.10g}"


def _sidecar(
    columns: Columns, activity_unit: str, record: Mapping[str, JsonValue]
) -> dict[str, JsonValue]:
    seconds = {TIME, FRAME_START, FRAME_DURATION}
    decay = "" if record["decay_corrected_to_injection"] else "not "
    described: dict[str, JsonValue] = {
        name: {
            "Description": _DESCRIPTIONS[name].format(decay=decay),
            "Units": "s" if name in seconds else activity_unit,
        }
        for name in columns
    }
    return described | {
        "PlasmaAvail": PLASMA in columns,
        "WholeBloodAvail": BLOOD in columns,
        "MetaboliteAvail": False,
        "DispersionCorrected": False,
        "software": f"{APPLICATION} {__version__}",
        "intended_use": RESEARCH_USE,
    }
