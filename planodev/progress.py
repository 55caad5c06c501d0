"""How the work says what it is doing, without knowing who listens."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from planodev.problems import Fix, Problem
    from planodev.result import Outcome


class Progress(Protocol):
    """The listener; `planodev.cli.console` has the one that prints."""

    def begin(self, title: str) -> None:
        """Say what starts now, a gerund such as `Starting Postgres`."""

    def done(self, outcome: Outcome) -> None:
        """Say how the step that began last has ended."""

    def notice(self, notice: Problem) -> None:
        """Show a problem; each code and message is shown once."""

    def before(self, notice: Problem) -> None:
        """Show a problem at once, before what it warns of is done."""

    def note(self, text: str | Fix) -> None:
        """Say what explains a change, such as why a container is replaced; further lines stay as they are."""

    def transfer(self, layer: str, status: str, current: int, total: int) -> None:
        """Report bytes of an image layer; `total` is 0 while it is not known."""

    def confirm(self, question: str, *, default: bool = False) -> bool | None:
        """Ask for yes or no; None where there is no terminal to ask on."""

    def ask_secret(self, question: str) -> str | None:
        """Ask for something that must not be seen; "" for no answer, None where there is no terminal to ask on."""
