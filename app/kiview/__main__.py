"""``python -m kiview`` and the ``kiview`` command."""

import signal
import sys


def start() -> int:
    """Run the command line; Ctrl-C while the libraries load ends the process without a word."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)
    from kiview.cli import main  # noqa: PLC0415 - Ctrl-C is taken care of first

    signal.signal(signal.SIGINT, signal.default_int_handler)
    return main()


if __name__ == "__main__":
    sys.exit(start())
