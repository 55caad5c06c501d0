"""The files for Kubernetes: its own schemas, what those miss, and PgBouncer's commands and probes as they stand."""

from __future__ import annotations

import contextlib
import os
import re
import shutil
import subprocess
from pathlib import Path

import jsonschema
import kubernetes_validate
import pytest
from ruamel.yaml import YAML

from tests.support.kubernetes import built, containers, of_kind, pods, written
from tests.support.ports import free_port
from tests.support.postgres_server import (
    CONFIG,
    LOOPBACK,
    PASSWORD,
    new_authority,
    own_directory,
    pgbouncer_command,
    placed,
    prepared,
    running,
)
from tests.support.requirements import require_path
from tests.support.tiers import slow_but
from tests.support.waiting import until

pytestmark = pytest.mark.postgres

SNAPSHOTS = Path(__file__).parent / "snapshots"
# The oldest three with native sidecars, and the newest three.
VERSIONS = ("1.29", "1.30", "1.31", "1.35", "1.36", "1.37")
RDS = ("rds", "--for", "kubernetes", "--host", "db.example.com")
SETS = (("kubernetes",), RDS, ("self-hosted", "--for", "kubernetes"))
SOCKET = ["grep", "-q", " 0100007F:1920 01 ", "/proc/net/tcp"]


@pytest.fixture(params=SETS, ids=lambda arguments: arguments[0])
def directory(request, project):
    return written(project, request.param)


def every(directory):
    """Return all resources, those of the proof and, where there are any, of the backups too."""
    if (directory / "backup").exists():
        path = directory / "kustomization.yaml"
        before = path.read_text()
        path.write_text(before.replace("# components: [backup]", "components: [backup]"))
        found = built(directory)
        path.write_text(before)
    else:
        found = built(directory)
    return found + built(directory / "proof")


@pytest.mark.parametrize("version", slow_but(VERSIONS[-1:], VERSIONS))
def test_kubernetes_own_schemas_accept_each_resource(directory, version):
    for one in every(directory):
        if "cnpg.io" not in one["apiVersion"]:
            kubernetes_validate.validate(one, version, strict=True)


def test_the_operators_kinds_have_no_field_that_it_does_not_know(project):
    schemas = YAML(typ="safe").load(Path(__file__).parent / "cloudnativepg.yaml")
    found = [one for one in every(written(project, ("kubernetes",))) if "cnpg.io" in one["apiVersion"]]
    assert {one["kind"] for one in found} == set(schemas)
    for one in found:
        jsonschema.validate(one, schemas[one["kind"]])


def test_everything_that_is_named_is_there(directory):
    resources = every(directory)
    secrets, maps = ({one["metadata"]["name"] for one in of_kind(resources, kind)} for kind in ("Secret", "ConfigMap"))
    secrets |= {"plano-db-ca", "plano-db-app"}  # which the operator makes
    for _, _, spec in pods(resources):
        for container in containers(spec):
            taken = [entry["valueFrom"]["secretKeyRef"] for entry in container.get("env", []) if "valueFrom" in entry]
            taken += [entry["secretRef"] for entry in container.get("envFrom", [])]
            assert {one["name"] for one in taken} <= secrets
            mounted = {mount["name"] for mount in container.get("volumeMounts", [])}
            assert mounted <= {volume["name"] for volume in spec["volumes"]}
        volumes = spec.get("volumes", [])
        assert {one["configMap"]["name"] for one in volumes if "configMap" in one} <= maps
        assert {one["secret"]["secretName"] for one in volumes if "secret" in one} <= secrets


def test_every_selector_finds_its_pods(directory):
    resources = every(directory)
    labels = [found for _, found, _ in pods(resources)]
    kinds = ("Deployment", "Service", "PodDisruptionBudget")
    (deployment,), (service,), (budget,) = (of_kind(resources, kind) for kind in kinds)
    template = deployment["spec"]["template"]["metadata"]["labels"]
    for selector in (
        deployment["spec"]["selector"]["matchLabels"],
        service["spec"]["selector"],
        budget["spec"]["selector"]["matchLabels"],
    ):
        assert selector.items() <= template.items()
    for policy in of_kind(resources, "NetworkPolicy"):
        selector = policy["spec"]["podSelector"]["matchLabels"]
        assert any(selector.items() <= one.items() for one in [*labels, {"cnpg.io/cluster": "plano-db"}])
    assert all(found.get("plano-db-client") == "true" for found in labels)
    assert {one["metadata"].get("namespace", "plano") for one in resources} == {"plano"}


def test_what_a_schema_does_not_see(directory):
    resources = every(directory)
    (deployment,) = of_kind(resources, "Deployment")
    spec = deployment["spec"]["template"]["spec"]
    (sidecar,), (plano,) = spec["initContainers"], spec["containers"]
    assert sidecar["restartPolicy"] == "Always"
    assert sidecar["startupProbe"]["failureThreshold"] * sidecar["startupProbe"]["periodSeconds"] >= 1800
    assert plano["readinessProbe"]["exec"]["command"] == plano["livenessProbe"]["exec"]["command"] == SOCKET
    assert (plano["readinessProbe"]["periodSeconds"], plano["readinessProbe"]["failureThreshold"]) == (2, 1)
    assert (plano["livenessProbe"]["periodSeconds"], plano["livenessProbe"]["failureThreshold"]) == (5, 3)
    assert plano["startupProbe"]["periodSeconds"] * plano["startupProbe"]["failureThreshold"] == 180
    assert all("terminationGracePeriodSeconds" not in plano[name] for name in ("readinessProbe", "startupProbe"))
    assert plano["lifecycle"]["preStop"]["exec"]["command"] == ["sleep", "15"]
    assert spec["terminationGracePeriodSeconds"] > 15
    assert plano["resources"]["limits"]["cpu"]
    assert spec["enableServiceLinks"] is False
    # A deployment may take as long to come up as PgBouncer may wait for the table.
    assert deployment["spec"]["progressDeadlineSeconds"] >= 1800
    plain = {entry["name"]: entry.get("value") for entry in plano["env"]}
    assert plain == {"DB_PASS": "", "DB_NAME": "plano", "UV_NO_SYNC": "1", "UV_PROJECT_ENVIRONMENT": "/usr/local"}
    assert all(found["restartPolicy"] == "Never" for name, _, found in pods(resources) if name != "plano")
    for cron in of_kind(resources, "CronJob"):
        assert re.fullmatch(r"(\d+) (\d+) \* \* \*", cron["spec"]["schedule"])
    for cron in of_kind(resources, "ScheduledBackup"):
        assert re.fullmatch(r"0 \d+ \d+ \* \* \*", cron["spec"]["schedule"])
        assert cron["spec"]["method"] == "plugin"
    for _, _, found in pods(resources):
        for container in containers(found):
            assert re.search(r":[0-9][^:]*$", container["image"])
            assert "latest" not in container["image"]


def test_the_login_is_the_operators_and_the_proofs_too(project):
    import base64

    directory = written(project, ("kubernetes",))
    password = re.search("DB_PASS=(.*)", (directory / ".env.production").read_text())[1]
    resources = every(directory)
    (login,) = [one for one in of_kind(resources, "Secret") if one["metadata"]["name"] == "plano-login"]
    assert {key: base64.b64decode(value).decode() for key, value in login["data"].items()} == {
        "username": "plano_prod",
        "password": password,
    }
    (cluster,) = of_kind(resources, "Cluster")
    assert cluster["spec"]["managed"]["roles"][0]["passwordSecret"] == {"name": "plano-login"}
    assert cluster["spec"]["plugins"][0]["parameters"] == {"barmanObjectName": "plano-backup"}
    for path in directory.rglob("*"):
        if path.is_file() and not path.name.startswith(".env."):
            assert password not in path.read_text()
    for path in (directory / ".env.production", directory / "backup/.env.backup"):
        assert path.stat().st_mode & 0o777 == 0o600


def test_git_ignores_the_secrets(project):
    git = require_path(shutil.which("git"), "git")
    subprocess.run([git, "init", "-q"], cwd=project.path, check=True)
    written(project, ("kubernetes",))
    subprocess.run([git, "add", "-A"], cwd=project.path, check=True)
    staged = subprocess.run([git, "diff", "--cached", "--name-only"], cwd=project.path, capture_output=True, check=True)
    names = staged.stdout.decode().split()
    assert "kubernetes/plano.yaml" in names
    assert "kubernetes/.env.production.example" in names
    assert not [name for name in names if name.endswith((".env.production", ".env.backup"))]


def test_a_second_run_keeps_what_was_filled_in_and_changes_what_it_must(project):
    directory = written(project, ("kubernetes", "--replicas", "5", "--storage", "50Gi", "--namespace", "ai"))
    keys = directory / "backup/.env.backup"
    keys.write_text("ACCESS_KEY_ID=mine\nSECRET_ACCESS_KEY=mine-too\n")
    for name, old, new in (
        (".env.production", "FILL-IN-key", "sk-mine"),
        ("backup/backup.yaml", "s3://FILL-IN-bucket/plano", "s3://mine/plano"),
    ):
        (directory / name).write_text((directory / name).read_text().replace(old, new))
    before = {path: path.read_text() for path in directory.rglob("*") if path.is_file()}
    project.write("config.yaml", CONFIG.replace("12000", "12100"))
    run = project("production", "kubernetes", "--json")
    changed = {entry["path"] for entry in run.json["data"]["files"] if entry["done"] == "updated"}
    assert changed == {"plano.yaml", "network.yaml", "plano_config.yaml", "PRODUCTION.md"}
    assert run.json["data"]["to_fill_in"] == []
    for path in (".env.production", "backup/.env.backup", "backup/backup.yaml", "database.yaml"):
        assert (directory / path).read_text() == before[directory / path]
    assert "  replicas: 5\n" in (directory / "plano.yaml").read_text()
    assert of_kind(built(directory), "Cluster")[0]["spec"]["storage"] == {"size": "50Gi"}
    (directory / "plano.yaml").write_text((directory / "plano.yaml").read_text().replace('cpu: "2"', 'cpu: "8"'))
    project.write("config.yaml", CONFIG)
    assert project("production", "kubernetes", "--json", code=4).error == "file-exists"


def test_what_the_steps_say_to_change_is_kept_too(project):
    directory = written(project, ("kubernetes",))
    edits = {
        "plano.yaml": ("katanemo/plano:0.4.39", "katanemo/plano:0.4.40"),
        "prune.yaml": ("interval '90 days'", "interval '30 days'"),
        "kustomization.yaml": ("# components: [backup]", "components: [backup]"),
    }
    for name, edit in edits.items():
        (directory / name).write_text((directory / name).read_text().replace(*edit))
    project.write("config.yaml", CONFIG.replace("12000", "12100"))
    project("production", "kubernetes", "--instances", "2")
    for name, (_, new) in edits.items():
        assert new in (directory / name).read_text()
    found = built(directory)
    assert "ScheduledBackup" in [one["kind"] for one in found]
    assert of_kind(found, "Cluster")[0]["spec"]["instances"] == 2
    project("production", "kubernetes", "--storage", "20Gi")
    assert "# components" not in (directory / "kustomization.yaml").read_text()


@pytest.mark.parametrize("name", slow_but(["on"], ["123", "null", "on", "0x1"]))
def test_a_namespace_that_yaml_takes_for_something_else(project, name):
    directory = written(project, ("kubernetes", "--namespace", name))
    project("production", "kubernetes")  # which finds it in the files
    assert {one["metadata"].get("namespace", name) for one in every(directory)} == {name}
    assert of_kind(built(directory), "Namespace")[0]["metadata"]["name"] == name


def test_what_the_deployed_copy_stores_is_judged(project):
    project.write("config.yaml", CONFIG.partition("state_storage")[0])
    assert project("production", "kubernetes", "--json").json["warnings"] == []
    assert "state_storage:" in project.read("kubernetes/plano_config.yaml")


def test_a_pooler_without_server_names_kubernetes_own_log(project):
    from planodev.postgres.connection import Connection
    from planodev.problems import Problem
    from planodev.production import server_faults

    directory = written(project, ("kubernetes",))
    connection, problem = Connection("u", "p", "127.0.0.1", 6432, "ready"), Problem("pooler-without-server", "")
    said = server_faults.error(problem, connection, directory / ".env.production").problem.fix
    assert "kubectl logs deployment/plano -c pgbouncer" in str(said)


@pytest.mark.parametrize(
    "arguments",
    [
        ("kubernetes", "--host", "h"),
        ("kubernetes", "--for", "compose"),
        ("rds", "--replicas", "2"),
        ("rds", "--for", "kubernetes", "--storage", "1Gi"),
        ("rds", "--for", "kubernetes", "--instances", "1"),
        ("self-hosted", "--direct", "--for", "kubernetes"),
        ("kubernetes", "--namespace", "Not_A_Name"),
        ("kubernetes", "--storage", "plenty"),
        ("kubernetes", "--storage", "10"),  # bytes
        ("kubernetes", "--storage", "10K"),  # which Kubernetes does not know
        ("kubernetes", "--replicas", "0"),
    ],
)
def test_what_does_not_apply_is_refused_before_anything_is_written(project, arguments):
    assert project("production", *arguments, "--json", code=2).error == "usage"
    assert [path.name for path in project.path.iterdir()] == ["config.yaml"]


def test_one_instance_waits_for_no_other(project):
    directory = written(project, ("kubernetes", "--instances", "1"))
    (cluster,) = of_kind(built(directory), "Cluster")
    assert "synchronous" not in cluster["spec"]["postgresql"]


@pytest.mark.parametrize("arguments", SETS, ids=lambda arguments: arguments[0])
def test_the_texts_are_as_they_were_read_last(project, arguments):
    """`UPDATE_SNAPSHOTS=1` writes them anew; the difference is to be read."""
    project("production", *arguments)
    directory = project.path / "kubernetes"
    texts = {str(path.relative_to(directory)): path.read_text() for path in directory.rglob("*") if path.is_file()}
    home = SNAPSHOTS / ("kubernetes" if arguments == ("kubernetes",) else f"{arguments[0]}-for-kubernetes")
    for name, text in texts.items():
        kept = home / name.replace(".env", "env")
        if os.environ.get("UPDATE_SNAPSHOTS"):
            kept.parent.mkdir(parents=True, exist_ok=True)
            kept.write_text(text)
        assert text == kept.read_text(), name
        assert all(line == line.rstrip() for line in text.splitlines()), name
        assert "\n\n\n" not in text, name


# The sidecar's command and probes, as they stand


@pytest.fixture
def sidecar(project, tls_server, authority):
    """The sidecar of the Job's pod in a directory; gives (start, probe, the directory, the server's database)."""
    database = prepared(project, tls_server, "rds")
    directory = written(project, ("rds", "--for", "kubernetes", "--host", "db.example.com"))
    container = next(pods(built(directory / "proof")))[2]["initContainers"][0]
    with own_directory() as place:
        port = free_port()
        (project.path / "pgbouncer.ini").write_text((directory / "pgbouncer/pgbouncer.ini").read_text())
        shutil.copy(directory / "pgbouncer/pgbouncer_hba.conf", project.path)
        ini = placed(project, tls_server, database, place, port)
        for name in ("ca", "tmp"):
            (place / name).mkdir()
        ini = ini.replace("userlist.txt", "tmp/userlist.txt").replace("/tmp/server-ca.pem", "tmp/server-ca.pem")
        (place / "pgbouncer.ini").write_text(ini)
        shutil.copy(authority.certificate, place / "ca/ca.crt")
        environment = {"PATH": f"{os.environ['PATH']}", "DB_USER": "plano_prod", "DB_PASS": PASSWORD}

        def here(command, number="1"):
            places = {"/tmp/": f"{place}/tmp/", "/ca/": f"{place}/ca/", "/etc/plano": str(place), "6432": str(port)}
            places |= {"exec pgbouncer": f"exec {' '.join(pgbouncer_command())}", "HUP 1": f"HUP {number}"}
            places |= {"umask 077": "umask 022"}  # PgBouncer here is nobody, and the shell root
            for there, it in places.items():
                command = [word.replace(there, it) for word in command]
            return command

        @contextlib.contextmanager
        def start():
            with running(here(container["command"]), place, port, env=environment, as_nobody=False) as process:
                yield process

        def probe(name, number="1"):
            command = here(container[name]["exec"]["command"], number)
            return subprocess.run(command, env=environment, capture_output=True, text=True, check=False)

        yield start, probe, place, database, project.env(DB_PORT=port, DB_NAME="ready")


def test_plano_starts_when_its_table_is_there_and_verify_passes_by_the_forwarded_port(sidecar, tls_server):
    start, probe, _, database, project = sidecar
    with start():
        assert probe("startupProbe").returncode == 0
        tls_server.sql("ALTER TABLE conversation_states RENAME TO away", database=database)
        assert probe("startupProbe").returncode != 0
        tls_server.sql("ALTER TABLE away RENAME TO conversation_states", database=database)
        assert probe("startupProbe").returncode == 0
        tls_server.sql("ALTER ROLE plano_prod PASSWORD 'not yet'")
        tls_server.sql("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename = 'plano_prod'")
        assert probe("startupProbe").returncode != 0
        tls_server.sql(f"ALTER ROLE plano_prod PASSWORD '{PASSWORD}'")
        until(lambda: probe("startupProbe").returncode == 0, "the server to let it in again", 20)
        project.verify()


def test_a_renewed_authority_is_read_by_the_liveness_probe(sidecar):
    start, probe, place, _, _ = sidecar
    with start() as process, new_authority() as renewed:
        assert probe("livenessProbe", process.pid).returncode == 0
        assert "reload" not in (place / "log").read_text().lower()
        shutil.copy(renewed.certificate, place / "ca/ca.crt")
        assert probe("livenessProbe", process.pid).returncode == 0
        assert (place / "tmp/server-ca.pem").read_bytes() == renewed.certificate.read_bytes()
        until(lambda: "SIGHUP" in (place / "log").read_text(), "the signal", 10)


def test_the_job_proves_and_leaves_nothing(sidecar, tls_server):
    start, _, _, database, project = sidecar
    (container,) = next(pods(built(project.path / "kubernetes/proof")))[2]["containers"]
    port = re.search(r"DB_PORT=(\d+)", project.read(".env.production"))[1]
    command = [word.replace("6432", port) for word in container["command"]]
    environment = {"PATH": os.environ["PATH"], "PGSSLMODE": "disable", "PGUSER": "plano_prod", "PGPASSWORD": PASSWORD}

    def prove():
        return subprocess.run(command, env=environment, capture_output=True, text=True, check=False)

    with start():
        done = prove()
        assert done.returncode == 0, done.stderr
        assert tls_server.sql("SELECT count(*) FROM conversation_states", database=database, fetch=True) == [(0,)]
        tls_server.sql("REVOKE INSERT ON conversation_states FROM plano_prod", database=database)
        assert prove().returncode != 0
    assert LOOPBACK in command
