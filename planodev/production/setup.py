"""The input of the generated files: provider, options, configuration, and the values that were filled in."""

from __future__ import annotations

import os
from dataclasses import asdict, dataclass, field
from functools import cached_property
from ipaddress import ip_address
from typing import TYPE_CHECKING, Any

from planodev import production
from planodev.pasting import posix
from planodev.plano import config_edit, models, rules
from planodev.postgres.connection import CONNECTION_STRING, DOCKER_HOST_NAME, LOOPBACK, is_host, is_loopback
from planodev.problems import BadInput, Fix, Shell
from planodev.production import PLACEHOLDER, READY, endpoints, kept, ownership
from planodev.project import credentials, defaults, env_file, env_keys

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from planodev.plano.config_file import ConfigFile
    from planodev.production import Provider
    from planodev.production.endpoints import Addresses
    from planodev.project.env_file import EnvFile


@dataclass(frozen=True)
class Place:
    """The server and its database; `host` is None where it is still to be filled in."""

    host: str | None
    port: str
    database: str


@dataclass(frozen=True)
class KubernetesValues:
    """What `kubernetes` asks for, by option or as the files say; each is called as in `kept.KEPT`.

    Args:
        namespace: of everything.
        replicas: pods of Plano.
        instances: of PostgreSQL.
        storage: of each instance.
        storage_class: its class, "" for the default one.
        operator: the namespace where the operator runs.
        days: after which nobody needs a conversation.
        components: the whole line that switches backups on, and the recovery out of them, as a person has left it.
        backups: the bucket and a folder in it.
        endpoint: the bucket's address, "" at S3 itself.
        lost_name: whose backups a recovery takes.
        recovered_name: under which name the recovered cluster writes its own.

    """

    namespace: str = defaults.NAMESPACE
    replicas: int = defaults.REPLICAS
    instances: int = defaults.INSTANCES
    storage: str = defaults.STORAGE
    storage_class: str = ""
    operator: str = "cnpg-system"
    days: int = 90
    components: str = "# components: [backup]"
    backups: str = f"s3://{PLACEHOLDER}-bucket/plano"
    endpoint: str = ""
    lost_name: str = "plano-db"
    recovered_name: str = "plano-db-2"


@dataclass(frozen=True)
class Setup:
    """Everything that the files are rendered from.

    Args:
        name: one of `production.names()`.
        provider: its facts.
        directory: where the files go.
        config: Plano's configuration.
        addresses: those in it that a container does not reach, or is not reached at.
        values: what is filled in of `.env.production`, by name.
        example: what its example has a value for, by name.
        left: what was filled in for another provider, and is not kept.
        place: the server.
        project: the directory where planodev's own paths start.
        again: the command that writes these files again, as it is typed in their directory.
        again_through: the same, with PgBouncer.
        image: of Plano.
        direct: whether Plano connects to the server itself, without PgBouncer.
        kubernetes: what is asked for there; None for Compose.
        sslmode: how PgBouncer speaks to the server.
        foreign: whether the `pgbouncer.ini` that is there, and so the authority beside it, is another provider's.

    """

    name: str
    provider: Provider
    directory: Path
    config: ConfigFile
    addresses: Addresses
    values: Mapping[str, str] = field(repr=False)  # which hold secrets
    example: Mapping[str, str] = field(repr=False)
    left: Mapping[str, str] = field(repr=False)
    place: Place
    project: Path
    again: str
    again_through: str
    image: str = production.PLANO_IMAGE
    direct: bool = False
    kubernetes: KubernetesValues | None = None
    sslmode: str = "prefer"
    foreign: bool = False

    @property
    def ca_path(self) -> str:
        """The path of the authority of the server's certificate, from the directory of the set-up."""
        return production.of_pgbouncer(production.CA, on_kubernetes=self.kubernetes is not None)

    @property
    def checked(self) -> bool:
        """Say whether the server's certificate is checked, by `server-ca.pem`."""
        return self.sslmode != "prefer" and not self.direct

    @property
    def cluster(self) -> bool:
        """Say whether the files make the server, too."""
        return self.name == production.KUBERNETES

    @property
    def server(self) -> str:
        """The server's name, or what holds its place."""
        return self.place.host or f"{PLACEHOLDER}-host"

    @property
    def user(self) -> str:
        """The user as this server wants it: with the project's reference behind at a pooler, alone elsewhere."""
        user = self.values.get(env_keys.USER, production.ROLE)
        if self.provider.pooler is None or self.place.host is None:
            return user
        name, _, reference = user.partition(".")
        if not self.pooled:
            return name
        return user if reference else f"{PLACEHOLDER}-{name}.REF"

    @property
    def pooled(self) -> bool:
        """Say whether the server is the provider's own pooler."""
        return self.provider.pooler is not None and self.server.endswith(self.provider.pooler)

    @property
    def owner(self) -> str:
        """The role that makes the table, as this server wants it."""
        return self.provider.owner + ("." + self.user.partition(".")[2] if self.pooled else "")

    @property
    def keys(self) -> list[str]:
        """The variables of the model providers' keys."""
        return [key.name for key in self.config.keys if key.name]

    @property
    def environment(self) -> dict[str, str]:
        """Everything that `.env.production` names, with placeholders for what is not known."""
        place = self.place
        server = f"[{self.server}]" if ":" in self.server else self.server  # as a URL has it
        direct = {env_keys.HOST: server, env_keys.PORT: place.port, env_keys.DATABASE: place.database}
        through = {env_keys.HOST: LOOPBACK, env_keys.PORT: str(production.PGBOUNCER_PORT), env_keys.DATABASE: READY}
        return {
            env_keys.USER: self.user,
            env_keys.PASSWORD: self.values.get(env_keys.PASSWORD, f"{PLACEHOLDER}-password"),
            **(direct if self.direct else through),
            **{key: self.values.get(key, f"{PLACEHOLDER}-key") for key in self.keys},
        }

    @property
    def ports(self) -> list[int]:
        """The ports of Plano's listeners; the one that stores is always there."""
        return sorted(rules.ports_of(self.config))

    @property
    def model_port(self) -> int:
        """The port of the listener whose conversations are stored."""
        return rules.model_port(self.config)

    @property
    def model(self) -> str:
        """A model to try, whose conversations are stored where there is such a one."""
        found = [one for one in models.of(self.config.content or {}) if not one.router and not one.wildcard]
        ordered = sorted(found, key=lambda one: (not one.stored, not one.default))
        return ordered[0].name if ordered else "PROVIDER/MODEL"

    @property
    def unstored(self) -> list[str] | None:
        """The models that answer, and whose conversations Plano does not store; None without a configuration."""
        if self.config.content is None:
            return None
        return [
            one.name
            for one in models.of(self.config.content)
            if one.interface and not one.router and one.answers and not one.stored
        ]

    @property
    def unanswered(self) -> list[str]:
        """The models from which `POST /v1/responses` gets no answer, so that there is nothing to store."""
        found = models.of(self.config.content or {})
        return [one.name for one in found if one.interface and not one.router and not one.answers]

    @property
    def local(self) -> list[str]:
        """The addresses in the configuration that the container cannot reach as they stand."""
        return self.addresses.local

    @property
    def copied(self) -> bool:
        """Say whether Plano gets a copy of the configuration: one for the container, or for a directory of its own."""
        if self.config.content is None:
            return self.kubernetes is not None
        changed = self.local or self.addresses.unreachable
        return self.kubernetes is not None or bool(changed) or self.elsewhere

    @cached_property
    def deployed(self) -> str:
        """The configuration's text for Plano's container: it stores, and its addresses mean what they should.

        Raises:
            BadInput: there is no edit that adds `state_storage` and nothing else.

        """
        text = self.addresses.reachable(machine=self.kubernetes is None)
        if self.config.content and not self.config.connection_string:
            try:
                text = config_edit.with_storage(text, CONNECTION_STRING)
            except config_edit.NotEditable as error:
                name = self.config.path.name
                fix = error.fix or f"write `state_storage` in `{name}`"
                message = f"`state_storage` cannot be added to the copy of `{name}`"
                raise BadInput("config-not-editable", message, why=str(error), fix=fix) from error
        return text

    @property
    def elsewhere(self) -> bool:
        """Say whether the files go to another directory than the configuration's."""
        return self.directory.resolve() != self.config.path.parent.resolve()

    @property
    def engine_host(self) -> bool:
        """Say whether something on the machine itself is reached by the engine's name for it."""
        named = DOCKER_HOST_NAME in (self.config.text or "") or self.place.host == DOCKER_HOST_NAME
        return bool(self.local) or named


def gather(
    directory: Path, config: ConfigFile, options: Mapping[str, Any], project: Path, *, on_kubernetes: bool
) -> Setup:
    """Read what is there, and return the set-up; what was filled in for the same provider is kept.

    Args:
        directory: where the files are, or will be.
        config: Plano's configuration.
        options: `provider`, `host`, `generate_password`, `direct`, `target`, `output`, `config`, and those of
            `KubernetesValues`.
        project: where relative paths start.
        on_kubernetes: whether Plano runs there, and not in Compose.

    Raises:
        BadInput: the host cannot be right.

    """
    provider = production.load(options["provider"])
    host = _host(options.get("host"))
    env = _load(directory / production.ENV_NAME)
    filled = _filled_in(env)
    texts = kept.texts(directory, on_kubernetes=on_kubernetes)
    written = kept.read(texts)
    there = {key: written[key] for key in kept.OF_THE_SERVER if key in written}
    ca = directory / production.of_pgbouncer(production.CA, on_kubernetes=on_kubernetes)
    ini = texts.get(production.of_pgbouncer(production.SIDECAR, on_kubernetes=on_kubernetes), "")
    other = env.exists and provider.title not in env.text.partition("\n")[0]
    # Which `other` does not tell, where `--direct` left that file as it was.
    foreign = ownership.written_for(ini) not in ("", provider.title)
    left = {key: filled.pop(key) for key in env_keys.PUBLIC if key in filled} | there if other else {}
    there = {} if other or foreign else there
    direct = bool(options.get("direct"))
    through, again = (_again(directory, project, {**options, "direct": chosen}) for chosen in (False, direct))
    return Setup(
        name=options["provider"],
        provider=provider,
        directory=directory,
        config=config,
        addresses=endpoints.find(config),
        values=_values(env, filled, options),
        example=_filled_in(_load(directory / f"{production.ENV_NAME}.example")),
        left=left,
        place=_place(options["provider"], provider, host, filled, there),
        project=project,
        again=again,
        again_through=through,
        image=written.get("image", production.PLANO_IMAGE),
        direct=direct,
        kubernetes=_kubernetes(options, written) if on_kubernetes else None,
        sslmode=provider.sslmode if foreign else _sslmode(provider, ini, ca),
        foreign=foreign,
    )


def _sslmode(provider: Provider, ini: str, ca: Path) -> str:
    """Return the provider's mode; where its servers may have no TLS, the authority's certificate decides.

    A server that was checked once is not left unchecked because the certificate is missing now.
    """
    checks = ca.is_file() or "\nserver_tls_sslmode = verify-full\n" in ini
    return "verify-full" if provider.sslmode == "prefer" and checks else provider.sslmode


def _load(path: Path) -> EnvFile:
    """Read an environment file of the directory for production, which is written where it is missing."""
    return env_file.load(path, way=Fix(Shell("mv {} {}", path, f"{path}.old"), " moves it away"))


def _filled_in(env: EnvFile) -> dict[str, str]:
    """Return the values of an environment file that are no placeholders."""
    return {key: value for key, value in env.written.items() if value and not value.startswith(PLACEHOLDER)}


def _values(env: EnvFile, filled: Mapping[str, str], options: Mapping[str, Any]) -> dict[str, str]:
    """Return what is filled in as it is written, but for the place of the server, with a password where one is made."""
    quoted = {**env_file.read_as_planoai(env.text), **env.over_lines}
    of_the_place = (env_keys.HOST, env_keys.PORT, env_keys.DATABASE)
    values = {key: quoted.get(key, value) for key, value in filled.items() if key not in of_the_place}
    if options.get("generate_password"):
        values.setdefault(env_keys.PASSWORD, credentials.generate_password())
    return values


def _again(directory: Path, project: Path, options: Mapping[str, Any]) -> str:
    back = os.path.relpath(project.resolve(), directory.resolve())
    words = ["planodev", *(["-C", back] if back != "." else []), "production", options["provider"]]
    words += ["--direct"] if options.get("direct") else []
    if options["provider"] != production.KUBERNETES and options.get("target") == production.KUBERNETES:
        words += ["--for", production.KUBERNETES]
    for name in ("output", "config"):
        words += [f"--{name}", str(options[name])] if options.get(name) else []
    return " ".join(map(posix, words))


def _place(
    name: str, provider: Provider, host: str | None, filled: Mapping[str, str], there: Mapping[str, str]
) -> Place:
    """Return the server: what is typed, else what `.env.production` names, unless that is PgBouncer, else its file.

    The server that the files themselves make is always the same.
    """
    if name == production.KUBERNETES:
        return Place(provider.endpoint, str(provider.port), provider.database)
    own = filled if env_keys.HOST in filled and not is_loopback(filled[env_keys.HOST]) else {}
    database = filled.get(env_keys.DATABASE, READY)
    return Place(
        host or _host(own.get(env_keys.HOST) or there.get("host")),
        own.get(env_keys.PORT) or there.get("port") or str(provider.port),
        database if database != READY else there.get("dbname") or provider.database,
    )


def _kubernetes(options: Mapping[str, Any], values: Mapping[str, str]) -> KubernetesValues:
    """Return the options of Kubernetes: what was typed, else what the files say, else the defaults."""
    found: dict[str, Any] = {}
    for name, default in asdict(KubernetesValues()).items():
        if options.get(name) is not None:
            found[name] = options[name]
        elif name in values:
            found[name] = type(default)(values[name])
    return KubernetesValues(**found)


def _host(typed: str | None) -> str | None:
    """Return a host name or an address, without the brackets of a URL; refuse what a container cannot reach."""
    if typed is None:
        return None
    host = typed
    try:
        host = str(ip_address(typed[1:-1] if typed.startswith("[") and typed.endswith("]") else typed))
    except ValueError:
        if not is_host(typed) or typed.startswith("/"):
            raise BadInput(
                "bad-host",
                "`--host` is not a host name",
                why="only the name or the address is needed, without user, port and scheme",
                fix="`--host db.example.com`",
            ) from None
    if _is_container_itself(host):
        raise BadInput(
            "bad-host",
            f"a container cannot reach `{host}`",
            why="in the container that is the container itself",
            fix=f"give `--host` an address of this machine that a container reaches, such as {DOCKER_HOST_NAME}",
        )
    return host


def _is_container_itself(host: str) -> bool:
    try:
        address = ip_address(host)
    except ValueError:
        name = host.rstrip(".").lower()
        return name == "localhost" or name.endswith(".localhost")
    address = getattr(address, "ipv4_mapped", None) or address
    return address.is_loopback or address.is_unspecified


def seen_from(directory: Path, path: Path) -> str:
    """Return a file's path as it is written in a file of another directory."""
    relative = os.path.relpath(path, directory)
    return relative if relative.startswith((".", "/")) else f"./{relative}"
