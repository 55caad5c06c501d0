"""What repeats a run with random parts: PLANODEV_SEED, and PLANODEV_KILLS for how many; from 100 on all are tried."""

from __future__ import annotations

import os

# One for all workers of a run, who must agree about what there is to run.
_RUN = os.environ.get("PYTEST_XDIST_TESTRUNUID") or os.urandom(8).hex()
KILLS = int(os.environ.get("PLANODEV_KILLS", "20"))
SEED = int(os.environ.get("PLANODEV_SEED") or int(_RUN[:5], 16))
