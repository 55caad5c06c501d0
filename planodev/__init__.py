"""planodev: from a fresh checkout to a Plano that remembers conversations, in one command."""

import sys

__version__ = "0.1.0"

# Of `python -m planodev` Python puts the current directory before its own modules. That may be a repository that was
# just cloned, and has a `json.py`; planodev itself is found by now, and needs nothing else from there.
if sys.argv[:1] == ["-m"] and not (sys.flags.isolated or getattr(sys.flags, "safe_path", False)):
    del sys.path[0]
