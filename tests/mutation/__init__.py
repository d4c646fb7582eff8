"""Rules of import as data, and the proof that a test notices when one of them is gone."""
