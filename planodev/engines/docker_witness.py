"""The throw-away container on the default bridge, placed where Plano's will be, that the proof runs from."""

from __future__ import annotations

import threading
from contextlib import suppress
from typing import Any

from planodev.engines.docker_terms import WITNESS_LABEL


class Witness:
    """It starts in the background when it is made, and is removed by the engine when it ends.

    Args:
        api: the engine.
        image: one with `psql`.
        life: seconds after which it ends by itself, in case planodev was killed and nobody comes to end it.

    """

    def __init__(self, api: Any, image: str, life: float) -> None:  # noqa: ANN401  QuickClient or docker.APIClient
        self._api = api
        self._id: str | None = None
        self._error: BaseException | None = None
        self._thread = threading.Thread(target=self._run, args=(image, round(life)), daemon=True)
        self._thread.start()

    def _run(self, image: str, life: int) -> None:
        config = {
            "Image": image,
            "Entrypoint": ["sleep", str(life)],
            "Labels": {WITNESS_LABEL: "1"},
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
                self._api.signal(self._id, "KILL")
            self._id = None
