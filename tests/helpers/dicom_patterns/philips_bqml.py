"""Philips in Bq/mL: the slope counts, the private factor (another number) must be ignored."""

from pydicom.dataset import Dataset

from tests.helpers.dicom_patterns.facts import Pattern, SliceFacts, decimal
from tests.helpers.dicom_patterns.philips import write_common


def write(ds: Dataset, facts: SliceFacts) -> None:
    """Add Philips tags of a series in Bq/mL."""
    write_common(ds, facts)
    ds.Units = "BQML"
    block = ds.private_block(0x7053, "Philips PET Private Group", create=True)
    block.add_new(0x00, "DS", "0.000411")
    block.add_new(0x09, "DS", decimal(0.765 * facts.bqml_per_count))


PATTERN = Pattern("philips_bqml", write, instances_reversed=True)
