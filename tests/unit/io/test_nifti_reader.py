"""NIfTI with BIDS sidecars: the same truth as DICOM, and clear refusals."""

import gzip
import json
import logging
import struct
from pathlib import Path
from typing import Any

import nibabel
import numpy as np
import pytest
from numpy.typing import NDArray
from tests.helpers.dicom_factory import write_dynamic_series
from tests.helpers.nifti_files import DURATION_S, SIDECAR, START_S, write_nifti
from tests.helpers.phantoms import (
    QUANTUM_BQML,
    asymmetric_phantom,
    axial_affine,
    feet_first_affine,
    oblique_affine,
)

from kiview.core.errors import (
    KiviewError,
    MissingInformationError,
    ReadError,
    UnsupportedDataError,
)
from kiview.core.study import Series, SeriesKind, Verdict
from kiview.io.nifti_header import read_header
from kiview.jobs.open_study import OpenRequest, open_study


def read(path: Path, **overrides: Any) -> Series:
    return open_study(OpenRequest(path, overrides)).series[0]


def codes(series: Series) -> set[str]:
    return {finding.code for finding in series.findings}


def test_that_the_sidecar_is_one_of_the_files_of_an_image_opened_alone(tmp_path: Path) -> None:
    path = write_nifti(tmp_path)
    before = open_study(OpenRequest(path))
    assert [Path(entry.path).name for entry in before.files] == ["pet.nii.gz", "pet.json"]
    sidecar = json.dumps(SIDECAR | {"InjectedRadioactivity": 35.0})
    (tmp_path / "pet.json").write_text(sidecar, encoding="utf-8")
    assert open_study(OpenRequest(path)).fingerprint != before.fingerprint


@pytest.mark.parametrize("geometry", [axial_affine, oblique_affine, feet_first_affine])
@pytest.mark.parametrize("name", ["pet.nii", "pet.nii.gz"])
def test_that_dicom_and_nifti_agree_on_values_times_and_left(
    geometry: Any, name: str, tmp_path: Path
) -> None:
    nifti = read(write_nifti(tmp_path / "n", affine=geometry(), name=name), weight_kg=70)
    activity, spec = asymmetric_phantom(), {"quantum_bqml": QUANTUM_BQML}
    write_dynamic_series(
        tmp_path / "d", "siemens", activity, geometry(), START_S, DURATION_S, **spec
    )
    dicom = read(tmp_path / "d")
    assert nifti.image is not None
    assert dicom.image is not None
    assert nifti.image.geometry.matches(dicom.image.geometry, tolerance_mm=1e-4)
    assert nifti.kind is dicom.kind is SeriesKind.DYNAMIC
    assert nifti.image.suv_factor == pytest.approx(dicom.image.suv_factor, rel=1e-6)
    for t in range(4):
        np.testing.assert_allclose(
            nifti.image.store.frame(t), dicom.image.store.frame(t), rtol=1e-6
        )
    np.testing.assert_allclose(nifti.image.timing.start_s, dicom.image.timing.start_s, atol=1e-3)


def test_that_large_images_stay_on_disk(tmp_path: Path) -> None:
    for name in ("pet.nii", "pet.nii.gz"):
        path = write_nifti(tmp_path, name=name)
        for _ in range(2):
            request = OpenRequest(path, {}, tmp_path / "cache", memory_limit_bytes=0)
            image = open_study(request).series[0].image
            assert image is not None
            np.testing.assert_array_equal(image.store.frame(2), asymmetric_phantom()[2])
    assert len(list((tmp_path / "cache").glob("[!.]*"))) == 2


def test_that_kilobecquerel_become_becquerel(tmp_path: Path) -> None:
    path = write_nifti(tmp_path, asymmetric_phantom() / 1000.0, Units="kBq/mL")
    series = read(path)
    assert series.image is not None
    np.testing.assert_allclose(series.image.store.frame(1), asymmetric_phantom()[1], rtol=1e-6)
    assert series.file_units == "kBq/mL"


def test_that_injection_start_becomes_zero_and_decay_follows(tmp_path: Path) -> None:
    path = write_nifti(tmp_path, InjectionStart=33, ImageDecayCorrectionTime=0)
    image = read(path).image
    assert image is not None
    np.testing.assert_allclose(image.timing.start_s, np.array(START_S) - 33.0)
    expected = asymmetric_phantom()[2] * 2.0 ** (-33.0 / 6586.2)
    np.testing.assert_allclose(image.store.frame(2), expected, rtol=1e-6)


def test_that_uncorrected_images_are_corrected_per_frame(tmp_path: Path) -> None:
    decay = np.log(2) / 1220.04
    spans = np.array(DURATION_S)
    left = np.exp(-decay * np.array(START_S)) * -np.expm1(-decay * spans) / (decay * spans)
    measured = asymmetric_phantom() * left[:, None, None, None]
    path = write_nifti(tmp_path, measured, ImageDecayCorrected=False, TracerRadionuclide="[11C]")
    image = read(path).image
    assert image is not None
    for t in range(4):
        np.testing.assert_allclose(image.store.frame(t), asymmetric_phantom()[t], rtol=1e-5)


def test_that_weight_is_asked_for_and_ki_is_free_of_it(tmp_path: Path) -> None:
    series = read(write_nifti(tmp_path))
    assert series.suv_verdict is Verdict.REFUSED
    assert series.kinetics_verdict is Verdict.READY
    assert codes(series) == {"weight-missing"}


@pytest.mark.parametrize("key", ["PatientWeight", "BodyWeight", "weight"])
def test_that_a_weight_of_the_sidecar_is_told_and_not_used(key: str, tmp_path: Path) -> None:
    series = read(write_nifti(tmp_path, **{key: 81}))
    (told,) = (one.message for one in series.findings if one.code == "weight-missing")
    assert f"pet.json holds {key} 81, but BIDS PET has no key" in told
    assert told.endswith("enter weight_kg.")
    entered = read(write_nifti(tmp_path, InjectedMassPerWeight=3, **{key: 81}), weight_kg=70)
    assert codes(entered) == set()


@pytest.mark.parametrize("told", ["none", "No", "not corrected", "NAC", False])
def test_that_images_without_attenuation_correction_are_refused(told: Any, tmp_path: Path) -> None:
    series = read(write_nifti(tmp_path, AttenuationCorrection=told), weight_kg=70)
    assert series.suv_verdict is series.kinetics_verdict is Verdict.REFUSED
    assert codes(series) == {"not-attenuation-corrected"}


@pytest.mark.parametrize("told", ["measured,AC_CT_Brain", "DIXON Brain HiRes", "n/a", "", None])
def test_that_a_method_of_attenuation_correction_is_accepted(told: Any, tmp_path: Path) -> None:
    series = read(write_nifti(tmp_path, AttenuationCorrection=told), weight_kg=70)
    assert series.suv_verdict is series.kinetics_verdict is Verdict.READY


def test_that_an_image_without_any_value_is_refused(tmp_path: Path) -> None:
    series = read(write_nifti(tmp_path, np.full((4, 3, 4, 5), np.nan)), weight_kg=70)
    assert series.suv_verdict is series.kinetics_verdict is Verdict.REFUSED
    (told,) = (one.message for one in series.findings if one.code == "no-values")
    assert "Every voxel of pet.nii.gz is NaN" in told


def test_that_a_sidecar_of_another_name_is_told_as_that(tmp_path: Path) -> None:
    write_nifti(tmp_path)
    (tmp_path / "pet.json").rename(tmp_path / "other_pet.json")
    unused = dict(open_study(OpenRequest(tmp_path)).unused_files)
    assert "no image of this name" in unused[str(tmp_path / "other_pet.json")]


@pytest.mark.parametrize(
    ("changes", "code", "field"),
    [
        ({"InjectedRadioactivityUnits": None}, "dose-missing", "dose_bq"),
        ({"Units": None}, "units-unknown", "units"),
        ({"Units": "counts/s"}, "units-unknown", "units"),
        ({"ImageDecayCorrected": None}, "decay-correction-unknown", "decay_correction"),
        (
            {"ImageDecayCorrectionTime": 60, "TracerRadionuclide": None},
            "half-life-missing",
            "half_life_s",
        ),
    ],
)
def test_that_what_is_missing_is_named_with_the_way_out(
    changes: dict[str, Any], code: str, field: str, tmp_path: Path
) -> None:
    series = read(write_nifti(tmp_path, **changes))
    finding = next(one for one in series.findings if one.code == code)
    assert finding.suv is Verdict.REFUSED
    assert field in finding.fields


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"InjectionStart": None}, "injection-assumed"),
        ({"ImageDecayCorrectionTime": None}, "decay-time-assumed"),
        ({"ScanStart": 12}, "scan-start-differs"),
        ({"FrameDuration": [20.0, 60.0, 300.0, 300.0]}, "frame-gaps"),
    ],
)
def test_that_assumptions_are_to_be_confirmed(
    changes: dict[str, Any], code: str, tmp_path: Path
) -> None:
    series = read(write_nifti(tmp_path, **changes))
    assert code in codes(series)
    assert series.kinetics_verdict is Verdict.CONFIRM


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"FrameTimesStart": START_S[:3], "FrameDuration": DURATION_S[:3]}, "3 frames but.* 4"),
        ({"FrameDuration": DURATION_S[:3]}, "4 FrameTimesStart but 3"),
        ({"FrameDuration": [30.0, 90.0, 390.0, 690.0]}, "frame ends"),
        ({"FrameDuration": [30.0, 60.0, -300.0, 300.0]}, "not positive"),
        ({"FrameDuration": [30.0, "long", 300.0, 300.0]}, "'long'"),
        ({"FrameTimesStart": [0.0, None, 90.0, 390.0]}, "number is needed"),
        ({"FrameTimesStart": [0.0, 30.0, 20.0, 390.0]}, "does not begin before the next"),
        ({"InjectionStart": "soon"}, "InjectionStart"),
        ({"InjectionStart": True}, "InjectionStart"),
    ],
)
def test_that_a_faulty_sidecar_is_refused_with_the_reason(
    changes: dict[str, Any], reason: str, tmp_path: Path
) -> None:
    path = write_nifti(tmp_path, **changes)
    with pytest.raises(MissingInformationError, match=reason) as caught:
        read(path)
    assert {"frame_start_s", "frame_duration_s"} <= set(caught.value.fields)
    if "InjectionStart" not in changes:
        entered = {"frame_start_s": START_S, "frame_duration_s": DURATION_S}
        assert read(path, **entered).image is not None


@pytest.mark.parametrize("text", ["[1, 2]", "{", "\udcff", '{"Units": 3'])
def test_that_a_sidecar_that_is_no_json_object_is_refused(text: str, tmp_path: Path) -> None:
    path = write_nifti(tmp_path)
    (tmp_path / "pet.json").write_bytes(text.encode("utf-8", "surrogateescape"))
    with pytest.raises(KiviewError, match=r"sidecar .*pet.json"):
        read(path)


def test_that_a_dynamic_image_without_sidecar_can_be_told_everything(tmp_path: Path) -> None:
    path = write_nifti(tmp_path)
    (tmp_path / "pet.json").unlink()
    series = read(path)
    assert series.kinetics_verdict is Verdict.REFUSED
    assert {"frame-times-unknown", "units-unknown"} <= codes(series)
    told = read(
        path,
        units="BQML",
        decay_correction="ADMIN",
        half_life_s=6586.2,
        dose_bq=350e6,
        weight_kg=70,
        frame_start_s=START_S,
        frame_duration_s=DURATION_S,
    )
    assert told.suv_verdict is Verdict.READY
    assert told.kinetics_verdict is Verdict.READY
    assert told.image is not None
    assert told.image.suv_factor == pytest.approx(2e-4)


def test_that_a_web_page_is_called_one(tmp_path: Path) -> None:
    path = tmp_path / "pet.nii.gz"
    path.write_text("\n\n<!DOCTYPE html>\n<html></html>", encoding="utf-8")
    with pytest.raises(ReadError, match="web page"):
        read_header(path)


def damaged_files(folder: Path) -> dict[str, bytes]:
    whole = write_nifti(folder).read_bytes()
    plain = gzip.decompress(whole)
    cut = gzip.compress(plain[:-100])
    return {"empty": b"", "cut gzip": whole[:-200], "cut": cut, "noise": b"\x07" * 900}


@pytest.mark.parametrize("kind", ["empty", "cut gzip", "cut", "noise"])
def test_that_damaged_images_are_told(kind: str, tmp_path: Path) -> None:
    path = tmp_path / "pet.nii.gz"
    path.write_bytes(damaged_files(tmp_path / "whole")[kind])
    with pytest.raises(ReadError, match=r"\.$"):
        open_study(OpenRequest(path))


def test_that_a_cut_plain_image_is_told(tmp_path: Path) -> None:
    path = write_nifti(tmp_path, name="pet.nii")
    path.write_bytes(path.read_bytes()[:-100])
    for limit in (0, 1 << 40):
        with pytest.raises(ReadError, match="cut off"):
            open_study(OpenRequest(path, {}, tmp_path / "cache", limit))


@pytest.mark.parametrize("name", ["pet.nii", "pet.nii.gz"])
@pytest.mark.parametrize(
    ("place", "claim"),
    [
        (slice(42, 46), struct.pack("<2h", 30000, 30000)),  # dim: columns, rows
        (slice(108, 112), struct.pack("<f", 2e18)),  # vox_offset
        (slice(108, 112), struct.pack("<f", -16.0)),
    ],
)
def test_that_no_room_is_made_for_voxels_that_a_file_cannot_hold(
    name: str, place: slice, claim: bytes, tmp_path: Path
) -> None:
    path = write_nifti(tmp_path, name=name)
    pack, unpack = (gzip.compress, gzip.decompress) if name.endswith("gz") else (bytes, bytes)
    content = bytearray(unpack(path.read_bytes()))
    content[place] = claim
    path.write_bytes(pack(content))
    with pytest.raises(ReadError, match=r"cut off|no NIfTI image"):
        open_study(OpenRequest(path, {}, tmp_path / "cache", 0))
    assert not (tmp_path / "cache").exists()


def test_that_a_well_packed_image_is_read(tmp_path: Path) -> None:
    plain, packed = tmp_path / "0.nii", tmp_path / "packed.nii.gz"
    nibabel.save(nibabel.Nifti1Image(np.zeros((200, 200, 60), np.int16), np.eye(4)), plain)
    packed.write_bytes(gzip.compress(plain.read_bytes(), 9))
    assert packed.stat().st_size < plain.stat().st_size / 900
    assert read(packed).image is not None


def test_that_nibabel_does_not_speak_to_the_user() -> None:
    handlers = logging.getLogger("nibabel.global").handlers
    assert [type(handler) for handler in handlers] == [logging.NullHandler]


@pytest.mark.parametrize(
    ("values", "reason"),
    [
        (np.zeros((2, 2, 2), np.complex64), "complex64"),
        (np.zeros((2, 2, 2, 2, 3), np.float32), "5 dimensions"),
        (np.zeros((2, 2), np.float32), "2 dimensions"),
    ],
)
def test_that_other_kinds_of_images_are_refused(
    values: NDArray[Any], reason: str, tmp_path: Path
) -> None:
    path = tmp_path / "odd.nii"
    nibabel.save(nibabel.Nifti1Image(values, np.eye(4)), path)
    with pytest.raises(UnsupportedDataError, match=reason):
        read_header(path)


def test_that_an_image_without_orientation_is_to_be_confirmed(tmp_path: Path) -> None:
    path = write_nifti(tmp_path, name="pet.nii")
    image = nibabel.load(path)
    image.header.set_sform(None, 0)
    image.header.set_qform(None, 0)
    values = np.asarray(image.dataobj).copy()
    nibabel.save(nibabel.Nifti1Image(values, None, image.header), path)
    assert "orientation-unknown" in codes(read(path))


def test_that_scaled_integers_and_metres_are_understood(tmp_path: Path) -> None:
    stored = np.arange(24, dtype=np.int16).reshape(4, 3, 2)
    image = nibabel.Nifti1Image(stored, np.diag([0.002, 0.003, 0.004, 1.0]))
    image.header.set_xyzt_units("meter")
    image.header.set_slope_inter(0.5, -1.0)
    nibabel.save(image, tmp_path / "v.nii.gz")
    raw = nibabel.load(tmp_path / "v.nii.gz")
    opened = read(tmp_path / "v.nii.gz").image
    assert opened is not None
    np.testing.assert_allclose(opened.geometry.spacing_zyx_mm, [4.0, 3.0, 2.0])
    np.testing.assert_allclose(
        opened.store.frame(0), np.asarray(raw.dataobj).transpose(), atol=1e-3
    )


def test_that_times_in_milliseconds_are_to_be_confirmed(tmp_path: Path) -> None:
    start, duration = [1e6 * t for t in range(4)], [1e6] * 4
    series = read(write_nifti(tmp_path, FrameTimesStart=start, FrameDuration=duration))
    told = {one.code: one for one in series.findings}["frames-after-decay"]
    assert (told.suv, told.kinetics) == (Verdict.CONFIRM, Verdict.CONFIRM)
    assert "66667 min after the injection, 607 half-lives of 110 min" in told.message


def test_that_an_entered_frame_table_is_compared_with_the_sidecar(tmp_path: Path) -> None:
    path = write_nifti(tmp_path, InjectionStart=0)
    names = ("frame_start_s", "frame_duration_s")
    for moved_s, is_told in ((0.9, False), (600.0, True)):
        tables = (np.array(START_S) + moved_s, DURATION_S)
        table = dict(zip(names, (",".join(map(str, one)) for one in tables), strict=True))
        assert ("entered-times-differ" in codes(read(path, **table))) is is_told
    gap = {names[0]: "0,30,190,490", names[1]: "30,60,300,300"}
    assert {"frame-gaps", "entered-times-differ"} <= codes(read(path, **gap))
