"""How real vendors fill in PET headers, one file each, from published header excerpts.

A pattern only writes tags; it knows nothing of the reader it is used to test.
"""

from tests.helpers.dicom_patterns import cps, ge, multibed, philips, philips_bqml, siemens
from tests.helpers.dicom_patterns.facts import Pattern

PATTERNS: dict[str, Pattern] = {
    module.PATTERN.name: module.PATTERN
    for module in (siemens, ge, philips, philips_bqml, multibed, cps)
}
"""All patterns by name."""

VENDORS = tuple(PATTERNS)
"""Names of all patterns."""
