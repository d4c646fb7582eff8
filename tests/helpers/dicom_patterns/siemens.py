"""Siemens: AcquisitionTime moves with the frame, FrameReferenceTime is the average-activity time.

From the SIEMENS excerpt of calculate-suv, mCT sidecars (frames named in ImageComments, no
NumberOfTimeSlices, no PatientSize) and a frame 1288.92-1468.92 s that stores 1378.78 s.
"""

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


def write(ds: Dataset, facts: SliceFacts) -> None:
    """Add Siemens tags."""
    spec = facts.spec
    ds.Manufacturer = "SIEMENS"
    ds.ManufacturerModelName = "Biograph64_Vision 600"
    ds.SeriesDate, ds.SeriesTime = date(spec.series_start), time_us(spec.series_start)
    ds.AcquisitionDate, ds.AcquisitionTime = date(facts.start), time_us(facts.start)
    ds.SeriesType = ["DYNAMIC", "IMAGE"]
    ds.Units = "BQML"
    ds.DecayCorrection = spec.decay_correction
    ds.CorrectedImage = ["NORM", "DTIM", "ATTN", "SCAT", "DECY", "RAN"]
    ds.FrameReferenceTime = decimal(1000 * (facts.from_series_s + facts.average_activity_s))
    ds.ActualFrameDuration = milliseconds(facts.duration_s)
    ds.DecayFactor = f"{facts.mean_decay_factor:.6g}"
    ds.ImageComments = f"Frame {facts.frame + 1} of {facts.frame_count}^AC_CT_WholeBody"
    item = radiopharmaceutical(
        facts, start_time=time_us(spec.injection), half_life=decimal(spec.half_life_s)
    )
    item.RadiopharmaceuticalStartDateTime = spec.injection.strftime("%Y%m%d%H%M%S.%f")
    ds.RadiopharmaceuticalInformationSequence = [item]
    if "PatientSize" in ds:
        del ds.PatientSize


PATTERN = Pattern("siemens", write)
