"""Break each promise of `tests/promises.toml` in a copy of this checkout, and see that its test of `make test` fails.

`python -m tests.mutate [WORD...]` breaks those with one of the words in them. The exit code is 1 where one survives.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from tests.support.checkout import copy_to
from tests.support.promises import Promise, promises

PATIENCE = 300.0  # seconds for one test
FAILED = 1  # pytest's exit code where tests ran, and one failed


def run(root: Path, *tests: str) -> subprocess.CompletedProcess[str]:
    """Run tests of `make test` on a copy."""
    return subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-x", "-p", "no:cacheprovider", "-m", "not slow", *tests],
        cwd=root,
        env={**os.environ, "PYTHONPATH": str(root), "PYTHONDONTWRITEBYTECODE": "1"},
        capture_output=True,
        text=True,
        timeout=PATIENCE,
        check=False,
    )


def survives(promise: Promise) -> str:
    """Break one promise; returns why nobody can say that its test guards it, "" where it does."""
    with tempfile.TemporaryDirectory(prefix="planodev-mutate-") as name:
        root = copy_to(Path(name).resolve())
        try:
            (root / promise.file).write_text(promise.broken(root))
            done = run(root, promise.test)
        except AssertionError as error:
            return str(error)
        except subprocess.TimeoutExpired:
            return ""  # it would have been noticed
        if done.returncode == FAILED:
            return ""
        return f"the test passes: {done.stdout[-200:]}" if not done.returncode else done.stdout[-1000:] + done.stderr


def main() -> int:
    words = [word.lower() for word in sys.argv[1:]]
    chosen = [one for one in promises() if not words or any(word in one.promise.lower() for word in words)]
    with tempfile.TemporaryDirectory(prefix="planodev-mutate-") as name:
        whole = run(copy_to(Path(name).resolve()), *dict.fromkeys(one.test for one in chosen))
    if whole.returncode:
        print(f"the tests fail on the code as it is\n{whole.stdout[-3000:]}{whole.stderr}")
        return 1
    survived = 0
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        for promise, why in zip(chosen, pool.map(survives, chosen), strict=True):
            print(f"{'SURVIVES' if why else 'noticed '}  {promise.promise}{why and f': {why}'}", flush=True)
            survived += bool(why)
    print(f"{len(chosen)} promises were broken, {survived} of them unnoticed")
    return 1 if survived else 0


if __name__ == "__main__":
    sys.exit(main())
