"""The rows of `failures` for the handshake: ssh, TLS, a proxy, a pipe, or an engine that answers with an error.

Each is (where it shows, pattern for the facts, pattern for what was said, code, why, fix), with its source above it.
"""

from __future__ import annotations

# The same texts come through a local proxy of Docker Desktop as an answer, and from a remote one as a lost connection.
_ANY = "connect answer"
_SSH = "over ssh"

CONNECTING = (
    # docker 7.2 without paramiko, https://github.com/docker/docker-py/pull/2165
    (
        "address",
        _SSH,
        r"Install paramiko",
        "bad-endpoint",
        "{source} leads to another machine over ssh, and planodev lacks the package that speaks it: {said}",
        "`pip install paramiko` where planodev is installed (`pipx inject planodev paramiko`)",
    ),
    # docker 7.2, `TLSConfig`
    (
        "address",
        r"",
        r"TLS|certificate|ca_cert|client_cert",
        "bad-endpoint",
        "{said} (from {source}, with DOCKER_TLS_VERIFY and DOCKER_CERT_PATH)",
        "put `ca.pem`, `cert.pem` and `key.pem` into the directory of DOCKER_CERT_PATH, or `unset DOCKER_TLS_VERIFY`",
    ),
    (
        "address",
        r"",
        r"",
        "bad-endpoint",
        "{said} (from {source})",
        "set DOCKER_HOST to something like `unix:///var/run/docker.sock`, or unset it",
    ),
    # https://github.com/docker/compose/issues/7852; /ClassmateLin/dm-ticket/issues/103 has it in Chinese
    (
        _ANY,
        r"^Podman machine",
        r"\(2, '(CreateFile|WaitNamedPipe)'|open //\./pipe/\S+: The system cannot find",
        "engine-not-started",
        "Podman's machine is not running ({said})",
        "`podman machine start`",
    ),
    (
        _ANY,
        r"",
        r"\(2, '(CreateFile|WaitNamedPipe)'|open //\./pipe/\S+: The system cannot find",
        "engine-not-started",
        "Docker Desktop, or the engine whose pipe this is, is not running ({said})",
        "start Docker Desktop (`docker desktop start`) or Rancher Desktop (`rdctl start`)",
    ),
    # https://github.com/docker/for-win/issues/1679 and /868
    (
        _ANY,
        r"",
        r"\(5, 'CreateFile'|open //\./pipe/\S+: Access is denied",
        "engine-denied",
        "the engine is there, but this user may not talk to it ({said})",
        "`net localgroup docker-users $env:USERNAME /add` in a terminal of an administrator, then log in again",
    ),
    # Docker Desktop on Windows and macOS, 2023 to 2026, as users quote it in their notes; no issue has the words
    (
        "answer request pull",
        r"",
        r"Docker Desktop is (manually )?paused",
        "engine-error",
        "Docker Desktop is paused: {said}",
        "unpause it in the menu of the whale, or `docker desktop restart`",
    ),
    # https://github.com/docker/desktop-feedback/issues/117 and /360
    (
        "answer request pull",
        r" on windows | on wsl ",
        r"Docker Desktop is unable to start",
        "engine-error",
        "Docker Desktop could not start its virtual machine: {said}",
        "`wsl --update` in Windows, then `docker desktop restart`; `docker desktop logs` says more",
    ),
    (
        "answer request pull",
        r"",
        r"Docker Desktop is unable to start",
        "engine-error",
        "Docker Desktop could not start its virtual machine: {said}",
        "`docker desktop restart`; `docker desktop logs` says more",
    ),
    # https://github.com/docker/for-mac/issues/7775, /6058, https://github.com/docker/for-win/issues/13684, /13834: its
    # proxy answers, with an empty body, while the engine behind it starts or hangs
    (
        "answer",
        r"^Docker Desktop ",
        r"^50[03]$|^50[03] 50[03] Server Error|docker\.raw\.sock|daemon not running|starting",
        "engine-error",
        "Docker Desktop is still starting, or its engine hangs: {said}",
        "wait until it says that the engine is running; if that takes minutes, `docker desktop restart`",
    ),
    # https://github.com/docker/docker-py/issues/2493
    (
        "answer",
        r"",
        r"Client sent an HTTP request to an HTTPS server",
        "engine-error",
        "the engine wants TLS: {said}",
        "`export DOCKER_TLS_VERIFY=1`, and DOCKER_CERT_PATH with the directory of ca.pem, cert.pem and key.pem",
    ),
    # Recorded with docker 7.2 and a proxy that answers in the engine's place
    (
        "answer",
        r"over (tcp|http)",
        r"<(html|!doctype|head|body|h\d)",
        "engine-error",
        "a web page came in place of the engine's answer, as from a proxy in between: {said}",
        "`export NO_PROXY={host}`; if that changes nothing, the address is another server's",
    ),
    # https://github.com/Tecnativa/docker-socket-proxy, README: each part of the API is allowed by a variable; 403 and
    # HAProxy's page where it is not. An engine's own 403 comes from an authorization plugin.
    (
        "answer request",
        r"",
        r"^403 ",
        "engine-forbids",
        "something in front of the engine refuses a request: {said}",
        (
            "allow it there (docker-socket-proxy: `CONTAINERS=1 EXEC=1 IMAGES=1 INFO=1 NETWORKS=1 POST=1 VOLUMES=1`), "
            "or let DOCKER_HOST name the engine's own socket"
        ),
    ),
    # https://docs.docker.com/engine/release-notes/20.10: host-gateway, which the proof and Plano itself need
    (
        "answer",
        r"",
        r"its API is \S+, planodev and Plano need",
        "engine-too-old",
        "{said} (Docker Engine 20.10)",
        "upgrade the engine at `{url}`",
    ),
    # Recorded from nginx in an engine's place, and docker 7.2 on a page with status 200
    (
        "answer",
        r"",
        r"says no API version|Expecting value",
        "engine-error",
        "what answers there is no Docker Engine: {said}",
        "`docker context ls` shows the engines; choose one with `docker context use` or DOCKER_HOST",
    ),
    (
        "answer",
        r"",
        r"",
        "engine-error",
        "{said}",
        "`docker version` shows whether it is well; restart the engine if not",
    ),
    # Recorded with requests 2.34 and a proxy that refuses
    (
        "connect",
        r"",
        r"Tunnel connection failed|ProxyError|Unable to connect to proxy",
        "engine-unreachable",
        "a proxy stands between, by HTTP_PROXY or HTTPS_PROXY: {said}",
        "`export NO_PROXY={host}`",
    ),
    # Python 3.11 with OpenSSL 3.0, as the six below; the texts are OpenSSL's own
    (
        "connect",
        r"",
        r"WRONG_VERSION_NUMBER|HTTP_REQUEST|RECORD_LAYER_FAILURE",
        "engine-unreachable",
        "TLS was asked for, and the engine speaks plain HTTP: {said}",
        "`unset DOCKER_TLS_VERIFY`, or the port for TLS, which is most often 2376",
    ),
    (
        "connect",
        r"",
        r"certificate has expired|certificate expired",
        "engine-unreachable",
        "a certificate has expired: {said}",
        "make new certificates for the engine and for this machine, and restart the engine",
    ),
    (
        "connect",
        r"",
        r"Hostname mismatch|IP address mismatch|doesn't match",
        "engine-unreachable",
        "the engine's certificate is for another name: {said}",
        "use the name of the certificate in DOCKER_HOST, or make one with `subjectAltName` for `{host}`",
    ),
    # requests 2.34 prefers the two variables to the certificate of DOCKER_CERT_PATH
    (
        "connect",
        r"",
        r"CERTIFICATE_VERIFY_FAILED",
        "engine-unreachable",
        "the engine's certificate is of an authority that is unknown here: {said}",
        (
            "put the authority's `ca.pem` into the directory of DOCKER_CERT_PATH; where REQUESTS_CA_BUNDLE or "
            "CURL_CA_BUNDLE is set, `unset` it"
        ),
    ),
    (
        "connect",
        r"",
        r"ALERT_(CERTIFICATE_\w+|BAD_CERTIFICATE|UNKNOWN_CA|HANDSHAKE_FAILURE)|EOF occurred in violation of protocol",
        "engine-unreachable",
        "the engine ends the handshake, as where it wants a certificate of this client and gets none it knows: {said}",
        "put `cert.pem` and `key.pem` of the engine's authority into the directory of DOCKER_CERT_PATH",
    ),
    # paramiko 5.1, as the five below
    (
        "connect",
        _SSH,
        r"not found in known_hosts",
        "engine-unreachable",
        "this machine has not met the other one yet: {said}",
        "`ssh {login}` once, compare the fingerprint, and answer yes",
    ),
    (
        "connect",
        _SSH,
        r"Host key .* does not match",
        "engine-unreachable",
        "the other machine's key has changed: it was set up anew, or another one answers in its place",
        "ask who runs it; if the change is right, `ssh-keygen -R {host}`, then `ssh {login}`",
    ),
    (
        "connect",
        _SSH,
        r"Private key file is encrypted",
        "engine-unreachable",
        "the key has a passphrase, and planodev asks for none: {said}",
        "`ssh-add`, which keeps the open key for this session",
    ),
    (
        "connect",
        _SSH,
        r"Authentication failed|No authentication methods|Permission denied|Bad authentication type",
        "engine-unreachable",
        "the other machine accepts no key of this user: {said}",
        "`ssh-copy-id {login}`, or name user and key in `~/.ssh/config`",
    ),
    # Recorded with docker 7.2: `docker system dial-stdio` ends at once where there is no docker, or no right to use it
    (
        "connect",
        _SSH,
        r"Remote end closed connection|Connection aborted|broke off",
        "engine-unreachable",
        "the other machine was reached, and no engine behind it: {said}",
        "`ssh {login} docker version` shows why: docker is missing there, is stopped, or that user may not use it",
    ),
    # planodev's own words for an engine that was there: `docker_http`, `docker_quick` and `docker_client`
    (
        "connect",
        r"",
        r"within [\d.]+ seconds",
        "engine-timed-out",
        "it is there, and {said}",
        "restart the engine; `docker ps` shows whether it answers again",
    ),
    (
        "connect",
        r"",
        (
            r"broke off|reset by peer|Broken pipe|closed without an answer|Remote end closed|went away|IncompleteRead|"
            r"^what came|ended prematurely|Expecting value"
        ),
        "engine-lost",
        "it was there, and {said}",
        "`docker version` shows whether it is back; then the same command again: it goes on where this one stopped",
    ),
    # getaddrinfo of glibc, macOS and Windows
    (
        "connect",
        r"",
        r"Name or service not known|nodename nor servname|name resolution|getaddrinfo failed|No such host is known",
        "engine-unreachable",
        "the name `{host}` is not known here: {said}",
        "check the name in {source}, and the network or VPN that knows it",
    ),
    (
        "connect",
        r"over (tcp|http|https|ssh)",
        r"timed out|No route to host|Network is unreachable",
        "engine-unreachable",
        "`{host}` can't be reached from here: {said}",
        "check the network, VPN and firewall in between, or choose another engine (this one comes from {source})",
    ),
    (
        "connect",
        r"",
        r"",
        "engine-unreachable",
        "{said}",
        "start it, or choose another (this one comes from {source})",
    ),
)
