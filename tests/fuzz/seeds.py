"""Small valid files of every kind that KiView reads; the patient's name must never be told."""

import hashlib
import json
import shutil
import sqlite3
from contextlib import closing
from pathlib import Path

import nibabel
import numpy as np
import pydicom
from pydicom.dataset import Dataset
from pydicom.uid import ExplicitVRBigEndian, ImplicitVRLittleEndian

from kiview import paths
from kiview.core.geometry import VolumeGeometry
from kiview.core.input_function import from_samples
from kiview.core.progress import NullProgress
from kiview.core.provenance import Provenance
from kiview.core.units import ACTIVITY
from kiview.io.dicom_map import write_parametric_map
from kiview.io.dicom_pet_map import write_pet_map
from kiview.io.nifti_writer import write_nifti_map, write_nifti_volume
from kiview.jobs.library import RecordRequest, record_study
from kiview.jobs.open_study import OpenRequest, open_study
from kiview.nets.catalog import load_catalog
from kiview.nets.edits import LayerEdit, SingleEdit
from kiview.nets.infer import NetworkRequest
from kiview.nets.run_record import network_provenance
from kiview.nets.weight_files import save_weight_set
from kiview.nets.weights import WeightSet, loaded_weights
from kiview.settings.schema import Settings
from kiview.settings.store import save as save_settings
from tests.helpers.compression import LOSSLESS, compress_file
from tests.helpers.dicom_factory import write_ct_series, write_dynamic_series
from tests.helpers.dicom_patterns import VENDORS
from tests.helpers.ecat_factory import write_ecat
from tests.helpers.multiframe import read_slices, write_enhanced
from tests.helpers.phantoms import asymmetric_phantom, axial_affine
from tests.helpers.results import header, ki_map, map_set

NAME, PATIENT_ID = "Zebra^Unmistakable", "ZEBRA-4711"
MARKER = "zebra"
"""In name and id of every patient, and nowhere else."""
SHAPE = (3, 6, 7)
START_S = [0.0, 60.0, 1800.0, 2400.0, 3000.0]
DURATION_S = [60.0, 1740.0, 600.0, 600.0, 600.0]
_FEW = slice(2, 4)
NETWORK = "ki-fdg-torso-1"
_SIDECAR = {
    "Manufacturer": "Siemens", "Units": "Bq/mL", "TracerName": "FDG", "TracerRadionuclide": "F18",
    "InjectedRadioactivity": 350.0, "InjectedRadioactivityUnits": "MBq", "TimeZero": "10:35:12",
    "ScanStart": 0, "InjectionStart": 0, "FrameTimesStart": START_S, "FrameDuration": DURATION_S,
    "ImageDecayCorrected": True, "ImageDecayCorrectionTime": 0, "BodyWeight": 70.0,
    "PatientName": NAME, "PatientID": PATIENT_ID,
    "DecayCorrectionFactor": [1.0, 1.1, 1.2, 1.3, 1.4],
}  # fmt: skip
_CURVES = {
    "a.bld": "time[min]\tplasma[kBq/cc]\n0\t0\n1\t40\n10\t12\n30\t8\n60\t5.5\n",
    "b.crv": "time[sec]\twhole-blood[Bq/cc]\n0\t0\n60\t40000\n600\t12000\n3600\t5500\n",
    "c.tac": (
        "start[minutes] end[kBq/cc] Aorta striatum_dx\n0.00 1.00 3.1 3.6\n1.00 30.0 5.5 6.5\n"
        "30 40 6.0 6.1\n40 50 5.0 5.1\n50 60 4.0 4.1\n"
    ),
    "f.csv": "time[min];plasma[kBq/cc]\n0;0\n1;40,5\n10;12\n30;8\n60;5,5\n",
    "d.voistat": (
        "# PMOD_VOI_STATISTICS\n# DATA\n// Component [string]\tPatientName [string]"
        "\tVoiName(Region) [string]\tTime [seconds]\tAveraged [kBq/cc]\tVolume [ccm]\n"
        f"a\t{NAME}\tAorta\t7.5\t1.25\t3.8\na\t{NAME}\tAorta\t1822.5\t80.5\t3.8\n"
        f"a\t{NAME}\tAorta\t3600\t5.5\t3.8\n"
    ),
    "e.dft": (
        "DFT            aorta putam cereb\nexam0001       . sin .\nkBq/ml         pl18 pl18 pl29\n"
        "Times (min)    675.2 712.8 9167.1\n0.00 1.0      0.1 -9.18e-03 2.98e-04\n"
        "1.0 30.0      1.24e+00 1.11e+00 1.43e+00\n30.00 60.00      4.68e+00 .         5.22e+00\n"
    ),
    "f.dft": "DFT1\tPlasma\nut1\t.\nBq/cc\t.\nTime (sec)\t.\n0\t0\n10\t500\n20\t.\n3600\t100\n",
}
_BLOOD = (
    "time\twhole_blood_radioactivity\tplasma_radioactivity\tmetabolite_parent_fraction\n"
    "0\t0\t0\t1\n60\t30000\t40000\t1\n600\tn/a\t12000\t1\n1800\t7000\t8000\t0.9\n3600\t5000\t5500\t0.9\n"
)
_REGIONS = {
    "schema_version": 1,
    "regions": [
        {"id": "r1", "name": "aorta", "colour": "#ff0000", "revision": 3,
         "shape": {"type": "sphere", "centre_lps_mm": [-38.0, -82.0, -608.0], "radius_mm": 6.0}},
    ],
}  # fmt: skip


def write_seeds(folder: Path) -> None:
    """Write the seeds of every kind, one folder each, and what the others are opened with."""
    for kind, write in _WRITERS.items():
        place = folder / kind
        place.mkdir(parents=True)
        write(place)


def _hide(ds: Dataset, _facts: object = None) -> None:
    ds.PatientName, ds.PatientID = NAME, PATIENT_ID


def _activity(frames: slice = slice(None)) -> np.ndarray:
    return asymmetric_phantom(SHAPE, len(START_S))[frames]


def write_study(folder: Path) -> None:
    """The sound study that damaged regions, curves and masks are used with."""
    values = _activity().astype(np.float32)
    lps = axial_affine()[:, [2, 1, 0, 3]]
    image = nibabel.Nifti1Image(values.transpose(), np.diag([-1.0, -1.0, 1.0, 1.0]) @ lps)
    nibabel.save(image, folder / "pet.nii.gz")
    (folder / "pet.json").write_text(json.dumps(_SIDECAR), encoding="utf-8")


def _plain_study(folder: Path) -> None:
    write_study(folder)
    regions(folder)
    (folder / "sub-01_blood.tsv").write_text(_BLOOD, encoding="utf-8")


def _nifti(folder: Path) -> None:
    write_study(folder)
    nibabel.save(nibabel.load(folder / "pet.nii.gz"), folder / "flat.nii")
    shutil.copy(folder / "pet.json", folder / "flat.json")


def _pet(folder: Path) -> None:
    for vendor in VENDORS:
        write_dynamic_series(
            folder / vendor, vendor, _activity(_FEW), axial_affine(), START_S[_FEW],
            DURATION_S[_FEW], change=_hide,
        )  # fmt: skip

    for name, syntax in (("implicit", ImplicitVRLittleEndian), ("big-endian", ExplicitVRBigEndian)):
        (folder / name).mkdir()
        for path in sorted((folder / "siemens").iterdir()):
            ds = read_slices([path])[0]
            ds.file_meta.TransferSyntaxUID = syntax
            if syntax == ExplicitVRBigEndian:
                ds.PixelData = np.frombuffer(ds.PixelData, "<i2").astype(">i2").tobytes()
            for _ in ds.iterall():
                pass  # take every value apart, so that it is written in the other order
            pydicom.dcmwrite(
                folder / name / path.name, ds, implicit_vr=syntax == ImplicitVRLittleEndian,
                little_endian=syntax != ExplicitVRBigEndian, force_encoding=True,
            )  # fmt: skip


def _enhanced(folder: Path) -> None:
    made = folder.parent / "enhanced-slices"
    slices = write_dynamic_series(
        made, "siemens", _activity(_FEW), axial_affine(), START_S[_FEW], DURATION_S[_FEW]
    )  # fmt: skip
    write_enhanced(folder, [read_slices(slices)], change=_hide)
    shutil.rmtree(made)


def _compressed(folder: Path) -> None:
    for name, syntax in LOSSLESS.items():
        written = write_dynamic_series(
            folder / name.replace(" ", "-"), "ge", asymmetric_phantom((2, 9, 14), 2),
            axial_affine(), START_S[_FEW], DURATION_S[_FEW], change=_hide,
        )  # fmt: skip
        for path in written:
            compress_file(path, syntax)


def _ct(folder: Path) -> None:
    for path in write_ct_series(folder, np.arange(126.0).reshape(SHAPE) - 60, axial_affine()):
        ds = read_slices([path])[0]
        _hide(ds)
        ds.save_as(path)


def _parametric_map(folder: Path) -> None:
    write_parametric_map(folder / "ki.dcm", ki_map(), header(), 9002)
    ds = read_slices([folder / "ki.dcm"])[0]
    _hide(ds)
    ds.save_as(folder / "ki.dcm")


def _rate_map(folder: Path) -> None:
    for path in write_pet_map(folder, ki_map(), header(), 9001, NullProgress()):
        ds = read_slices([path])[0]
        _hide(ds)
        ds.save_as(path)


def _analyze(folder: Path) -> None:
    image = nibabel.AnalyzeImage(np.rint(_activity()[0]).astype(np.int16).transpose(), np.eye(4))
    nibabel.save(image, folder / "pet.img")
    record = _SIDECAR | {"FrameTimesStart": [1800.0], "FrameDuration": [600.0]}
    (folder / "pet.json").write_text(json.dumps(record), encoding="utf-8")


def _ecat(folder: Path) -> None:
    stored = np.rint(_activity() / 3).astype(np.int16)
    write_ecat(
        folder / "pet.v", stored, START_S, DURATION_S,
        patient_name=NAME.encode(), patient_id=PATIENT_ID.encode(),
    )  # fmt: skip


def regions(folder: Path) -> None:
    """A region file of a sphere within the study."""
    (folder / "regions.json").write_text(json.dumps(_REGIONS), encoding="utf-8")


def _many_regions(folder: Path) -> None:
    shapes = [
        {"type": "cylinder", "radius_mm": 4.0,
         "points_lps_mm": [[-38.0, -82.0, -612.0], [-38.0, -80.0, -604.0]]},
        {"type": "polygons", "plane": "axial", "thickness_mm": 4.0, "contours": [
            {"position_mm": -608.0, "points_uv_mm": [[-45, -90], [-30, -90], [-30, -75]]}]},
    ]  # fmt: skip
    document = json.loads(json.dumps(_REGIONS))
    for number, shape in enumerate(shapes):
        document["regions"].append({"id": f"s{number}", "name": f"s{number}", "shape": shape})
    (folder / "regions.json").write_text(json.dumps(document), encoding="utf-8")


def _mask(folder: Path) -> None:
    inside = np.zeros(SHAPE, np.float32)
    inside[1:, 2:5, 2:6], inside[0, :3, :3] = 1, 2
    geometry = VolumeGeometry(SHAPE, axial_affine())
    write_nifti_volume(folder / "mask.nii.gz", inside, geometry, "mask", NullProgress())


def _curves(folder: Path) -> None:
    for name, text in _CURVES.items():
        (folder / name).write_text(text, encoding="utf-8")


def _blood(folder: Path) -> None:
    (folder / "sub-01_blood.tsv").write_text(_BLOOD, encoding="utf-8")
    sidecar = {
        "time": {"Units": "s"},
        "plasma_radioactivity": {"Units": "Bq/mL"},
        "whole_blood_radioactivity": {"Units": "kBq/mL"},
        "PlasmaAvail": True,
    }
    (folder / "sub-01_blood.json").write_text(json.dumps(sidecar), encoding="utf-8")


def _map(folder: Path) -> None:
    write_nifti_map(folder, "patlak_Ki", map_set().maps[0], ("Told.",), NullProgress())


def _run_record(folder: Path) -> None:
    image = open_study(OpenRequest(folder.parent / "pet" / "siemens")).series[0].image
    card = load_catalog(paths.models_dir()).card(NETWORK)
    curve = from_samples(
        np.array([0.0, 60.0, 1800.0, 3600.0]), np.array([0.0, 4e4, 8e3, 5e3]), ACTIVITY
    )
    weights = WeightSet(card.network.sha256, 0.25)
    request = NetworkRequest(image, curve, 1800.0, 3600.0, card, weights, True)
    made: Provenance = network_provenance(request, np.arange(2), "CPU")
    (folder / "network_Ki.json").write_text(json.dumps(made.to_dict()), encoding="utf-8")


def _weights(folder: Path) -> None:
    card = load_catalog(paths.models_dir()).card(NETWORK)
    chosen = WeightSet(card.network.sha256, 1 / 3, 0.1).with_layer(LayerEdit("head", 1.1, 0.01))
    chosen = chosen.with_single(SingleEdit("encoder0.layers.0.weight", (3, 2, 1, 0), 0.03))
    save_weight_set(card, chosen, folder / "mine.json")
    tensors = WeightSet(card.network.sha256, 0.0).tensors(card)
    save_weight_set(card, loaded_weights(card, tensors, 0.2), folder / "loaded.json")


def _tensors(folder: Path) -> None:
    card = load_catalog(paths.models_dir()).card(NETWORK)
    chosen = WeightSet(card.network.sha256, 0.5, 0.1)
    save_weight_set(card, chosen, folder / "mine.safetensors")


def _networks(folder: Path) -> None:
    """A network of the user: catalogue, card, network and the ends of its slider."""
    home = folder / "my-network"
    home.mkdir()
    shipped = paths.models_dir() / NETWORK
    for name in ("model.onnx", "smooth.safetensors", "sharp.safetensors"):
        shutil.copy(shipped / name, home / name)
    card = (shipped / "card.toml").read_text(encoding="utf-8")
    card = card.replace(f'"{NETWORK}"', '"my-network"')
    (home / "card.toml").write_text(card, encoding="utf-8")
    digest = hashlib.sha256(card.encode()).hexdigest()
    catalog = f'schema_version = 1\n\n[[network]]\nid = "my-network"\ncard_sha256 = "{digest}"\n'
    (folder / "catalog.toml").write_text(catalog, encoding="utf-8")


def _library(folder: Path) -> None:
    study = folder.parent / "library-study"
    study.mkdir()
    write_dynamic_series(
        study, "siemens", _activity(_FEW), axial_affine(), START_S[_FEW], DURATION_S[_FEW],
        change=_hide,
    )  # fmt: skip
    opened = open_study(OpenRequest(study))
    record_study(RecordRequest(opened, study, folder / "library.sqlite"))
    with closing(sqlite3.connect(folder / "library.sqlite")) as database:
        database.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    for path in folder.iterdir():
        if path.name != "library.sqlite":
            path.unlink()


def _settings(folder: Path) -> None:
    save_settings(Settings(), folder / "settings.json")


def _workspace(folder: Path) -> None:
    document = {
        "schema_version": 1, "regions": _REGIONS, "views": {"columns": ["suv", "patlak"]},
        "choices": {"input": "image", "window": [30, 60]},
    }  # fmt: skip
    (folder / "workspace.json").write_text(json.dumps(document), encoding="utf-8")


_WRITERS = {
    "study": _plain_study,
    "pet": _pet,
    "enhanced": _enhanced,
    "compressed": _compressed,
    "ct": _ct,
    "parametric-map": _parametric_map,
    "rate-map": _rate_map,
    "nifti": _nifti,
    "analyze": _analyze,
    "ecat": _ecat,
    "mask": _mask,
    "regions": _many_regions,
    "curves": _curves,
    "blood": _blood,
    "map": _map,
    "run-record": _run_record,
    "weights": _weights,
    "tensors": _tensors,
    "networks": _networks,
    "library": _library,
    "settings": _settings,
    "workspace": _workspace,
}
