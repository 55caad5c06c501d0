"""`planodev production`."""

from __future__ import annotations

import re
from functools import partial
from typing import Any

import click

from planodev import production
from planodev.cli import shared
from planodev.commands.production import production as write
from planodev.project import defaults, env_keys

_ON_KUBERNETES = ("namespace", "replicas")
_OF_THE_CLUSTER = ("instances", "storage")
_kubernetes = partial(click.option, cls=shared.Option, group="Kubernetes")


def _matching(pattern: str, wanted: str) -> Any:  # noqa: ANN401  a callback of click
    def check(_ctx: click.Context, _parameter: click.Parameter, value: str | None) -> str | None:
        if value is not None and not re.fullmatch(pattern, value):
            raise click.BadParameter(f"{value!r} is not {wanted}")
        return value

    return check


@shared.command("production")
@click.argument("provider", type=click.Choice(production.names()), metavar="PROVIDER")
@click.option(
    "--output",
    metavar="DIR",
    shell_complete=shared.paths("dir"),
    help="Where to write.  [default: the project, or kubernetes/ in it]",
)
@click.option("--host", metavar="NAME", help="The server's host name; can be filled in later.")
@shared.config()
@click.option(
    "--generate-password",
    is_flag=True,
    help=f"Generate a strong {env_keys.PASSWORD} instead of leaving it to fill in.",
)
@click.option("--direct", is_flag=True, help="Without PgBouncer: Plano restarts with the database (self-hosted).")
@click.option("--force", is_flag=True, help="Overwrite edited files; values that are filled in are kept.")
@click.option(
    "--for",
    "target",
    type=click.Choice(("compose", "kubernetes")),
    metavar="compose|kubernetes",
    help="Where Plano will run.  [default: compose]",
)
@_kubernetes(
    "--namespace",
    metavar="NAME",
    callback=_matching(r"[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?", "a name such as plano"),
    help=f"Namespace of everything.  [default: {defaults.NAMESPACE}]",
)
@_kubernetes(
    "--replicas", metavar="N", type=click.IntRange(1, 100), help=f"Pods of Plano.  [default: {defaults.REPLICAS}]"
)
@_kubernetes(
    "--instances",
    metavar="N",
    type=click.IntRange(1, 100),
    help=f"Instances of PostgreSQL.  [default: {defaults.INSTANCES}]",
)
@_kubernetes(
    "--storage",
    metavar="SIZE",
    callback=_matching(r"[1-9]\d*(?:[kMGTPE]|[KMGTPE]i)", "a size such as 10Gi"),
    help=f"Storage of each instance.  [default: {defaults.STORAGE}]",
)
@click.pass_context
def command(ctx: click.Context, /, **options: Any) -> int:  # noqa: ANN401
    _check(ctx, options)
    return shared.run(ctx, options, write)


def _check(ctx: click.Context, options: dict[str, Any]) -> None:
    """Refuse options that would do nothing."""
    provider = options["provider"]
    cluster = provider == production.KUBERNETES
    target = options["target"] or ("kubernetes" if cluster else "compose")
    refused = {
        f"with {provider}": [
            *(["host"] if cluster else []),
            *(["for"] if cluster and target == "compose" else []),
            *([] if provider == "self-hosted" else ["direct"]),
            *([] if cluster else _OF_THE_CLUSTER),
        ],
        "without --for kubernetes": [] if target == "kubernetes" else _ON_KUBERNETES,
        "with --for kubernetes": ["direct"] if target == "kubernetes" else [],
    }
    for why, names in refused.items():
        for name in names:
            if options["target" if name == "for" else name]:
                raise click.UsageError(f"--{name} does not apply {why}", ctx)


# Not a docstring, since it lists the providers.
command.help = f"""Generate the files of a production set-up, for Compose or Kubernetes, and PRODUCTION.md.

PROVIDER is one of {", ".join(production.names())}; kubernetes brings a PostgreSQL of its own, by CloudNativePG. Run it
again to update the files. No server is contacted; `planodev verify --env-file .env.production` verifies the result.
"""
