"""`python -m lstmc` is the command `lstmc`."""

import sys

from .cli import main

if __name__ == "__main__":
    sys.exit(main())
