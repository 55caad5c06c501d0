"""The probe container: a throw-away one on the default bridge, where Plano's will be, that the proof runs from."""

from __future__ import annotations

import threading
import time
from contextlib import suppress
from typing import TYPE_CHECKING, Any

from planodev.background import PATIENCE
from planodev.engines.docker.labels import PROBE_LABEL

if TYPE_CHECKING:
    from planodev.engines.docker.client import Api

# The container ends with its input, which planodev holds open: a killed planodev leaves none behind. Where an engine
# keeps the input open, it ends after the seconds of `sleep`.
_LIVE = "exec 3<&0; sleep {} & life=$!; (cat <&3 >/dev/null; kill $life) & wait $life"
# Seconds after which a created container that was not started is a leftover. It is normally started in milliseconds,
# but the clock of a remote engine may be off.
ABANDONED = 300


def leftovers(listed: list[dict[str, Any]]) -> list[str]:
    """Return the ids of those among the listed containers whose planodev was killed before it could start them."""
    old = time.time() - ABANDONED
    return [
        item["Id"]
        for item in listed
        if PROBE_LABEL in (item["Labels"] or {}) and item["State"] == "created" and item["Created"] < old
    ]


class ProbeContainer:
    """It starts in the background when it is made, and is removed by the engine when it ends.

    Args:
        api: the engine.
        image: one with `psql`.
        life: seconds after which it ends by itself, in case planodev was killed and nobody comes to end it.
        leftovers: ids of those that were made and never started, which the engine would keep for ever.

    """

    def __init__(self, api: Api, image: str, life: float, leftovers: list[str]) -> None:
        self._api = api
        self._id: str | None = None
        self._input: Any = None
        self._error: BaseException | None = None
        self._leftovers = leftovers
        self._thread = threading.Thread(target=self._run, args=(image, round(life)), daemon=True)
        self._thread.start()

    def _run(self, image: str, life: int) -> None:
        config = {
            "Image": image,
            "Entrypoint": ["sh", "-c", _LIVE.format(life)],
            "Cmd": [],
            "OpenStdin": True,
            "StdinOnce": True,
            "Labels": {PROBE_LABEL: "1"},
            "HostConfig": {
                "AutoRemove": True,
                "NetworkMode": "bridge",
                "ExtraHosts": ["host.docker.internal:host-gateway"],
                # Instead of the volumes that the image declares, which would be created and removed on disk.
                "Tmpfs": {"/var/lib/postgresql": "", "/var/lib/postgresql/data": ""},
                "LogConfig": {"Type": "none"},
            },
        }
        try:
            number = self._api.make_container(config)
            try:
                with suppress(Exception):
                    self._input = self._api.hold_input(number)
                self._api.start(number)
            except BaseException:
                # `AutoRemove` only removes what has run.
                with suppress(Exception):
                    self._api.remove_container(number, force=True)
                raise
            self._id = number
        except BaseException as error:  # noqa: BLE001  carried to the thread that waits
            self._error = error
        for number in self._leftovers:
            with suppress(Exception):
                self._api.remove_container(number, force=True)

    def wait(self) -> str:
        """Return its id once it runs; raises what kept it from starting."""
        self._thread.join()
        if self._error:
            raise self._error
        return str(self._id)

    def end(self) -> None:
        """Tell it to end; the engine removes it then."""
        self._thread.join(PATIENCE)
        if self._id:
            with suppress(Exception):
                self._api.signal(self._id, "KILL")
            with suppress(Exception):
                self._input.close()
            self._id = None
