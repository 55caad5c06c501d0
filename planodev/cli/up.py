"""`planodev up`."""

from __future__ import annotations

from functools import partial
from typing import Any

import click

from planodev import rendering
from planodev.cli import shared
from planodev.commands.up import up
from planodev.project import defaults, settings

database = partial(click.option, cls=shared.Option, group="Database")
plano = partial(click.option, cls=shared.Option, group="Plano")
behaviour = partial(click.option, cls=shared.Option, group="Behaviour")


@shared.command("up")
@database("--engine", **shared.choice(settings.ENGINES), help=f"Where Postgres runs.  [default: {defaults.ENGINE}]")
@database("--port", metavar="N", help=f"Port on this machine.  [default: {defaults.PORT}, or the next free one]")
@database("--name", metavar="NAME", help=f"Container name.  [default: {defaults.NAME}]")
@database("--image", metavar="REF", help=f"Image, tag, mirror or digest.  [default: {defaults.IMAGE}]")
@database("--pull", **shared.choice(settings.PULL), help=f"When to pull the image.  [default: {defaults.PULL}]")
@database("--adopt", is_flag=True, help="Adopt the data of a container created by hand.")
@plano("--plano", **shared.choice(settings.PLANO), help=f"Where Plano will run.  [default: {defaults.PLANO}]")
@shared.config(cls=shared.Option, group="Plano")
@plano(
    "--template",
    metavar="NAME",
    shell_complete=shared.words(rendering.config_templates),
    help=f"For a first config.yaml: {' or '.join(rendering.config_templates())}.  [default: {defaults.TEMPLATE}]",
)
@plano("--model", metavar="PROVIDER/MODEL", multiple=True, help="For a first config.yaml; can be repeated.")
@plano("--store-all", is_flag=True, help="Have Plano store every model of an existing config.yaml; asks first.")
@plano("--save-keys/--no-save-keys", default=None, help="Copy provider keys from the shell into .env, or never ask to.")
@plano("--with-plano", is_flag=True, help="Start Plano too, by planoai, and wait until it answers and is connected.")
@plano(
    "--plano-timeout",
    metavar="SECONDS",
    help=f"How long to wait for Plano, with --with-plano.  [default: {defaults.PLANO_TIMEOUT:g}]",
)
@behaviour(
    "--timeout",
    metavar="SECONDS",
    help=f"How long to wait for Postgres.  [default: {defaults.TIMEOUT:g}]",
)
@behaviour("--dotenv", metavar="NAME", help="File for DB_* in place of .env, such as .env.plano; remembered.")
@behaviour("--here", is_flag=True, help="Create a database in this directory, also inside another project.")
@behaviour("--dry-run", is_flag=True, help="Show what would be done, and change nothing.")
@behaviour("--yes", is_flag=True, help="Never ask; change an existing config.yaml as shown.")
@click.pass_context
def command(ctx: click.Context, /, **options: Any) -> int:  # noqa: ANN401
    """Start Postgres, write .env and config.yaml, create Plano's table, and verify that Plano can store.

    Safe to run again: finished steps are skipped, an interrupted run is completed.

    \b
    Examples:
      planodev up
      planodev up --plano native --model ollama/llama3.1
      planodev up --with-plano
      planodev up --engine embedded --port 5433
    """  # noqa: D301  click's mark: do not rewrap these lines
    return shared.run(ctx, options, up)
