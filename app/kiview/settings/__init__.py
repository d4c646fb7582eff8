"""User settings: declared in schema, kept by store."""
