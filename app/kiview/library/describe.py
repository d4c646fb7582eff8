"""From an opened study to what the library holds about it."""

import os
from pathlib import Path

from kiview.core.errors import KiviewError
from kiview.core.images import DynamicImage, ScaledFrameStore
from kiview.core.progress import Progress
from kiview.core.study import Series, SeriesKind, Study
from kiview.io.frame_store import store_key
from kiview.library.records import SeriesRecord, StudyRecord, Thumbnail
from kiview.library.thumbnail import thumbnail_of

_PET = (SeriesKind.DYNAMIC, SeriesKind.STATIC)


def record_of(study: Study, path: Path, progress: Progress | None) -> StudyRecord:
    """Describe a study.

    Args:
        study: As it was opened.
        path: What was opened; kept as an absolute path, links are not followed.
        progress: Told while the picture is made; may raise `Cancelled`. None makes no picture.
    """
    main = study.main_series
    image = None if main is None else main.image
    injection = None if image is None else image.injection
    tracer = ""
    if injection is not None:
        tracer = injection.tracer.partition(" -- ")[0] or injection.radionuclide.name
    return StudyRecord(
        uid=study.uid,
        source=source_of(path),
        patient_id=study.patient.patient_id,
        patient_name=study.patient.name,
        patient_sex=study.patient.sex,
        study_date=study.date,
        tracer=tracer,
        activity_bq=None if injection is None else injection.activity_bq,
        series=tuple(_series_record(series) for series in study.series),
        main_series=None if main is None else study.series.index(main),
        files=study.files,
        fingerprint=study.fingerprint,
        thumbnail=None if image is None or progress is None else _picture(image, progress),
    )


def source_of(path: Path) -> Path:
    """The path by which the library knows a study; links stay as the user gave them."""
    return Path(os.path.abspath(path))  # noqa: PTH100 - it would follow links


def _series_record(series: Series) -> SeriesRecord:
    image = series.image
    key = None
    if image is not None and isinstance(image.store, ScaledFrameStore):
        key = store_key(image.store.voxels)
    has_times = image is not None and series.kind in _PET and image.timing.is_known
    return SeriesRecord(
        uid=series.uid,
        kind=str(series.kind),
        modality=series.modality,
        description=series.description,
        frame_count=0 if image is None else image.frame_count,
        slice_count=0 if image is None else image.geometry.shape_zyx[0],
        span_s=_span_s(image) if image is not None and has_times else None,
        store_key=key,
        files=series.source_files,
    )


def _span_s(image: DynamicImage) -> tuple[float, float]:
    return float(image.timing.start_s.min()), float(image.timing.end_s.max())


def _picture(image: DynamicImage, progress: Progress) -> Thumbnail | None:
    """None where the voxels cannot be read: the entry itself is worth more than its picture."""
    try:
        return thumbnail_of(image, progress)
    except KiviewError:
        return None
