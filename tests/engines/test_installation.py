"""What adds a package fits how planodev was installed: by pipx, uv or pip, each with the files that it leaves."""

from __future__ import annotations

import shlex

import pytest

from planodev import installation

# Entries of `requirements` in a receipt of uv 0.9, and what stands for them in a command.
RECEIPTS = {
    '{ name = "planodev", directory = "/src/plano dev" }': ["/src/plano dev"],
    '{ name = "planodev", editable = "/src" }': ["--editable", "/src"],
    '{ name = "planodev", extras = ["embedded"], specifier = ">=0.1" }': ["planodev[embedded]>=0.1"],
    '{ name = "planodev", git = "https://h/p?rev=v1" }': ["planodev @ git+https://h/p?rev=v1"],
    '{ name = "planodev", path = "/d/p.whl" }, { name = "planoai" }': ["/d/p.whl", "--with", "planoai"],
    "5": ["planodev"],
    "": ["planodev"],
}


def words(prefix, **facts):
    return shlex.split(str(installation.adding("x", prefix=prefix, python="/v/bin/python", **facts)).strip("`"))


def test_by_pipx_it_is_injected_into_the_environment_of_that_name(tmp_path):
    prefix = tmp_path / "planodev-main"
    prefix.mkdir()
    (prefix / "pipx_metadata.json").write_text("{}")
    assert words(prefix) == ["pipx", "inject", "planodev-main", "x"]


@pytest.mark.parametrize("entries", RECEIPTS)
def test_by_uv_what_is_there_is_named_again(tmp_path, entries):
    (tmp_path / "uv-receipt.toml").write_text(f"[tool]\nrequirements = [{entries}]\n")
    assert words(tmp_path) == ["uv", "tool", "install", *RECEIPTS[entries], "--with", "x"]


def test_elsewhere_the_environments_own_python_installs_it(tmp_path):
    assert words(tmp_path, has_pip=True) == ["/v/bin/python", "-m", "pip", "install", "x"]
    assert words(tmp_path, has_pip=False) == ["uv", "pip", "install", "--python", "/v/bin/python", "x"]
