"""``python -m kiview``: the same as the ``kiview`` command."""

import sys

from kiview.cli import main

if __name__ == "__main__":
    sys.exit(main())
