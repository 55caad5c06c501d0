"""How each fault of the matrix is inflicted on the engine, and how conflicts are made: by the row's name."""

from __future__ import annotations

import os

from tests.support.docker_proxy import DROP, gate
from tests.support.ports import listening

from .inflict_on_project import env_deleted

DATA = "/var/lib/postgresql/data"


# Drift: what the engine has


def container_removed(case):
    case.api.remove_container(case.name, force=True)


def container_and_env_removed(case):
    container_removed(case)
    env_deleted(case)


def volume_removed(case):
    case.api.remove_container(case.name, force=True)
    case.api.remove_volume(case.volume)


def data_removed_inside(case):
    case.inside("sh", "-c", f"rm -rf {DATA}/* {DATA}/.[!.]*")
    case.until(lambda: not case.inside("ls", "-A", DATA).strip() or case.state()["Status"] != "running", "empty")
    case.api.kill(case.name)


def container_renamed(case):
    case.words["new"] = f"{case.name[:40]}-by-hand"
    case.api.rename(case.name, case.words["new"])


def container_stopped(case):
    case.stop()


def container_killed(case):
    case.api.kill(case.name)


def container_restarted(case):
    case.api.restart(case.name, timeout=20)


def container_paused(case):
    case.api.pause(case.name)


def container_created_and_never_started(case):
    """Leave what is left when planodev dies between making the new container and putting the password into it."""
    calls = []

    def stop(method, path):
        if method == "PUT" and "/archive" in path:
            calls.append(path)
            running.kill()
            running.wait()
            return DROP
        return None

    with gate(case.place, before=stop) as url:
        running = case.project.start("up", "--name", f"{case.name[:40]}-n", DOCKER_HOST=url)
        running.communicate()
    assert calls, "the password was never put"


def other_image(case):
    case.words["image"] = case.variant("other")


def newer_image(case):
    """Push a newer build to a registry, which this engine has only in its older form."""
    repository = f"{case.fixture('registry')}/demo/postgres"
    case.words["image"] = name = f"{repository}:16"
    case.project("up", "--image", name)
    case.words["old_id"] = case.api.inspect_image(name)["Id"][7:19]
    newer = case.variant("newer", "LABEL newer=1")
    case.words["new_id"] = case.api.inspect_image(newer)["Id"][7:19]
    case.api.tag(newer, repository, "16")
    assert "error" not in list(case.api.push(repository, "16", stream=True, decode=True))[-1]
    case.api.tag("postgres:16", repository, "16")


def another_port(case):
    case.words["old"] = case.port


def another_name(case):
    case.words["new"] = f"plano-faults-{os.getpid()}-{case.words['free']}"


def another_plano(case):
    return


def ready_mark_lost(case):
    case.stop()
    case.change_data("rm planodev-ready")


# Conflicts


def foreign_container_of_the_name(case):
    case.api.remove_container(case.name, force=True)
    for name in ("plano-postgres", f"plano-postgres-{case.project.path.name}"):
        case.foreign_container(name)


def foreign_container_of_the_name_asked_for(case):
    case.words["new"] = f"plano-faults-{os.getpid()}-{case.words['free']}"
    case.foreign_container(case.words["new"])


def port_taken(case):
    case.stop()
    case.undo.enter_context(listening(case.port))


def port_asked_for_taken(case):
    case.words["taken"] = case.undo.enter_context(listening())


def port_taken_between_look_and_start(case):
    case.stop()
    number = case.api.inspect_container(case.name)["Id"]

    def take(method, path):
        if method == "POST" and path.startswith(f"/containers/{number}/start"):
            case.undo.enter_context(listening(case.port))

    case.variables["DOCKER_HOST"] = case.undo.enter_context(gate(case.place, before=take))


def port_asked_for_taken_between_look_and_start(case):
    taken = case.words["free"]
    held = []

    def take(method, path):
        if method == "PUT" and "/archive" in path and not held:
            held.append(case.undo.enter_context(listening(taken)))

    case.variables["DOCKER_HOST"] = case.undo.enter_context(gate(case.place, before=take))


def data_of_postgres_15(case):
    case.stop()
    case.change_data("echo 15 >PG_VERSION")
    case.undo.callback(lambda: (case.stop(), case.change_data("echo 16 >PG_VERSION")))


def data_of_postgres_15_without_container(case):
    case.stop()
    case.api.remove_container(case.name)
    case.change_data("echo 15 >PG_VERSION")
    case.undo.callback(case.change_data, "echo 16 >PG_VERSION")


def crash_loop(case):
    case.inside("sh", "-c", f"echo 'no such setting = 1' >>{DATA}/postgresql.auto.conf")
    case.undo.callback(lambda: (case.stop(), case.change_data("sed -i '/no such/d' postgresql.auto.conf")))
    case.inside("sh", "-c", "kill -INT 1")
    case.until(lambda: case.api.inspect_container(case.name)["RestartCount"] > 1, "restarting")


def control_file_damaged(case):
    case.stop()
    case.change_data("cp global/pg_control global/kept; head -c 8192 /dev/zero >global/pg_control")
    case.undo.callback(lambda: (case.stop(), case.change_data("cat global/kept >global/pg_control; rm global/kept")))


def log_of_transactions_lost(case):
    case.api.kill(case.name)
    case.change_data("mkdir /data/kept; mv pg_wal/0* /data/kept")
    case.undo.callback(lambda: (case.stop(), case.change_data("mv /data/kept/0* pg_wal; rmdir /data/kept")))


def unhealthy(case):
    image = case.variant("unhealthy", 'HEALTHCHECK --interval=1s --retries=1 CMD ["false"]')
    case.project("up", "--image", image)
    case.until(lambda: case.state().get("Health", {}).get("Status") == "unhealthy", "unhealthy")


def killed_for_lack_of_memory(case):
    case.api.update_container(case.name, mem_limit="64m", memswap_limit="64m")
    case.inside(
        "sh", "-c", "for p in /proc/[0-9]*; do echo 900 >$p/oom_score_adj; done; echo 1000 >/proc/1/oom_score_adj"
    )
    case.inside("sh", "-c", "echo 0 >/proc/self/oom_score_adj; head -c 400m /dev/zero | tail -c 300m >/dev/null")
    case.until(lambda: case.api.inspect_container(case.name)["RestartCount"] or case.state()["OOMKilled"], "killed")
