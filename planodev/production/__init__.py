"""Hosted PostgreSQL: one file of facts per provider in `providers/`, each fact with the page that states it.

A provider is found by its file's name, so adding one is adding a file.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

# The image that planoai 0.4.39 itself starts (`planoai/consts.py`, PLANO_DOCKER_IMAGE). It has python3 and grep, but no
# curl.
PLANO_IMAGE = "katanemo/plano:0.4.39"
ROLE = "plano_prod"
# The beginning of a value that a person has to replace: plain text for sh, docker and planoai, and refused by `verify`.
PLACEHOLDER = "FILL-IN"
ENV_NAME = ".env.production"
# The characters of a password that stand for themselves wherever it goes: in an environment file, a connection string,
# SQL, PgBouncer's list of users and a Secret; as a set of a pattern, and for people.
LITERAL, LITERAL_IN_WORDS = "A-Za-z0-9._+/=:,-", "letters, digits and . _ - + / = : ,"
COMPOSE, PLANO_FILE, SIDECAR = "compose.production.yaml", "plano.yaml", "pgbouncer.ini"
KUSTOMIZATION = "kustomization.yaml"
CA = "server-ca.pem"  # the authority of the server's certificate
FOLDER = "pgbouncer"  # of what PgBouncer reads, on Kubernetes
# PgBouncer's two names for the database: one for Plano, one for all others; and its port, in Plano's own network.
PLANO, READY = "plano", "ready"
PGBOUNCER_PORT = 6432
# The provider whose database the files themselves create, with the operator CloudNativePG.
KUBERNETES = "kubernetes"


@dataclass(frozen=True)
class Fact:
    """One sentence or two, and the address of the provider's page that they are taken from."""

    text: str
    source: str


@dataclass(frozen=True)
class Provider:
    """What a set-up for one provider depends on.

    Args:
        title: the product's name.
        endpoint: what its host names look like, an example.
        port: TCP port of the server itself, not of a pooler.
        owner: the role that the provider makes first, which may make others.
        first_database: the database that is there from the beginning.
        database: where Plano's table goes; made by the steps where it is another than the first.
        sslmode: how PgBouncer speaks to the server: `verify-full`, `verify-ca` where the certificate has no host name,
            or `prefer` where the server may have no TLS.
        plaintext: whether an unencrypted login is refused by default, and the setting that rules it.
        poolers: what else lies before the server, and whether it would do.
        network: from where the host can be reached, IPv6 included.
        password: where the owner's password is found.
        idle: what ends a connection that is silent.
        ca: the shell line that puts the provider's CA into `server-ca.pem`, or the words that say how; None where the
            certificate is not checked.
        ca_source: where that is documented.
        checked: the day on which the facts were gathered, ISO 8601; not every page could be opened then.
        shares_public: whether the provider serves the schema `public` to the web, so that rows need a policy.
        pooler: how the host names of its session pooler end, where each user is written with the project's reference
            behind, as `plano_prod.REF`; None where there is no such thing.
        plain_password: whether it refuses a password that the client has hashed, as `psql` does when it asks for one.

    """

    title: str
    endpoint: str
    port: int
    owner: str
    first_database: str
    database: str
    sslmode: str
    plaintext: Fact
    poolers: Fact
    network: Fact
    password: Fact
    idle: Fact
    checked: str
    ca: str | None = None
    ca_source: str | None = None
    shares_public: bool = False
    pooler: str | None = None
    plain_password: bool = False

    @property
    def facts(self) -> dict[str, Fact]:
        """Return the facts by what they are about, in the order of reading."""
        return {
            "Plaintext": self.plaintext,
            "Poolers": self.poolers,
            "Network": self.network,
            "Password": self.password,
            "Idle connections": self.idle,
        }


_PROVIDERS = Path(__file__).parent / "providers"


def names() -> tuple[str, ...]:
    """Return what the command accepts, one name for each file in `providers/`; none of them is read."""
    return tuple(sorted(file.stem for file in _PROVIDERS.glob("*.toml")))


def is_for_kubernetes(directory: Path) -> bool:
    """Say whether a directory has the files of a set-up for Kubernetes, and not for Compose."""
    # A project's own configuration may have the name of the Deployment's file.
    return (directory / KUSTOMIZATION).is_file() and not (directory / COMPOSE).exists()


def has_pgbouncer(directory: Path) -> bool:
    """Say whether Plano reaches its database by a PgBouncer in the set-up of a directory."""
    if is_for_kubernetes(directory):
        return True
    try:  # a directory that was written with it, and with `--direct` since, still has its `pgbouncer.ini`
        return "\n  pgbouncer:\n" in (directory / COMPOSE).read_text(encoding="utf-8", errors="replace")
    except OSError:
        return (directory / SIDECAR).exists()


def of_pgbouncer(name: str, *, on_kubernetes: bool) -> str:
    """Return the path of a file that PgBouncer reads, from the directory of the set-up."""
    return f"{FOLDER}/{name}" if on_kubernetes else name


def load(name: str) -> Provider:
    """Return a provider's record by one of `names()`."""
    from planodev.project.toml_file import parse

    values = parse((_PROVIDERS / f"{name}.toml").read_text(encoding="utf-8"))
    record: dict[str, Any] = {key: Fact(**value) if isinstance(value, dict) else value for key, value in values.items()}
    return Provider(**record)
