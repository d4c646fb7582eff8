"""Several passes over several beds: each slice has its own AcquisitionTime in each pass.

Siemens FlowMotion and multi-pass protocols; per-bed AcquisitionTime as in the SIEMENS excerpt of
calculate-suv, whose FrameReferenceTime differs from slice to slice.
"""

from pydicom.dataset import Dataset

from tests.helpers.dicom_patterns import siemens
from tests.helpers.dicom_patterns.facts import Pattern, SliceFacts


def write(ds: Dataset, facts: SliceFacts) -> None:
    """Add the tags of a multi-pass whole-body series."""
    siemens.write(ds, facts)
    ds.SeriesType = ["WHOLE BODY", "IMAGE"]
    del ds.ImageComments


PATTERN = Pattern("multibed", write)
