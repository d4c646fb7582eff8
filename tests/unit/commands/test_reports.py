"""What doctor, models and info say when something is missing or damaged."""

import json
from dataclasses import replace

import pytest
from tests.helpers import curve_network
from tests.helpers.results import dynamic_image

from kiview import cli, paths
from kiview.commands import curve, doctor, info, models
from kiview.core.errors import InvalidInputError, NetworkError
from kiview.core.images import DynamicImage, ScaledFrameStore
from kiview.core.study import Fact, Finding, PatientInfo, Series, SeriesKind, Study, Verdict
from kiview.core.timing import FrameTiming
from kiview.core.units import UNKNOWN
from kiview.io.dicom_frames import stand_in_timing
from kiview.jobs.study_info import study_info
from kiview.nets import runtime

DAMAGED = "The network file model.onnx was changed or is damaged."


@pytest.fixture
def damaged_network(monkeypatch):
    for module in (models, doctor):
        monkeypatch.setattr(module, "verify_network", lambda _card: DAMAGED)


@pytest.fixture
def no_networks(monkeypatch):
    def refuse():
        raise NetworkError("The network catalogue is missing.")

    monkeypatch.setattr(models, "networks", refuse)


@pytest.mark.usefixtures("damaged_network")
def test_that_a_damaged_network_is_named_with_exit_code_1(capsys):
    assert cli.main(["models", "verify"]) == 1
    assert DAMAGED in capsys.readouterr().out
    assert cli.main(["models", "verify", "--json"]) == 1
    for network in json.loads(capsys.readouterr().out)["networks"]:
        assert network["intact"] is False
        assert network["problem"] == DAMAGED


@pytest.mark.usefixtures("damaged_network")
def test_that_doctor_does_not_run_a_damaged_network(capsys):
    assert cli.main(["doctor"]) == 1
    printed = capsys.readouterr().out
    assert DAMAGED in printed
    assert "computes on" not in printed


@pytest.mark.usefixtures("no_networks")
def test_that_doctor_still_reports_without_any_network(capsys):
    assert cli.main(["doctor"]) == 1
    printed = capsys.readouterr().out
    assert "catalogue: The network catalogue is missing." in printed
    assert "Python" in printed


def test_that_doctor_names_a_network_that_cannot_be_loaded(capsys, monkeypatch):
    def refuse(_card):
        raise NetworkError("out of memory")

    monkeypatch.setattr(doctor, "NetworkRuntime", refuse)
    assert cli.main(["doctor"]) == 1
    assert "out of memory" in capsys.readouterr().out


def test_that_doctor_tells_providers_of_the_session_and_not_of_the_library(capsys, monkeypatch):
    class Session:
        def __init__(self, *_args, **_kwargs): ...

        def get_providers(self):
            return [runtime.CPU]

    monkeypatch.setattr(runtime.ort, "get_available_providers", lambda: [runtime.CUDA, runtime.CPU])
    monkeypatch.setattr(runtime.ort, "InferenceSession", Session)
    assert cli.main(["doctor", "--json"]) == 0
    for network in json.loads(capsys.readouterr().out)["networks"]:
        assert network["providers"] == [runtime.CPU]
        assert network["origin"] == "shipped"
    monkeypatch.setattr(Session, "get_providers", lambda _self: [runtime.CUDA, runtime.CPU])
    assert cli.main(["doctor"]) == 0
    assert f"computes on {runtime.CUDA}, {runtime.CPU}" in capsys.readouterr().out


def test_that_a_broken_network_of_the_site_is_told_by_every_report(capsys, monkeypatch, tmp_path):
    monkeypatch.setenv(paths.SITE_MODELS_VARIABLE, str(tmp_path))
    (tmp_path / "catalog.toml").write_text("schema_version = 1\n", encoding="utf-8")
    for words, code in ((("models", "list"), 0), (("models", "verify"), 1), (("doctor",), 1)):
        assert cli.main(list(words)) == code
        printed = capsys.readouterr().out
        assert "(site)" in printed
        assert "lists no network" in printed
    cli.main(["models", "list", "--json"])
    listed = json.loads(capsys.readouterr().out)["networks"]
    assert [(one["id"], one["origin"], one["intact"]) for one in listed[-1:]] == [
        (None, "site", False)
    ]
    cli.main(["doctor", "--json"])
    folders = json.loads(capsys.readouterr().out)["folders"]
    assert folders["networks of the site"] == str(tmp_path)


@pytest.fixture
def curve_folder(monkeypatch, tmp_path):
    """Folder of a tiny curve network, in use."""
    made = curve_network.install(tmp_path / "models")
    curve_network.use(monkeypatch, tmp_path / "models")
    return made


@pytest.mark.usefixtures("curve_folder")
def test_that_curve_networks_have_rows_of_their_own_kind(capsys):
    assert cli.main(["models", "list", "--json"]) == 0
    listed = json.loads(capsys.readouterr().out)["networks"]
    kinds = {one["id"]: one["kind"] for one in listed}
    assert kinds.pop(curve_network.ID) == "curve"
    assert set(kinds.values()) == {"maps"}
    assert cli.main(["models", "list"]) == 0
    row = next(r for r in capsys.readouterr().out.splitlines() if r.startswith(curve_network.ID))
    assert row.split()[1:3] == [curve_network.VERSION, "shipped"]
    assert row.split()[4] == "curve"
    assert cli.main(["models", "verify"]) == 0
    assert f"{curve_network.NAME} (shipped, curve): intact" in capsys.readouterr().out
    assert cli.main(["models", "verify", curve_network.ID]) == 0
    assert len(capsys.readouterr().out.splitlines()) == 1
    assert cli.main(["doctor"]) == 0
    name = f"{curve_network.ID} {curve_network.VERSION} (shipped, curve)"
    assert f"{name}: intact" in capsys.readouterr().out


def test_that_a_changed_curve_network_is_told_by_every_report(capsys, curve_folder):
    model = curve_folder / "model.onnx"
    model.write_bytes(model.read_bytes()[:-1] + b"\x00")
    for words in (("models", "verify"), ("doctor",)):
        assert cli.main(list(words)) == 1
        assert "was changed or is damaged" in capsys.readouterr().out
    (curve_folder / "card.toml").write_text("", encoding="utf-8")
    for words, code in ((("models", "list"), 0), (("models", "verify"), 1), (("doctor",), 1)):
        assert cli.main(list(words)) == code
        printed = capsys.readouterr().out
        assert f"{curve_network.ID} (shipped): " in printed
        assert "card.toml" in printed


@pytest.mark.usefixtures("curve_folder")
def test_that_a_curve_network_is_not_scored_like_one_that_makes_maps(capsys):
    assert cli.main(["models", "evaluate", curve_network.ID]) == 2
    assert "scores networks that make maps" in capsys.readouterr().err


def test_that_doctor_counts_the_cache(capsys, user_folder):
    cache = user_folder / "kiview" / "cache"
    cache.mkdir(parents=True)
    (cache / "voxels").write_bytes(bytes(3 << 20))
    cli.main(["doctor", "--json"])
    assert "(3 MiB)" in json.loads(capsys.readouterr().out)["folders"]["cache"]


def series(**changes) -> Series:
    record = {"uid": "1.2", "kind": SeriesKind.DYNAMIC, "modality": "PT", "description": ""}
    return Series(**(record | {"image": None} | changes))


def test_that_a_series_without_image_is_described_with_its_reason():
    refused = Finding("no-slices", "It has no slices.", Verdict.REFUSED, Verdict.REFUSED)
    study = Study("1", PatientInfo(), (series(findings=(refused,)),), (("a.txt", "no image"),))
    document = study_info(study)
    (record,) = document["series"]
    assert record["shape_zyx"] is None
    assert record["frame_count"] == 0
    assert record["verdict"] == {"suv": "refused", "kinetics": "refused"}
    assert record["findings"] == [{"code": "no-slices", "message": "It has no slices."}]
    assert document["unused_files"] == [{"path": "a.txt", "reason": "no image"}]


def test_that_times_per_slice_stay_per_slice():
    image = dynamic_image()
    start = [[30.0 + z] * 5 for z in (0, 60, 240, 540)]
    timing = FrameTiming(start, [[60.0] * 5] * 4)
    late = DynamicImage(image.store, image.geometry, timing, image.quantity)
    (record,) = study_info(Study("1", PatientInfo(), (series(image=late),)))["series"]
    assert record["frame_start_s"] == start


def test_that_a_value_that_is_no_number_is_null():
    odd = series(max_value=float("nan"), file_suv_factor_g_per_bq=float("inf"))
    (record,) = study_info(Study("1", PatientInfo(), (odd,)))["series"]
    assert record["max_value"] is None
    assert record["suvbw_factor_g_per_bq"] is None


def opened(monkeypatch, module, study):
    monkeypatch.setattr(module, "open_given", lambda *_: study)


def test_that_text_tells_files_that_were_not_used(capsys, monkeypatch, tmp_path):
    frame = ScaledFrameStore(dynamic_image().store.slab(0, 5, [0]))
    one = DynamicImage(
        frame, dynamic_image().geometry, FrameTiming([0.0], [60.0]), dynamic_image().quantity
    )
    static = series(kind=SeriesKind.STATIC, description="WB", image=one)
    ct = series(kind=SeriesKind.CT, modality="CT", image=one)
    opened(monkeypatch, info, Study("1", PatientInfo(), (static, ct, series()), (("a", "b"),)))
    assert cli.main(["info", str(tmp_path)]) == 0
    printed = capsys.readouterr().out
    assert "static PT  WB" in printed
    assert "1 frame, 0-1 min after injection" in printed
    assert "(no description)" in printed
    assert "1 files not used" in printed
    assert printed.count("SUV ready") == 2


def test_that_text_lines_up_what_numbers_rest_on(capsys, monkeypatch, tmp_path):
    told = (
        Fact("dose", "Injected activity", "310 MBq", "entered by you"),
        Fact("weight", "Body weight", "70 kg", "word " * 30),
    )
    opened(monkeypatch, info, Study("1", PatientInfo(), (series(facts=told),)))
    assert cli.main(["info", str(tmp_path)]) == 0
    lines = capsys.readouterr().out.splitlines()
    at = lines.index("    Injected activity  310 MBq")
    assert lines[at + 1] == f"{'':25}entered by you"
    assert lines[at + 2] == "    Body weight        70 kg"
    assert [line.strip() for line in lines[at + 3 : at + 5]] == ["word " * 14 + "word"] * 2
    assert max(len(line) for line in lines[at : at + 5]) <= 100


def test_that_ki_of_a_refused_series_is_refused_with_the_reason():
    from kiview.commands import opening  # noqa: PLC0415 - beside its use

    refused = series(
        findings=(Finding("units", "The units are unknown.", kinetics=Verdict.REFUSED),)
    )
    with pytest.raises(InvalidInputError, match="Ki cannot be computed: The units are unknown"):
        opening.refuse_without_kinetics(refused)
    with pytest.raises(InvalidInputError, match="no image"):
        opening.main_dynamic(Study("1", PatientInfo(), (refused,)))


@pytest.mark.parametrize(
    ("error", "told"),
    [
        (OSError(5, "Input/output error", "x.dcm"), "x.dcm: Input/output error"),
        (MemoryError(), "memory of this computer is used up"),
        (KeyboardInterrupt(), "Stopped"),
    ],
)
def test_that_trouble_below_is_one_line(capsys, monkeypatch, error, told):
    def fail(*_):
        raise error

    monkeypatch.setattr(models, "run", fail)
    code = cli.main(["models", "list"])
    assert code == (130 if isinstance(error, KeyboardInterrupt) else 1)
    (line,) = capsys.readouterr().err.splitlines()
    assert told in line


def test_that_unknown_frame_times_are_not_told_as_times(capsys, monkeypatch):
    shown = series(
        image=replace(dynamic_image(), timing=stand_in_timing(dynamic_image().frame_count))
    )
    opened(monkeypatch, info, Study("1", PatientInfo(), (shown,)))
    assert cli.main(["info", "x"]) == 0
    assert "times unknown" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("fields", "entered"),
    [
        (("frame_start_s", "frame_duration_s"), "frame_start_s and frame_duration_s"),
        (("injection_time",), "injection_time"),
    ],
)
def test_that_a_curve_without_true_times_is_refused(capsys, monkeypatch, tmp_path, fields, entered):
    wrong = Finding("times-wrong", "Wrong.", kinetics=Verdict.REFUSED, fields=fields)
    shown = series(image=dynamic_image(), findings=(wrong,))
    opened(monkeypatch, curve, Study("1", PatientInfo(), (shown,)))
    mask = tmp_path / "mask.nii"
    mask.write_bytes(b"")
    words = ["curve", "x", "--roi", str(mask), "--out", str(tmp_path / "a.tsv")]
    assert cli.main(words) == 1
    told = capsys.readouterr().err
    assert f"its times cannot be told (times-wrong); enter {entered} by --set." in told
    assert not (tmp_path / "a.tsv").exists()


@pytest.mark.parametrize(
    ("changes", "fields", "is_sure"),
    [
        ({}, (), True),
        ({}, ("decay_correction",), False),
        ({"quantity": UNKNOWN}, (), False),
        ({"decay_corrected": False}, (), False),
    ],
)
def test_that_a_curve_file_says_truly_whether_decay_was_corrected(changes, fields, is_sure):
    image = replace(dynamic_image(), **changes)
    told = Finding("a", "Look.", kinetics=Verdict.REFUSED, fields=fields)
    origin = curve._origin(series(image=image, findings=(told,)), image)
    assert (origin.is_at_injection, origin.findings) == (is_sure, ("Look.",))
