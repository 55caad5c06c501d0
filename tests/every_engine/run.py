"""Run the promises of the main job on every engine, two at a time, and say what was seen.

    python -m tests.every_engine.run [--write] [ENGINE...]

Without a name all of `ENGINES` are run. `--write` puts the table into docs/engines.md. An engine that cannot be had is
named in the last lines, and is no success; one that keeps a promise not ends the run with 1.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

HERE = Path(__file__).parents[2]
PLACE = HERE / ".cache/every-engine"
DOCS = HERE / "docs/engines.md"
BEGIN, END = "<!-- written by make test-engines: begin -->", "<!-- end -->"
# Seconds for one engine; one that hangs is ended, and what it had shown until then is lost.
PATIENCE = 600
NO_ENGINE = 70  # how tests/alone ends where the engine does not start

# The name that tests/engine knows, the root that it needs, and what people call it.
ENGINES = {
    "docker-forky": ("forky", "Docker"),
    "docker-forky-containerd": ("forky", "Docker, containerd image store"),
    "docker-trixie": ("trixie", "Docker"),
    "docker-trixie-containerd": ("trixie", "Docker, containerd image store"),
    "docker-bookworm": ("bookworm", "Docker"),
    "podman-forky": ("forky-podman", "Podman"),
    "podman-trixie": ("trixie", "Podman"),
    "podman-forky-rootless": ("forky-podman", "Podman, rootless"),
    "podman-trixie-rootless": ("trixie", "Podman, rootless"),
}


def broken(result: Path, why: str) -> str:
    """Note that the tests themselves failed, which is another thing than an engine that cannot be had."""
    promises = {"run_the_tests": f"fails: {why}"}
    result.write_text(json.dumps({"version": "?", "storage": "?", "when": "?", "promises": promises}))
    print(why)
    return ""


def run(name: str) -> str:
    """Run one engine's tests; returns why it was not run, or nothing."""
    result, log = PLACE / f"{name}.json", PLACE / f"{name}.log"
    result.unlink(missing_ok=True)
    tests = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "tests/every_engine"]
    command = ["tests/alone", "--engine", name, "--kind", name, *tests]
    with log.open("wb") as file:
        try:
            done = subprocess.run(
                command,
                cwd=HERE,
                env={**os.environ, "TEST_ENGINE_RESULTS": str(result)},
                stdin=subprocess.DEVNULL,
                stdout=file,
                stderr=subprocess.STDOUT,
                timeout=PATIENCE,
                check=False,
            )
        except subprocess.TimeoutExpired:
            return broken(result, f"it was not done after {PATIENCE} seconds, see {log}")
    if not result.exists() or "version" not in json.loads(result.read_text()):
        lines = log.read_text(errors="replace").splitlines()
        why = f"exit {done.returncode}: {lines[-1] if lines else 'no word'}, see {log}"
        return why if done.returncode == NO_ENGINE else broken(result, why)
    seen = json.loads(result.read_text())
    bad = {promise: said for promise, said in seen["promises"].items() if said != "holds"}
    print(f"{ENGINES[name][1]} {seen['version']} ({name}): {len(seen['promises']) - len(bad)} hold, {len(bad)} fail")
    for promise, said in bad.items():
        print(f"    {promise.replace('_', ' ')}: {said}")
    sys.stdout.flush()
    return ""


def root(name: str) -> str:
    """Make a root where it is missing; returns why it cannot be had, or nothing."""
    done = subprocess.run(["tests/engine-root", name], cwd=HERE, capture_output=True, text=True, check=False)
    return "" if done.returncode == 0 else (done.stderr.strip().splitlines() or ["no word"])[-1]


def table(results: dict[str, dict]) -> str:
    """Return a line for each engine, and one for each promise that was not kept."""
    lines = ["| engine | version | image store | promises that hold | seen on |", "|---|---|---|---|---|"]
    failed = []
    for name, seen in results.items():
        bad = {promise: said for promise, said in seen["promises"].items() if said != "holds"}
        count = len(seen["promises"])
        what = ENGINES[name][1]
        lines.append(
            f"| {what} | {seen['version']} | {seen['storage']} | {count - len(bad)} of {count} | {seen['when']} |"
        )
        failed += [
            f"| {what} | {seen['version']} | {promise.replace('_', ' ')} | {said.replace('|', '/')} |"
            for promise, said in bad.items()
        ]
    if failed:
        lines += ["", "| engine | version | promise | seen |", "|---|---|---|---|", *failed]
    promises = sorted({promise for seen in results.values() for promise in seen["promises"]})
    lines += ["", "The promises: " + ", ".join(promise.replace("_", " ") for promise in promises) + "."]
    return "\n".join(lines)


def main() -> int:
    """Run, report, and return the exit code."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--write", action="store_true")
    parser.add_argument("engines", nargs="*", metavar="ENGINE", choices=[*ENGINES, []])
    options = parser.parse_args()
    wanted = options.engines or list(ENGINES)
    PLACE.mkdir(parents=True, exist_ok=True)
    missing: dict[str, str] = {}
    if subprocess.run(["tests/alone", "--can"], cwd=HERE, check=False).returncode:
        missing = dict.fromkeys(wanted, "it takes root on Linux, and `ip`")
    else:
        with ThreadPoolExecutor(2) as pool:
            # The first engines run while the roots of the later ones are made.
            needed = dict.fromkeys(ENGINES[name][0] for name in wanted)
            roots = {needs: pool.submit(root, needs) for needs in needed}

            def whole(name: str) -> str:
                return roots[ENGINES[name][0]].result() or run(name)

            runs = {name: pool.submit(whole, name) for name in wanted}
            missing = {name: why for name, future in runs.items() if (why := future.result())}
    results = {name: json.loads((PLACE / f"{name}.json").read_text()) for name in wanted if name not in missing}
    if options.write and results:
        text = DOCS.read_text()  # of engines that were run apart it has what they have shown last
        kept = [(name, PLACE / f"{name}.json") for name in ENGINES if name not in missing]
        results_of_all = {name: json.loads(path.read_text()) for name, path in kept if path.exists()}
        DOCS.write_text(
            re.sub(f"(?<={BEGIN}\n).*(?={END})", lambda _: table(results_of_all) + "\n", text, flags=re.DOTALL)
        )
    failed = [name for name, seen in results.items() if set(seen["promises"].values()) != {"holds"}]
    print(f"{len(results) - len(failed)} engines keep every promise; fail: {', '.join(failed) or 'none'}")
    for name, why in missing.items():
        print(f"NOT RUN: {name}: {why}")
    # Whether an ordinary user may run an engine is the machine's to say: it takes a tun device and subordinate ids.
    due = [name for name in missing if not name.endswith("-rootless")]
    return 1 if failed or not results or (due and os.environ.get("CI")) else 0


if __name__ == "__main__":
    sys.exit(main())
