import dataclasses
import hashlib
import threading

import numpy as np
import onnxruntime
import pytest
from tests.unit.nets.fakes import card, card_with_sigma

from kiview import paths
from kiview.core.errors import NetworkError
from kiview.core.progress import Cancelled
from kiview.nets import runtime
from kiview.nets.catalog import load_catalog
from kiview.nets.preprocess import CHANNEL_COUNT
from kiview.nets.runtime import CPU, CUDA, NetworkRuntime, available_threads, wanted_providers
from kiview.nets.untrusted import HashedFile
from kiview.nets.weights import WeightSet


@pytest.fixture
def features():
    rng = np.random.default_rng(0)
    return rng.normal(0.5, 1.0, (2, CHANNEL_COUNT, 16, 20)).astype(np.float32)


def test_that_both_outputs_are_finite_and_not_negative(features):
    ki, v, sigma, calibration = NetworkRuntime(card()).run(features)
    assert sigma is calibration is None
    assert ki.shape == v.shape == (2, 16, 20)
    assert np.isfinite(ki).all()
    assert min(ki.min(), v.min()) >= 0


def test_that_replaced_weights_change_the_result_and_equal_ones_do_not(features):
    network = card()
    shipped = NetworkRuntime(network).run(features).ki
    same = WeightSet(network.network.sha256, network.slider.shipped_position).tensors(network)
    other = WeightSet(network.network.sha256, 0.0).tensors(network)
    np.testing.assert_allclose(NetworkRuntime(network, same).run(features)[0], shipped, rtol=1e-6)
    assert np.abs(NetworkRuntime(network, other).run(features)[0] - shipped).max() > 1e-3


@pytest.mark.parametrize("spec", card().tensors, ids=lambda spec: spec.name)
def test_that_each_replaced_weight_reaches_the_result(features, spec):
    network = card()
    shipped = NetworkRuntime(network).run(features).ki
    tensor = np.random.default_rng(1).normal(0, 1, spec.shape).astype(np.float32)
    other = NetworkRuntime(network, {spec.name: tensor}).run(features).ki
    assert np.abs(other - shipped).max() > 1e-3


def test_that_an_unknown_weight_is_refused():
    with pytest.raises(NetworkError, match="no weight 'tail'"):
        NetworkRuntime(card(), {"tail": np.zeros(2, np.float32)})


def test_that_a_weight_of_another_shape_is_refused():
    with pytest.raises(NetworkError, match="shape"):
        NetworkRuntime(card(), {"head.bias": np.zeros(3, np.float32)})


def test_that_the_providers_named_are_those_of_the_session():
    runtime = NetworkRuntime(card(), threads=1)
    if not onnxruntime.get_available_providers()[0].startswith("CUDA"):
        assert runtime.providers == (CPU,)
    assert runtime.providers[-1] == CPU
    assert runtime.device == ("CPU" if runtime.providers == (CPU,) else "GPU (CUDA)")
    assert wanted_providers()[-1] == CPU
    assert available_threads() >= 1


def test_that_a_stopped_network_runs_no_more(features):
    runtime = NetworkRuntime(card())
    runtime.stop()
    with pytest.raises(Cancelled):
        runtime.run(features)


@pytest.mark.slow
def test_that_a_run_can_be_stopped_from_another_thread():
    runtime = NetworkRuntime(card(), threads=1)
    block = np.zeros((64, CHANNEL_COUNT, 128, 128), np.float32)
    timer = threading.Timer(0.2, runtime.stop)
    timer.start()
    with pytest.raises(Cancelled):
        runtime.run(block)
    timer.join()


def test_that_a_failing_run_is_told_in_a_sentence():
    with pytest.raises(NetworkError, match="could not be computed"):
        NetworkRuntime(card()).run(np.zeros((1, 3, 8, 8), np.float32))


def test_that_a_third_output_is_named(features, tmp_path):
    network = card_with_sigma(tmp_path)
    found = NetworkRuntime(network)
    assert found.outputs == ("ki", "v", "sigma")
    outputs = found.run(features)
    np.testing.assert_allclose(outputs.sigma, 0.1 * outputs.ki, rtol=1e-6)


def test_that_an_output_left_out_is_not_computed_and_the_others_stay_as_they_are(features):
    network = load_catalog(paths.models_dir()).default
    weights = {"head.bias": np.array([0.1, -0.2, 0.3], np.float32)}
    expected = NetworkRuntime(network, weights).run(features)
    found = NetworkRuntime(network, weights, without=("calibration",))
    assert expected.calibration is not None
    assert found.outputs == ("ki", "v", "sigma")
    for one, other in zip(found.run(features), expected._replace(calibration=None), strict=True):
        np.testing.assert_array_equal(one, other)


class FakeSession:
    """A session that really runs on what it was told, whatever was asked for."""

    really = (CPU,)

    def __init__(self, _content, _options, providers, enable_fallback):
        assert not enable_fallback
        self.options = dict(providers)
        self.asked = [*self.options]

    def get_providers(self):
        return list(self.really)


@pytest.mark.parametrize(
    ("really", "device"), [((CPU,), "CPU"), ((CUDA, CPU), "GPU (CUDA)"), ((CPU, CUDA), "CPU")]
)
def test_that_the_device_is_what_the_session_has_and_not_what_was_asked(
    monkeypatch, really, device
):
    monkeypatch.setattr(runtime.ort, "get_available_providers", lambda: [CUDA, CPU])
    monkeypatch.setattr(FakeSession, "really", really)
    monkeypatch.setattr(runtime.ort, "InferenceSession", FakeSession)
    found = NetworkRuntime(card())
    assert found._session.asked == [CUDA, CPU]
    assert found._session.options == {CUDA: {"use_tf32": "0"}, CPU: {}}
    assert found.providers == really
    assert found.device == device


class FragileSession(FakeSession):
    """A graphics card that fails, when the session is made or when it runs."""

    fails_when = "made"

    def __init__(self, content, options, providers, enable_fallback):
        super().__init__(content, options, providers, enable_fallback)
        self._fail("made")

    def get_providers(self):
        return self.asked

    def run(self, outputs, given, _options):
        self._fail("running")
        return [given["features"][:, 0]] * len(outputs)

    def _fail(self, now):
        if self.asked[0] == CUDA and now == self.fails_when:
            raise RuntimeError("CUDA error: out of memory")


@pytest.mark.parametrize("when", ["made", "running"])
def test_that_the_processor_takes_over_where_the_graphics_card_fails(
    monkeypatch, features, caplog, capfd, when
):
    monkeypatch.setattr(runtime.ort, "get_available_providers", lambda: [CUDA, CPU])
    monkeypatch.setattr(FragileSession, "fails_when", when)
    monkeypatch.setattr(runtime.ort, "InferenceSession", FragileSession)
    found = NetworkRuntime(card())
    assert found.device == ("CPU" if when == "made" else "GPU (CUDA)")
    np.testing.assert_array_equal(found.run(features).ki, features[:, 0])
    assert found.device == "CPU"
    assert "processor" in caplog.text
    assert capfd.readouterr() == ("", "")


def test_that_a_session_that_cannot_be_made_is_told_in_a_sentence(monkeypatch):
    def fail(*_args, **_kwargs):
        raise RuntimeError("[ONNXRuntimeError] : 9 : NOT_IMPLEMENTED")

    monkeypatch.setattr(runtime.ort, "get_available_providers", lambda: [CPU])
    monkeypatch.setattr(runtime.ort, "InferenceSession", fail)
    with pytest.raises(NetworkError, match="cannot be run here"):
        NetworkRuntime(card())


def test_that_a_dangerous_file_reaches_no_session(monkeypatch, tmp_path):
    onnx = pytest.importorskip("onnx", reason="platform: onnx is not installed")
    model = onnx.load_from_string(card().network.read())
    model.graph.node[0].domain = "com.example"
    path = tmp_path / "model.onnx"
    path.write_bytes(model.SerializeToString())
    digest = hashlib.sha256(path.read_bytes()).hexdigest()
    network = dataclasses.replace(card(), network=HashedFile(path, digest))
    monkeypatch.setattr(runtime.ort, "InferenceSession", None)
    with pytest.raises(NetworkError, match=r"operators of 'com\.example'"):
        NetworkRuntime(network)
