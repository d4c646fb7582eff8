"""200 damaged studies: always a sentence, or a series with findings; never another exception."""

import math
import random
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from pydicom.dataset import Dataset
from pydicom.uid import generate_uid
from tests.helpers.dicom_factory import write_ct_series, write_dynamic_series, write_rubbish
from tests.helpers.dicom_patterns import VENDORS
from tests.helpers.dicom_patterns.facts import SliceFacts
from tests.helpers.phantoms import asymmetric_phantom, axial_affine

from kiview.core.errors import KiviewError
from kiview.core.study import Study, Verdict
from kiview.jobs.open_study import OpenRequest, open_study
from kiview.jobs.study_info import study_info

SEED = 20261122
COUNT = 200
SHAPE = (4, 5, 6)
START_S, DURATION_S = [0.0, 20.0, 80.0], [20.0, 60.0, 300.0]
SECRET = "Zebra^Unmistakable"

Damage = Callable[[random.Random, Dataset, SliceFacts], None]

_TEXT_TAGS = (
    "RescaleSlope",
    "ActualFrameDuration",
    "FrameReferenceTime",
    "PatientWeight",
    "ImagePositionPatient",
    "PixelSpacing",
    "SeriesTime",
    "AcquisitionTime",
    "SeriesDate",
    "AcquisitionDate",
    "InstanceNumber",
    "DecayFactor",
)
_DELETED_TAGS = (
    *_TEXT_TAGS,
    "Rows",
    "Columns",
    "BitsAllocated",
    "PixelRepresentation",
    "ImageOrientationPatient",
    "SeriesInstanceUID",
    "StudyInstanceUID",
    "SOPInstanceUID",
    "SOPClassUID",
    "Units",
    "DecayCorrection",
    "CorrectedImage",
    "RadiopharmaceuticalInformationSequence",
    "PixelData",
    "Modality",
    "Manufacturer",
    "PatientID",
)
_RUBBISH = (
    "NaN",
    "inf",
    "-inf",
    "abc",
    "1e999",
    "1,5",
    "--",
    "\x00\x00",
    "999999",
    "24:61:99",
    "-5",
)
_NUMBERS = ("0", "-1", "1e-300", "1e300", "-0.0", "99999999")


def raw(ds: Dataset, keyword: str, text: str) -> None:
    """Put any text under a tag, valid or not."""
    element = ds[keyword]
    element.validation_mode = 0
    element._value = text


def put_text(rng: random.Random, ds: Dataset, _facts: SliceFacts) -> None:
    keyword = rng.choice(_TEXT_TAGS)
    if keyword in ds:
        raw(ds, keyword, rng.choice(_RUBBISH))


def put_number(rng: random.Random, ds: Dataset, _facts: SliceFacts) -> None:
    keyword = rng.choice(
        ("RescaleSlope", "RescaleIntercept", "ActualFrameDuration", "PatientWeight")
    )
    if keyword in ds:
        raw(ds, keyword, rng.choice(_NUMBERS))


def delete_tag(rng: random.Random, ds: Dataset, _facts: SliceFacts) -> None:
    keyword = rng.choice(_DELETED_TAGS)
    if keyword in ds:
        del ds[keyword]


def change_dose(rng: random.Random, ds: Dataset, _facts: SliceFacts) -> None:
    for item in ds.get("RadiopharmaceuticalInformationSequence", []):
        keyword = rng.choice(("RadionuclideTotalDose", "RadionuclideHalfLife"))
        item[keyword].validation_mode = 0
        item[keyword]._value = rng.choice((*_NUMBERS, *_RUBBISH))


def empty_sequence(_rng: random.Random, ds: Dataset, _facts: SliceFacts) -> None:
    ds.RadiopharmaceuticalInformationSequence = []


def change_matrix(rng: random.Random, ds: Dataset, _facts: SliceFacts) -> None:
    ds.Rows, ds.Columns = rng.choice([(6, 5), (50, 60), (5, 5), (65535, 65535)])


def change_orientation(rng: random.Random, ds: Dataset, _facts: SliceFacts) -> None:
    ds.ImageOrientationPatient = rng.choice(
        [[0, 0, 0, 0, 0, 0], [1, 0, 0, 1, 0, 0], [0, 1, 0, 0, 0, 1], [2, 0, 0, 0, 2, 0]]
    )


def move_slice(rng: random.Random, ds: Dataset, _facts: SliceFacts) -> None:
    position = [float(v) for v in ds.ImagePositionPatient]
    position[rng.randrange(3)] += rng.choice([1.7, -50.0, 1e6])
    ds.ImagePositionPatient = position


def change_units(rng: random.Random, ds: Dataset, _facts: SliceFacts) -> None:
    ds.Units = rng.choice(["CNTS", "GML", "PROPCPS", "MLMINML", "SUV", ""])


def change_decay(rng: random.Random, ds: Dataset, _facts: SliceFacts) -> None:
    ds.DecayCorrection = rng.choice(["NONE", "ADMIN", "LATER", ""])


def change_patient(rng: random.Random, ds: Dataset, _facts: SliceFacts) -> None:
    ds.PatientID = rng.choice(["OTHER", ""])
    ds.PatientName = SECRET


def change_series(rng: random.Random, ds: Dataset, _facts: SliceFacts) -> None:
    ds.SeriesInstanceUID = generate_uid(entropy_srcs=[str(rng.random())])


def change_pixels(rng: random.Random, ds: Dataset, _facts: SliceFacts) -> None:
    if rng.random() < 0.5:
        ds.PixelData = ds.PixelData[: rng.randrange(0, len(ds.PixelData), 2)]
    else:
        ds.BitsAllocated = rng.choice([1, 8, 12, 32, 64])


def change_kind(rng: random.Random, ds: Dataset, _facts: SliceFacts) -> None:
    ds.SOPClassUID = rng.choice(
        [
            "1.2.840.10008.5.1.4.1.1.2",
            "1.2.840.10008.5.1.4.1.1.30",
            "1.2.840.10008.5.1.4.1.1.4",
            "9",
        ]
    )
    ds.file_meta.MediaStorageSOPClassUID = ds.SOPClassUID


def change_sample_kind(rng: random.Random, ds: Dataset, _facts: SliceFacts) -> None:
    if rng.random() < 0.5:
        ds.SamplesPerPixel = 3
    else:
        ds.NumberOfFrames = 4


def change_series_type(rng: random.Random, ds: Dataset, _facts: SliceFacts) -> None:
    ds.SeriesType = rng.choice([["GATED", "IMAGE"], ["DYNAMIC", "REPROJECTION"], ["", ""]])


TAG_DAMAGES: tuple[Damage, ...] = (
    put_text,
    put_number,
    delete_tag,
    change_dose,
    empty_sequence,
    change_matrix,
    change_orientation,
    move_slice,
    change_units,
    change_decay,
    change_patient,
    change_series,
    change_pixels,
    change_kind,
    change_sample_kind,
    change_series_type,
)


def lose(_rng: random.Random, path: Path) -> None:
    path.unlink()


def cut(rng: random.Random, path: Path) -> None:
    content = path.read_bytes()
    path.write_bytes(content[: rng.randrange(len(content))])


def flip_bytes(rng: random.Random, path: Path) -> None:
    content = bytearray(path.read_bytes())
    for _ in range(rng.randint(1, 60)):
        content[rng.randrange(len(content))] = rng.randrange(256)
    path.write_bytes(bytes(content))


def double(_rng: random.Random, path: Path) -> None:
    path.with_suffix(".copy").write_bytes(path.read_bytes())


def replace_by_noise(rng: random.Random, path: Path) -> None:
    path.write_bytes(rng.randbytes(rng.randrange(4000)))


def lose_preamble(_rng: random.Random, path: Path) -> None:
    path.write_bytes(path.read_bytes()[128:])


def add_strangers(_rng: random.Random, path: Path) -> None:
    write_rubbish(path.parent / "rubbish")
    write_ct_series(path.parent / "ct", np.zeros(SHAPE), axial_affine())


FILE_DAMAGES = (lose, cut, flip_bytes, double, replace_by_noise, lose_preamble, add_strangers)


def damage_files(rng: random.Random, paths: list[Path]) -> None:
    """Harm files as copying and disks do."""
    damage = rng.choice(FILE_DAMAGES)
    for path in rng.sample(paths, rng.randint(1, len(paths))):
        damage(rng, path)


def make_damaged(number: int, folder: Path) -> None:
    """Write damaged study `number`; the same one every time."""
    rng = random.Random(SEED + number)
    vendor = rng.choice(VENDORS)
    damages = rng.sample(TAG_DAMAGES, rng.choice([0, 1, 1, 1, 2, 3]))
    share = rng.choice([0.05, 0.3, 1.0])

    def change(ds: Dataset, facts: SliceFacts) -> None:
        ds.PatientName = SECRET
        for damage in damages:
            if rng.random() < share:
                damage(rng, ds, facts)

    activity = asymmetric_phantom(SHAPE, len(START_S))
    duration = (
        DURATION_S
        if rng.random() < 0.8
        else rng.choice([[-20.0, 60.0, 300.0], [20.0, 0.0, 300.0], [500.0, 60.0, 300.0]])
    )
    start = START_S if rng.random() < 0.8 else rng.choice([[0.0, 0.0, 80.0], [0.0, 5.0, 6.0]])
    if min(duration) <= 0:
        vendor = "cps"  # whose tags can say such durations
    paths = write_dynamic_series(
        folder, vendor, activity, axial_affine(), start, duration, change=change, seed=number
    )
    if rng.random() < 0.5 or not damages:
        damage_files(rng, paths)


def check_told(study: Study) -> None:
    """What is shown is sound and what is refused says why."""
    document = study_info(study)
    assert len(document["series"]) == len(study.series)
    for series in study.series:
        refused = Verdict.REFUSED in (series.suv_verdict, series.kinetics_verdict)
        assert series.image is not None or refused
        assert all(finding.message.endswith(".") for finding in series.findings)
        assert all(SECRET not in finding.message for finding in series.findings)
        if series.image is not None:
            frame = series.image.store.frame(series.image.frame_count - 1)
            assert frame.shape == series.image.geometry.shape_zyx
            assert math.isfinite(float(series.image.timing.start_s.min()))


@pytest.mark.parametrize("number", range(COUNT))
@pytest.mark.filterwarnings("ignore::UserWarning:pydicom")
def test_that_a_damaged_study_gives_a_sentence_or_findings(number: int, tmp_path: Path) -> None:
    make_damaged(number, tmp_path / "study")
    try:
        study = open_study(OpenRequest(tmp_path / "study", cache_folder=tmp_path / "cache"))
    except KiviewError as error:
        sentence = str(error)
    else:
        check_told(study)
        sentence = "Opened."
    assert sentence.endswith(".")
    assert SECRET not in sentence
