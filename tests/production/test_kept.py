"""What a person fills in or changes as the files say: it is there after the next `production`, and nothing is lost."""

from __future__ import annotations

import hashlib
import re
import shutil
from pathlib import Path

import jsonschema
import pytest
from ruamel.yaml import YAML

from planodev import production
from planodev.production import kept
from tests.support.git import git
from tests.support.kubernetes import built, of_kind
from tests.support.postgres_server import CONFIG
from tests.support.requirements import require_path

FORMS = [("rds",), ("kubernetes",), ("rds", "--for", "kubernetes")]
# A value for each that is kept, as a person would write it there.
CHANGES = {
    "host": "db-2.example.com",
    "port": "6543",
    "dbname": "chats",
    "image": "mirror.example:5000/plano:0.4.40",
    "namespace": "ai",
    "components": "components: [backup, recovery]",
    "replicas": "5",
    "instances": "5",
    "storage": "50Gi",
    "storage_class": "encrypted",
    "operator": "operators",
    "days": "30",
    "backups": "s3://mine/plano",
    "endpoint": "https://s3.example.com",
    "lost_name": "plano-db-2",
    "recovered_name": "plano-db-3",
}


# The line around a value that has one for itself.
LINES = {"storage_class": "    storageClass: {}\n", "endpoint": "    endpointURL: {}\n"}


def written(project, form):
    """Write the files, with a server where there is a question of one; return the directory and its path here."""
    project("production", *form, *([] if "kubernetes" in form[:1] else ["--host", "db.example.com"]))
    return project.path / ("kubernetes" if "kubernetes" in form else "")


def of_form(directory):
    return [one for one in kept.KEPT if (directory / one.path).is_file()]


def changed(one, text):
    for start, end in sorted(one.spans(text), reverse=True):
        text = text[:start] + LINES.get(one.name, "{}").format(CHANGES[one.name]) + text[end:]
    return text


def test_each_value_that_is_kept_has_a_change_to_try():
    assert {one.name for one in kept.KEPT} == set(CHANGES)


@pytest.mark.parametrize(("form", "number"), list(zip(FORMS, (4, 13, 6), strict=True)), ids=str)
def test_each_value_that_is_changed_by_hand_is_kept_and_no_edit(project, form, number):
    """All at once, and then another configuration, so that every file is written again."""
    directory = written(project, form)
    there = [one for one in of_form(directory) if one.spans((directory / one.path).read_text())]
    if form == ("kubernetes",):  # which makes the server itself
        there = [one for one in there if one.name not in kept.OF_THE_SERVER]
    assert len(there) == number
    for one in there:
        path = directory / one.path
        path.write_text(changed(one, path.read_text()))
    project.write("config.yaml", CONFIG.replace("12000", "12100"))
    for _ in range(2):
        project("production", *form)
        for one in there:
            assert one.read((directory / one.path).read_text()) == CHANGES[one.name], one.name


# What stands beside a kept value, or looks like one: a file, and one text of it in the place of another.
NEIGHBOURS = [
    (("rds",), "pgbouncer.ini", " dbname=plano\n", " dbname=plano user=somebody\n"),
    (("rds",), "pgbouncer.ini", "plano = host=", "shop = host="),
    (("rds",), "compose.production.yaml", "image: katanemo/plano:0.4.39", "image: katanemo/plano:0.4.39 # mine"),
    (("kubernetes",), "kustomization.yaml", "# components: [backup]", "# components: backup"),
    (("kubernetes",), "plano.yaml", "\n  replicas: 3\n", "\n  replicas: three\n"),
    (("kubernetes",), "database.yaml", "\n    size: ", "\n    resizeInUseVolumes: false\n    size: "),
    (("kubernetes",), "network.yaml", "metadata.name: cnpg-system", "other.name: cnpg-system"),
    (("kubernetes",), "prune.yaml", "interval '90 days'", "interval '90 hours'"),
    (("kubernetes",), "prune.yaml", "DELETE FROM ", "SELECT FROM "),
    (("kubernetes",), "backup/backup.yaml", "destinationPath: ", "destination: "),
    (("kubernetes",), "recovery/kustomization.yaml", "barmanObjectName: plano-backup", "barmanObjectName: mine"),
]


@pytest.mark.parametrize(("form", "name", "old", "new"), NEIGHBOURS, ids=str)
def test_an_edit_beside_a_kept_value_is_refused_and_stays(project, form, name, old, new):
    path = written(project, form) / name
    before = path.read_text()
    assert old in before
    path.write_text(before.replace(old, new, 1))
    assert project("production", *form, "--json", code=4).error == "file-exists"
    assert path.read_text() == before.replace(old, new, 1)


def test_a_file_whose_mark_holds_the_real_namespace_is_no_edit(project):
    """An earlier planodev marked `kustomization.yaml` with the namespace as it stands there."""
    form = ("kubernetes", "--namespace", "ai")
    path = written(project, form) / "kustomization.yaml"
    text, words, _ = path.read_text().rpartition("# planodev updates this file")
    digest = hashlib.sha256(text.encode()).hexdigest()[:12]
    earlier = f"{text}{words}, unless it was edited: {digest}\n"
    assert path.read_text() != earlier
    for old, new in (('namespace: "ai"', 'namespace: "bi"'), ("- login.yaml", "- mine.yaml")):
        path.write_text(earlier.replace(old, new))
        assert project("production", "kubernetes", "--json", code=4).error == "file-exists"
    path.write_text(earlier)
    project("production", "kubernetes")
    assert path.read_text().startswith(text)
    assert path.read_text() != earlier


@pytest.mark.parametrize("form", FORMS, ids=" ".join)
def test_every_other_edit_of_any_file_is_refused_and_stays(project, form):
    directory = written(project, form)
    for path in [path for path in directory.rglob("*") if path.is_file()]:
        before = path.read_text()
        if "planodev updates this file" not in before:
            continue
        path.write_text(before.replace("planodev updates", "# mine\n# planodev updates", 1))
        failed = project("production", *form, "--json", code=4)
        assert failed.error == "file-exists"
        assert "# mine" in path.read_text()
        path.write_text(before)
    project("production", *form)


def test_a_host_that_is_filled_in_once_of_two_is_taken_and_two_different_ones_are_an_edit(project):
    project("production", "rds")
    text = project.read("pgbouncer.ini")
    for line in ("plano", "ready"):
        project.write("pgbouncer.ini", text.replace(f"{line} = host=FILL-IN-host", f"{line} = host=db.example.com"))
        project("production", "rds")
        assert project.read("pgbouncer.ini").count(" = host=db.example.com port=5432 dbname=plano\n") == 2
    two = project.read("pgbouncer.ini").replace("ready = host=db.example.com", "ready = host=other.example.com")
    project.write("pgbouncer.ini", two)
    assert project("production", "rds", "--json", code=4).error == "file-exists"
    assert project.read("pgbouncer.ini") == two


def test_another_server_in_the_page_is_no_edit_and_is_written_over(project):
    page = written(project, ("rds",)) / "PRODUCTION.md"
    before = page.read_text()
    assert "host=db.example.com port=5432 " in before
    page.write_text(before.replace("host=db.example.com port=5432 ", "host=elsewhere port=1 "))
    project("production", "rds")
    assert page.read_text() == before


def test_the_address_of_a_server_that_the_files_make_is_none_to_fill_in(project):
    path = written(project, ("kubernetes",)) / "pgbouncer/pgbouncer.ini"
    before = path.read_text()
    path.write_text(before.replace("host=plano-db-rw", "host=elsewhere"))
    assert project("production", "kubernetes", "--json", code=4).error == "file-exists"
    path.write_text(before)
    project("production", "kubernetes")


def test_what_the_pages_say_follows_what_is_kept(project):
    directory = written(project, ("kubernetes",))
    for one in of_form(directory):
        path = directory / one.path
        if one.name not in kept.OF_THE_SERVER:
            path.write_text(changed(one, path.read_text()))
    project("production", "kubernetes")
    page = (directory / "PRODUCTION.md").read_text()
    assert "older than 30 days" in page
    assert "kubectl -n operators rollout status deployment/cnpg-controller-manager" in page
    assert "`plano-db-3`" in page
    assert "kubectl -n plano " not in page
    assert "kubectl -n ai " in page
    found = built(directory)
    (cluster,), (store,) = of_kind(found, "Cluster"), of_kind(found, "ObjectStore")
    schemas = YAML(typ="safe").load(Path(__file__).parent / "cloudnativepg.yaml")
    for one in (cluster, store):
        jsonschema.validate(one, schemas[one["kind"]])
    assert store["spec"]["configuration"]["endpointURL"] == "https://s3.example.com"
    assert cluster["spec"]["storage"] == {"size": "50Gi", "storageClass": "encrypted"}
    assert cluster["spec"]["bootstrap"] == {"recovery": {"source": "lost", "database": "plano", "owner": "plano_owner"}}
    assert cluster["spec"]["externalClusters"][0]["plugin"]["parameters"]["serverName"] == "plano-db-2"
    assert cluster["spec"]["plugins"][0]["parameters"] == {
        "barmanObjectName": "plano-backup",
        "serverName": "plano-db-3",
    }


def test_an_image_of_another_version_is_kept_and_said(project):
    project("production", "rds")
    assert "keeps" not in project("production", "rds").err
    text = project.read("compose.production.yaml").replace(production.PLANO_IMAGE, "katanemo/plano:0.5.0")
    project.write("compose.production.yaml", text)
    said = project("production", "rds").err
    assert f"keeps `image: katanemo/plano:0.5.0`; planodev itself would write `{production.PLANO_IMAGE}`" in said


@pytest.mark.parametrize("form", FORMS, ids=" ".join)
def test_names_of_ones_own_in_the_environment_files_are_kept(project, form):
    directory = written(project, form)
    env, example = directory / ".env.production", directory / ".env.production.example"
    env.write_text(env.read_text() + "SENTRY_DSN=https://k@sentry.example.com/1\n")
    example.write_text(example.read_text() + "REGION=eu\n")
    for _ in range(2):
        project("production", *form)
        assert "\nSENTRY_DSN=https://k@sentry.example.com/1\n" in env.read_text()
        assert "\nSENTRY_DSN=\n" in example.read_text()
        assert "\nREGION=eu\n" in example.read_text()


def test_one_gitignore_takes_all_secrets_and_is_said_once(project):
    require_path(shutil.which("git"), "git")
    git(project.path, "init", "-q")
    first, second = (project("production", "kubernetes").err for _ in range(2))
    assert re.findall(r".*gitignore.*", first) == [
        "✓ .gitignore: created, `.env.production`, `backup/.env.backup` added"
    ]
    assert re.findall(r".*gitignore.*", second) == ["✓ .gitignore: unchanged"]
    git(project.path, "add", "-A")
    assert "kubernetes/backup/.env.backup" not in git(project.path, "ls-files").split()
