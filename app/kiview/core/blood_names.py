"""Which regions and curves are called after blood."""

BLOOD_WORDS = ("aorta", "blood", "ventricle", "atrium", "idif")


def sounds_like_blood(name: str) -> bool:
    """Whether one of `BLOOD_WORDS` is in the name of a region or curve."""
    return any(word in name.lower() for word in BLOOD_WORDS)
