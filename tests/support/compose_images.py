"""The images of compose.production.yaml without a registry: PgBouncer of Debian 13, and a stand-in for Plano in it."""

from __future__ import annotations

import io
import json
import shutil
import subprocess
import sys
import sysconfig
import tarfile
from pathlib import Path

import psqlpy

from tests.support.requirements import missing

TESTS = Path(__file__).parents[1]
# As supervisord in Plano's image: a SIGTERM ends the container, and so does the end of its program.
_RUN = "trap 'exit 0' TERM; /opt/python/bin/python /opt/plano.py {port} & wait $!"
_LEFT_OUT = {"test", "idlelib", "tkinter", "ensurepip", "site-packages", "__pycache__"}


def root(name):
    """Return a directory of tests/engine-root; skip where it is not there, fail in CI."""
    done = subprocess.run([TESTS / "engine-root", "--have", name], capture_output=True, text=True, check=False)
    if done.returncode == 0:
        return Path(done.stdout.strip())
    return missing(f"the root {name} of tests/engine-root")


def compose():
    """Return the program of Docker Compose of today."""
    return root("forky") / "usr/libexec/docker/cli-plugins/docker-compose"


def make(api, pgbouncer: str, plano: str, port: int) -> None:
    """Make both images by these names, `NAME:TAG`; the stand-in listens on a port."""
    files = io.BytesIO()
    debian = ["tar", "-C", root("trixie-pgbouncer"), "--exclude=./usr/share/doc", "-c", "."]
    with subprocess.Popen(debian, stdout=subprocess.PIPE) as tar:
        shutil.copyfileobj(tar.stdout, files)
    files.seek(0)
    _add_stand_in(files)
    name, _, tag = pgbouncer.rpartition(":")
    ends = ["WORKDIR /etc/pgbouncer", "USER 65534:65534"]  # as pgbouncer.Dockerfile does
    api.import_image_from_data(files.getvalue(), repository=name, tag=tag, changes=ends)
    container = api.create_container(pgbouncer, ["true"])["Id"]
    name, _, tag = plano.rpartition(":")
    entrypoint = json.dumps(["sh", "-c", _RUN.format(port=port)])
    changes = [f"ENTRYPOINT {entrypoint}", "ENV LISTEN=0.0.0.0", "WORKDIR /", "USER 0:0"]
    api.commit(container, repository=name, tag=tag, changes=changes)
    api.remove_container(container)


def _add_stand_in(file):
    """Add the Python of the tests, psqlpy and the stand-in to an archive."""
    version = f"python{sys.version_info.major}.{sys.version_info.minor}"
    library = Path(sysconfig.get_path("stdlib"))

    def wanted(entry):
        return None if _LEFT_OUT & set(Path(entry.name).parts) else entry

    with tarfile.open(fileobj=file, mode="a") as tar:
        tar.add(Path(sys.base_prefix, "bin", version).resolve(), "opt/python/bin/python")
        tar.add(library, f"opt/python/lib/{version}", filter=wanted)
        tar.add(Path(psqlpy.__file__).parent, f"opt/python/lib/{version}/psqlpy")
        tar.add(TESTS / "support/plano_stand_in.py", "opt/plano.py")
        for shared in Path(sys.base_prefix, "lib").glob(f"lib{version}*.so*"):
            tar.add(shared, f"usr/lib/x86_64-linux-gnu/{shared.name}")
