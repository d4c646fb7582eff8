"""A tiny dynamic study with known Ki, for tests of the window: two tissues and an aorta."""

from dataclasses import replace
from pathlib import Path

import numpy as np

from kiview.core.feng import FENG_FDG_NO_DELAY, FENG_SUV_PER_UNIT
from kiview.core.geometry import VolumeGeometry
from kiview.core.images import DynamicImage, ScaledFrameStore
from kiview.core.input_curves import FengCurve
from kiview.core.input_function import Compartment, InputFunction, InputSource
from kiview.core.roi_shapes import Cylinder
from kiview.core.study import Finding, PatientInfo, Series, SeriesKind, Study, Verdict
from kiview.core.suv import SuvScale
from kiview.core.timing import FrameTiming
from kiview.core.tracer import Injection, Radionuclide
from kiview.core.units import ACTIVITY
from kiview.io.overrides import UserGiven, parse_overrides

SHAPE_ZYX = (40, 24, 32)
SPACING_MM = 5.0
KI = {"body": 0.005, "lesion": 0.03}
V0 = 0.5
SUV_FACTOR = 2.5e-4
DURATIONS_S = (*[10.0] * 6, *[30.0] * 4, *[120.0] * 6, *[300.0] * 9)


def blood(scale: float = 1.0) -> FengCurve:
    return FengCurve(FENG_FDG_NO_DELAY, scale * FENG_SUV_PER_UNIT / SUV_FACTOR)


def found_blood(scale: float = 1.0) -> InputFunction:
    """The blood as a network would tell it."""
    return InputFunction(
        blood(scale),
        InputSource.NETWORK,
        ACTIVITY,
        Compartment.PLASMA,
        description="found by network fake@1 in 34 mL of blood",
        findings=("It is an estimate.",),
    )


def geometry() -> VolumeGeometry:
    affine = np.zeros((4, 4))
    affine[0, 2] = affine[1, 1] = affine[2, 0] = SPACING_MM
    affine[:3, 3] = (-75.0, -55.0, 200.0)
    affine[3, 3] = 1.0
    return VolumeGeometry(SHAPE_ZYX, affine, "1.2.3")


def timing() -> FrameTiming:
    durations = np.array(DURATIONS_S)
    return FrameTiming(np.concatenate([[0.0], np.cumsum(durations)[:-1]]), durations)


def aorta() -> Cylinder:
    """Lies inside the bright vessel."""
    return Cylinder(((10.0, 20.0, 240.0), (10.0, 20.0, 340.0)), 8.0)


def lesion_mm() -> tuple[float, float, float]:
    return (-35.0, 0.0, 300.0)


def frames() -> np.ndarray:
    times, curve = timing(), blood()
    mid, grid = times.mid_s, geometry()
    cp, integral = curve.at(mid), curve.integral(mid) / 60
    index = np.stack(np.meshgrid(*[np.arange(n) for n in SHAPE_ZYX], indexing="ij"), axis=-1)
    x, y, z = np.moveaxis(grid.to_lps_mm(index), -1, 0)
    tissue = {name: ki * integral + V0 * cp for name, ki in KI.items()}
    voxels = np.zeros((len(mid), *SHAPE_ZYX), np.float32)
    body = (x / 70) ** 2 + (y / 50) ** 2 < 1
    lesion = (x + 35) ** 2 + y**2 + (z - 300) ** 2 < 18**2
    vessel = (x - 10) ** 2 + (y - 20) ** 2 < 14**2
    for t in range(len(mid)):
        voxels[t][body] = tissue["body"][t]
        voxels[t][lesion] = tissue["lesion"][t]
        voxels[t][vessel] = cp[t]
    noise = np.random.default_rng(1).normal(0, 0.02, voxels.shape).astype(np.float32)
    return voxels * (1 + noise)


def image(**changes) -> DynamicImage:
    values = {
        "store": ScaledFrameStore(frames()),
        "geometry": geometry(),
        "timing": timing(),
        "quantity": ACTIVITY,
        "injection": Injection(Radionuclide("18F", 6586.2), 3.1e8, "FDG"),
        "suv_scale": SuvScale(SUV_FACTOR),
        "series_uid": "1.2.3.4",
        "description": "Dynamic PET",
    }
    return DynamicImage(**(values | changes))


def study(findings: tuple[Finding, ...] = (), uid: str = "1.2.3.4") -> Study:
    series = Series(uid, SeriesKind.DYNAMIC, "PT", "Dynamic PET", image(series_uid=uid), findings)
    return Study("1.2.3", PatientInfo("", "Small phantom"), (series,), source="small")


WEIGHT_MISSING = Finding(
    "weight-missing",
    "The files hold no body weight, so SUV cannot be shown; enter it below.",
    suv=Verdict.REFUSED,
    fields=("weight_kg",),
)


def beds_timing() -> FrameTiming:
    """Two beds, the upper half of the slices measured 200 s after the lower, three passes."""
    start = np.array([0.0, 400.0, 800.0])[:, None] + np.where(np.arange(SHAPE_ZYX[0]) < 20, 0, 200)
    return FrameTiming(start, np.full_like(start, 180.0))


def obedient_job(made: Study, asked: list | None = None):
    """An opening job that puts entered values in the place of those of the study, as readers do.

    Args:
        made: What the files say.
        asked: Takes what each opening was given.
    """

    def job(_path: Path, overrides, _study_uid, progress) -> Study:
        overrides = overrides or {}  # nothing is kept
        progress.step(0.5, "reading")
        if asked is not None:
            asked.append(dict(overrides))
        given = parse_overrides(overrides)
        patient = replace(
            made.patient,
            weight_kg=given.number("weight_kg") or made.patient.weight_kg,
            height_m=given.number("height_m") or made.patient.height_m,
        )
        series = tuple(_with(given.for_series(one.uid), one) for one in made.series)
        return replace(made, patient=patient, series=series)

    return job


def _with(given: UserGiven, series: Series) -> Series:
    old = series.image
    timing, findings, injection = old.timing, series.findings, old.injection
    if given.lists:
        timing = FrameTiming(given.lists["frame_start_s"], given.lists["frame_duration_s"])
        findings = tuple(f for f in findings if "frame_start_s" not in f.fields)
    if injection is not None:
        half_life_s = given.number("half_life_s") or injection.radionuclide.half_life_s
        dose_bq = given.number("dose_bq") or injection.activity_bq
        injection = Injection(Radionuclide("18F", half_life_s), dose_bq, injection.tracer)
    findings = tuple(f for f in findings if not set(f.fields) & given.numbers.keys())
    changed = replace(old, timing=timing, injection=injection, user_given=given.record())
    return replace(series, image=changed, findings=findings)


def open_job(made: Study):
    """An opening job that gives this study whatever the path is."""

    def job(_path: Path, _overrides, _study_uid, progress) -> Study:
        progress.step(0.5, "reading")
        return made

    return job
