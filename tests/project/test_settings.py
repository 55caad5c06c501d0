"""Settings: the order of their sources, and bad values that name where they stand."""

import pytest

from planodev.problems import BadInput
from planodev.project import settings


def resolve(directory, options=None, environment=None, file=None):
    if file is not None:
        (directory / "planodev.toml").write_text(file)
    return settings.Sources(options or {}, environment or {}, directory).settings


def test_each_source_beats_the_ones_below_it_and_is_remembered(tmp_path):
    layers = [
        ("file", "port = 3", (3, "planodev.toml")),
        ("environment", {"PLANODEV_PORT": "2"}, (2, "PLANODEV_PORT")),
        ("options", {"port": "1"}, (1, "--port")),
    ]
    assert (resolve(tmp_path).port.value, resolve(tmp_path).port.source) == (5432, "default")
    given = {}
    for layer, content, expected in layers:
        given[layer] = content
        found = resolve(tmp_path, **given)
        assert (found.port.value, found.port.source) == expected
        assert found.name.source == "default"


@pytest.mark.parametrize(
    ("source", "asked"),
    [("--port", True), ("PLANODEV_PORT", True), ("planodev.toml", True), (".env", False), ("default", False)],
)
def test_only_what_the_user_said_in_this_run_counts_as_asked(source, asked):
    assert settings.Setting(1, source).asked is asked


def test_what_was_not_given_does_not_hide_the_next_source(tmp_path):
    options = {"port": None, "model": (), "name": None}
    found = resolve(tmp_path, options, {"PLANODEV_PORT": "", "PLANODEV_MODEL": "ollama/a, groq/b"}, file="port = 7")
    assert (found.port.value, found.port.source) == (7, "planodev.toml")
    assert (found.model.value, found.model.source) == (("ollama/a", "groq/b"), "PLANODEV_MODEL")


def test_a_list_of_models_may_stand_in_the_file(tmp_path):
    assert resolve(tmp_path, file='model = ["ollama/a", "groq/b"]').model.value == ("ollama/a", "groq/b")


def test_the_environment_is_the_one_that_was_handed_over(tmp_path, monkeypatch):
    monkeypatch.setenv("PLANODEV_PORT", "9")
    assert resolve(tmp_path).port.source == "default"


BAD = {
    "port": ["0", "70000", "abc", "-1", "5432.5", "", " ", "0x10", "\u0661", "99999999999"],
    "name": ["a", "a b", "a'b", 'a"b', "näme", "-a", "a" * 64, "a/b", "a\n", ""],
    "image": ["Postgres", "a b", "", "-a", "postgres:16;rm", "a" * 256, "postgres\n"],
    "template": ["nosuch", "../secret", ""],
    "engine": ["nosuch", "DOCKER", ""],
    "plano": ["cloud", ""],
    "pull": ["sometimes", ""],
    "model": ["gpt-4o", "nosuch/x", "openai/", "openai/a b", "azure_openai/x", "openai/a\nb: c"],
    "timeout": ["0", "-1", "nan", "inf", "soon", "3601", ""],
    "config": ["a\0b"],
}


@pytest.mark.parametrize(("name", "raw"), [(name, raw) for name, values in BAD.items() for raw in values])
def test_a_bad_option_names_itself(tmp_path, name, raw):
    with pytest.raises(BadInput) as caught:
        resolve(tmp_path, {name: (raw,) if name == "model" else raw})
    assert (caught.value.code, caught.value.exit_code) == (f"bad-{name}", 2)
    assert caught.value.why == f"from --{name}"


@pytest.mark.parametrize(("name", "raw"), [(name, values[0]) for name, values in BAD.items() if name != "config"])
def test_a_bad_variable_or_line_of_the_file_names_itself(tmp_path, name, raw):
    with pytest.raises(BadInput, match=f"`{raw}`") as caught:
        resolve(tmp_path, {name: (raw,) if name == "model" else raw})
    assert caught.value.why == f"from --{name}"
    with pytest.raises(BadInput, match=f"^invalid {name}: ") as caught:  # without the value, which nobody has typed now
        resolve(tmp_path, environment={f"PLANODEV_{name.upper()}": raw})
    assert caught.value.why == f"from PLANODEV_{name.upper()}"
    assert f"PLANODEV_{name.upper()}" in caught.value.fix
    with pytest.raises(BadInput) as caught:
        resolve(tmp_path, file=f'{name} = "{raw}"')
    assert caught.value.why == "from planodev.toml"


@pytest.mark.parametrize(
    "line", ["port = true", "port = 1.5", "name = 5", "timeout = []", "model = 5", "image = {}", "engine = 1"]
)
def test_a_value_of_the_wrong_kind_is_bad_input(tmp_path, line):
    with pytest.raises(BadInput) as caught:
        resolve(tmp_path, file=line)
    assert caught.value.code == f"bad-{line.split()[0]}"


@pytest.mark.parametrize("name", ["ab", "a" * 63, "Plano_1.x-y", "0a"])
def test_names_that_docker_takes_are_taken(tmp_path, name):
    assert resolve(tmp_path, {"name": name}).name.value == name


@pytest.mark.parametrize(
    "image", ["postgres:16", "localhost:5000/team/postgres:16-alpine", "postgres@sha256:" + "0" * 64]
)
def test_references_that_docker_takes_are_taken(tmp_path, image):
    assert resolve(tmp_path, {"image": image}).image.value == image


@pytest.mark.parametrize("raw", [1, "1", 65535, " 5433 "])
def test_every_port_is_a_number(tmp_path, raw):
    assert resolve(tmp_path, {"port": raw}).port.value == int(raw)


@pytest.mark.parametrize(
    ("content", "said"),
    [("prot = 1", "`prot`"), ("port = ", "not TOML"), ("port 1", "not TOML"), ('[up]\nport = "1"', "`up`")],
)
def test_a_file_with_an_unknown_key_or_broken_text_is_named(tmp_path, content, said):
    with pytest.raises(BadInput) as caught:
        resolve(tmp_path, file=content)
    assert caught.value.code == "bad-settings-file"
    assert said in caught.value.message
    assert "planodev.toml" in caught.value.message


@pytest.mark.parametrize("make", [lambda path: path.write_bytes(b'name = "\xe9"'), lambda path: path.mkdir()])
def test_a_file_that_cannot_be_read_is_named(tmp_path, make):
    make(tmp_path / "planodev.toml")
    with pytest.raises(BadInput, match=r"planodev\.toml"):
        resolve(tmp_path)


def test_json_has_every_setting_with_value_and_source(tmp_path):
    shown = resolve(tmp_path, {"model": ("ollama/a",)}).as_json()
    assert shown["model"] == {"value": ["ollama/a"], "source": "--model"}
    assert set(shown) == set(settings._KNOWN)
