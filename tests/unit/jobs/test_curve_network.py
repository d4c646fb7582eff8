"""The input function by a curve network: from the networks that are installed to the curve."""

from dataclasses import replace

import numpy as np
import pytest
from tests.helpers import curve_network, small_study

from kiview.core import input_record
from kiview.core.errors import NetworkError
from kiview.core.input_function import Compartment, InputSource
from kiview.core.progress import Cancelled, NullProgress, Progress
from kiview.jobs.curve_network import installed_curve_networks
from kiview.jobs.input_curve import InputCurveRequest, build_input_function
from kiview.jobs.networks import installed_networks
from kiview.nets.catalog import CATALOG_NAME


@pytest.fixture
def installed(monkeypatch, tmp_path):
    """Folder of networks with a tiny curve network, in use."""
    curve_network.install(tmp_path / "models")
    curve_network.use(monkeypatch, tmp_path / "models")
    return tmp_path / "models"


def build(image=None, **changes):
    request = InputCurveRequest(image or small_study.image(), InputSource.NETWORK, **changes)
    return build_input_function(request, NullProgress())


@pytest.mark.usefixtures("installed")
def test_that_the_curve_is_plasma_from_injection_to_the_last_frame_and_says_who_found_it():
    curve = build()
    assert curve.source is InputSource.NETWORK
    assert curve.compartment is Compartment.PLASMA
    assert f"found by network {curve_network.NAME} in " in curve.description
    assert any("estimate" in finding for finding in curve.findings)
    time_s, activity = curve.samples(0.0)
    assert (time_s[0], time_s[-1]) == (0.0, small_study.timing().end_s[-1])
    truth = small_study.blood()
    late = (time_s > 1800) & (time_s < 3600)
    np.testing.assert_allclose(activity[late], truth.at(time_s[late]), rtol=0.5)


@pytest.mark.usefixtures("installed")
def test_that_the_curve_follows_the_scale_of_the_image():
    image = small_study.image()
    doubled = replace(image, store=type(image.store)(2 * small_study.frames()))
    np.testing.assert_allclose(build(doubled).at(2700.0), 2 * build(image).at(2700.0), rtol=1e-4)


@pytest.mark.usefixtures("installed")
def test_that_other_frames_give_another_curve():
    middle, late = build(frames_s=(1800.0, 3000.0)), build(frames_s=(2400.0, 3600.0))
    assert float(middle.at(2700.0)) != float(late.at(2700.0))


@pytest.mark.usefixtures("installed")
def test_that_a_plasma_factor_leaves_the_plasma_curve_as_it_is():
    assert input_record.to_record(build(plasma_factor=1.1)) == input_record.to_record(build())


def test_that_without_a_curve_network_it_is_said_what_else_to_do(monkeypatch, tmp_path):
    curve_network.install_none(tmp_path / "models")
    curve_network.use(monkeypatch, tmp_path / "models")
    with pytest.raises(NetworkError, match=r"No network that finds blood .* draw a region") as told:
        build()
    assert str(told.value).count(".") == 1
    assert installed_curve_networks(installed_networks()).cards == ()


def test_that_a_vessel_that_is_not_sure_is_refused(monkeypatch, tmp_path):
    curve_network.install(tmp_path / "models", least_probability=1.0)
    curve_network.use(monkeypatch, tmp_path / "models")
    with pytest.raises(NetworkError, match="No large vessel"):
        build()


@pytest.mark.usefixtures("installed")
def test_that_a_run_can_be_stopped_while_it_looks_for_blood():
    class Stopping(Progress):
        def step(self, fraction, message):  # noqa: ARG002
            if message == "Looking for blood":
                raise Cancelled

    request = InputCurveRequest(small_study.image(), InputSource.NETWORK)
    with pytest.raises(Cancelled):
        build_input_function(request, Stopping())


def test_that_every_curve_network_is_listed(installed):
    found = installed_curve_networks(installed_networks())
    assert [card.name for card in found.cards] == [curve_network.NAME]
    assert found.broken == ()
    (installed / curve_network.ID / "card.toml").write_text("changed", encoding="utf-8")
    found = installed_curve_networks(installed_networks())
    assert found.cards == ()
    assert [one.id for one in found.broken] == [curve_network.ID]
    assert "card.toml" in found.broken[0].reason


def test_that_a_curve_network_without_its_other_network_is_broken(monkeypatch, tmp_path):
    curve_network.install(tmp_path / "models", ki_network_sha256=curve_network.NO_SUCH_FILE)
    curve_network.use(monkeypatch, tmp_path / "models")
    (broken,) = installed_curve_networks(installed_networks()).broken
    assert "needs a network that is not installed" in broken.reason
    with pytest.raises(NetworkError, match="needs a network that is not installed"):
        build()


def test_that_a_catalogue_that_is_gone_is_told(installed):
    (installed / CATALOG_NAME).unlink()
    with pytest.raises(NetworkError, match=CATALOG_NAME):
        build()
