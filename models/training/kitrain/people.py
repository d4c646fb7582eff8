"""Added groups in the user's folder: who they are is hidden, and where they are kept."""

import hashlib
import secrets
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from kitrain.group_file import save_group
from kitrain.groups import GroupError, TrainingGroup
from kitrain.leaks import refuse_network_references
from kitrain.manifest import GroupEntry, entry_of, entry_path, make_entry
from kiview.core.errors import ExportError, ReadError
from kiview.paths import data_dir

_SALT_NAME = "salt"
_SALT_BYTES, _HASH_LENGTH = 32, 16


@dataclass(frozen=True, slots=True)
class Salt:
    """A secret of this user, so that nobody finds a patient by hashing hospital numbers."""

    secret: bytes

    def hidden(self, name: str) -> str:
        """The id under which a person or a scan is stored."""
        digest = hashlib.blake2b(name.strip().encode("utf-8"), key=self.secret, digest_size=32)
        return digest.hexdigest()[:_HASH_LENGTH]


@dataclass(frozen=True, slots=True)
class GroupFolder:
    """The folder of a user's added groups.

    Attributes:
        path: Made when something is added.
    """

    path: Path

    def salt(self) -> Salt:
        """The user's secret, made when it is first asked for.

        Raises:
            ReadError: it was damaged.
        """
        file = self.path / _SALT_NAME
        if not file.is_file():
            self.path.mkdir(parents=True, exist_ok=True)
            file.touch(mode=0o600)
            file.write_text(secrets.token_hex(_SALT_BYTES), encoding="ascii")
        try:
            secret = bytes.fromhex(file.read_text(encoding="ascii"))
        except ValueError as error:
            raise ReadError(f"The secret {file} is damaged; restore it from a copy.") from error
        if len(secret) != _SALT_BYTES:
            raise ReadError(f"The secret {file} is damaged; restore it from a copy.")
        return Salt(secret)

    def paths(self) -> list[Path]:
        """Files of all added groups, in a fixed order."""
        return sorted(self.path.glob("group-*.npz"))

    def entries(self) -> list[GroupEntry]:
        """Entries of all added groups; a changed file is refused."""
        return [entry_of(path) for path in self.paths()]

    def add(self, groups: Sequence[TrainingGroup]) -> list[GroupEntry]:
        """Store the groups of one scan, all or none.

        Raises:
            GroupError: the scan is there already.
            LeakError: a reference was made by a network.
            ExportError: the folder cannot be written.
        """
        scan = groups[0].identity.scan
        if list(self.path.glob(f"group-{scan}-*.npz")):
            raise GroupError(
                f"This scan was added before; delete group-{scan}-* in {self.path} to add it anew."
            )
        paths = [self.path / f"group-{scan}-{i:03d}.npz" for i in range(len(groups))]
        try:
            self.path.mkdir(parents=True, exist_ok=True)
            entries = [_stored(group, path) for group, path in zip(groups, paths, strict=True)]
            refuse_network_references(entries)
        except BaseException as error:
            for path in paths:
                path.unlink(missing_ok=True)
                entry_path(path).unlink(missing_ok=True)
            if isinstance(error, OSError):
                raise ExportError(
                    f"The groups cannot be stored in {self.path} ({error.strerror or error});"
                    " make room there."
                ) from error
            raise
        return entries


def user_groups() -> GroupFolder:
    """Where a user's added groups are kept."""
    return GroupFolder(data_dir() / "training-groups")


def _stored(group: TrainingGroup, path: Path) -> GroupEntry:
    save_group(group, path)
    return make_entry(path)
