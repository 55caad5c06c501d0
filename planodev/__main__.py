"""`python -m planodev` and the console script."""

from __future__ import annotations

import _signal  # type: ignore[import-not-found]  # a millisecond faster than `signal`

# Until `main` can report an interruption, it ends the process at once, without Python's traceback.
if _signal.getsignal(_signal.SIGINT) is _signal.default_int_handler:
    _signal.signal(_signal.SIGINT, _signal.SIG_DFL)

import gc
import os
import signal
import sys
import warnings
from typing import TYPE_CHECKING, NoReturn

if TYPE_CHECKING:
    from types import FrameType

    from planodev.cli.console import Console

# Start-up leaves no garbage, and looking for it while modules load takes a tenth of the time of `status`.
gc.disable()


_console: Console | None = None  # None until the command line is loaded


def main() -> None:
    """Run the command line and end the process, also where an interruption meets it while it is being loaded."""
    global _console  # noqa: PLW0603
    try:
        sys.unraisablehook = _not_raised
        # Libraries warn in words of their own, past the console: of YAML, with the lines that may hold a password.
        warnings.simplefilter("ignore")
        if signal.getsignal(signal.SIGINT) == signal.SIG_DFL:
            signal.signal(signal.SIGINT, signal.default_int_handler)
        signal.signal(signal.SIGTERM, _stop)
        from planodev.cli import streams

        streams.complete()
        from planodev.cli.console import Console
        from planodev.cli.main import main as run

        _console = Console()
        code = run(console=_console)
    except KeyboardInterrupt:
        _interrupted()
    except Exception as error:  # noqa: BLE001  the last place that can report it
        _not_loaded(error)
    # Nothing is left to clean up, and tearing the interpreter down takes longer than some commands.
    os._exit(code)


def _stop(number: int, frame: FrameType | None) -> NoReturn:
    del number, frame
    raise KeyboardInterrupt


def _not_raised(seen: sys.UnraisableHookArgs) -> None:
    """End also where Python ignores the exception: in a finalizer, or in a callback of the import system."""
    if isinstance(seen.exc_value, KeyboardInterrupt):
        _interrupted()
    sys.__unraisablehook__(seen)


def _not_loaded(error: Exception) -> NoReturn:
    """End where not even planodev itself could be loaded: by a limit of the system, or a broken installation."""
    why = ascii(f"{type(error).__name__}: {error}")[1:-1]
    fix = "`ulimit -a` shows this shell's limits; if they are not the reason, reinstall planodev"
    os.write(2, f"✗ planodev could not be loaded [not-loaded]\n  why: {why}\n  fix: {fix}\n".encode())
    os._exit(1)


def _interrupted() -> NoReturn:
    """End at once with as little code as possible: the modules that it would need may be half loaded."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    if _console and _console.json:
        error = '{"code": "interrupted", "message": "interrupted", "why": null, "fix": null}'
        head = f'"schema_version": 1, "command": "{_console.command}", "ok": false, "data": {{}}, "warnings": []'
        os.write(1, f'{{{head}, "error": {error}}}\n'.encode())
    else:
        os.write(2, "✗ interrupted [interrupted]\n".encode())
    os._exit(130)


if __name__ == "__main__":
    main()
