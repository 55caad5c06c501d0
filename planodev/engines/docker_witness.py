"""The throw-away container on the default bridge, placed where Plano's will be, that the proof runs from."""

from __future__ import annotations

import threading
from contextlib import suppress
from typing import Any

LIFE = 900  # seconds, in case nobody comes to end it
LABEL = "dev.planodev.witness"


class Witness:
    """It starts in the background when it is made, and is removed by the engine when it ends."""

    def __init__(self, api: Any, image: str) -> None:  # noqa: ANN401  QuickClient or docker.APIClient
        self._api = api
        self._id: str | None = None
        self._error: BaseException | None = None
        self._thread = threading.Thread(target=self._run, args=(image,), daemon=True)
        self._thread.start()

    def _run(self, image: str) -> None:
        config = {
            "Image": image,
            "Entrypoint": ["sh", "-c", f"trap exit TERM; sleep {LIFE} & wait"],
            "Labels": {LABEL: "1"},
            "HostConfig": {
                "AutoRemove": True,
                "NetworkMode": "bridge",
                "ExtraHosts": ["host.docker.internal:host-gateway"],
                # In place of the volumes that the image declares, which would be made and removed on disk.
                "Tmpfs": {"/var/lib/postgresql": "", "/var/lib/postgresql/data": ""},
                "LogConfig": {"Type": "none"},
            },
        }
        try:
            number = self._api.make_container(config)
            self._api.start(number)
            self._id = number
        except BaseException as error:  # noqa: BLE001  carried to the thread that waits
            self._error = error

    def wait(self) -> str:
        """Return its id once it runs; raises what kept it from starting."""
        self._thread.join()
        if self._error:
            raise self._error
        return str(self._id)

    def end(self) -> None:
        """Tell it to end; the engine removes it then."""
        self._thread.join()
        if self._id:
            with suppress(Exception):
                self._api.signal(self._id, "TERM")
            self._id = None
