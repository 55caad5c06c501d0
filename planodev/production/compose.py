"""The files for Docker Compose, as text."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

from planodev import production, rendering
from planodev.pasting import posix
from planodev.plano import rules
from planodev.postgres import state_table
from planodev.production import COMPOSE, ENV_NAME, PLANO_FILE, SIDECAR, ownership
from planodev.production.setup import seen_from
from planodev.project import env_keys

if TYPE_CHECKING:
    from collections.abc import Iterable

    from planodev.production.setup import Setup

_BESIDE = "plano_config.production.yaml"  # the copy that stands beside what it is a copy of
_ALONE = "plano_config.yaml"  # which planodev finds by itself
HBA = "pgbouncer_hba.conf"
_FOUND = ("./config.yaml", f"./{_ALONE}")
# An ESTABLISHED socket to 127.0.0.1:6432, as the kernel writes it: Plano drops its socket when its connection has died,
# while `/v1/models` still answers.
CONNECTED = "grep -q ' 0100007F:1920 01 ' /proc/net/tcp"
_ANSWERS = (
    "python3 -c 'import urllib.request as u; u.urlopen(\"http://127.0.0.1:{port}/v1/models\", timeout=4)' 2>/dev/null"
)
# The same for the server's own address. Where its name does not resolve at the moment, the port alone counts.
_CONNECTED_DIRECTLY = f"""\
python3 -c '
import os, socket, sys
port = int(os.environ["{env_keys.PORT}"])
try:
    found = socket.getaddrinfo(os.environ["{env_keys.HOST}"].strip("[]"), port, type=socket.SOCK_STREAM)
except OSError:
    found = []
packed = [socket.inet_pton(entry[0], entry[4][0]) for entry in found]
wanted = ["".join(one[at : at + 4][::-1].hex() for at in range(0, len(one), 4)) for one in packed]
lines = [line.split() for name in ("tcp", "tcp6") for line in open("/proc/net/" + name)]
places = [line[2].lower().split(":") for line in lines if line[3] == "01"]
sys.exit(not any(int(to, 16) == port and (not wanted or at in wanted) for at, to in places))
' 2>/dev/null"""


def render(setup: Setup) -> dict[str, str]:
    """Return the text of each file by its name; pure."""
    words = words_of(setup)
    files = environment(setup, words)
    names = ["conversation_states.sql", "PRODUCTION.md", COMPOSE]
    names += [] if setup.direct else [SIDECAR, HBA, "pgbouncer.Dockerfile"]
    for name in names:
        files[name] = rendering.render(f"production/{name}.j2", **words)
    if setup.copied:
        files[copy_of(setup)] = rendering.render("production/config_copy.j2", text=setup.deployed, **words)
    return files


def copy_of(setup: Setup) -> str:
    """Return the name of the configuration's copy."""
    return _ALONE if setup.elsewhere else _BESIDE


def words_of(setup: Setup) -> dict[str, Any]:
    """Return what the templates name."""
    provider, place = setup.provider, setup.place
    title = provider.title + (", without PgBouncer" if setup.direct else "")
    config_path = seen_from(setup.directory, setup.config.path)
    deployed_path = f"./{copy_of(setup)}" if setup.copied else config_path
    login = f"host={setup.server} port={place.port} user={setup.owner}"
    if setup.checked and not setup.cluster:
        login += f" sslmode={setup.sslmode} sslrootcert={setup.ca_path}"
    return {
        "again": setup.again,
        "again_through": setup.again_through,
        "project": posix(os.path.relpath(setup.project.resolve(), setup.directory.resolve())),
        "provider": provider,
        "title": title,
        "written_for": ownership.WRITTEN_FOR,
        "direct": setup.direct,
        "cluster": setup.cluster,
        "role": production.ROLE,
        "user": setup.user,
        "host": setup.server,
        "port": place.port,
        "database": place.database,
        "listen": "127.0.0.1" if setup.kubernetes else "*",
        "login": login,
        "sslmode": setup.sslmode,
        "checked": setup.checked,
        "unstored": None if setup.unstored is None else _listed(setup.unstored),
        "unanswered": _listed(setup.unanswered),
        "ca_path": setup.ca_path,
        "ca_file": f"/tmp/{production.CA}" if setup.kubernetes else production.CA,  # noqa: S108  in a container
        "owner": setup.owner,
        "literal": production.LITERAL,
        "literal_in_words": production.LITERAL_IN_WORDS,
        "create": state_table.CREATE,
        "image": setup.image,
        "config": setup.config.path.name,
        "source": config_path,
        "config_path": deployed_path,
        "verify_config": "" if deployed_path in _FOUND else f" --config {posix(deployed_path)}",
        "local": setup.local,
        "engine_host": setup.engine_host,
        "keys": setup.keys,
        "model": setup.model,
        "model_port": setup.model_port,
        "ports": setup.ports,
        "connected": _CONNECTED_DIRECTLY if setup.direct else CONNECTED,
        "answers": _ANSWERS.format(port=setup.model_port),
        "ini": production.of_pgbouncer(SIDECAR, on_kubernetes=setup.kubernetes is not None),
        "plano_file": PLANO_FILE if setup.kubernetes else COMPOSE,
        "kubernetes": setup.kubernetes,
    }


def _listed(names: Iterable[str]) -> str:
    return ", ".join(f"`{rules.shown(name)}`" for name in names)


def environment(setup: Setup, words: dict[str, Any]) -> dict[str, str]:
    """Return the environment file and its example."""
    values = setup.environment
    secret = (env_keys.PASSWORD, *setup.keys)
    blank = {**values, **dict.fromkeys(secret, "")} | ({env_keys.HOST: ""} if setup.direct else {})
    more = {key: value for key, value in setup.values.items() if key not in values}
    named = {**dict.fromkeys(more, ""), **{key: value for key, value in setup.example.items() if key not in values}}
    template = "production/env.production.j2"
    return {
        ENV_NAME: rendering.render(template, **words, values=values, more=more, example=False),
        f"{ENV_NAME}.example": rendering.render(template, **words, values=blank, more=named, example=True),
    }
