"""What `kiview info --json` says about a study."""

from typing import Any

import numpy as np

from kiview.core.images import DynamicImage
from kiview.core.region_object import RegionObject
from kiview.core.study import Series, SeriesKind, Study, Verdict

_PET = (SeriesKind.DYNAMIC, SeriesKind.STATIC)


def study_info(study: Study) -> dict[str, Any]:
    """The document of `kiview info --json`.

    Times are seconds from the injection, one per frame, or one per frame and slice; null where they
    are unknown. `max_value` and `suvbw_factor_g_per_bq` belong to values as in the files. `facts`
    say what the numbers of a PET series rest on, and where each comes from.

    Returns:
        JSON-like, without the patient's name and id; weight, dose and times are in the facts.
    """
    return {
        "series": [
            *(_series_info(series) for series in study.series),
            *(_regions_info(one) for one in study.region_objects),
        ],
        "unused_files": [{"path": path, "reason": reason} for path, reason in study.unused_files],
    }


def _series_info(series: Series) -> dict[str, Any]:
    return {
        "uid": series.uid,
        "modality": series.modality,
        "description": series.description,
        "kind": str(series.kind),
        "shape_zyx": None if series.image is None else list(series.image.geometry.shape_zyx),
        "frame_count": 0 if series.image is None else series.image.frame_count,
        **_times(series),
        "units": series.file_units,
        "max_value": _finite(series.max_value),
        "suvbw_factor_g_per_bq": _finite(series.file_suv_factor_g_per_bq),
        "verdict": {"suv": str(series.suv_verdict), "kinetics": str(series.kinetics_verdict)},
        "findings": [{"code": one.code, "message": one.message} for one in series.findings],
        "facts": [
            {"code": one.code, "label": one.label, "value": one.value, "source": one.source}
            for one in series.facts
        ],
        "user_given": {} if series.image is None else dict(series.image.user_given),
        "structures": [],
    }


def _regions_info(source: RegionObject) -> dict[str, Any]:
    """A structure set or segmentation: no image, but regions to read."""
    return {
        "uid": source.series_uid,
        "modality": source.modality,
        "kind": str(SeriesKind.OTHER),
        "shape_zyx": None,
        "frame_count": 0,
        "frame_start_s": None,
        "frame_duration_s": None,
        "units": "",
        "max_value": None,
        "suvbw_factor_g_per_bq": None,
        "verdict": {"suv": str(Verdict.REFUSED), "kinetics": str(Verdict.REFUSED)},
        "findings": [],
        "user_given": {},
        "path": source.shown or source.path,
        "description": source.description,
        "structures": [{"number": one.number, "name": one.name} for one in source.structures],
    }


def _times(series: Series) -> dict[str, Any]:
    image: DynamicImage | None = series.image
    if image is None or not image.timing.is_known or series.kind not in _PET:
        return {"frame_start_s": None, "frame_duration_s": None}
    return {
        "frame_start_s": np.round(image.timing.start_s, 6).tolist(),
        "frame_duration_s": np.round(image.timing.duration_s, 6).tolist(),
    }


def _finite(value: float | None) -> float | None:
    return value if value is not None and np.isfinite(value) else None
