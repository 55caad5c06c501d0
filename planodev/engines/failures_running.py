"""The rows of `failures` after the handshake: what engines and registries say to a request or a pull.

Each is (where it shows, pattern for the facts, pattern for what was said, code, why, fix), with its source above it.
"""

from __future__ import annotations

_BOTH = "request pull"

RUNNING = (
    # https://github.com/podman-container-tools/podman/issues/12715 and /22092
    (
        _BOTH,
        r"",
        r"insufficient UIDs or GIDs|not be enough IDs available|newuidmap",
        "engine-runtime",
        "the rootless engine has no range of user ids to give to containers: {said}",
        "`sudo usermod --add-subuids 100000-165535 --add-subgids 100000-165535 $USER`, then `podman system migrate`",
    ),
    # https://github.com/docker/for-mac/issues/3295, https://github.com/devcontainers/features/pull/1653
    (
        _BOTH,
        r"",
        r"overlay.*invalid argument|invalid argument.*overlay",
        "engine-runtime",
        "the engine runs in a container and keeps its data in that container's own file system: {said}",
        (
            "start the engine's container with volumes for its data: `-v dind:/var/lib/docker -v "
            "dind-containerd:/var/lib/containerd`"
        ),
    ),
    # docker 7.2, `docker.credentials`; https://github.com/serhiicherepanov/homebrew-docker-virtualbox/issues/9
    (
        _BOTH,
        r"",
        r"docker-credential-\S* not installed or not available in PATH",
        "engine-refused",
        "`~/.docker/config.json` names a helper for passwords that is not there: {said}",
        "remove `credsStore` from `~/.docker/config.json`, then `docker login` if the image needs one",
    ),
    # https://docs.docker.com/docker-hub/usage
    (
        "pull",
        r"",
        r"toomanyrequests|too many requests|rate limit",
        "image-rate-limited",
        "{said}",
        "`docker login` raises the limit; or a mirror: `--image MIRROR/postgres:16`",
    ),
    # https://github.com/podman-container-tools/podman/issues/24989 and /9390
    (
        "pull",
        r"",
        r"short-name .*(did not resolve|resolution enforced|without a TTY)",
        "image-unknown",
        "Podman does not know which registry a name without one means: {said}",
        (
            "name the registry: `--image REGISTRY/library/postgres:16`; or put it into "
            "`unqualified-search-registries` of `/etc/containers/registries.conf`"
        ),
    ),
    # Docker Engine 20.10 to 29 with both image stores, and Podman 4 and 5, as all for pulls below
    (
        "pull",
        r"",
        r"no matching manifest",
        "image-wrong-platform",
        "{said}",
        "choose an image that has this platform: `--image postgres:16`",
    ),
    (
        "pull",
        r"",
        r"manifest unknown|manifest for .* not found|not found: manifest|name unknown",
        "image-unknown",
        "{said}",
        "check the name: `--image postgres:16`",
    ),
    (
        "pull",
        r"",
        r"no basic auth credentials|unauthorized|authentication required|access denied|denied",
        "image-denied",
        "{said}",
        "`docker login` to that registry, or another image with `--image`",
    ),
    (
        "pull",
        r"",
        r"no space left|quota exceeded",
        "image-no-space",
        "{said}",
        "`docker system df` shows what takes the room",
    ),
    # https://docs.docker.com/engine/security/certificates
    (
        "pull",
        r"",
        r"x509: |certificate signed by unknown authority",
        "image-pull-failed",
        "the engine does not know who signed the registry's certificate, or a proxy's in between: {said}",
        (
            "put the authority's certificate where the engine looks, `/etc/docker/certs.d/REGISTRY/ca.crt` or the "
            "system's store, and restart the engine"
        ),
    ),
    (
        "pull",
        r"",
        (
            r"no such host|dial tcp|timeout|connection refused|TLS handshake|network is unreachable|EOF|proxyconnect|"
            r"server gave HTTP response|registry .* unavailable|temporary failure"
        ),
        "image-no-network",
        "{said}",
        (
            "check the network, or use a mirror that answers (`--image MIRROR/postgres:16`), or load a saved image "
            "(`docker load`) and `--pull never`"
        ),
    ),
    ("pull", r"", r"not found|invalid reference", "image-unknown", "{said}", "check the name: `--image postgres:16`"),
    ("pull", r"", r"", "image-pull-failed", "{said}", "`docker pull {image}` shows the same with more words"),
    # https://github.com/moby/moby/issues/36473; https://docs.docker.com/engine/manage-resources/pruning
    (
        "request",
        r"",
        r"no space left on device|disk quota exceeded|not enough space on the disk",
        "engine-no-space",
        "{said}",
        "`docker system df` shows what takes the room; `docker builder prune` and `docker image prune` free some",
    ),
    # https://github.com/evertramos/nginx-proxy-automation/issues/257, https://github.com/gutmensch/docker-dmarc-report/issues/66
    (
        "request",
        r"",
        r"cannot expose privileged port",
        "port-privileged",
        "a rootless engine gets no port below 1024: {said}",
        "`planodev up --port 5432`, or any other from 1024 on",
    ),
    # https://github.com/docker/for-win/issues/12591
    (
        "request",
        r"",
        r"unable to list exposed ports",
        "engine-network",
        "the part of Docker Desktop that publishes ports hangs: {said}",
        "`docker desktop restart`",
    ),
    # https://github.com/docker/for-win/issues/6613, https://github.com/xtekky/gpt4free/issues/1903
    (
        "request",
        r"",
        r"forbidden by its access permissions",
        "port-taken",
        "Windows keeps the port for itself, or a program holds it: {said}",
        (
            "`netsh interface ipv4 show excludedportrange protocol=tcp` shows what is kept; `planodev up --port N` "
            "with another"
        ),
    ),
    # Docker Engine 20.10 to 29, Podman 4 and 5; https://github.com/docker/desktop-feedback/issues/526
    (
        "request",
        r"",
        (
            r"port is already allocated|(address|port\S*) already in use|EADDRINUSE|Ports are not available|"
            r"Only one usage of each socket"
        ),
        "port-taken",
        "{said}",
        "`planodev up --port N` with a free one",
    ),
    # https://github.com/podman-container-tools/podman/issues/8048, https://github.com/containers/netavark/issues/693
    (
        "request",
        r"",
        r"(netavark|CNI-).*(iptables|nftables|chain)|iptables.*CNI-",
        "engine-network",
        "the firewall was loaded anew, and Podman's rules are gone: {said}",
        "`sudo podman network reload --all`",
    ),
    # https://github.com/moby/moby/issues/34575, /42229 and /49557; a kernel's modules go when the next is installed
    (
        "request",
        r"",
        r"pair interfaces: operation not (supported|permitted)|can't initialize iptables table|Table does not exist",
        "engine-network",
        "the kernel lacks a module, as after an upgrade of the kernel without a restart: {said}",
        "restart the machine: `sudo reboot`",
    ),
    # https://github.com/moby/moby/issues/23154 and /16816, https://github.com/docker/cli/issues/6691
    (
        "request",
        r"",
        r"No chain/target/match by that name|iptables failed|Chain 'DOCKER\S*' does not exist",
        "engine-network",
        "the firewall was loaded anew, and the engine's rules are gone: {said}",
        "`sudo systemctl restart docker`, which makes them again",
    ),
    # https://github.com/docker/compose/issues/8106, https://github.com/Mailu/Mailu/issues/2521
    (
        "request",
        r"",
        r"cannot assign requested address",
        "engine-network",
        "the database was to listen at an address that the engine no longer has: {said}",
        "restart the engine, then `planodev up`",
    ),
    (
        "request",
        r"",
        r"failed programming external connectivity|starting userland proxy|failed to set up container networking",
        "engine-network",
        "{said}",
        "restart the engine, then `planodev up`",
    ),
    # https://github.com/podman-container-tools/podman/issues/22186 and /10878; new in Podman by its pull 19152
    (
        "request",
        r"",
        r"invalid IP address.*host-gateway",
        "engine-too-old",
        "it does not know `host-gateway`, by which Plano's container finds this machine: {said}",
        "upgrade to Docker Engine 20.10 or Podman 4.7, or newer ones",
    ),
    # https://github.com/podman-container-tools/podman/issues/22881 and /21681
    (
        "request",
        r"",
        r"host containers internal IP address is empty|derive the IP value for host-gateway",
        "engine-network",
        "the engine does not know under which address containers find this machine: {said}",
        (
            "set `host_containers_internal_ip` under `[containers]` of `containers.conf` (Podman), or "
            "`host-gateway-ip` in `/etc/docker/daemon.json`, to an address of this machine"
        ),
    ),
    # https://github.com/docker/for-linux/issues/911 and /983, https://github.com/containers/crun/issues/687
    (
        "request",
        r"",
        r"attr/keycreate|SELinux|lsetxattr|relabel",
        "engine-runtime",
        "SELinux denies it to the engine: {said}",
        "`sudo dnf upgrade container-selinux containerd.io`; `sudo ausearch -m avc -ts recent` shows what was denied",
    ),
    # https://github.com/podman-container-tools/podman/issues/25824
    (
        "request",
        r"",
        r"sd-bus call|Interactive authentication required|/run/user/\d+/bus",
        "engine-runtime",
        "the rootless engine has lost its user's session, without which it gets no cgroup: {said}",
        "`sudo loginctl enable-linger $USER`, then log in again, not by `su`",
    ),
    # https://github.com/docker/cli/issues/1228, https://github.com/apache/superset/issues/13394
    (
        "request",
        r"",
        r"cgroup",
        "engine-runtime",
        "the engine and the kernel disagree about cgroups: {said}",
        "upgrade the engine and its runc, then restart it; `docker info` shows which version of cgroups it sees",
    ),
    # https://github.com/containers/crun/issues/187, https://github.com/moby/moby/issues/22108
    (
        "request",
        r"",
        r"OCI (runtime|permission)|runc|crun",
        "engine-runtime",
        "{said}",
        "restart the engine; `docker run --rm postgres:16 true` shows whether it can run anything",
    ),
    (
        "request",
        r"",
        r"",
        "engine-refused",
        "{said}",
        "run the command again; `docker version` shows the engine",
    ),
)
