"""`python -m stepper`."""

from __future__ import annotations

import sys

from stepper.main import main

sys.exit(main())
