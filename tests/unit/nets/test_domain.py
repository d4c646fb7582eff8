import dataclasses

import numpy as np
import pytest
from tests.unit.nets.fakes import SIX_FRAMES, card, fake_image

from kiview import paths
from kiview.core.geometry import VolumeGeometry
from kiview.core.timing import FrameTiming
from kiview.core.tracer import Injection, Radionuclide
from kiview.nets.catalog import load_catalog
from kiview.nets.domain import Severity, check_domain, check_noise

GAIN = 4.2


def check(image=None, timing=SIX_FRAMES, gain=GAIN):
    return check_domain(card().domain, image or fake_image((4, 8, 8)), timing, gain)


def codes(findings):
    return {(finding.code, finding.severity) for finding in findings}


def test_that_a_study_like_the_training_has_no_findings():
    assert check() == ()


@pytest.mark.parametrize("tracer", ["FDG", "Fluorodeoxyglucose F^18^", "18F-FDG"])
def test_that_names_of_the_tracer_in_files_are_known(tracer):
    image = fake_image((4, 8, 8))
    injection = dataclasses.replace(image.injection, tracer=tracer)
    assert check(dataclasses.replace(image, injection=injection)) == ()


@pytest.mark.parametrize("tracer", ["", "FDOPA"])
def test_that_another_or_no_tracer_is_warned_about(tracer):
    image = fake_image((4, 8, 8))
    injection = dataclasses.replace(image.injection, tracer=tracer)
    found = check(dataclasses.replace(image, injection=injection))
    assert codes(found) == {("tracer-unknown", Severity.WARNING)}


def test_that_an_unknown_injection_is_warned_about():
    image = dataclasses.replace(fake_image((4, 8, 8)), injection=None)
    assert codes(check(image)) == {("tracer-unknown", Severity.WARNING)}


def test_that_another_radionuclide_is_refused():
    image = dataclasses.replace(
        fake_image((4, 8, 8)), injection=Injection(Radionuclide("68Ga", 4062.6), None, "PSMA")
    )
    found = check(image)
    assert codes(found) == {("radionuclide", Severity.REFUSAL)}
    assert "4062.6 s" in found[0].message


def test_that_frames_before_steady_uptake_are_refused():
    timing = FrameTiming([300.0, 900.0], [600.0, 600.0])
    assert codes(check(timing=timing)) == {("start", Severity.REFUSAL)}


@pytest.mark.parametrize(
    ("start_min", "length_min", "count", "code"),
    [
        (15.0, 5.0, 4, "start"),
        (30.0, 2.0, 6, "frame-length"),
        (30.0, 20.0, 2, "frame-length"),
        (40.0, 10.0, 6, "end"),
        (30.0, 3.0, 12, "frame-count"),
    ],
)
def test_that_frame_tables_beyond_the_training_are_warned_about(start_min, length_min, count, code):
    starts = 60 * (start_min + length_min * np.arange(count))
    found = check(timing=FrameTiming(starts, np.full(count, 60 * length_min)))
    assert (code, Severity.WARNING) in codes(found)


@pytest.mark.parametrize(
    ("gain", "severity"),
    [(1.0, Severity.WARNING), (40.0, Severity.WARNING), (1e3, Severity.REFUSAL)],
)
def test_that_noise_gains_beyond_the_training_are_warned_about_or_refused(gain, severity):
    assert codes(check(gain=gain)) == {("noise-gain", severity)}


def test_that_voxels_of_another_size_are_warned_about():
    image = fake_image((4, 8, 8))
    geometry = VolumeGeometry((4, 8, 8), np.diag([1.0, 1.0, 1.0, 1.0])[:, [2, 1, 0, 3]])
    found = check(dataclasses.replace(image, geometry=geometry))
    assert codes(found) == {("voxel-size", Severity.WARNING)}


def limited(**limits):
    return dataclasses.replace(card().domain, **limits)


def default_domain():
    return load_catalog(paths.models_dir()).default.domain


def told_of(domain, part):
    image = dataclasses.replace(fake_image((10, 8, 8)), body_part=part)
    return check_domain(domain, image, SIX_FRAMES, GAIN)


def test_that_a_card_sets_no_limit_that_it_does_not_name():
    assert told_of(limited(body_parts=()), "LEG") == ()
    for noise in (0.0, 1e3, float("nan")):
        assert check_noise(card().domain, noise, GAIN) == ()


@pytest.mark.parametrize(
    "part",
    [
        "", "?", "WHOLEBODY", "Whole Body", "TRUNK", "TORSO", "HEAD", "BRAIN", "CHEST", "ABDOMEN",
        "PELVIS", "HEADNECK", "CHEST_ABDOMEN", "CHESTABDPELVIS", "NECKCHESTABDPELV", "LUNGS",
        "HEAD TO THIGH", "THORAX/ABDOMEN", "PHANTOM",
    ],
)  # fmt: skip
def test_that_parts_of_the_simulated_people_are_known_to_the_body_network(part):
    assert told_of(default_domain(), part) == ()


@pytest.mark.parametrize("part", ["EXTREMITY", "LEG", "FOOT", "BREAST", "HEADTOTOE", "CHESTARM"])
def test_that_parts_no_network_has_seen_are_warned_about(part):
    found = told_of(default_domain(), part)
    assert codes(found) == {("body-part", Severity.WARNING)}
    assert f"the files say {part!r}, the training covers head to thigh" in found[0].message


@pytest.mark.parametrize(("part", "told"), [("brain", True), ("CHEST", False), ("TRUNK", False)])
def test_that_the_torso_network_is_for_the_torso(part, told):
    found = told_of(card().domain, part)
    assert codes(found) == ({("body-part", Severity.WARNING)} if told else set())
    assert all("'BRAIN', the training covers torso" in finding.message for finding in found)


def test_that_terms_on_a_card_may_be_written_as_scanners_do():
    domain = limited(body_parts=("Whole Body", "CHEST"))
    assert told_of(domain, "WHOLEBODY") == told_of(domain, "WHOLE BODY") == ()


@pytest.mark.parametrize(("slices", "told"), [(4, True), (40, False), (400, True)])
def test_that_a_scan_of_another_height_is_warned_about(slices, told):
    image = fake_image((slices, 4, 4))
    found = check_domain(limited(scan_height_mm=(100.0, 1200.0)), image, SIX_FRAMES, GAIN)
    assert codes(found) == ({("scan-height", Severity.WARNING)} if told else set())
    assert all(f"{4 * slices} mm high" in finding.message for finding in found)


def test_that_legs_are_warned_about_by_the_height_of_the_scan():
    (finding,) = check_domain(default_domain(), fake_image((485, 2, 2)), SIX_FRAMES, GAIN)
    assert "1940 mm high, the training covers 32-1257" in finding.message


@pytest.mark.parametrize("of", ["uptake", "the Patlak map"])
@pytest.mark.parametrize(
    ("noise", "severity", "told"),
    [
        (0.01, Severity.WARNING, "many counts"),
        (0.3, None, ""),
        (1.0, Severity.WARNING, "few counts"),
        (1.6, Severity.REFUSAL, "Too few counts: the noise of {of} is 3.2 times"),
        (float("nan"), None, ""),
    ],
)
def test_that_too_noisy_a_study_is_warned_about_or_refused(of, noise, severity, told):
    is_new = of == "uptake"
    domain = limited(**{"uptake_noise" if is_new else "patlak_noise": (0.05, 0.5)})
    found = check_noise(domain, noise if is_new else noise / GAIN, GAIN)
    assert codes(found) == (set() if severity is None else {("noise", severity)})
    assert all(told.format(of=of) in finding.message for finding in found)
