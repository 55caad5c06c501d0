"""Templates become text; an undefined variable is an error, never an empty string."""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import jinja2


@cache
def directory() -> Path:
    """Return where the templates are: inside an installed package, beside it in a checkout."""
    here = Path(__file__).resolve().parent
    installed = here / "templates"
    return installed if installed.is_dir() else here.parent / "templates"


@cache
def config_templates() -> tuple[str, ...]:
    """Return the names that `--template` takes, one for each file in `templates/config`."""
    suffix = ".yaml.j2"
    return tuple(sorted(p.name.removesuffix(suffix) for p in (directory() / "config").glob(f"*{suffix}")))


def source(name: str) -> str:
    """Return a template's own text, unrendered."""
    return (directory() / name).read_text(encoding="utf-8")


def render(name: str, **values: Any) -> str:  # noqa: ANN401
    """Return a template's text.

    Args:
        name: path below `templates/`, such as `config/responses.yaml.j2`.
        values: the template's variables.

    Raises:
        jinja2.UndefinedError: the template names a variable that is not given.

    """
    return environment().get_template(name).render(**values)


@cache
def environment() -> jinja2.Environment:
    """Return what reads the templates, each of them once."""
    import jinja2

    return jinja2.Environment(
        loader=jinja2.FileSystemLoader(directory()),
        # No other template is HTML.
        autoescape=jinja2.select_autoescape(["html.j2"], default=False, default_for_string=False),
        undefined=jinja2.StrictUndefined,
        keep_trailing_newline=True,
        trim_blocks=True,
        lstrip_blocks=True,
    )
