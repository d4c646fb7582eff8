"""Damage to the files of an input, in the way of its kind."""

import gzip
import hashlib
import random
import re
import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

from tests.fuzz.case import Case
from tests.fuzz.mutate import WORDS, damage_bytes, damage_json, damage_text
from tests.fuzz.mutate_onnx import damage_onnx

Damage = Callable[[random.Random, bytes], bytes]
_SHARE_OF_ALL = 0.3
_CELLS = (None, -1, 2**62, float("inf"), 1e308, b"", b"\xff", b"x" * 3000)


def files_of(case: Case, endings: tuple[str, ...]) -> list[Path]:
    """Files of the input whose names end so, in order; all where `endings` is empty."""
    found = sorted(path for path in case.input.rglob("*") if path.is_file())
    return [path for path in found if not endings or path.name.lower().endswith(endings)]


def some_files(damage: Damage, *endings: str) -> Callable[[Case], None]:
    """Damage one file, some, or every file in the same way."""

    def apply(case: Case) -> None:
        files, rng = files_of(case, endings), case.rng
        if rng.random() < _SHARE_OF_ALL:
            seed = rng.random()
            for path in files:
                path.write_bytes(damage(random.Random(seed), path.read_bytes()))
            return
        for path in rng.sample(files, min(len(files), rng.choice((1, 1, 2, 3)))):
            path.write_bytes(damage(rng, path.read_bytes()))

    return apply


def damage_image_or_sidecar(case: Case) -> None:
    """Damage the image, its sidecar, or both; a packed one within or without."""
    images = files_of(case, (".nii", ".nii.gz", ".v", ".hdr", ".img"))
    sidecars = files_of(case, (".json",))
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


def damage_network(case: Case) -> None:
    """Damage the card, the catalogue or the network; hashes are often made right again."""
    home, rng = case.input / "my-network", case.rng
    what = rng.randrange(10)
    card_sha256 = hashlib.sha256((home / "card.toml").read_bytes()).hexdigest().encode()
    if what <= 3:
        apply_to(rng, damage_text, home / "card.toml")
    elif what == 4:
        apply_to(rng, damage_text, case.input / "catalog.toml")
    elif what <= 8:
        content = damage_onnx(rng, (home / "model.onnx").read_bytes())
        (home / "model.onnx").write_bytes(content)
        card = (home / "card.toml").read_text(encoding="utf-8")
        digest = hashlib.sha256(content).hexdigest()
        card = re.sub(r'(\[network\]\nfile = "model.onnx"\nsha256 = )"\w+"', rf'\1"{digest}"', card)
        (home / "card.toml").write_text(card, encoding="utf-8")
    else:
        apply_to(rng, damage_bytes, home / rng.choice(("smooth.safetensors", "sharp.safetensors")))
    digest = hashlib.sha256((home / "card.toml").read_bytes()).hexdigest().encode()
    catalog = (case.input / "catalog.toml").read_bytes()
    (case.input / "catalog.toml").write_bytes(catalog.replace(card_sha256, digest))


def apply_to(rng: random.Random, damage: Damage, path: Path) -> None:
    """Damage one file."""
    path.write_bytes(damage(rng, path.read_bytes()))


def damage_weight_files(case: Case) -> None:
    """Damage the choices, or the tensors beside them."""
    path = case.rng.choice(files_of(case, ()))
    apply_to(case.rng, damage_json if path.suffix == ".json" else damage_tensors, path)


def damage_tensors(rng: random.Random, content: bytes) -> bytes:
    """Damage the header of a safetensors file as JSON, or its bytes."""
    length = int.from_bytes(content[:8], "little")
    if rng.random() < 0.4:
        return damage_bytes(rng, content)
    header = damage_json(rng, content[8 : 8 + length])
    return len(header).to_bytes(8, "little") + header + content[8 + length :]


def damage_library(case: Case) -> None:
    """Damage the bytes of the database, or what its tables hold."""
    path, rng = case.input / "library.sqlite", case.rng
    if rng.random() < 0.4:
        apply_to(rng, damage_bytes, path)
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


def damage_curve_file(case: Case) -> None:
    """Damage one curve file and open that."""
    path = case.rng.choice(files_of(case, ()))
    for other in files_of(case, ()):
        if other != path:
            other.unlink()
    apply_to(case.rng, damage_text, path)
