"""`python -m planodev` and the console script."""

from __future__ import annotations

import _signal  # type: ignore[import-not-found]  # `signal` itself would cost a millisecond of this

# Until `main` can say it properly an interruption ends the process at once, without Python's traceback.
if _signal.getsignal(_signal.SIGINT) is _signal.default_int_handler:
    _signal.signal(_signal.SIGINT, _signal.SIG_DFL)

import gc
import os
import signal
import sys
from typing import TYPE_CHECKING, NoReturn

if TYPE_CHECKING:
    from types import FrameType

# Nothing that start-up makes is garbage: collecting while modules load costs a tenth of `status`.
gc.disable()


def main() -> None:
    """Run the command line; an interruption while it is still being loaded ends it as any other does."""
    try:
        sys.unraisablehook = _not_raised
        if signal.getsignal(signal.SIGINT) == signal.SIG_DFL:
            signal.signal(signal.SIGINT, signal.default_int_handler)
        signal.signal(signal.SIGTERM, _stop)
        from planodev.cli import main as run

        run()
    except KeyboardInterrupt:
        _interrupted()


def _stop(number: int, frame: FrameType | None) -> NoReturn:
    del number, frame
    raise KeyboardInterrupt


def _not_raised(seen: sys.UnraisableHookArgs) -> None:
    """End also where Python drops the exception: in a finalizer, or a callback such as importing a module has."""
    if isinstance(seen.exc_value, KeyboardInterrupt):
        _interrupted()
    sys.__unraisablehook__(seen)


def _interrupted() -> NoReturn:
    """End at once, by as little code as can be: what should be imported may be loaded by half."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    left = "what was begun is mended by the next `planodev up`" if "up" in sys.argv else "nothing was lost"
    message = f"interrupted; {left}"
    if "--json" in sys.argv:
        error = f'{{"code": "interrupted", "message": "{message}", "why": null, "fix": null}}'
        head = '"schema_version": 1, "command": "planodev", "ok": false, "data": {}, "warnings": []'
        os.write(1, f'{{{head}, "error": {error}}}\n'.encode())
    else:
        os.write(2, f"✗ {message} [interrupted]\n".encode())
    os._exit(130)


if __name__ == "__main__":
    main()
