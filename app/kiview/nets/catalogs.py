"""Networks of KiView, of the site and of the user in one catalogue.

All three folders are laid out alike (`catalog.toml` lists folders with the hash of their card). A
network of site or user may have the id of a shipped one only as another version; by its id alone
the shipped one is meant. Of two networks with the same id and version the first of shipped, site,
user counts, and the other is listed as broken.
"""

from collections.abc import Iterable
from pathlib import Path

from kiview.core.errors import NetworkError
from kiview.nets.catalog import (
    CATALOG_NAME,
    BrokenNetwork,
    Catalog,
    NetworkCard,
    Origin,
    entries,
    entry_card,
    load_catalog,
)


def load_catalogs(shipped: Path, site: Path | None = None, user: Path | None = None) -> Catalog:
    """Read the catalogues and cards of all three folders; checks the hashes of the cards.

    Args:
        shipped: Folder of the bundled networks.
        site: Folder of the site's, or None.
        user: Folder of the user's, or None; it need not be there.

    Returns:
        Shipped networks as their catalogue lists them, then those of site and user, the newest of
        several versions first; what cannot be used is named with the reason.

    Raises:
        NetworkError: the bundled networks cannot be used.
    """
    cards = [*load_catalog(shipped).cards]
    broken: list[BrokenNetwork] = []
    folders = [(Origin.SITE, site)]
    if user is not None and user.is_dir():
        folders.append((Origin.USER, user))
    for origin, folder in folders:
        if folder is None:
            continue
        found, refused = _others(folder, origin)
        taken = {card.name: card.origin for card in cards}
        cards += [card for card in found if card.name not in taken]
        broken += refused
        broken += [_shadowing(card, taken[card.name]) for card in found if card.name in taken]
    return Catalog(tuple(cards), tuple(broken))


def _others(folder: Path, origin: Origin) -> tuple[list[NetworkCard], list[BrokenNetwork]]:
    try:
        listed = entries(folder)
    except NetworkError as error:
        reason = f"The {origin} folder {folder} ({CATALOG_NAME}): {error}"
        return [], [BrokenNetwork("", origin, reason)]
    found: list[NetworkCard] = []
    broken: list[BrokenNetwork] = []
    for entry in listed:
        try:
            card = entry_card(folder, entry, origin)
        except NetworkError as error:
            network_id = str(entry.get("id", ""))[:64]
            shown = network_id if network_id.isprintable() else repr(network_id)
            broken.append(BrokenNetwork(shown, origin, str(error)))
            continue
        if any(card.name == other.name for other in found):
            broken.append(_shadowing(card, origin))
        else:
            found.append(card)
    return _newest_first(found), broken


def _newest_first(cards: Iterable[NetworkCard]) -> list[NetworkCard]:
    """By id in the order they are listed, and within an id by version."""
    by_id: dict[str, list[NetworkCard]] = {}
    for card in cards:
        by_id.setdefault(card.id, []).append(card)
    return [
        card
        for versions in by_id.values()
        for card in sorted(versions, key=lambda card: card.version_number, reverse=True)
    ]


def _shadowing(card: NetworkCard, owner: Origin) -> BrokenNetwork:
    return BrokenNetwork(
        card.id,
        card.origin,
        f"There is a {owner} network {card.id} {card.version} already; give this one another"
        " version or id.",
    )
