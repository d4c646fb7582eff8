"""Science of dynamic PET: types and formulas. No files, no Qt, no settings."""
