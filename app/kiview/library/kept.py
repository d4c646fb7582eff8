"""What the user entered for a study, as rows of the library.

A row belongs to one entry, one study UID and one state of its files: it is found again for these
only. Rows of earlier states stay, since files may come back as they were.
"""

import json
import sqlite3
import time
from pathlib import Path
from typing import Any

from kiview.core.errors import InvalidInputError, ReadError
from kiview.core.kept import NOTHING, Kept, Restored
from kiview.core.merge_plan import MergeSettings
from kiview.io.overrides import parse_overrides
from kiview.library.records import stored_path, stored_text

MOST_STATES = 8
"""States of the files of one study that are remembered, the latest."""
LONGEST_CONTENT = 1 << 20
CHANGED = "The files of this study changed since."
DAMAGED = "What the library holds of it is damaged."


def put_kept(
    connection: sqlite3.Connection, number: int, uid: str, fingerprint: str, kept: Kept
) -> None:
    """Keep what was entered in place of what was kept for the same files.

    Args:
        connection: In a transaction.
        number: The study's row.
        uid: Study instance UID.
        fingerprint: Of its files.
        kept: What was entered, also where that is nothing.
    """
    connection.execute(
        "INSERT OR REPLACE INTO kept VALUES (?, ?, ?, ?, ?)",
        (number, stored_text(uid), stored_text(fingerprint), kept_text(kept), time.time()),
    )
    connection.execute(
        "DELETE FROM kept WHERE study = ?1 AND fingerprint NOT IN"
        " (SELECT fingerprint FROM kept WHERE study = ?1 ORDER BY kept_s DESC LIMIT ?2)",
        (number, MOST_STATES),
    )


def find_kept(connection: sqlite3.Connection, source: Path, uid: str, fingerprint: str) -> Restored:
    """What was entered for a study with these files; never that of another study or other files.

    Args:
        connection: To the library.
        source: Absolute path that is opened.
        uid: Study instance UID.
        fingerprint: Of its files.
    """
    rows = connection.execute(
        "SELECT kept.fingerprint, kept.content FROM kept JOIN studies ON studies.id = kept.study"
        " WHERE studies.source = ? AND kept.uid = ? ORDER BY kept.kept_s DESC",
        (stored_path(source), stored_text(uid)),
    ).fetchall()
    same = [content for named, content in rows if named == stored_text(fingerprint)]
    if not rows:
        return Restored()
    try:
        if same:
            return Restored(read_kept(same[0]))
        left_out = read_kept(rows[0][1])
    except ReadError:
        return Restored(reason=DAMAGED)
    return Restored() if left_out.is_empty else Restored(NOTHING, left_out, CHANGED)


def kept_text(kept: Kept) -> str:
    """What was entered as one text (JSON)."""
    merges = {uid: [one.length_s, one.start_s] for uid, one in kept.merges.items()}
    return json.dumps({"values": dict(kept.values), "merges": merges}, sort_keys=True)


def read_kept(content: Any) -> Kept:  # noqa: ANN401 - from a file
    """What was entered, from its text.

    Raises:
        ReadError: a part of it cannot be; nothing of it is used then.
    """
    try:
        if not isinstance(content, str) or len(content) > LONGEST_CONTENT:
            raise ReadError(DAMAGED)
        read = json.loads(content)
        values = {name: _value(value) for name, value in dict(read["values"]).items()}
        parse_overrides(values)
        merges = {
            str(uid): MergeSettings(_number(length_s), _number(start_s))
            for uid, (length_s, start_s) in dict(read["merges"]).items()
        }
    except (ValueError, TypeError, KeyError, RecursionError, InvalidInputError) as error:
        raise ReadError(DAMAGED) from error
    return Kept(values, merges)


def _value(value: Any) -> float | str:  # noqa: ANN401 - from a file
    return value if isinstance(value, str) else _number(value)


def _number(value: Any) -> float:  # noqa: ANN401 - from a file
    if isinstance(value, bool) or not isinstance(value, float | int):
        raise ReadError(DAMAGED)
    return value
