"""GE: AcquisitionTime stays at the series start, FrameReferenceTime is the frame start.

From the real Discovery ST series (six beds at 0, 243, 486 ... s, one AcquisitionTime, DecayFactor
of the frame mean, one RescaleSlope per slice, empty private block) and the GE excerpt of
calculate-suv. NumberOfTimeSlices holds another number than the frames.
"""

from pydicom.dataset import Dataset

from tests.helpers.dicom_patterns.facts import (
    Pattern,
    SliceFacts,
    date,
    decimal,
    milliseconds,
    radiopharmaceutical,
    time_cs,
)


def write(ds: Dataset, facts: SliceFacts) -> None:
    """Add GE tags."""
    spec = facts.spec
    ds.Manufacturer = "GE MEDICAL SYSTEMS"
    ds.ManufacturerModelName = "Discovery 690"
    start = spec.series_start
    ds.SeriesDate, ds.SeriesTime = date(start), time_cs(start)
    ds.AcquisitionDate, ds.AcquisitionTime = date(start), time_cs(start)
    ds.SeriesType = ["STATIC", "IMAGE"]
    ds.NumberOfTimeSlices = 6
    ds.NumberOfSlices = facts.slice_count
    ds.ImageIndex = facts.slice_count - facts.slice_index
    ds.Units = "BQML"
    ds.DecayCorrection = spec.decay_correction
    ds.CorrectedImage = ["DECY", "ATTN", "SCAT", "DTIM", "RANSNG", "DCAL", "SLSENS", "NORM"]
    ds.FrameReferenceTime = decimal(1000 * facts.from_series_s)
    ds.ActualFrameDuration = milliseconds(facts.duration_s)
    ds.DecayFactor = f"{facts.mean_decay_factor:.6g}"
    ds.TriggerTime = "0.0"
    item = radiopharmaceutical(
        facts, start_time=time_cs(spec.injection), half_life=decimal(spec.half_life_s)
    )
    ds.RadiopharmaceuticalInformationSequence = [item]
    ds.private_block(0x0009, "GEMS_PETD_01", create=True)


PATTERN = Pattern("ge", write, slope_per_slice=True)
