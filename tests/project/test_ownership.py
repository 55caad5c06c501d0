"""Which database belongs to which checkout, and what is never touched."""

from __future__ import annotations

import pytest

from tests.support.git import git
from tests.support.ports import free_port

pytestmark = pytest.mark.docker


@pytest.mark.slow
def test_a_git_worktree_is_a_checkout_of_its_own(make_project, tmp_path):
    main = make_project("main")
    git(main.path, "init", "-q")
    git(main.path, "commit", "-q", "--allow-empty", "-m", "start")
    main("up")
    git(main.path, "worktree", "add", "-q", tmp_path / "tree")
    tree = make_project("tree")
    tree("up")
    assert main.status()["volume"] != tree.status()["volume"]


def test_a_foreign_container_and_volume_are_never_touched(project, foreign_container, api):
    port = free_port()
    number = foreign_container(
        "plano-postgres-taken",
        ExposedPorts={"5432/tcp": {}},
        HostConfig={"PortBindings": {"5432/tcp": [{"HostIp": "127.0.0.1", "HostPort": str(port)}]}},
    )
    api.create_volume("plano-postgres-taken-shop-data")
    try:
        before = api.inspect_container(number)["State"]
        refused = project("up", "--name", "plano-postgres-taken", "--json", code=4)
        assert refused.error == "name-taken"
        refused = project("up", "--port", str(port), "--json", code=4)
        assert (refused.error, "`plano-postgres-taken`" in refused.json["error"]["why"]) == ("port-taken", True)
        project.write(".env", f"DB_PORT={port}\n")
        done = project("up", "--name", "plano-postgres-taken-shop", "--json").json
        assert done["data"]["port"] != port
        assert any(w["code"] == "port-moved" and "plano-postgres-taken" in w["message"] for w in done["warnings"])
        assert done["data"]["volume"] != "plano-postgres-taken-shop-data"
        project("down", "--delete-data", "--yes")
        assert api.inspect_container(number)["State"] == before
        assert "plano-postgres-taken-shop-data" in {v["Name"] for v in api.volumes()["Volumes"]}
    finally:
        api.remove_volume("plano-postgres-taken-shop-data")


@pytest.mark.slow
def test_a_port_and_a_name_can_be_changed_and_the_data_stays(filled):
    port = free_port()
    changed = filled("up", "--port", str(port), "--name", "plano-postgres-other")
    assert "its name changes" in changed.err
    assert "its port changes" in changed.err
    assert (filled.status()["port"], filled.env["DB_PORT"]) == (port, str(port))
    assert (filled.status()["container"], filled.stored()) == ("plano-postgres-other", ["kept"])
