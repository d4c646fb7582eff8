"""Philips GEMINI: counts with private factors, mid-frame FrameReferenceTime, DecayFactor 1.

From the PHILIPS_CNTS excerpt of calculate-suv (AcquisitionTime 1123 s after SeriesTime,
FrameReferenceTime 1183000 for a 120-s frame) and dcm2niix 184 and 529: InstanceNumber runs against
time.
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


def write_common(ds: Dataset, facts: SliceFacts) -> None:
    """Add what CNTS and BQML files of Philips share."""
    spec = facts.spec
    ds.Manufacturer = "Philips Medical Systems"
    ds.ManufacturerModelName = "GEMINI TF TOF 16"
    ds.SeriesDate, ds.SeriesTime = date(spec.series_start), time_us(spec.series_start)
    ds.AcquisitionDate, ds.AcquisitionTime = date(facts.start), time_us(facts.start)
    ds.SeriesType = ["DYNAMIC", "IMAGE"]
    ds.NumberOfTimeSlices = facts.frame_count
    ds.NumberOfSlices = facts.slice_count
    ds.DecayCorrection = spec.decay_correction
    ds.CorrectedImage = ["DECY", "RADL", "ATTN", "SCAT", "DTIM", "RAN", "NORM"]
    ds.FrameReferenceTime = decimal(1000 * (facts.from_series_s + facts.duration_s / 2))
    ds.ActualFrameDuration = milliseconds(facts.duration_s)
    ds.DecayFactor = "1.0"
    item = radiopharmaceutical(
        facts, start_time=time_us(spec.injection), half_life=decimal(spec.half_life_s)
    )
    ds.RadiopharmaceuticalInformationSequence = [item]


def write(ds: Dataset, facts: SliceFacts) -> None:
    """Add Philips tags of a series in counts."""
    write_common(ds, facts)
    ds.Units = "CNTS"
    block = ds.private_block(0x7053, "Philips PET Private Group", create=True)
    if facts.spec.weight_kg:
        suv_per_count = facts.bqml_per_count * facts.suv_factor_at_reference
        block.add_new(0x00, "DS", decimal(suv_per_count))
    block.add_new(0x09, "DS", decimal(facts.bqml_per_count))


PATTERN = Pattern("philips", write, stores_counts=True, instances_reversed=True)
