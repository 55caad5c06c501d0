"""The rows of `failures` for a look at the sockets: none is there, nobody listens, this user may not open it.

Each is (where it shows, pattern for the facts, pattern for the state, code, why, fix), with its source above it.
"""

from __future__ import annotations

# Which engine it is by its facts, what is wrong with it, and what starts it.
_STARTS = (
    # https://github.com/abiosoft/colima/issues/94, and /7: the socket is a link that leads nowhere after `colima stop`
    (r"^Colima ", "Colima is not running", "`colima start{profile}`"),
    # https://docs.orbstack.dev/headless
    (r"^OrbStack ", "OrbStack is not running", "`orb start`"),
    # https://docs.rancherdesktop.io/references/rdctl-command-reference
    (r"^Rancher Desktop ", "Rancher Desktop is not running", "start Rancher Desktop: `rdctl start`"),
    # https://docs.docker.com/desktop/setup/install/mac-install
    (r"^Docker Desktop on macos", "Docker Desktop is not running", "start Docker Desktop: `open -a Docker`"),
    # https://docs.docker.com/desktop/features/desktop-cli, from Docker Desktop 4.37
    (r"^Docker Desktop on windows", "Docker Desktop is not running", "start Docker Desktop: `docker desktop start`"),
    # https://docs.docker.com/desktop/setup/install/linux
    (
        r"^Docker Desktop ",
        "Docker Desktop is not running",
        "start Docker Desktop: `systemctl --user start docker-desktop`",
    ),
    # https://docs.podman.io/en/latest/markdown/podman-machine-start.1.html
    (r"^Podman machine ", "Podman's machine is not running", "`podman machine start`"),
    # https://docs.podman.io/en/latest/markdown/podman-system-service.1.html
    (r"^rootless Podman ", "Podman's service is off for this user", "`systemctl --user enable --now podman.socket`"),
    (r"^Podman ", "Podman's service is off", "`sudo systemctl enable --now podman.socket`"),
    # https://docs.docker.com/engine/security/rootless/tips, which also tells of the end of a session
    (
        r"^rootless Docker ",
        "rootless Docker is not running, which ends with its user's last session",
        "`systemctl --user start docker`; `sudo loginctl enable-linger $USER` keeps it running",
    ),
    # https://github.com/microsoft/WSL/issues/9949, https://github.com/docker/for-win/issues/14626
    (
        r" on wsl ",
        "Docker Desktop is not running in Windows, or its WSL integration is off for this distribution",
        (
            "start Docker Desktop in Windows, and switch this distribution on under Settings, Resources, WSL "
            "integration; or `sudo service docker start` where the distribution has an engine of its own"
        ),
    ),
    # https://docs.docker.com/reference/cli/docker/container/run, "Mount volume"
    (
        r" on container ",
        "planodev runs in a container, which has an engine only where it was given one",
        (
            "start the container with `-v /var/run/docker.sock:/var/run/docker.sock`; "
            "or `sudo systemctl start docker`, `sudo service docker start` where it has an engine of its own"
        ),
    ),
    (
        r" on macos ",
        "no engine is running",
        (
            "`open -a Docker` to start Docker Desktop, `colima start`, `orb start`, "
            "`rdctl start` or `podman machine start`"
        ),
    ),
    (
        r"",
        "no engine is running",
        "`sudo systemctl start docker`, or start Docker Desktop, Colima, Rancher Desktop or Podman",
    ),
)
_STATES = (
    ("^dead$", "engine-not-started", "{cause}; this endpoint comes from {{source}}", ""),
    (
        "^missing$",
        "no-socket",
        "{{source}} names this socket, and no engine has made it; {cause}",
        "; or choose another engine: `unset DOCKER_HOST` where that names this one, else `docker context use NAME`",
    ),
    (
        "^none$",
        "no-engine",
        "{cause}; DOCKER_HOST is not set, there is no docker context, and no known socket exists",
        "",
    ),
)

SOCKET = (
    *(
        ("socket", facts, seen, code, why.format(cause=cause), fix + otherwise)
        for seen, code, why, otherwise in _STATES
        for facts, cause, fix in _STARTS
    ),
    # https://docs.docker.com/engine/security/rootless/troubleshoot: the socket is in a directory of its user's session
    (
        "socket",
        r"^rootless ",
        r"^denied$",
        "engine-denied",
        "{source}: the socket belongs to another user's session",
        "run planodev as the user whose engine it is, without `sudo` and `su`; or `unset DOCKER_HOST`",
    ),
    # https://docs.podman.io/en/latest/markdown/podman-system-service.1.html: root's socket is root's alone
    (
        "socket",
        r"^Podman on",
        r"^denied$",
        "engine-denied",
        "{source}: this is root's Podman, and only root may talk to it",
        (
            "`systemctl --user enable --now podman.socket`, then "
            "`export DOCKER_HOST=unix://$XDG_RUNTIME_DIR/podman/podman.sock`"
        ),
    ),
    # https://docs.docker.com/desktop/setup/install/mac-permission-requirements
    (
        "socket",
        r" on macos ",
        r"^denied$",
        "engine-denied",
        "{source}: an engine that another user of this Mac has started made the socket",
        "start an engine as this user, then `docker context use desktop-linux` (or `colima`, `orbstack`)",
    ),
    # https://github.com/docker/docker-py/issues/3044; under SELinux containers are kept from the host's sockets,
    # https://docs.podman.io/en/latest/markdown/podman-run.1.html, "security-opt"
    (
        "socket",
        r" on container ",
        r"^denied$",
        "engine-denied",
        "{source}: the engine is there, but this user, or SELinux for the whole container, may not talk to it",
        (
            "start the container with `--group-add $(stat -c %g /var/run/docker.sock)`, under SELinux also with "
            "`--security-opt label=disable`; for an engine in here `sudo usermod -aG docker $USER`, then log in again"
        ),
    ),
    # https://docs.docker.com/engine/install/linux-postinstall
    (
        "socket",
        r"",
        r"^denied$",
        "engine-denied",
        "{source}: the engine is there, but this user may not talk to it",
        "`sudo usermod -aG docker $USER`, then log in again (or `newgrp docker` in this terminal)",
    ),
)
