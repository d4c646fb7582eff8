"""Every kind of input: which seed it begins with, how it is damaged, how the program opens it."""

import json
import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from kiview import paths
from kiview.core import roi
from kiview.core.errors import KiviewError
from kiview.io import workspace
from kiview.jobs.networks import verify_network
from kiview.jobs.open_study import OpenRequest, open_study
from kiview.jobs.reproduce import read_recorded_run
from kiview.jobs.study_info import study_info
from kiview.library.library import Library, LibraryQuery
from kiview.nets.catalog import Catalog, load_catalog
from kiview.nets.catalogs import load_catalogs
from kiview.nets.runtime import NetworkRuntime
from kiview.nets.weight_files import load_weight_set
from kiview.settings.store import load as load_settings
from tests.fuzz.case import Case, UnsoundError
from tests.fuzz.damage import (
    apply_to,
    damage_curve_file,
    damage_image_or_sidecar,
    damage_library,
    damage_network,
    damage_tensors,
    damage_weight_files,
    files_of,
    some_files,
)
from tests.fuzz.mutate import damage_bytes, damage_json, damage_text
from tests.fuzz.mutate_dicom import damage_dicom

_CURVE_NAMES = {"c.tac": "Aorta", "e.dft": "aorta pl18", "f.dft": "Plasma"}


@dataclass(frozen=True)
class Kind:
    """One kind of input.

    Attributes:
        seed: Name of its seeds.
        damage: Changes the files of the input.
        open: Opens it as the program does.
        writes: Places below the user's folder that may change beside the cache; they are there
            when the input is opened, so that the opener can put a damaged file in its place.
    """

    seed: str
    damage: Callable[[Case], None]
    open: Callable[[Case], None]
    writes: tuple[str, ...] = ()


def _info(case: Case, path: Path, *words: str) -> None:
    shown = case.run("info", path, "--json", *words)
    if shown:
        document = json.loads(shown)
        told = [item["reason"] for item in document["unused_files"]]
        for series in document["series"]:
            told += [finding["message"] for finding in series["findings"]]
        case.told += told
        for sentence in told:
            if not sentence.isprintable() or len(sentence) > 1000:
                raise UnsoundError(f"a finding that is no line: {sentence[:300]!r}")


def _study(case: Case) -> None:
    """Info, then a curve or a map of what was accepted."""
    path = case.input
    folders = [item for item in path.iterdir() if item.is_dir()]
    if folders:
        path = case.rng.choice(folders)
    files = sorted(item for item in path.iterdir() if item.is_file())
    images = [item for item in files if item.suffix not in (".json", ".tsv")]
    if case.rng.random() < 0.3 and images:
        path = case.rng.choice(images)
    _info(case, path)
    if not case.accepted:
        return
    what = case.rng.randrange(4)
    if what == 0:
        case.run("info", path)
    elif what == 1:
        region = case.seeds / "study" / "regions.json"
        case.run("curve", path, "--roi", region, "--out", case.out / "curve.tsv")
    elif what == 2:
        words = ("--input", "population", "--set", "weight_kg=70", "--set", "dose_bq=3.5e8")
        case.run("map", path, *words, "--method", "patlak", "--out", case.out)
    else:
        _stored_on_disk(case, path)
    case.accepted = True


def _stored_on_disk(case: Case, path: Path) -> None:
    """Import through the voxel cache as a large study is, twice."""
    request = OpenRequest(path, {}, case.user / "cache" / "voxels", 0)
    for _ in range(2):
        try:
            study_info(open_study(request))
        except KiviewError as error:
            raise UnsoundError(f"accepted in memory and refused on disk: {error}") from error


def _curve_of(case: Case) -> None:
    file = case.rng.choice(files_of(case, (".json", ".nii.gz")))
    words = ["--roi", str(file), "--out", str(case.out / "curve.tsv")]
    names = ("mask 1", "mask 2") if file.suffix == ".gz" else ("aorta", "s0", "s1")
    words += ["--region", case.rng.choice(names)]
    case.run("curve", case.seeds / "study" / "pet.nii.gz", *words)


def _input_curve(case: Case) -> None:
    tables = [path for path in files_of(case, ()) if path.suffix != ".json"]
    table = case.rng.choice(tables)
    words = ["--input", str(table), "--method", "patlak", "--out", str(case.out)]
    if table.suffix in (".tac", ".dft"):
        words += ["--region", _CURVE_NAMES[table.name]]
    case.run("map", case.seeds / "study" / "pet.nii.gz", *words)


def _map(case: Case) -> None:
    path = case.input / "patlak_Ki.nii.gz"
    _info(case, path)
    case.run("compare", path, case.seeds / "map" / "patlak_Ki.nii.gz", "--out", case.out)


def _shipped() -> Catalog:
    return load_catalog(paths.models_dir())


def _run_record(case: Case) -> None:
    try:
        run = read_recorded_run(case.input / "network_Ki.json")
        card, weights = run.chosen(_shipped().cards)
        weights.tensors(card)
        run.input_function.integral(np.linspace(0.0, 3600.0, 50))
        series = open_study(OpenRequest(case.seeds / "pet" / "siemens", run.user_given)).series[0]
        if series.image is not None:
            run.request(series.image, (card, weights))
    except KiviewError as error:
        case.refuse(error)


def _weight_set(case: Case) -> None:
    for path in (p for p in files_of(case, (".json", ".safetensors")) if "-" not in p.name):
        try:
            card, weights = load_weight_set(path, _shipped().cards)
            weights.tensors(card)
            case.told.append(weights.identity(card))
        except KiviewError as error:
            case.refuse(error)


def _user_networks(case: Case) -> None:
    shutil.copytree(case.input, case.user / "data" / "models", dirs_exist_ok=True)
    case.run("models", "list", "--json")
    catalog = load_catalogs(paths.models_dir(), None, case.user / "data" / "models")
    case.told += [one.reason for one in catalog.broken]
    own = [card for card in catalog.cards if card.id not in {c.id for c in _shipped().cards}]
    case.accepted = bool(own)
    for card in own:
        case.run("models", "verify", card.name)
        problem = verify_network(card)
        if problem:
            case.errors.append(problem)
            continue
        try:
            runtime = NetworkRuntime(card, threads=1)
            runtime.values(np.zeros((1, card.channels, 16, 16), np.float32))
        except KiviewError as error:
            case.refuse(error)


def _library_file(case: Case) -> None:
    place = case.user / "data" / "library"
    shutil.copy(case.input / "library.sqlite", place / "library.sqlite")
    words = case.rng.choice(((), ("fdg",), ("--sort", "name")))
    case.run("library", "list", *words, "--json")
    if not case.accepted:
        return
    known = Library(place / "library.sqlite").search(LibraryQuery("")).studies
    for study in known[:1]:
        case.run("info", study.library_id)
        case.run("library", "remove", study.library_id)
    case.accepted = bool(known)


def _settings(case: Case) -> None:
    shutil.copy(case.input / "settings.json", case.user / "config" / "settings.json")
    loaded = load_settings()
    case.told += loaded.notices
    case.accepted = not loaded.notices
    case.run("info", case.seeds / "study" / "pet.nii.gz")


def _workspace(case: Case) -> None:
    file = workspace.workspace_file("1.2.3")
    shutil.copy(case.input / "workspace.json", file)
    try:
        kept = workspace.load("1.2.3")
        if kept is not None:
            roi.from_dict(kept.regions)
    except KiviewError as error:
        case.refuse(error)


def _cached(case: Case, pattern: str) -> list[Path]:
    """Open a sound study so that the cache knows it, and give the files it keeps."""
    _stored_on_disk(case, case.seeds / "pet" / "ge")
    return sorted((case.user / "cache" / "voxels").rglob(pattern))


def _scan_record(case: Case) -> None:
    for path in _cached(case, "*.index.json"):
        if case.damaged:
            apply_to(case.rng, damage_json, path)
    _stored_on_disk(case, case.seeds / "pet" / "ge")
    _info(case, case.seeds / "pet" / "ge")


def _voxel_store(case: Case) -> None:
    files = [*_cached(case, "store.json"), *_cached(case, "voxels.npy"), *_cached(case, "lock")]
    path = case.rng.choice(files)
    damage = damage_json if path.suffix == ".json" and case.rng.random() < 0.7 else damage_bytes
    if case.damaged:
        apply_to(case.rng, damage, path)
    _stored_on_disk(case, case.seeds / "pet" / "ge")


def _nothing(_case: Case) -> None:
    """The file is damaged while it is opened."""


KINDS: dict[str, Kind] = {
    "classic PET": Kind("pet", some_files(damage_dicom), _study),
    "enhanced PET": Kind("enhanced", some_files(damage_dicom), _study),
    "compressed PET": Kind("compressed", some_files(damage_dicom), _study),
    "CT": Kind("ct", some_files(damage_dicom), _study),
    "Parametric Map": Kind("parametric-map", some_files(damage_dicom), _study),
    "PET map": Kind("rate-map", some_files(damage_dicom), _study),
    "NIfTI": Kind("nifti", damage_image_or_sidecar, _study),
    "Analyze": Kind("analyze", damage_image_or_sidecar, _study),
    "ECAT": Kind("ecat", damage_image_or_sidecar, _study),
    "NIfTI map": Kind("map", damage_image_or_sidecar, _map),
    "NIfTI mask": Kind("mask", damage_image_or_sidecar, _curve_of),
    "region JSON": Kind("regions", some_files(damage_json), _curve_of),
    "curve file": Kind("curves", damage_curve_file, _input_curve),
    "blood TSV": Kind("blood", some_files(damage_text, ".tsv"), _input_curve),
    "blood sidecar": Kind("blood", some_files(damage_json, ".json"), _input_curve),
    "run record": Kind("run-record", some_files(damage_json), _run_record),
    "weight set": Kind("weights", damage_weight_files, _weight_set),
    "safetensors": Kind("tensors", some_files(damage_tensors), _weight_set),
    "card and ONNX": Kind("networks", damage_network, _user_networks, ("data/models",)),
    "library": Kind("library", damage_library, _library_file, ("data/library",)),
    "settings": Kind("settings", some_files(damage_json), _settings, ("config",)),
    "workspace": Kind("workspace", some_files(damage_json), _workspace, ("data/workspaces",)),
    "scan record": Kind("settings", _nothing, _scan_record),
    "voxel store": Kind("settings", _nothing, _voxel_store),
}
"""Every kind of input by the name that reports use."""

SHARES: dict[str, int] = {
    "classic PET": 4,
    "enhanced PET": 3,
    "compressed PET": 2,
    "Parametric Map": 2,
    "NIfTI": 3,
    "ECAT": 2,
    "curve file": 2,
    "card and ONNX": 2,
}
"""Inputs of a kind in each round; 1 where not listed."""
ROUND: tuple[str, ...] = tuple(name for name in KINDS for _ in range(SHARES.get(name, 1)))
"""The kinds in the order they are tried, again and again."""
