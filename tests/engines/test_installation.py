"""What adds a package fits how planodev was installed: by pipx, uv or pip, each with the files that it leaves."""

from __future__ import annotations

import shlex
import sys

import pytest

from planodev import installation
from planodev.plano import planoai

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


PIP = ("lib/python3.13/site-packages/pip", "Lib/site-packages/pip")  # of environments, on Windows too
MANAGED = (
    "lib/python3.13/EXTERNALLY-MANAGED",
    "lib64/python3.13/EXTERNALLY-MANAGED",
    "Lib/EXTERNALLY-MANAGED",
)


def environment(prefix, pip=""):
    """Make a directory an environment, with a package elsewhere in it that brings a pip of its own."""
    (prefix / "pyvenv.cfg").touch()
    (prefix / "lib/python3.13/site-packages/other/_vendor/site-packages/pip").mkdir(parents=True)
    if pip:
        (prefix / pip).mkdir(parents=True)
    return prefix


@pytest.mark.parametrize("pip", PIP)
def test_elsewhere_the_environments_own_python_installs_it(tmp_path, pip):
    assert words(tmp_path) == ["/v/bin/python", "-m", "pip", "install", "x"]
    environment(tmp_path)
    assert words(tmp_path) == ["uv", "pip", "install", "--python", "/v/bin/python", "x"]
    (tmp_path / pip).mkdir(parents=True)
    assert words(tmp_path) == ["/v/bin/python", "-m", "pip", "install", "x"]


def beside(prefix, path="", **facts):
    shell = installation.beside("x", prefix=prefix, python="/v/bin/python", path=path, **facts)
    return shlex.split(str(shell).strip("`"))


def test_a_program_is_installed_as_planodev_was_and_so_that_it_is_on_the_path(tmp_path):
    on_path = "/usr/bin:/v/bin"
    environment(tmp_path)
    assert beside(tmp_path, on_path) == ["uv", "pip", "install", "--python", "/v/bin/python", "x"]
    (tmp_path / PIP[0]).mkdir(parents=True)
    assert beside(tmp_path, on_path) == ["/v/bin/python", "-m", "pip", "install", "x"]
    assert beside(tmp_path, "/usr/bin") == ["pipx", "install", "x"]  # pip would put it off the PATH
    (tmp_path / "pipx_metadata.json").write_text("{}")
    assert beside(tmp_path, on_path) == ["pipx", "install", "x"]
    (tmp_path / "uv-receipt.toml").write_text('[tool]\nrequirements = [{ name = "planodev" }]\n')
    assert beside(tmp_path, on_path) == ["uv", "tool", "install", "x"]


@pytest.mark.parametrize("managed", MANAGED)
def test_a_python_of_the_system_is_left_alone(tmp_path, managed):
    (tmp_path / managed).parent.mkdir(parents=True)
    (tmp_path / managed).touch()
    assert beside(tmp_path, "/v/bin") == renewing(tmp_path) == ["pipx", "install", "x"]
    assert words(tmp_path) == ["/v/bin/python", "-m", "pip", "install", "--break-system-packages", "x"]
    environment(tmp_path, PIP[0])
    assert beside(tmp_path, "/v/bin") == words(tmp_path) == ["/v/bin/python", "-m", "pip", "install", "x"]
    assert renewing(tmp_path) == ["/v/bin/python", "-m", "pip", "install", "--upgrade", "x"]


@pytest.mark.parametrize("managed", [False, True])
def test_this_processs_own_python_without_pip_is_installed_into_by_uv(tmp_path, monkeypatch, managed):
    monkeypatch.setattr(sys, "prefix", str(tmp_path))
    monkeypatch.setattr("importlib.util.find_spec", lambda _name: None)
    if managed:
        (tmp_path / MANAGED[0]).parent.mkdir(parents=True)
        (tmp_path / MANAGED[0]).touch()
    flags = ["--break-system-packages"] if managed else []
    assert words(tmp_path) == ["uv", "pip", "install", *flags, "--python", "/v/bin/python", "x"]
    monkeypatch.setattr("importlib.util.find_spec", lambda _name: sys)
    assert words(tmp_path) == ["/v/bin/python", "-m", "pip", "install", *flags, "x"]


def test_a_pip_that_another_package_brings_is_none_of_the_environment(tmp_path):
    environment(tmp_path)
    assert renewing(tmp_path) == ["uv", "pip", "install", "--upgrade", "--python", "/v/bin/python", "x"]


def renewing(prefix, **facts):
    return shlex.split(str(installation.renewing("x", prefix, "/v/bin/python", **facts)).strip("`"))


def test_it_is_renewed_by_what_has_installed_it(tmp_path):
    assert renewing(tmp_path) == ["/v/bin/python", "-m", "pip", "install", "--upgrade", "x"]
    assert renewing(tmp_path, anew=True) == ["/v/bin/python", "-m", "pip", "install", "--force-reinstall", "x"]
    packages = tmp_path / "lib/python3.13/site-packages"
    packages.mkdir(parents=True)
    (tmp_path / "lib/python3.13/EXTERNALLY-MANAGED").touch()
    assert renewing(tmp_path) == ["pipx", "install", "x"]  # pip refuses
    (tmp_path / "pyvenv.cfg").touch()
    assert renewing(tmp_path) == ["uv", "pip", "install", "--upgrade", "--python", "/v/bin/python", "x"]
    (packages / "pip").mkdir()
    assert renewing(tmp_path) == ["/v/bin/python", "-m", "pip", "install", "--upgrade", "x"]
    (tmp_path / "pipx_metadata.json").write_text("{}")
    assert renewing(tmp_path) == ["pipx", "upgrade", "--include-injected", tmp_path.name]
    assert renewing(tmp_path, anew=True) == ["pipx", "reinstall", tmp_path.name]
    (tmp_path / "pipx_metadata.json").rename(tmp_path / "uv-receipt.toml")
    assert renewing(tmp_path) == ["uv", "tool", "upgrade", tmp_path.name]
    assert renewing(tmp_path, anew=True) == ["uv", "tool", "upgrade", "--reinstall", tmp_path.name]


def test_planoai_is_renewed_where_it_is_and_not_where_planodev_is(tmp_path):
    """Its program is a link into the environment, as pipx and uv make it, or a script that names its Python."""
    (tmp_path / "bin").mkdir()
    tool = tmp_path / "planoai"
    (tool / "bin").mkdir(parents=True)
    (tool / "bin/planoai").write_text("#!/nowhere/python3\n")
    (tool / "bin/planoai").chmod(0o755)
    (tool / "pyvenv.cfg").touch()
    (tmp_path / "bin/planoai").symlink_to(tool / "bin/planoai")
    environment = {"PATH": str(tmp_path / "bin")}
    kinds = {"pipx_metadata.json": "pipx upgrade planoai", "uv-receipt.toml": "uv tool upgrade planoai"}
    for file, command in kinds.items():
        (tool / file).write_text("{}" if "json" in file else "")
        assert str(planoai.renewing(environment)) == f"`{command}`"
        (tool / file).unlink()
    (tmp_path / "bin/planoai").unlink()
    (tmp_path / "bin/planoai").write_text(f"#!{sys.executable}\n")
    (tmp_path / "bin/planoai").chmod(0o755)
    assert "install --upgrade" in str(planoai.renewing(environment))
