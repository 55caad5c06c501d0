"""`python -m planodev` and the console script."""

from __future__ import annotations

import gc

# Nothing that start-up makes is garbage: collecting while modules load costs a tenth of `status`.
gc.disable()


def main() -> None:
    """Run the command line."""
    from planodev.cli import main as run

    run()


if __name__ == "__main__":
    main()
