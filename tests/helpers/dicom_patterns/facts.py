"""What a pattern is told about a slice, and the formulas that vendors use in their tags."""

import math
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta

from pydicom.dataset import Dataset
from pydicom.valuerep import format_number_as_ds


@dataclass(frozen=True)
class SeriesSpec:
    """The invented truth of a series, the same for all vendors.

    Attributes:
        injection: Clock time of the injection.
        scan_start_s: Start of the series, seconds from the injection (the decay reference); None
            takes the first frame's start.
        dose_bq: Injected activity at the injection.
        half_life_s: Half-life.
        weight_kg: Body weight; None leaves the tag out.
        height_m: Height; None leaves the tag out.
        sex: PatientSex.
        decay_correction: START, ADMIN or NONE.
        study_uid, series_uid, frame_of_reference_uid: Made from `seed` when empty.
        description: SeriesDescription.
        patient_position: For example HFS or FFS.
        seed: Mixes the file names and makes the UIDs.
        quantum_bqml: When given, every activity is a whole multiple of it (at injection) and is
            stored without rounding, so that all vendors hold the same numbers.
        change: Last change to each slice before it is written; may damage it.
    """

    injection: datetime = datetime(2020, 12, 17, 10, 35, 12, 250000)  # noqa: DTZ001 - scanner clock
    scan_start_s: float | None = None
    dose_bq: float = 350e6
    half_life_s: float = 6586.2
    weight_kg: float | None = 70.0
    height_m: float | None = 1.75
    sex: str = "F"
    decay_correction: str = "START"
    study_uid: str = ""
    series_uid: str = ""
    frame_of_reference_uid: str = ""
    description: str = "factory dynamic"
    patient_position: str = "HFS"
    seed: int = 1
    quantum_bqml: float | None = None
    change: "Callable[[Dataset, SliceFacts], None] | None" = None

    @property
    def series_start_s(self) -> float:
        """Start of the series, seconds from the injection."""
        return self.scan_start_s or 0.0

    @property
    def series_start(self) -> datetime:
        """Clock time of the series start."""
        return self.injection + timedelta(seconds=self.series_start_s)


@dataclass(frozen=True)
class SliceFacts:
    """One slice of one frame.

    Attributes:
        spec: The series.
        frame, frame_count: Index along time and number of frames.
        slice_index, slice_count: Index along the normal and number of slices.
        start_s: Start of the frame for this slice, seconds from the injection.
        duration_s: Duration.
        bqml_per_count: Bq/mL, at the file's decay reference, of stored value 1 (series-wide for
            patterns without a slope per slice).
    """

    spec: SeriesSpec
    frame: int
    frame_count: int
    slice_index: int
    slice_count: int
    start_s: float
    duration_s: float
    bqml_per_count: float = 0.0

    @property
    def start(self) -> datetime:
        """Clock time at which the frame starts for this slice."""
        return self.spec.injection + timedelta(seconds=self.start_s)

    @property
    def from_series_s(self) -> float:
        """Frame start, seconds from the series start."""
        return self.start_s - self.spec.series_start_s

    @property
    def mean_decay_factor(self) -> float:
        """Factor from the measured frame mean to the series start."""
        decay = math.log(2.0) / self.spec.half_life_s
        span = decay * self.duration_s
        return math.exp(decay * self.from_series_s) * span / (1.0 - math.exp(-span))

    @property
    def average_activity_s(self) -> float:
        """Seconds from the frame start at which the activity equals its frame mean."""
        decay = math.log(2.0) / self.spec.half_life_s
        span = decay * self.duration_s
        return math.log(span / (1.0 - math.exp(-span))) / decay

    @property
    def suv_factor_at_reference(self) -> float:
        """SUVbw per Bq/mL at the series start."""
        spec = self.spec
        left = spec.dose_bq * 2.0 ** (-spec.series_start_s / spec.half_life_s)
        return (spec.weight_kg or 0.0) * 1000.0 / left


@dataclass(frozen=True)
class Pattern:
    """How one vendor writes.

    Attributes:
        name: Name used by tests.
        write: Adds the vendor's tags to a slice.
        slope_per_slice: Whether RescaleSlope differs from slice to slice.
        stores_counts: Whether stored values are counts with a private factor instead of a slope.
        instances_reversed: Whether InstanceNumber runs against time.
    """

    name: str
    write: Callable[[Dataset, SliceFacts], None]
    slope_per_slice: bool = False
    stores_counts: bool = False
    instances_reversed: bool = False


def date(moment: datetime) -> str:
    """DICOM DA."""
    return moment.strftime("%Y%m%d")


def time_us(moment: datetime) -> str:
    """DICOM TM with microseconds, as Siemens writes it."""
    return moment.strftime("%H%M%S.%f")


def time_cs(moment: datetime) -> str:
    """DICOM TM with hundredths of a second, as GE writes it."""
    return f"{moment.strftime('%H%M%S')}.{moment.microsecond // 10000:02d}"


def decimal(value: float) -> str:
    """DICOM DS with as many digits as 16 characters hold."""
    return format_number_as_ds(float(value))


def milliseconds(seconds: float) -> int:
    """DICOM IS in ms."""
    return round(seconds * 1000)


def radiopharmaceutical(facts: SliceFacts, *, start_time: str, half_life: str) -> Dataset:
    """The item of RadiopharmaceuticalInformationSequence that every vendor writes."""
    item = Dataset()
    item.Radiopharmaceutical = "FDG -- fluorodeoxyglucose"
    item.RadiopharmaceuticalStartTime = start_time
    item.RadionuclideTotalDose = decimal(facts.spec.dose_bq)
    item.RadionuclideHalfLife = half_life
    item.RadionuclidePositronFraction = "0.97"
    nuclide = Dataset()
    nuclide.CodeValue = "C-111A1"
    nuclide.CodingSchemeDesignator = "SRT"
    nuclide.CodeMeaning = "^18^Fluorine"
    item.RadionuclideCodeSequence = [nuclide]
    return item
