"""Weight sets as files: loaded and saved in the background."""

from functools import partial
from pathlib import Path

from PySide6.QtCore import QObject

from kiview.core.errors import NetworkError
from kiview.core.progress import Progress
from kiview.nets.catalog import NetworkCard
from kiview.nets.weight_files import load_weight_set, save_weight_set
from kiview.nets.weights import WeightSet
from kiview.tasks import TaskRunner
from kiview.viewmodels.messages import MessagesViewModel
from kiview.viewmodels.network import NetworkViewModel

_Loaded = tuple[NetworkCard, WeightSet, str]


class WeightFilesViewModel(QObject):
    """Loads and saves the weights in use; problems are told in the banner."""

    def __init__(
        self, runner: TaskRunner, network: NetworkViewModel, messages: MessagesViewModel
    ) -> None:
        super().__init__()
        self._runner, self._network, self._messages = runner, network, messages

    @property
    def why_not(self) -> str:
        """What keeps weights from being saved, or an empty text."""
        return "" if self._network.card is not None else self._network.why_not

    @property
    def suggested_name(self) -> str:
        """File name to start with."""
        card = self._network.card
        return "weights.json" if card is None else f"{card.id}-{card.version}-weights.json"

    def load(self, path: Path) -> None:
        """Use the weights in a file, with the network they belong to."""
        job = partial(_load, path, self._network.cards, self._network.card)
        task = self._runner.start(f"Loading {path.name}", job)
        task.succeeded.connect(self._on_loaded)
        task.failed.connect(self._network.tell)

    def save(self, path: Path) -> None:
        """Write the weights in use, as `.json` or `.safetensors`."""
        card, weights = self._network.card, self._network.weights
        if card is None or weights is None:
            return
        task = self._runner.start(f"Saving {path.name}", partial(_save, card, weights, path))
        task.succeeded.connect(self._on_saved)
        task.failed.connect(self._messages.show_failure)

    def _on_loaded(self, loaded: _Loaded) -> None:
        self._network.use(*loaded)
        card, _, name = loaded
        self._messages.show(f"{card.id} {card.version} now has the weights in {name}.")

    def _on_saved(self, files: tuple[Path, ...]) -> None:
        names = " and ".join(path.name for path in files)
        self._messages.show(f"The weights are saved in {names}.")


def _load(
    path: Path, cards: tuple[NetworkCard, ...], chosen: NetworkCard | None, progress: Progress
) -> _Loaded:
    progress.step(None, f"Loading {path.name}")
    return (*load_weight_set(path, cards, chosen), path.name)


def _save(
    card: NetworkCard, weights: WeightSet, path: Path, progress: Progress
) -> tuple[Path, ...]:
    progress.step(None, f"Saving {path.name}")
    try:
        return save_weight_set(card, weights, path)
    except OSError as error:
        raise NetworkError(
            f"The weights could not be written to {path.name} ({error.strerror}); choose another"
            " folder."
        ) from error
