"""Every kind of input: which seed it begins with, how it is damaged, how the program opens it."""

import gzip
import hashlib
import json
import random
import re
import shutil
import sqlite3
from collections.abc import Callable
from contextlib import closing
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
from tests.fuzz.mutate import WORDS, damage_bytes, damage_json, damage_text
from tests.fuzz.mutate_dicom import damage_dicom
from tests.fuzz.mutate_onnx import damage_onnx

Damage = Callable[[random.Random, bytes], bytes]
_SHARE_OF_ALL = 0.3
_CELLS = (None, -1, 2**62, float("inf"), 1e308, b"", b"\xff", b"x" * 3000)
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


# --- damage


def _files(case: Case, endings: tuple[str, ...]) -> list[Path]:
    found = sorted(path for path in case.input.rglob("*") if path.is_file())
    return [path for path in found if not endings or path.name.lower().endswith(endings)]


def _some_files(damage: Damage, *endings: str) -> Callable[[Case], None]:
    """Damage one file, some, or every file in the same way."""

    def apply(case: Case) -> None:
        files, rng = _files(case, endings), case.rng
        if rng.random() < _SHARE_OF_ALL:
            seed = rng.random()
            for path in files:
                path.write_bytes(damage(random.Random(seed), path.read_bytes()))
            return
        for path in rng.sample(files, min(len(files), rng.choice((1, 1, 2, 3)))):
            path.write_bytes(damage(rng, path.read_bytes()))

    return apply


def _image_with_sidecar(case: Case) -> None:
    """Damage the image, its sidecar, or both; a packed one within or without."""
    images = _files(case, (".nii", ".nii.gz", ".v", ".hdr", ".img"))
    sidecars = _files(case, (".json",))
    rng = case.rng
    if images and (not sidecars or rng.random() < 0.6):
        path = rng.choice(images)
        content = path.read_bytes()
        if path.suffix == ".gz" and rng.random() < 0.7:
            content = _packed(damage_bytes(rng, _unpacked(content)))
        else:
            content = damage_bytes(rng, content)
        path.write_bytes(content)
    if sidecars and (not images or rng.random() < 0.5):
        path = rng.choice(sidecars)
        path.write_bytes(damage_json(rng, path.read_bytes()))


def _packed(content: bytes) -> bytes:
    return gzip.compress(content, mtime=0)


def _unpacked(content: bytes) -> bytes:
    return gzip.decompress(content)


def _network(case: Case) -> None:
    """Damage the card, the catalogue or the network; hashes are often made right again."""
    home, rng = case.input / "my-network", case.rng
    what = rng.randrange(10)
    card_sha256 = hashlib.sha256((home / "card.toml").read_bytes()).hexdigest().encode()
    if what <= 3:
        _apply(rng, damage_text, home / "card.toml")
    elif what == 4:
        _apply(rng, damage_text, case.input / "catalog.toml")
    elif what <= 8:
        content = damage_onnx(rng, (home / "model.onnx").read_bytes())
        (home / "model.onnx").write_bytes(content)
        card = (home / "card.toml").read_text(encoding="utf-8")
        digest = hashlib.sha256(content).hexdigest()
        card = re.sub(r'(\[network\]\nfile = "model.onnx"\nsha256 = )"\w+"', rf'\1"{digest}"', card)
        (home / "card.toml").write_text(card, encoding="utf-8")
    else:
        _apply(rng, damage_bytes, home / rng.choice(("smooth.safetensors", "sharp.safetensors")))
    digest = hashlib.sha256((home / "card.toml").read_bytes()).hexdigest().encode()
    catalog = (case.input / "catalog.toml").read_bytes()
    (case.input / "catalog.toml").write_bytes(catalog.replace(card_sha256, digest))


def _apply(rng: random.Random, damage: Damage, path: Path) -> None:
    path.write_bytes(damage(rng, path.read_bytes()))


def _weight_files(case: Case) -> None:
    """Damage the choices, or the tensors beside them."""
    path = case.rng.choice(_files(case, ()))
    _apply(case.rng, damage_json if path.suffix == ".json" else _damage_tensors, path)


def _damage_tensors(rng: random.Random, content: bytes) -> bytes:
    """Damage the header of a safetensors file as JSON, or its bytes."""
    length = int.from_bytes(content[:8], "little")
    if rng.random() < 0.4:
        return damage_bytes(rng, content)
    header = damage_json(rng, content[8 : 8 + length])
    return len(header).to_bytes(8, "little") + header + content[8 + length :]


def _library(case: Case) -> None:
    """Damage the bytes of the database, or what its tables hold."""
    path, rng = case.input / "library.sqlite", case.rng
    if rng.random() < 0.4:
        _apply(rng, damage_bytes, path)
        return
    with closing(sqlite3.connect(path)) as database:
        try:
            _damage_table(rng, database)
            database.commit()
        except sqlite3.Error:  # the database itself refuses such a value
            database.rollback()


def _damage_table(rng: random.Random, database: sqlite3.Connection) -> None:
    """Put an odd value into a column, or change a table."""
    tables = [
        name
        for (name,) in database.execute(
            "SELECT name FROM sqlite_master WHERE type = 'table' AND name NOT LIKE 'sqlite_%'"
        )
    ]
    table = rng.choice(tables)
    columns = [row[1] for row in database.execute(f"PRAGMA table_info('{table}')")]
    column = rng.choice(columns)
    if rng.random() < 0.6:
        change = f'UPDATE OR REPLACE "{table}" SET "{column}" = ?'
        database.execute(change, (rng.choice((*_CELLS, *WORDS)),))
        return
    changes = (
        f'DELETE FROM "{table}"',
        f'DROP TABLE "{table}"',
        f'ALTER TABLE "{table}" RENAME COLUMN "{column}" TO other',
        f"PRAGMA user_version = {rng.choice((0, -1, 2, 99))}",
        f"PRAGMA application_id = {rng.choice((0, 7))}",
    )
    database.execute(rng.choice(changes))


# --- opening


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
    file = case.rng.choice(_files(case, (".json", ".nii.gz")))
    words = ["--roi", str(file), "--out", str(case.out / "curve.tsv")]
    names = ("mask 1", "mask 2") if file.suffix == ".gz" else ("aorta", "s0", "s1")
    words += ["--region", case.rng.choice(names)]
    case.run("curve", case.seeds / "study" / "pet.nii.gz", *words)


def _input_curve(case: Case) -> None:
    tables = [path for path in _files(case, ()) if path.suffix != ".json"]
    table = case.rng.choice(tables)
    words = ["--input", str(table), "--method", "patlak", "--out", str(case.out)]
    if table.suffix in (".tac", ".dft"):
        words += ["--region", _CURVE_NAMES[table.name]]
    case.run("map", case.seeds / "study" / "pet.nii.gz", *words)


def _curve_file(case: Case) -> None:
    """Damage one curve file and open that."""
    path = case.rng.choice(_files(case, ()))
    for other in _files(case, ()):
        if other != path:
            other.unlink()
    _apply(case.rng, damage_text, path)


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
    for path in (p for p in _files(case, (".json", ".safetensors")) if "-" not in p.name):
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
            _apply(case.rng, damage_json, path)
    _stored_on_disk(case, case.seeds / "pet" / "ge")
    _info(case, case.seeds / "pet" / "ge")


def _voxel_store(case: Case) -> None:
    files = [*_cached(case, "store.json"), *_cached(case, "voxels.npy"), *_cached(case, "lock")]
    path = case.rng.choice(files)
    damage = damage_json if path.suffix == ".json" and case.rng.random() < 0.7 else damage_bytes
    if case.damaged:
        _apply(case.rng, damage, path)
    _stored_on_disk(case, case.seeds / "pet" / "ge")


def _nothing(_case: Case) -> None:
    """The file is damaged while it is opened."""


KINDS: dict[str, Kind] = {
    "classic PET": Kind("pet", _some_files(damage_dicom), _study),
    "enhanced PET": Kind("enhanced", _some_files(damage_dicom), _study),
    "compressed PET": Kind("compressed", _some_files(damage_dicom), _study),
    "CT": Kind("ct", _some_files(damage_dicom), _study),
    "Parametric Map": Kind("parametric-map", _some_files(damage_dicom), _study),
    "PET map": Kind("rate-map", _some_files(damage_dicom), _study),
    "NIfTI": Kind("nifti", _image_with_sidecar, _study),
    "Analyze": Kind("analyze", _image_with_sidecar, _study),
    "ECAT": Kind("ecat", _image_with_sidecar, _study),
    "NIfTI map": Kind("map", _image_with_sidecar, _map),
    "NIfTI mask": Kind("mask", _image_with_sidecar, _curve_of),
    "region JSON": Kind("regions", _some_files(damage_json), _curve_of),
    "curve file": Kind("curves", _curve_file, _input_curve),
    "blood TSV": Kind("blood", _some_files(damage_text, ".tsv"), _input_curve),
    "blood sidecar": Kind("blood", _some_files(damage_json, ".json"), _input_curve),
    "run record": Kind("run-record", _some_files(damage_json), _run_record),
    "weight set": Kind("weights", _weight_files, _weight_set),
    "safetensors": Kind("tensors", _some_files(_damage_tensors), _weight_set),
    "card and ONNX": Kind("networks", _network, _user_networks, ("data/models",)),
    "library": Kind("library", _library, _library_file, ("data/library",)),
    "settings": Kind("settings", _some_files(damage_json), _settings, ("config",)),
    "workspace": Kind("workspace", _some_files(damage_json), _workspace, ("data/workspaces",)),
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
