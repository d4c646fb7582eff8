"""Studies for tests of the library."""

from pathlib import Path

from kiview.core.study import FileEntry
from kiview.library.records import SeriesRecord, StudyRecord

ABSENT = Path(__file__).resolve().anchor


def record(source: Path | str = "study", **changes) -> StudyRecord:
    """A study of two files; nothing of it exists on disk."""
    path = Path(ABSENT) / source
    files = (FileEntry(str(path / "a.dcm"), 100, 7), FileEntry(str(path / "sub" / "b.dcm"), 23, 9))
    series = SeriesRecord(
        "1.2.3.4", "dynamic", "PT", "Whole body", 12, 40, (0.0, 3600.0), "e" * 40, (files[0].path,)
    )
    values = {
        "uid": "1.2.3",
        "source": path,
        "patient_id": "4711",
        "patient_name": "Muster^Erika",
        "patient_sex": "F",
        "study_date": "2024-03-01",
        "tracer": "FDG",
        "activity_bq": 3.1e8,
        "series": (series,),
        "main_series": 0,
        "files": files,
        "fingerprint": "f" * 40,
    }
    return StudyRecord(**(values | changes))
