"""Files to and from core types. pydicom and nibabel live here only."""
