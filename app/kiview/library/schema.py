"""Tables of the library and how an older file becomes a newer one.

A file's version is its `user_version`. Every step below stays as it is for ever: a change is a new
step at the end.
"""

APPLICATION_ID = 0x4B695677
"""`KiVw` in the head of the file: it is a library of KiView."""

_FIRST = (
    """CREATE TABLE patients (
        id INTEGER PRIMARY KEY,
        patient_id TEXT NOT NULL,
        name TEXT NOT NULL,
        sex TEXT NOT NULL,
        UNIQUE (patient_id, name)
    )""",
    """CREATE TABLE studies (
        id INTEGER PRIMARY KEY,
        library_id TEXT NOT NULL UNIQUE,
        uid TEXT NOT NULL,
        patient INTEGER NOT NULL REFERENCES patients (id),
        source BLOB NOT NULL UNIQUE,
        study_date TEXT NOT NULL,
        tracer TEXT NOT NULL,
        activity_bq REAL,
        main_series INTEGER,
        file_count INTEGER NOT NULL,
        size_bytes INTEGER NOT NULL,
        fingerprint TEXT NOT NULL,
        search_text TEXT NOT NULL,
        sort_name TEXT NOT NULL,
        added_s REAL NOT NULL,
        opened_s REAL NOT NULL
    )""",
    """CREATE TABLE series (
        study INTEGER NOT NULL REFERENCES studies (id) ON DELETE CASCADE,
        place INTEGER NOT NULL,
        uid TEXT NOT NULL,
        kind TEXT NOT NULL,
        modality TEXT NOT NULL,
        description TEXT NOT NULL,
        frame_count INTEGER NOT NULL,
        slice_count INTEGER NOT NULL,
        start_s REAL,
        end_s REAL,
        store_key TEXT,
        PRIMARY KEY (study, place)
    ) WITHOUT ROWID""",
    """CREATE TABLE files (
        study INTEGER NOT NULL REFERENCES studies (id) ON DELETE CASCADE,
        path BLOB NOT NULL,
        series INTEGER,
        size INTEGER NOT NULL,
        modified_ns INTEGER NOT NULL,
        PRIMARY KEY (study, path)
    ) WITHOUT ROWID""",
    "CREATE INDEX studies_by_patient ON studies (patient)",
    "CREATE INDEX studies_by_opened ON studies (opened_s)",
    "CREATE INDEX series_by_store ON series (store_key)",
)

_THUMBNAILS = (
    """CREATE TABLE thumbnails (
        study INTEGER PRIMARY KEY REFERENCES studies (id) ON DELETE CASCADE,
        width INTEGER NOT NULL,
        height INTEGER NOT NULL,
        grey BLOB NOT NULL
    )""",
)

_KEPT = (
    """CREATE TABLE kept (
        study INTEGER NOT NULL REFERENCES studies (id) ON DELETE CASCADE,
        uid TEXT NOT NULL,
        fingerprint TEXT NOT NULL,
        content TEXT NOT NULL,
        kept_s REAL NOT NULL,
        PRIMARY KEY (study, fingerprint)
    ) WITHOUT ROWID""",
)

MIGRATIONS: tuple[tuple[str, ...], ...] = (_FIRST, _THUMBNAILS, _KEPT)
"""Statements that lead from version n to n + 1."""

SCHEMA_VERSION = len(MIGRATIONS)

TABLES = frozenset(("patients", "studies", "series", "files", "thumbnails", "kept"))
"""What a file of this version holds; views and triggers belong to no version."""
