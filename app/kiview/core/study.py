"""A patient's study as read from files: who, what, and what is known about it."""

from collections.abc import Iterable
from dataclasses import dataclass, field
from enum import StrEnum

from kiview.core.images import DynamicImage
from kiview.core.kept import Restored
from kiview.core.region_object import RegionObject


class SeriesKind(StrEnum):
    """What a series is, as far as KiView uses it."""

    DYNAMIC = "dynamic"
    STATIC = "static"
    MAP = "map"
    CT = "ct"
    MR = "mr"
    OTHER = "other"


class Verdict(StrEnum):
    """Whether a computation may run on a series."""

    READY = "ready"
    CONFIRM = "confirm"
    REFUSED = "refused"


_ORDER = (Verdict.READY, Verdict.CONFIRM, Verdict.REFUSED)


@dataclass(frozen=True, slots=True)
class Finding:
    """Something noticed while reading a series.

    Attributes:
        code: Stable short name, for example `weight-missing`.
        message: Sentence for the user: what, where, what to do.
        suv: What it means for SUV.
        kinetics: What it means for Ki.
        fields: Values that would settle it, as `--set` takes them.
    """

    code: str
    message: str
    suv: Verdict = Verdict.READY
    kinetics: Verdict = Verdict.READY
    fields: tuple[str, ...] = ()

    @property
    def verdict(self) -> Verdict:
        """What it means for SUV or Ki, the more severe of the two."""
        return worst((self.suv, self.kinetics))

    def told(self, *, confirmed: bool) -> str:
        """The sentence for records: with whether the user confirmed it, where that is asked."""
        if confirmed:
            return f"{self.message} Confirmed by the user."
        is_asked = self.verdict is Verdict.CONFIRM
        return f"{self.message} Not confirmed by the user." if is_asked else self.message


@dataclass(frozen=True, slots=True)
class Fact:
    """Something that numbers rest on, and where it comes from.

    Attributes:
        code: Stable short name, for example `frame-start`.
        label: What it is, for the user, for example `Start of frames`.
        value: As shown, with its unit, for example `310 MBq`.
        source: Where it comes from and why, for example `Acquisition Time; agrees with the decay
            factor`, or `entered by you`.
    """

    code: str
    label: str
    value: str
    source: str


def worst(verdicts: Iterable[Verdict]) -> Verdict:
    """The most severe of some verdicts; ready when there are none."""
    return max(verdicts, key=_ORDER.index, default=Verdict.READY)


def not_confirmed(count: int) -> str:
    """That some findings wait for the user's confirmation, or empty."""
    if not count:
        return ""
    return "1 finding is not confirmed" if count == 1 else f"{count} findings are not confirmed"


@dataclass(frozen=True, slots=True)
class PatientInfo:
    """The patient, as far as the files say.

    Attributes:
        patient_id: Hospital id; never logged, never in file names.
        name: Name; never logged, never in file names.
        sex: `M`, `F`, `O` or empty.
        weight_kg: Body weight, or None.
        height_m: Height, or None.
    """

    patient_id: str = ""
    name: str = ""
    sex: str = ""
    weight_kg: float | None = None
    height_m: float | None = None


@dataclass(frozen=True, slots=True, eq=False)
class Series:
    """One series of a study.

    Attributes:
        uid: Series instance UID, or a made-up id for files without one.
        kind: What it is.
        modality: DICOM modality, for example `PT`.
        description: Series description.
        image: Voxels with their meaning, or None when the series cannot be shown.
        findings: What was noticed while reading.
        max_value: Largest voxel value as in the files (file's decay reference), or None.
        file_suv_factor_g_per_bq: SUV factor for values as in the files, or None.
        source_files: Paths of the files; exports copy the patient and study from the first one.
        file_units: Unit as in the files (DICOM `Units` or the sidecar's), empty if absent.
        facts: What the series' numbers rest on, in the order to show.
    """

    uid: str
    kind: SeriesKind
    modality: str
    description: str
    image: DynamicImage | None
    findings: tuple[Finding, ...] = ()
    max_value: float | None = None
    file_suv_factor_g_per_bq: float | None = None
    source_files: tuple[str, ...] = ()
    file_units: str = ""
    facts: tuple[Fact, ...] = ()

    @property
    def suv_verdict(self) -> Verdict:
        """Whether SUV may be shown."""
        return worst(finding.suv for finding in self.findings)

    @property
    def kinetics_verdict(self) -> Verdict:
        """Whether Ki may be computed."""
        return worst(finding.kinetics for finding in self.findings)


@dataclass(frozen=True, slots=True)
class FileEntry:
    """A regular file of a folder tree.

    Attributes:
        path: Where it is.
        size: Bytes.
        modified_ns: Time of the last change.
    """

    path: str
    size: int
    modified_ns: int


@dataclass(frozen=True, slots=True, eq=False)
class Study:
    """What was opened.

    Attributes:
        uid: Study instance UID, or a made-up id.
        patient: The patient.
        series: Series in the order to list them, dynamic PET first.
        unused_files: (path, reason) of files in the folder that were not used.
        source: Path the study was opened from, as text for the window title.
        date: Day of the study as `YYYY-MM-DD`, empty if the files do not say.
        files: Every file that was looked at, as it was then; of an archive the archive.
        fingerprint: Tells these files in this state from all others; empty where it is not known.
        hold: What must live as long as the study, for example a lock on unpacked files.
        region_objects: Structure sets and segmentations of this patient, by path.
        restored: What the user had entered before and was looked up; None where it was not.
    """

    uid: str
    patient: PatientInfo
    series: tuple[Series, ...]
    unused_files: tuple[tuple[str, str], ...] = ()
    source: str = ""
    date: str = ""
    files: tuple[FileEntry, ...] = field(default=(), repr=False)
    fingerprint: str = field(default="", repr=False)
    hold: object = field(default=None, repr=False)
    region_objects: tuple[RegionObject, ...] = field(default=(), repr=False)
    restored: Restored | None = field(default=None, repr=False)

    @property
    def main_series(self) -> Series | None:
        """The series to show first: the dynamic one with most frames, else the first static PET."""
        shown = [series for series in self.series if series.image is not None]
        pet = [s for s in shown if s.kind in (SeriesKind.DYNAMIC, SeriesKind.STATIC)]
        return max(pet or shown, key=_frame_count, default=None)


def _frame_count(series: Series) -> int:
    return 0 if series.image is None else series.image.frame_count
