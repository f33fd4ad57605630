"""``python -m pytest_hancock_latency`` is the command line, ``hancock-latency``."""

import sys

from .cli import main

sys.exit(main())
