"""What planodev reads of an engine's answers: an answer of another shape is not Docker's API, and is told as that.

Whoever listens at an engine's address may answer anything. Only what is read is looked at, so that engines may say
more. A shape is a type; a list with the shape of each entry; a mapping from keys to shapes, where `str` stands for any
key and a key with `?` may be absent or null; or `Null` of a shape.
"""

from __future__ import annotations

from typing import Any, NamedTuple

from planodev.engines.docker.labels import LABEL


class Null(NamedTuple):
    """What may be null, but has to be there."""

    shape: Any


class Either(NamedTuple):
    """What has one of several shapes."""

    shapes: tuple[Any, ...]


class Misshapen(ValueError):
    """An answer is of another shape; the text says where, and repeats nothing of it."""


_NUMBER = Either((int, float))
_LONGEST = 200_000  # characters of what may be shown; a variable has 131,072 bytes at most on Linux
# Those of every container and volume are listed: only planodev's own labels are read, and the others may be of any
# length.
_LABELS = "labels"
_MOUNTS = [{"Type?": str, "Name?": str, "Destination?": str, "Source?": str}]
_BINDINGS = [{"HostIp": str, "HostPort": str}]  # a port may be a range
_WORDS = Either((str, [str]))  # Podman has a command as a text
_CONFIG = {
    "Labels?": _LABELS,
    "Env?": [str],
    "Entrypoint?": _WORDS,
    "Cmd?": _WORDS,
    "Volumes?": {str: object},
    "User?": str,
    "Image?": str,
}
# By the names of the clients' methods.
ANSWERS: dict[str, Any] = {
    "containers": [
        {
            "Id": str,
            "Names": Null([str]),
            "Labels": Null(_LABELS),
            "State": str,
            "Created": _NUMBER,
            "Ports?": [{"Type?": str, "PublicPort?": int}],
            "Mounts": _MOUNTS,
        }
    ],
    "volumes": {"Volumes": Null([{"Name": str, "Labels": Null(_LABELS)}])},
    "disk_usage": {"Volumes?": [{"Name": str, "UsageData?": {"Size?": _NUMBER}}]},
    "info": {"SecurityOptions?": [str], "OperatingSystem?": str, "DockerRootDir?": str, "Name?": str},
    "inspect_container": {
        "Id": str,
        "Name": str,
        "Image": str,
        "RestartCount?": int,
        "Path?": str,
        "Args?": [str],
        "State": {
            "Status": str,
            "Running": bool,
            "Paused": bool,
            "ExitCode?": int,
            "OOMKilled?": bool,
            "FinishedAt?": str,
            "Error?": str,
        },
        "Config": {**_CONFIG, "Labels": Null(_LABELS), "Image": str},
        "HostConfig": {"PortBindings?": {str: Null(_BINDINGS)}, "AutoRemove?": bool},
        "Mounts": [{**_MOUNTS[0], "Destination": str}],
    },
    "inspect_image": {"Id": str, "Config": _CONFIG},
    "inspect_network": {"Options?": {str: str}},
    "top": {"Processes?": [[object]]},
    "create_volume": {"Labels?": _LABELS},
    "create_container_from_config": {"Id": str},
    "exec_create": {"Id": str},
    "exec_inspect": {"ExitCode?": int, "Running?": bool},
    "wait": {"StatusCode": int},
}


def check(name: str, answer: Any) -> Any:  # noqa: ANN401
    """Return an answer to a method of the clients, where it has its shape.

    Raises:
        Misshapen: it has not.

    """
    if name in ANSWERS:
        _check(ANSWERS[name], answer, "")
    return answer


def _check(shape: Any, value: Any, at: str) -> None:  # noqa: ANN401
    if isinstance(shape, Null):
        if value is not None:
            _check(shape.shape, value, at)
    elif isinstance(shape, Either):
        _check_either(shape, value, at)
    elif isinstance(shape, list):
        _refuse(at, "a list", unless=isinstance(value, list))
        for number, entry in enumerate(value):
            _check(shape[0], entry, f"{at}[{number}]")
    elif isinstance(shape, dict):
        _refuse(at, "an object", unless=isinstance(value, dict))
        _check_keys(shape, value, at)
    elif shape == _LABELS:
        _refuse(at, "an object", unless=isinstance(value, dict))
        _check_labels(value, at)
    elif shape is str:
        _refuse(at, "a string", unless=isinstance(value, str) and _is_whole(value))
    elif shape is not object:
        # True and False are numbers to Python.
        fits = isinstance(value, shape) and (shape is bool or not isinstance(value, bool))
        _refuse(at, "true or false" if shape is bool else "a number", unless=fits)


def _check_either(either: Either, value: Any, at: str) -> None:  # noqa: ANN401
    for shape in either.shapes[:-1]:
        try:
            _check(shape, value, at)
        except Misshapen:
            continue
        return
    _check(either.shapes[-1], value, at)


def _check_keys(shape: dict[Any, Any], value: dict[str, Any], at: str) -> None:
    if str in shape:
        for key, entry in value.items():
            _refuse(at, "an object with valid strings as keys", unless=_is_whole(key))
            _check(shape[str], entry, f"{at}.*")
        return
    for key, expected in shape.items():
        name = key.removesuffix("?")
        if name != key and value.get(name) is None:
            continue
        if name not in value:
            raise Misshapen(f"`{f'{at}.{name}'.lstrip('.')}` is missing")
        _check(expected, value[name], f"{at}.{name}")


def _check_labels(labels: dict[str, Any], at: str) -> None:
    for key, value in labels.items():
        _refuse(at, "an object with valid strings as keys", unless=_is_valid(key))
        valid = isinstance(value, str) and _is_valid(value)
        own = key.startswith(LABEL)
        _refuse(f"{at}.*", "a string", unless=valid and not (own and len(value) > _LONGEST))


def _is_whole(text: str) -> bool:
    """Say whether a text can be shown, and in time."""
    return len(text) <= _LONGEST and _is_valid(text)


def _is_valid(text: str) -> bool:
    """Say whether a text can be written: JSON also has halves of characters."""
    if text.isascii():
        return True
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


def _refuse(at: str, what: str, *, unless: bool) -> None:
    if not unless:
        where = f"`{at.lstrip('.')}`" if at else "it"
        raise Misshapen(f"{where} is not {what}")
