"""CPS, processed later: SeriesTime lies after the scan, FrameReferenceTime is 0 everywhere.

From the CPS excerpt of calculate-suv (SeriesTime 45 min after AcquisitionTime). Activity is
corrected to the earliest AcquisitionTime.
"""

from datetime import timedelta

from pydicom.dataset import Dataset

from tests.helpers.dicom_patterns.facts import (
    Pattern,
    SliceFacts,
    date,
    decimal,
    milliseconds,
    radiopharmaceutical,
    time_us,
)

_PROCESSED_LATER = timedelta(hours=2, minutes=15)


def write(ds: Dataset, facts: SliceFacts) -> None:
    """Add CPS tags."""
    spec = facts.spec
    processed = spec.series_start + _PROCESSED_LATER
    ds.Manufacturer = "CPS"
    ds.ManufacturerModelName = "1080"
    ds.SeriesDate, ds.SeriesTime = date(processed), time_us(processed)
    ds.AcquisitionDate, ds.AcquisitionTime = date(facts.start), time_us(facts.start)
    ds.SeriesType = ["DYNAMIC", "IMAGE"]
    ds.Units = "BQML"
    ds.DecayCorrection = spec.decay_correction
    ds.CorrectedImage = ["DECY", "SCAT", "ATTN", "NORM", "DTIM", "RAN"]
    ds.FrameReferenceTime = "0.0"
    ds.ActualFrameDuration = milliseconds(facts.duration_s)
    item = radiopharmaceutical(
        facts, start_time=time_us(spec.injection), half_life=decimal(spec.half_life_s)
    )
    ds.RadiopharmaceuticalInformationSequence = [item]


PATTERN = Pattern("cps", write)
