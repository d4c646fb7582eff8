"""`kiview info`: what a study contains and what can be computed from it."""

import argparse
import math

import numpy as np
from numpy.typing import NDArray

from kiview.commands.opening import open_given
from kiview.commands.terminal import DONE, TerminalProgress, say, say_json
from kiview.core.images import DynamicImage
from kiview.core.patlak import SECONDS_PER_MINUTE
from kiview.core.provenance import JsonValue
from kiview.core.study import Series, SeriesKind, Study

_ROUNDING_DIGITS = 9
_PET = (SeriesKind.DYNAMIC, SeriesKind.STATIC)


def run(given: argparse.Namespace, progress: TerminalProgress) -> int:
    """Describe the study as text or as one JSON document."""
    study = open_given(given, progress)
    if given.json:
        say_json(document(study))
    else:
        _say_text(study)
    return DONE


def document(study: Study) -> dict[str, JsonValue]:
    """What `--json` prints."""
    return {
        "series": [_series_record(series) for series in study.series],
        "unused_files": [{"path": path, "reason": why} for path, why in study.unused_files],
    }


def _series_record(series: Series) -> dict[str, JsonValue]:
    return {
        "uid": series.uid,
        "modality": series.modality,
        "kind": str(series.kind),
        "description": series.description,
        **_image_record(series.image),
        "max_value": _finite(series.max_value),
        "suvbw_factor_g_per_bq": _finite(series.file_suv_factor_g_per_bq),
        "verdict": {"suv": str(series.suv_verdict), "kinetics": str(series.kinetics_verdict)},
        "findings": [{"code": f.code, "message": f.message} for f in series.findings],
    }


def _image_record(image: DynamicImage | None) -> dict[str, JsonValue]:
    if image is None:
        return {
            "shape_zyx": None,
            "frame_count": 0,
            "frame_start_s": [],
            "frame_duration_s": [],
            "units": None,
            "user_given": {},
        }
    return {
        "shape_zyx": [*image.geometry.shape_zyx],
        "frame_count": image.frame_count,
        "frame_start_s": _times(image.timing.start_s),
        "frame_duration_s": _times(image.timing.duration_s),
        "units": image.quantity.unit.symbol,
        "user_given": dict(image.user_given),
    }


def _times(times_s: NDArray[np.float64]) -> JsonValue:
    rounded: JsonValue = np.round(times_s, _ROUNDING_DIGITS).tolist()
    return rounded


def _finite(value: float | None) -> float | None:
    return None if value is None or not math.isfinite(value) else float(value)


def _say_text(study: Study) -> None:
    for series in study.series:
        say(f"{series.kind} {series.modality}  {series.description or '(no description)'}")
        say(f"  {series.uid}")
        if series.image is not None:
            say(f"  {_grid_line(series.image)}")
        if series.kind in _PET:
            _say_pet(series)
        for finding in series.findings:
            say(f"  - {finding.code}: {finding.message}")
    if study.unused_files:
        say(f"{len(study.unused_files)} files not used (listed by --json)")


def _grid_line(image: DynamicImage) -> str:
    z, y, x = image.geometry.shape_zyx
    spacing = " x ".join(f"{d:.3g}" for d in image.geometry.spacing_zyx_mm[::-1])
    return f"{x} x {y} x {z} voxels of {spacing} mm, {image.quantity.unit.symbol}"


def _say_pet(series: Series) -> None:
    if series.image is not None:
        timing = series.image.timing
        start = float(timing.start_s.min()) / SECONDS_PER_MINUTE
        end = float(timing.end_s.max()) / SECONDS_PER_MINUTE
        frames = "frame" if timing.frame_count == 1 else "frames"
        say(f"  {timing.frame_count} {frames}, {start:.3g}-{end:.3g} min after injection")
    say(f"  SUV {series.suv_verdict}, Ki {series.kinetics_verdict}")
