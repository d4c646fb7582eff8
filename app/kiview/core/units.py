"""Units and quantities, with the codes that files use for them."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Unit:
    """A unit of measure.

    Attributes:
        symbol: As shown on screen.
        ucum: UCUM code for DICOM coded entries and sidecars.
        dicom_term: Defined term of DICOM `Units` (0054,1001), PS3.3 C.8.9.1.1.3; empty if none.
    """

    symbol: str
    ucum: str
    dicom_term: str = ""


@dataclass(frozen=True, slots=True)
class Quantity:
    """What a voxel value means.

    Attributes:
        code: Short name used in file names and records, for example `Ki`.
        label: As shown on screen.
        unit: Unit of the values.
    """

    code: str
    label: str
    unit: Unit

    def __str__(self) -> str:
        """Label with its unit, for axes and colour bars."""
        return f"{self.label} [{self.unit.symbol}]"


BQML = Unit("Bq/mL", "Bq/ml", "BQML")
GML = Unit("g/mL", "g/ml{SUVbw}", "GML")
COUNTS_UNIT = Unit("counts", "{counts}", "CNTS")
PER_MIN = Unit("mL/min/mL", "ml/min/ml", "MLMINML")
ML_PER_ML = Unit("mL/mL", "ml/ml", "MLML")
NO_UNIT = Unit("1", "1", "NONE")
HOUNSFIELD = Unit("HU", "[hnsf'U]", "HU")
UNKNOWN_UNIT = Unit("unknown", "{unknown}")

ACTIVITY = Quantity("activity", "Activity", BQML)
SUV_BW = Quantity("SUV", "SUVbw", GML)
COUNTS = Quantity("counts", "Counts", COUNTS_UNIT)
CT_NUMBER = Quantity("CT", "CT number", HOUNSFIELD)
SIGNAL = Quantity("signal", "Signal", UNKNOWN_UNIT)
"""Of a scanner other than PET, in a unit of its own."""
UNKNOWN = Quantity("unknown", "Unknown", UNKNOWN_UNIT)
KI = Quantity("Ki", "Ki", PER_MIN)
KI_STANDARD_ERROR = Quantity("KiSE", "Ki standard error", PER_MIN)
KI_STANDARD_DEVIATION = Quantity("KiSD", "Ki standard deviation by the network", PER_MIN)
V0 = Quantity("V0", "V0", ML_PER_ML)
ANATOMY = (CT_NUMBER, SIGNAL)
"""Shown for orientation: when it was taken says nothing about uptake."""
LOG_CORRECTION = Quantity("correction", "|ln| of the scaling to Patlak", NO_UNIT)
