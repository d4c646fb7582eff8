"""What computes, and how much memory the program holds."""

import os
from pathlib import Path

from PySide6.QtCore import QObject, QTimer, Signal

from kiview.viewmodels.network import NetworkViewModel

UPDATE_MS = 3000
_GIB = float(1 << 30)
_STATM = Path("/proc/self/statm")


class MachineViewModel(QObject):
    """Provider and memory for the status bar.

    Signals:
        changed: The text is to be shown again.
    """

    changed = Signal()

    def __init__(self, network: NetworkViewModel) -> None:
        super().__init__()
        self._network = network
        self._timer = QTimer(self)
        self._timer.setInterval(UPDATE_MS)
        self._timer.timeout.connect(self.changed)
        self._timer.start()
        network.changed.connect(self.changed)

    @property
    def text(self) -> str:
        """For example `CPU, 1.8 GB`; what really computed last, not what was asked for."""
        device = self._network.device or "CPU"
        resident = resident_bytes()
        return device if resident is None else f"{device}, {resident / _GIB:.1f} GB"


def resident_bytes() -> int | None:
    """Memory held by this process, or None where the system does not tell (not Linux)."""
    try:
        pages = int(_STATM.read_text(encoding="ascii").split()[1])
    except OSError:
        return None
    return pages * int(os.sysconf("SC_PAGE_SIZE"))
