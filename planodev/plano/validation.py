"""planoai's own validation of a configuration, in its own interpreter and process.

planoai has no command for it, so `planoai.native_runner.native_validate_config` of 0.4.39 is what there is; where that
is not to be found, nobody is asked. It renders into `~/.plano/run`, where a running Plano has its files, so it gets a
home to throw away. What it said is remembered, and it is asked again only once the configuration, planoai, or a
variable that it reads has changed.
"""

from __future__ import annotations

import re
import shutil
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

from planodev import executables
from planodev.plano import planoai, schema, storage
from planodev.plano.providers import FALLBACK
from planodev.plano.rules import SECRET, closest, shown
from planodev.problems import Command, Fix, Problem
from planodev.project import notes

if TYPE_CHECKING:
    import subprocess
    from collections.abc import Iterator, Mapping

    from planodev.plano.config_file import ConfigFile, KeyPath

PATIENCE = 6.0  # seconds; planoai takes about one
_ACCEPTED, _REFUSED, _NOBODY = 0, 3, 4  # exit codes of the program below
_PROGRAM = f"""\
import os, sys
home, config = sys.argv[1:]
os.environ["HOME"] = os.environ["USERPROFILE"] = home
try:
    from planoai.native_runner import native_validate_config
except Exception:
    os._exit({_NOBODY})
try:
    native_validate_config(config)
except OSError:  # of this machine, such as a full disk
    os._exit({_NOBODY})
except (Exception, SystemExit) as error:
    sys.__stderr__.write("\\x1e" + str(error))
    sys.__stderr__.flush()
    os._exit({_REFUSED})
os._exit({_ACCEPTED})
"""


class Question:
    """planoai's validation of one configuration, begun in the background when this is created."""

    def __init__(self, config: ConfigFile, environment: Mapping[str, str]) -> None:
        self.config = config
        self._process: subprocess.Popen[bytes] | None = None
        self._home: str | None = None
        python = planoai.interpreter(environment)
        self._stamp = _stamp(config, python, environment) if python else ""
        noted = notes.read(notes.ANSWERED, notes.of_file(config.path)) if python else None
        stamp, _, said = (noted or "").partition("\n")
        # What it said then, "" where it accepted; None where that was about something else.
        self._known = said if noted and stamp == self._stamp else None
        if python and self._known is None:
            self._ask(python, environment)

    def _ask(self, python: Path, environment: Mapping[str, str]) -> None:
        import subprocess
        import tempfile

        with suppress(OSError):
            self._home = tempfile.mkdtemp(prefix="planodev-")
            copy = Path(self._home) / "config.yaml"
            copy.write_bytes((self.config.text or "").encode())
            self._process = subprocess.Popen(
                [str(python), "-c", _PROGRAM, self._home, str(copy)],
                cwd=self._home,  # an empty directory: no module in it can shadow planoai's
                env=executables.without_python(environment),
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.PIPE,
            )

    def answer(self) -> list[Problem]:
        """Wait for the answer: nothing where planoai accepts it, else the error; warnings where nobody can be asked."""
        if self._known is not None:
            return self._told(self._known)
        import subprocess

        code, said = _NOBODY, b""
        if self._process:
            with suppress(subprocess.TimeoutExpired):
                said = self._process.communicate(timeout=PATIENCE)[1]
                code = self._process.returncode
        self.close()
        if code not in (_ACCEPTED, _REFUSED):
            return list(_unknown_keys(self.config))
        words = ""
        if code == _REFUSED:
            words = _without_values(self.config, said.rpartition(b"\x1e")[2].decode(errors="replace"))
        notes.write(notes.ANSWERED, notes.of_file(self.config.path), f"{self._stamp}\n{words}")
        return self._told(words)

    def _told(self, words: str) -> list[Problem]:
        return [_refused(self.config, words)] if words else []

    def close(self) -> None:
        """Ask no more, and leave nothing behind."""
        if self._process and self._process.poll() is None:
            self._process.kill()
            self._process.wait()
        if self._process and self._process.stderr:
            self._process.stderr.close()
        if self._home:
            shutil.rmtree(self._home, ignore_errors=True)


def _stamp(config: ConfigFile, python: Path, environment: Mapping[str, str]) -> str:
    """Return the key under which an answer is remembered: a hash of the text, planoai's version, and what it reads.

    Source: planoai 0.4.39 `config_generator.py:345-375`, the only variables that it looks at.
    """
    import hashlib

    packages = sorted(python.parent.parent.glob("lib/python*/site-packages/planoai-*.dist-info"))
    tracing = (config.content or {}).get("tracing")
    collector = str(tracing.get("opentracing_grpc_endpoint") if isinstance(tracing, dict) else "")
    names = sorted({"OTEL_TRACING_GRPC_ENDPOINT", *storage.variables(collector)})
    told = (config.text or "", str(python), *map(str, packages), *(str(p.stat().st_mtime_ns) for p in packages))
    told += tuple(f"{name}={environment.get(name)}" for name in names)
    return hashlib.sha256("\0".join(told).encode(errors="surrogateescape")).hexdigest()


def _refused(config: ConfigFile, said: str) -> Problem:
    """Return planoai's words as a problem: the line that they are about, and what to write there.

    Args:
        config: the configuration.
        said: as `_without_values` returns it.

    """
    message, _, location = said.partition("\n")
    path = _path(location)
    found = re.search(r"\((.*) (?:was|were) unexpected\)", message)
    unknown = [(*path, name) for name in re.findall(r"'([^']+)'", found[1])] if found else []
    path = unknown[0] if unknown else path
    at, where = config.at(*path), config.where(*path)
    text = message if len(message) <= _LONGEST else f"{message[:_LONGEST]}…"
    return Problem(
        "planoai-refuses",
        f"planoai refuses `{config.path.name}`{at}: {text}",
        "; ".join(_of_unknown(config, one) for one in unknown) or _fix(message, path, where),
        level="error",
    )


def _of_unknown(config: ConfigFile, path: KeyPath) -> str:
    """Return the fix for an unknown key."""
    written = config.as_it_stands.content
    part: Any = written or {}
    for step in path[:-1]:
        part = part[step] if not isinstance(part, dict) or step in part else {}
    known = schema.known_keys(path[:-1])
    meant = _RENAMED.get(str(path[-1])) or closest(str(path[-1]), known)
    meant = meant if meant in known else None
    if meant and meant not in part:
        return f"write `{meant}` in {config.where(*path)}"
    return config.without(*path, said=shown(path[-1])) + (f", since `{meant}` is there" if meant else "")


def _path(location: str) -> KeyPath:
    steps = [step.strip() for step in location.split("→")] if location.strip() not in ("", "root") else []
    return tuple(int(step) if step.isdigit() else step for step in steps)


def _fix(message: str, path: KeyPath, where: str) -> Fix | str:
    """Return what to write, by the words of planoai's schema; all that is not known leads back to planoai's own."""
    key = path[-1] if path and isinstance(path[-1], str) else None
    missing = re.search(r"'([^']+)' is a required property", message)
    choices = re.search(r"is not one of \[(.*?)\]", message)
    kind = re.search(r"is not of type '(\w+)'", message)
    if missing:
        example = _EXAMPLES.get(missing[1])
        such = f", such as `{missing[1]}: {example}`" if example else ""
        return f"add `{missing[1]}:` to the entry in {where}{such}"
    if choices and key:
        return f"write `{key}: {choices[1].partition(',')[0].strip(chr(39))}` in {where}"
    if kind and key:
        return f"write {_KINDS.get(kind[1], kind[1])} after `{shown(key)}:` in {where}"
    return Fix(f"correct {where}; ", Command("verify"), " asks planoai again")


_EXAMPLES = {
    "model": FALLBACK,
    "description": "what it does",
    "type": "str",
    "name": "my_name",
    "path": "/",
    "url": "http://localhost:10510",
}
_RENAMED = {"filter_chain": "input_filters"}  # source: https://github.com/katanemo/plano/pull/822
_KINDS = {"array": "a list", "object": "a mapping of keys", "string": "a text in quotes", "integer": "a whole number"}
_KINDS |= {"boolean": "true or false", "number": "a number"}


def _without_values(config: ConfigFile, said: str) -> str:
    """Return planoai's words in one line, and the place in another, without what is secret; it repeats whole parts."""
    message, _, location = said.partition("\n  Location: ")
    for secret in sorted(_secrets(config.content, within=False), key=len, reverse=True):
        message = message.replace(secret, "***")
    message = re.sub(r"\{.*\}|\[\{.*\}\]", "it", message, flags=re.DOTALL)
    message = " ".join("".join(c if c.isprintable() else " " for c in message).split())
    place = "".join(c if c.isprintable() else " " for c in location.partition("\n")[0])
    return f"{message or 'it gave no reason'}\n{place}"


_LONGEST = 240  # characters of planoai's message


def _secrets(content: Any, *, within: bool) -> Iterator[str]:  # noqa: ANN401  any part of a YAML file
    """Yield the texts below keys whose values nobody else may see; names of variables are none."""
    if isinstance(content, dict):
        for key, value in content.items():
            yield from _secrets(value, within=within or SECRET.search(str(key)) is not None)
    elif isinstance(content, list):
        for value in content:
            yield from _secrets(value, within=within)
    elif within and content is not None and len(str(content)) > 3 and not str(content).startswith("$"):  # noqa: PLR2004
        yield str(content)


def _unknown_keys(config: ConfigFile) -> Iterator[Problem]:
    """Yield the keys that are not in planoai's schema, at every depth."""
    for fault in schema.faults(config.content or {}):
        if fault.unknown is not None:
            path = (*fault.path, fault.unknown)
            text = f"`{shown(fault.unknown)}`{config.at(*path)} is not a known key of Plano"
            yield Problem("config-key-unknown", text, _of_unknown(config, path))
