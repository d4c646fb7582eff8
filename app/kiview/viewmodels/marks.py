"""Words about maps and weights, the same wherever one is shown or named."""

from kiview.core.provenance import Provenance

MODIFIED = "MODIFIED"
"""The weights of its network are not the installed ones."""
UNTIED = "UNTIED"
"""It was not made consistent with Patlak."""
STALE = "STALE"
"""An input changed since it was computed."""
INSTALLED = "installed"
"""How weights that nobody changed are called, whoever put the network there: only KiView's own
are shipped."""
PREVIEW = "PREVIEW"
"""It shows what a run would give; nothing of it is kept or exported."""


def is_untied(provenance: Provenance) -> bool:
    """Whether a network map was not made consistent with Patlak."""
    return provenance.settings.get("tied_to_patlak") is False


def in_words(warnings: tuple[str, ...]) -> str:
    """Warnings in one line."""
    return " \N{MIDDLE DOT} ".join(warnings)


def marks(
    *, modified: bool = False, untied: bool = False, previewed: bool = False, stale: bool = False
) -> tuple[str, ...]:
    """The warnings that hold, always in the same order."""
    known = {MODIFIED: modified, UNTIED: untied, PREVIEW: previewed, STALE: stale}
    return tuple(mark for mark, holds in known.items() if holds)
