"""Draw docs/terminal.svg, the README's picture of the terminal, from what the commands really print.

    python docs/terminal.py [--text]

It needs a Docker Engine, and planoai on the PATH or its Python as PLANOAI. It works in a directory of its own, which is
shown as `~/support-agent`, and removes all that it creates. `--text` prints what would be drawn instead.
"""

from __future__ import annotations

import argparse
import os
import pty
import re
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path
from urllib.parse import unquote

import psycopg
from dotenv import dotenv_values
from rich.console import Console
from rich.text import Text

WIDTH = 104  # columns
TURNS = """\
INSERT INTO conversation_states (response_id, input_items, created_at, model, provider)
SELECT 'resp_' || md5(n::text), (SELECT jsonb_agg(item ORDER BY at) FROM generate_series(1, 2 * (n %% 2) + 2) AS at,
  LATERAL (SELECT jsonb_build_object('role', CASE at %% 2 WHEN 1 THEN 'user' ELSE 'assistant' END, 'content',
    CASE WHEN at = 1 THEN (ARRAY['My order 1234 has not arrived.', 'Can I return worn shoes?'])[(n + 1) / 2]
    ELSE 'text ' || at END) AS item) AS one), extract(epoch FROM now())::bigint - 3600 + n * 60, %(model)s, %(model)s
FROM generate_series(1, 3) AS n"""
# What rich writes around the lines, without the fonts that it would load from elsewhere.
FORMAT = re.compile(r"\s*@font-face \{.*?\}", re.DOTALL)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--text", action="store_true", help="print the text instead")
    as_text = parser.parse_args().text
    base = Path(tempfile.mkdtemp(prefix="planodev-picture-")).resolve()
    try:
        screen = recorded(base)
    finally:
        shutil.rmtree(base, ignore_errors=True)
    if as_text:
        print(screen.export_text())
        return
    svg = screen.export_svg(title="planodev", unique_id="terminal")
    Path(__file__).with_name("terminal.svg").write_text(FORMAT.sub("", svg))


def recorded(base: Path) -> Console:
    """Return a screen on which the commands were run, in a project below a directory."""
    base.chmod(0o755)
    project = base / "support-agent"
    project.mkdir()
    os.environ |= {"XDG_STATE_HOME": f"{base}/state", "XDG_DATA_HOME": f"{base}/data", "COLUMNS": str(WIDTH)}
    os.environ |= {"TERM": "xterm-256color", "ANTHROPIC_API_KEY": "sk-of-the-picture"}
    planoai = [str(Path(os.environ["PLANOAI"]).parent)] if "PLANOAI" in os.environ else []
    os.environ["PATH"] = os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"], *planoai])
    with Path(os.devnull).open("w") as nowhere:
        screen = Console(record=True, width=WIDTH, file=nowhere)
        try:
            for command in ("planodev up --save-keys", "planodev conversations"):
                screen.print(Text.assemble(("$ ", "bold green"), command))
                screen.print(Text.from_ansi(shown(command, project).replace(str(base), "~")))
                if command.startswith("planodev up"):
                    store(project)
        finally:
            down = ["planodev", "-C", str(project), "down", "--delete-data", "--yes"]
            subprocess.run(down, check=False, capture_output=True)
    return screen


def shown(command: str, directory: Path) -> str:
    """Run a command at a terminal of its own, and return what is on the screen at its end."""
    pid, handle = pty.fork()
    if pid == 0:
        os.chdir(directory)
        os.execvp("sh", ["sh", "-c", f"stty cols {WIDTH} rows 60; exec {command}"])
    pieces = []
    while True:
        try:
            piece = os.read(handle, 65536)
        except OSError:
            break
        if not piece:
            break
        pieces.append(piece)
    if os.waitpid(pid, 0)[1]:
        sys.exit(b"".join(pieces).decode())
    text = b"".join(pieces).decode().replace("\r\n", "\n")
    # A line that was cleared shows what was written behind that.
    return "\n".join(line.rpartition("\r\x1b[K")[2] for line in text.rstrip("\n").split("\n")) + "\n"


def store(project: Path) -> None:
    """Store two conversations as Plano does."""
    env = dotenv_values(project / ".env", interpolate=False)
    way = {"host": "127.0.0.1", "port": env["DB_PORT"], "user": env["DB_USER"], "dbname": env["DB_NAME"]}
    with psycopg.connect(**way, password=unquote(env["DB_PASS"] or ""), autocommit=True) as session:
        session.execute(TURNS, {"model": "anthropic/claude-sonnet-4-6"})


if __name__ == "__main__":
    main()
