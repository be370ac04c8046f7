"""`/usr/bin/python3 -m lab` is `lab/lab`."""

import sys

from .cli import main

sys.exit(main())
