"""Which networks there are to choose from."""

from collections.abc import Callable

from PySide6.QtCore import QObject

from kiview.core.errors import KiviewError
from kiview.nets.catalog import BrokenNetwork, Catalog
from kiview.viewmodels.messages import MessageLevel, MessagesViewModel
from kiview.viewmodels.network import NetworkViewModel


class CatalogViewModel(QObject):
    """Offers the networks of KiView, the site and the user; tells of those that are broken."""

    def __init__(
        self,
        network: NetworkViewModel,
        messages: MessagesViewModel,
        read: Callable[[], Catalog],
    ) -> None:
        super().__init__()
        self._network, self._messages, self._read = network, messages, read

    def refresh(self) -> None:
        """List them (again); the chosen one stays chosen."""
        try:
            catalog = self._read()
        except KiviewError as error:
            self._network.refuse(str(error))
            return
        self._network.provide(catalog.cards)
        if catalog.broken:
            reasons = "\n".join(_named(broken) for broken in catalog.broken)
            self._messages.show(reasons, MessageLevel.WARNING)


def _named(broken: BrokenNetwork) -> str:
    which = f"Network {broken.id}" if broken.id else "Networks"
    return f"{which} ({broken.origin.value}): {broken.reason}"
