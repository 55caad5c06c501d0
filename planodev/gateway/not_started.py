"""Why planoai has not started Plano, by its own words: it downloads Plano's programs, or has Docker pull an image.

planoai says what failed, and gives no hint that fits. Sources: planoai 0.4.39 `native_binaries.py:46-95` (what it
prints where a download fails; whatever is no `URLError` is a traceback) and `main.py:405-420` (in Docker its validation
is what pulls the image, and Docker's words stand below "Validation failed").
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, NamedTuple

from planodev import masking, urls
from planodev.plano import planoai
from planodev.problems import Command, Fix, Problem, Shell

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

_FAILED = r"^Error downloading (.+?): (.*)$"
_TRACEBACK = r"\bin ensure_(envoy|brightstaff|wasm)"
_PARTS = {"envoy": "Envoy", "brightstaff": "brightstaff", "wasm": "Plano's filters"}
_RAISED = r"^(?:[\w.]+\.)?(\w*(?:Error|Disconnected|Read|Exception|BadGzipFile)): ?(.*)$"
_PULLED = r"Unable to find image '([^']+)' locally"
_HOST = r"https://[^\s\"']+"
_RELEASES = "github.com"  # source: planoai 0.4.39 `consts.py`, PLANO_RELEASE_BASE_URL, and Envoy's archive
# What planoai's Python says of a download, and what mends it.
_REMEDIES: tuple[tuple[str, Fix], ...] = (
    (r"No space left|Errno 28\b", Fix("free some space in the home directory")),
    (
        r"CERTIFICATE_VERIFY_FAILED|\bcertificate\b",
        Fix("have Python trust what signs the traffic here: ", Shell("export SSL_CERT_FILE=ca.pem"), ", with its CA"),
    ),
    (r"Error 407|Tunnel connection failed", Fix("correct the proxy and its login in `HTTPS_PROXY`, or `NO_PROXY`")),
    (r"Error (?:403|429|5\d\d)", Fix("wait until that server serves again, as a browser on this machine would show")),
)
_GONE = r"Error 404"  # a release that is not there, for this planoai
_NETWORK = Fix(
    "connect this machine to the network, or name its proxy: ", Shell("export HTTPS_PROXY=http://PROXY:PORT")
)
# The same of what an engine says of a pull, by its code.
_OF_A_PULL = {
    "image-no-network": "check the engine's network and proxy; {} tries only the pull",
    "image-denied": "`docker login`, where that registry wants it; {} tries only the pull",
    "image-rate-limited": "`docker login` raises that limit, or wait; {} tries only the pull",
    "image-no-space": "free some space on the engine's disk; {} tries only the pull",
}
_PULLING = "{} shows the whole error"


class Download(NamedTuple):
    """A download that failed: of what, from where, and why."""

    what: str
    host: str
    why: str


def problem(lines: Sequence[str], environment: Mapping[str, str]) -> Problem | None:
    """Return the problem of what planoai could not download, None where its words are about something else.

    Args:
        lines: what it has said, without secrets.
        environment: that it had; a proxy in it is named.

    """
    image = next((found[1] for line in lines if (found := re.search(_PULLED, line))), None)
    if image:
        said = next((line for line in reversed(lines) if re.match(r"docker: |Error |error ", line)), "")
        return _of_image(image, said.removeprefix("docker: "), environment) if said else None
    failed = _download(lines)
    if failed is None:
        return None
    proxy = next((environment[name] for name in ("https_proxy", "HTTPS_PROXY") if environment.get(name)), None)
    through = f", through the proxy {masking.address(proxy)}" if proxy else ""
    why = f"{failed.host}{through}: {failed.why}"
    remedy = next((fix for says, fix in _REMEDIES if re.search(says, failed.why)), _NETWORK)
    if re.search(_GONE, failed.why):
        remedy = Fix("take a planoai whose release is there: ", planoai.renewing(environment))
    fix = planoai.then_start(remedy)
    return Problem("plano-not-downloaded", f"planoai could not download {failed.what}", fix, why, "error")


def _download(lines: Sequence[str]) -> Download | None:
    address = next((found[0] for line in reversed(lines) if (found := re.search(_HOST, line))), "")
    host = urls.read(address).host or _RELEASES
    for line in reversed(lines):
        if told := re.search(_FAILED, line):
            reason = re.sub(r"^<urlopen error (.*)>$", r"\1", told[2])
            return Download(told[1], host, re.sub(r"^\[Errno -?\d+\] ", "", reason))
    at = next((found[1] for line in reversed(lines) if (found := re.search(_TRACEBACK, line))), None)
    raised = next((found for line in reversed(lines) if (found := re.match(_RAISED, line))), None)
    return Download(_PARTS[at], _RELEASES, f"{raised[1]}: {raised[2]}".rstrip(": ")) if at and raised else None


def _of_image(image: str, said: str, environment: Mapping[str, str]) -> Problem:
    from planodev.engines import failures

    found = failures.not_pulled(image, said)
    fix = planoai.then_start(_remedy_of_pull(found.code, Shell("docker pull {}", image), environment))
    return Problem("plano-not-downloaded", f"Docker could not pull Plano's image `{image}`", fix, found.why, "error")


def _remedy_of_pull(code: str, tries: Shell, environment: Mapping[str, str]) -> Fix:
    """Return what mends a pull that failed with a code of the engine's; `tries` is the command that pulls alone."""
    if code == "image-unknown":  # planoai names an image that is no longer there
        return Fix(planoai.renewing(environment), " takes an image that is there; ", tries, " tries only the pull")
    before, _, behind = _OF_A_PULL.get(code, _PULLING).partition("{}")
    return Fix(before, tries, behind)


def late(parts: Sequence[str], seconds: float, longest: float) -> Problem:
    """Return the problem of a download that had not ended in time.

    Args:
        parts: what is not there yet.
        seconds: that it had.
        longest: seconds that it may be given.

    """
    more = Command("up", "--with-plano", "--plano-timeout", f"{min(2 * seconds, longest):g}")
    fix = _NETWORK + Fix("; then ", more, " waits longer")
    text = f"planoai was still downloading {' and '.join(parts)} after {seconds:g} seconds"
    return Problem("plano-not-downloaded", text, fix, f"{_RELEASES} does not answer, or is slow from here", "error")
