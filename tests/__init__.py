"""The tests; whatever pytest imports of them, what the user of this machine has set is no part of it."""

import os
import re
import sys
import time

# The variables of the tests themselves stay.
_THEIRS = re.compile(
    r"(DB_|PG|PSQL|PLANODEV_(?!SEED|KILLS|RESTARTS|TESTS_)|GIT_|COMPOSE_|PIP_|UV_|CLICOLOR).*|DATABASE_URL|.*_API_KEY"
    r"|PYTHON(?!PATH|DONTWRITEBYTECODE|PYCACHEPREFIX).*|NO_COLOR|FORCE_COLOR|COLUMNS|LINES|TERM|TZ"
)
# A program of the tests, such as a stand-in for Plano, has the environment that its test gives it.
if "pytest" in sys.modules:
    for _name in [name for name in os.environ if _THEIRS.fullmatch(name)]:
        del os.environ[_name]
    if hasattr(time, "tzset"):
        time.tzset()
    os.umask(0o022)
