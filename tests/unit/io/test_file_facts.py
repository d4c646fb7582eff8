"""What NIfTI and ECAT images rest on, and the doubts that their fields raise."""

import json
from pathlib import Path
from typing import Any

import nibabel
import numpy as np
import pytest
from tests.helpers.ecat_factory import SCAN_START, UNCORRECTED_FOR_DECAY, write_ecat
from tests.helpers.phantoms import asymmetric_phantom
from tests.helpers.real_headers import DATA

from kiview.core.study import Fact, Finding, Series, Verdict
from kiview.jobs.open_study import OpenRequest, open_study

START_S, DURATION_S = [0.0, 30.0, 90.0, 390.0], [30.0, 60.0, 300.0, 300.0]
SIDECAR: dict[str, Any] = {
    "Manufacturer": "Siemens",
    "ManufacturersModelName": "Biograph mCT",
    "Units": "kBq/mL",
    "TracerName": "FDG",
    "TracerRadionuclide": "F18",
    "InjectedRadioactivity": 350.0,
    "InjectedRadioactivityUnits": "MBq",
    "TimeZero": "10:35:12",
    "ScanStart": 0,
    "InjectionStart": 0,
    "FrameTimesStart": START_S,
    "FrameDuration": DURATION_S,
    "ImageDecayCorrected": True,
    "ImageDecayCorrectionTime": 0,
}
CONFIRM, REFUSED = Verdict.CONFIRM, Verdict.REFUSED
HOUR_S = 3600.0


def write_nifti(folder: Path, **changes: Any) -> Path:
    record = {key: value for key, value in (SIDECAR | changes).items() if value is not None}
    frames = len(record.get("FrameTimesStart", START_S))
    values = asymmetric_phantom((4, 5, 6), frames).astype(np.float32) / 1000.0
    folder.mkdir(exist_ok=True)
    nibabel.save(
        nibabel.Nifti1Image(values.transpose(), np.diag([2.0, 2.0, 3.0, 1.0])), folder / "pet.nii"
    )
    (folder / "pet.json").write_text(json.dumps(record), encoding="utf-8")
    return folder / "pet.nii"


def written_ecat(folder: Path, **changes: Any) -> Path:
    ramp = 1000 + 7 * np.arange(4 * 5 * 6).reshape(4, 5, 6)
    frames = np.stack([ramp] * 4).astype(np.int16)
    fields = {"scale": [1e-6, 2e-6, 4e-6, 4e-6], "system_type": 962} | changes
    return write_ecat(folder / "pet.v", frames, START_S, DURATION_S, **fields)


def read(path: Path, **overrides: Any) -> Series:
    return open_study(OpenRequest(path, overrides)).series[0]


def facts(series: Series) -> dict[str, Fact]:
    told = {fact.code: fact for fact in series.facts}
    assert len(told) == len(series.facts)
    return told


def found(series: Series) -> dict[str, Finding]:
    return {finding.code: finding for finding in series.findings}


def test_that_a_sidecar_tells_every_value_and_its_field(tmp_path: Path) -> None:
    path = write_nifti(tmp_path, InjectionStart=-30)
    told = [(fact.code, fact.value, fact.source) for fact in read(path, weight_kg=70).facts]
    assert told == [
        (
            "frame-start",
            "4 frames from 30 s to 720 s after the injection",
            "FrameTimesStart less InjectionStart; no decay factor for each frame to compare with",
        ),
        ("frame-duration", "30 to 300 s, without gaps or overlaps", "FrameDuration"),
        ("time-zero", "30 s before TimeZero 10:35:12", "InjectionStart"),
        ("decay-reference", "to 30 s after the injection", "ImageDecayCorrectionTime"),
        ("units", "Activity in Bq/mL", "Units kBq/mL, each 1000 Bq/mL"),
        ("scale-factor", "1, the same for all", "NIfTI header, intercept 0"),
        ("dose", "350 MBq", "InjectedRadioactivity 350.0 MBq"),
        ("weight", "70 kg", "entered by you"),
        ("half-life", "6586.2 s (18F)", "known of 18F; 0 % from the known 6586.2 s"),
        ("slices", "4 slices in each frame, 3 mm apart", "NIfTI header, in its order"),
        (
            "suv-factor",
            # 1000 Bq/kBq x 70,000 g / (350 MBq x 2^(-30 / 6586.2)) = 0.2 x 1.0031623
            "0.200632 g/Bq, for values as in the files",
            "weight / injected activity, decayed from the injection to the decay reference",
        ),
        ("scanner", "Siemens Biograph mCT", "Manufacturer, ManufacturersModelName"),
    ]


def decay_factors(shift_s: float = 0.0) -> list[float]:
    """Mean decay of 18F over each frame by fine sums."""
    factors = []
    for start, duration in zip(START_S, DURATION_S, strict=True):
        times = start + shift_s + (np.arange(20000) + 0.5) / 20000 * duration
        factors.append(float(1.0 / np.mean(2.0 ** (-times / 6586.2))))
    return factors


@pytest.mark.parametrize(
    ("changes", "text"),
    [
        (
            {"DecayFactor": decay_factors()},
            "confirmed by DecayFactor, counted from ImageDecayCorrectionTime, to ",
        ),
        (
            {
                "DecayCorrectionFactor": decay_factors(20.0),
                "InjectionStart": -20,
                "ImageDecayCorrectionTime": 5000,
            },
            "confirmed by DecayCorrectionFactor, counted from the injection, to ",
        ),
        ({"DecayFactor": decay_factors(150.0)}, "DecayFactor does not fit: it differs by 1.6 %"),
        ({"DecayFactor": [1.07] * 4}, "no decay factor for each frame to compare with"),
        ({"DecayCorrectionFactor": [1.07]}, "no decay factor for each frame to compare with"),
        (
            {"DecayFactor": decay_factors(), "TracerRadionuclide": None},
            "DecayFactor was not compared, as the half-life is unknown",
        ),
    ],
)
def test_that_decay_factors_confirm_frame_times_where_they_say_something(
    changes: dict[str, Any], text: str, tmp_path: Path
) -> None:
    source = facts(read(write_nifti(tmp_path, **changes)))["frame-start"].source
    assert text in source


@pytest.mark.parametrize("name", ["ds004230/sub-PS11_ses-baseline", "ds004869/sub-01_ses-baseline"])
def test_that_decay_factors_of_real_sidecars_confirm_their_frames(
    name: str, tmp_path: Path
) -> None:
    path = DATA / f"openneuro-{name}_pet.json"
    record = json.loads(path.read_text(encoding="utf-8"))
    told = facts(read(write_nifti(tmp_path, **record)))
    assert "confirmed by DecayFactor, counted from " in told["frame-start"].source
    assert told["frame-start"].value.startswith("33 frames from ")
    assert told["half-life"].value == "1220.04 s (11C)"


def test_that_entered_values_of_an_image_without_sidecar_say_so(tmp_path: Path) -> None:
    path = write_nifti(tmp_path)
    path.with_suffix(".json").unlink()
    told = facts(read(path))
    unknown = {"frame-start", "frame-duration", "time-zero", "decay-reference", "units"}
    assert unknown <= {code for code, fact in told.items() if fact.value == "unknown"}
    entered = {
        "units": "BQML",
        "decay_correction": "ADMIN",
        "half_life_s": 6586.2,
        "dose_bq": 350e6,
        "weight_kg": 70,
        "frame_start_s": START_S,
        "frame_duration_s": DURATION_S,
    }
    told = facts(read(path, **entered))
    codes = ("frame-start", "frame-duration", "decay-reference", "units", "dose", "weight")
    assert {told[code].source for code in codes} == {"entered by you"}
    assert told["half-life"].source.startswith("entered by you; the nuclide is not told")
    assert told["decay-reference"].value == "to the injection"
    assert told["time-zero"].source == "the frame table entered by you counts from it"


@pytest.mark.parametrize(
    ("corrected", "word", "value"),
    [
        (False, None, "not corrected in the file; KiView corrects each frame"),
        (True, "START", "to the start of the first frame"),
        (True, "NONE", "not corrected in the file; KiView corrects each frame"),
    ],
)
def test_that_other_decay_states_of_a_sidecar_are_named(
    corrected: bool, word: str | None, value: str, tmp_path: Path
) -> None:
    path = write_nifti(tmp_path, ImageDecayCorrected=corrected)
    fact = facts(read(path, **({} if word is None else {"decay_correction": word})))
    source = "ImageDecayCorrected false" if word is None else "entered by you"
    assert (fact["decay-reference"].value, fact["decay-reference"].source) == (value, source)


@pytest.mark.parametrize(
    ("changes", "code", "verdicts"),
    [
        ({"RadionuclideHalfLife": 1220.04}, "half-life-differs", (CONFIRM, CONFIRM)),
        ({"InjectedRadioactivityUnits": "kBq"}, "dose-unusual", (CONFIRM, Verdict.READY)),
        ({"InjectionStart": 40}, "injection-after-start", (CONFIRM, CONFIRM)),
        ({"InjectionStart": 690}, "injection-after-scan", (REFUSED, REFUSED)),
        ({"InjectionStart": -11.1 * HOUR_S}, "injection-long-ago", (CONFIRM, CONFIRM)),
        (
            {"InjectionStart": -24.1 * HOUR_S, "TracerRadionuclide": "Zr89"},
            "injection-long-ago",
            (CONFIRM, CONFIRM),
        ),
    ],
)
def test_that_each_doubt_about_a_sidecar_has_its_verdict(
    changes: dict[str, Any], code: str, verdicts: tuple[Verdict, Verdict], tmp_path: Path
) -> None:
    told = found(read(write_nifti(tmp_path, **changes)))[code]
    assert (told.suv, told.kinetics) == verdicts
    assert told.fields


@pytest.mark.parametrize(
    "changes",
    [
        {},
        {"RadionuclideHalfLife": 6588},
        {"InjectionStart": -10.9 * HOUR_S},
        {"InjectionStart": -23.9 * HOUR_S, "TracerRadionuclide": "Zr89"},
        {"InjectionStart": 0.4},
    ],
)
def test_that_a_sidecar_without_doubt_asks_for_the_weight_only(
    changes: dict[str, Any], tmp_path: Path
) -> None:
    assert set(found(read(write_nifti(tmp_path, **changes)))) == {"weight-missing"}


def test_that_an_entered_injection_time_is_not_dropped_silently(tmp_path: Path) -> None:
    series = read(write_nifti(tmp_path), injection_time="10:00:00")
    told = found(series)["injection-time-unused"]
    assert (told.suv, told.kinetics) == (CONFIRM, CONFIRM)
    assert told.fields == ("frame_start_s", "frame_duration_s")


def test_that_an_ecat_file_tells_every_value_and_its_field(tmp_path: Path) -> None:
    path = written_ecat(tmp_path, dose_start_time=SCAN_START - 60)
    told = [(fact.code, fact.value, fact.source) for fact in read(path, dose_bq=3.1e8).facts]
    assert told == [
        (
            "frame-start",
            "4 frames from 60 s to 750 s after the injection",
            (
                "frame_start_time after scan_start_time; confirmed by decay_corr_fctr, counted from"
                " the start of the scan"
            ),
        ),
        ("frame-duration", "30 to 300 s, without gaps or overlaps", "frame_duration"),
        ("time-zero", "2019-04-30 11:03:42 UTC", "dose_start_time"),
        (
            "decay-reference",
            "to the start of the scan (60 s after the injection)",
            "corrections_applied and decay_corr_fctr together",
        ),
        ("units", "Activity in Bq/mL", "data_units Bq/cc"),
        (
            "scale-factor",
            "1e-06 to 4e-06, one per frame",
            "scale_factor of each frame, besides ecat_calibration_factor 2e+06",
        ),
        ("dose", "310 MBq", "entered by you"),
        ("weight", "70 kg", "patient_weight"),
        ("half-life", "6586.2 s (18F)", "isotope_halflife; 0 % from the known 6586.2 s"),
        (
            "slices",
            "4 slices in each frame, 3.27 mm apart",
            "planes from head to feet in the file; frames by frame_start_time",
        ),
        (
            "suv-factor",
            # 70,000 g / (310 MBq x 2^(-60 / 6586.2)) = 2.25806e-4 x 1.0063346
            "0.000227237 g/Bq, for values as in the files",
            "weight / injected activity, decayed from the injection to the decay reference",
        ),
        ("scanner", "ECAT system 962", "system_type"),
    ]


def test_that_an_ecat_file_says_what_it_does_not_tell(tmp_path: Path) -> None:
    path = written_ecat(
        tmp_path,
        dose_start_time=0,
        isotope_halflife=0.0,
        patient_weight=0.0,
        system_type=0,
        sub={"decay_corr_fctr": 1.0, "corrections_applied": UNCORRECTED_FOR_DECAY},
    )
    told = facts(read(path))
    assert told["frame-start"].value == "4 frames from 0 s to 690 s after the start of the scan"
    assert "decay_corr_fctr says nothing" in told["frame-start"].source
    assert told["time-zero"].value == told["dose"].value == told["weight"].value == "unknown"
    assert told["dose"].source == "the header's dosage has no unit"
    assert told["weight"].source == "patient_weight is absent or 0"
    assert told["half-life"].source == "known of 18F; 0 % from the known 6586.2 s"
    assert told["decay-reference"].value.startswith("not corrected in the file")
    assert told["scanner"].value == "ECAT"
    assert told["suv-factor"].value == "none"
    entered = facts(read(path, injection_time="11:03:42"))
    assert entered["time-zero"] == Fact(
        "time-zero", "Injection (time zero)", "2019-04-30 11:03:42 UTC", "entered by you"
    )
    table = {"frame_start_s": "60,90,150,450", "frame_duration_s": "30,60,300,300"}
    assert facts(read(path, **table))["time-zero"].source == (
        "the frame table entered by you counts from it"
    )


def test_that_wrong_frames_of_an_ecat_file_do_not_fit_their_decay_factors(tmp_path: Path) -> None:
    path = written_ecat(tmp_path, sub={"decay_corr_fctr": 3.0})
    assert facts(read(path))["frame-start"].source.endswith("decay_corr_fctr does not fit")


@pytest.mark.parametrize(("half_life_s", "is_told"), [(6588.0, False), (6700.0, True)])
def test_that_the_half_life_of_an_ecat_file_is_compared(
    half_life_s: float, is_told: bool, tmp_path: Path
) -> None:
    path = written_ecat(tmp_path, isotope_halflife=half_life_s)
    assert ("half-life-differs" in found(read(path))) == is_told
    entered = found(read(path, half_life_s=109.77))["half-life-differs"]
    assert "that you entered" in entered.message


def test_that_an_entered_dose_of_an_ecat_file_is_checked(tmp_path: Path) -> None:
    path = written_ecat(tmp_path)
    assert {"dose-unusual", "suv-implausible"} <= set(found(read(path, dose_bq=310e3)))
    assert not {"dose-unusual", "suv-implausible"} & set(found(read(path, dose_bq=310e6)))
