"""`planodev up`."""

from __future__ import annotations

from typing import Any

import click

from planodev.cli import common
from planodev.commands.up import up


@click.command("up", short_help="Start Postgres and prove that Plano can store.")
@click.option("--engine", metavar="auto|docker|embedded", help="Where Postgres runs.  [default: auto]")
@click.option("--plano", metavar="docker|native", help="Where Plano will run.  [default: docker]")
@click.option(
    "--port", metavar="N", help="Port on this machine; an error if it is taken.  [default: 5432 or the next free one]"
)
@click.option("--name", metavar="NAME", help="Container name.  [default: plano-postgres]")
@click.option("--image", metavar="REF", help="A mirror, a digest, another tag.  [default: postgres:16]")
@click.option("--pull", metavar="missing|always|never", help="When to pull the image.  [default: missing]")
@click.option(
    "--template", metavar="NAME", help="support-agent or responses, for a first config.yaml.  [default: support-agent]"
)
@click.option("--model", metavar="PROVIDER/MODEL", multiple=True, help="For a first config.yaml; may be repeated.")
@click.option("--config", metavar="FILE", help="Plano's configuration.  [default: config.yaml or plano_config.yaml]")
@click.option(
    "--save-keys/--no-save-keys", default=None, help="Copy provider keys from the shell into .env, or never ask to."
)
@click.option("--adopt", is_flag=True, help="Take over a plano-postgres container that was made by hand.")
@click.option("--timeout", metavar="SECONDS", help="How long to wait for Postgres.  [default: 60]")
@click.option("--dry-run", is_flag=True, help="Say what would be done, and change nothing.")
@click.option("--yes", is_flag=True, help="Never ask; change an existing config.yaml as shown.")
@common.as_json
@click.pass_context
def command(ctx: click.Context, /, **options: Any) -> None:  # noqa: ANN401
    """Start Postgres, write .env and config.yaml, make Plano's table, and prove that Plano can store.

    Every step looks first: a second `up` changes nothing, and an `up` that was killed is mended by the next.
    """
    common.repeat(ctx, options)
    common.run(ctx, options, up)
