"""Other machines for a planodev, by mounts in a namespace of its own: without Docker, with another user."""

from __future__ import annotations

import shlex
import stat
import subprocess
import sys
from pathlib import Path

from tests.support.requirements import require_namespace

ROOT = Path(__file__).parents[2]


def elsewhere(project, script, *arguments, as_user=None, code=0, **variables):
    """Run planodev after a shell script that changes what it sees of the machine; returns the finished process."""
    require_namespace()
    command = shlex.join(project.command(*arguments))
    if as_user:
        script += "\n" + open_to_all([Path(sys.executable), Path(sys.base_prefix), ROOT])
        command = f"setpriv --reuid={as_user} --regid={as_user} --clear-groups {command}"
    environment = {**project.environment, "PYTHONDONTWRITEBYTECODE": "1", **variables}
    whole = f"set -e\nmount --make-rprivate /\n{script}\nexec {command}"
    done = subprocess.run(
        ["unshare", "-m", "sh", "-c", whole],
        env={name: value for name, value in environment.items() if value is not None},
        cwd="/",
        capture_output=True,
        text=True,
        stdin=subprocess.DEVNULL,
        timeout=180,
        check=False,
    )
    assert "Traceback" not in done.stderr, done.stderr
    assert code is None or done.returncode == code, f"exit {done.returncode}\n{done.stdout}{done.stderr}"
    return done


def open_to_all(paths):
    """Return a script that lets every user through to these paths, by mounts and without changing a file."""
    # What a path leads through, links included: an environment's Python is one into another directory.
    needed = set()
    for path in paths:
        needed |= {path.parent.parent, path.resolve().parent.parent if path.resolve().is_file() else path.resolve()}
    lines = []
    closed = {top for path in needed for top in _closed(path)}
    for top in sorted(closed):
        lines += ["T=$(mktemp -d)", f'mount --bind {shlex.quote(str(top))} "$T"']
        lines += [f"mount -t tmpfs -o mode=755 tmpfs {shlex.quote(str(top))}"]
        for path in sorted(path for path in needed if path.is_relative_to(top)):
            place, source = shlex.quote(str(path)), shlex.quote(str(path.relative_to(top)))
            lines += [f"mkdir -p {place}", f'mount --bind "$T"/{source} {place}']
    return "\n".join(lines)


def _closed(path):
    """Yield the outermost directory above a path that others may not enter."""
    for part in reversed(path.parents):
        if not part.stat().st_mode & stat.S_IXOTH:
            yield part
            return


# The directories of the tests stay, which are below /run on a machine of their own.
WITHOUT_DOCKER = """\
[ ! -d /run/tmp ] || mount --bind /run/tmp /mnt
mount -t tmpfs tmpfs /run
mkdir /run/tmp
mount --bind /mnt /run/tmp"""
