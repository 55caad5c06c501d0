"""No command shows a part of a secret, in whatever form a connection string has it, on any channel."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from urllib.parse import quote

import pytest

from planodev import masking, unexpected
from planodev.cli.main import main
from planodev.engines import failures
from planodev.plano import config_edit, config_file, judge
from planodev.postgres.connection import CONNECTION_STRING
from planodev.project import env_file
from tests.support import away
from tests.support.tiers import slow_but

# Two pieces, so that what is cut at a character between them is found, and no text of planodev's own has them.
LEFT, RIGHT = "qZ7xK9vWhG", "mJ4tR8bNyQ"


def forms():
    """Return connection strings by what is special about them, each with the secret in it."""
    url = "postgresql://planouser:{}@127.0.0.1:1/shop"
    between = {
        "at sign": "@",
        "slash": "/",
        "question mark": "?",
        "hash": "#",
        "colon": ":",
        "percent": "%",
        "blank": " ",
    }
    between |= {
        "bracket": "[",
        "closing bracket": "]",
        "quote": "'",
        "double quote": '"',
        "backslash": "\\",
        "comma": ",",
    }
    between |= {"%FF": "%FF", "two at signs": "@@", "dollar": "$", "not ASCII": "ü"}
    found = {name: url.format(LEFT + character + RIGHT) for name, character in between.items()}
    plain = LEFT + RIGHT
    found |= {
        "plain": url.format(plain),
        "encoded": url.format(LEFT + quote("@/?#:%") + RIGHT),
        "key=value": f"host=127.0.0.1 port=1 user=planouser password={plain} dbname=shop",
        "key=value, quoted": f"host=127.0.0.1 password='{LEFT} {RIGHT}' dbname=shop",
        "a parameter": f"postgresql://planouser@127.0.0.1:1/shop?password={plain}",
        "a parameter of TLS": f"postgresql://planouser:x@127.0.0.1:1/shop?sslpassword={plain}",
        "a parameter that none knows": f"postgresql://planouser:x@127.0.0.1:1/shop?{plain}=1",
        "a parameter with settings": f"postgresql://planouser:x@127.0.0.1:1/shop?options=-c%20my.secret%3D{plain}",
        "a parameter's name, encoded": f"postgresql://planouser:x@127.0.0.1:1/shop?p%61ssword={plain}",
        "encoded twice": url.format(f"{LEFT}%2540{RIGHT}"),
        "encoded in small letters": url.format(f"{LEFT}%2f{RIGHT}"),
        "key=value, with a quote in quotes": f"host=127.0.0.1 password='{LEFT}\\\\'{RIGHT}' dbname=shop",
        "key=value, with blanks": f"host = 127.0.0.1 password = {plain} dbname = shop",
        "a default of a variable": f"postgresql://${{DB_USER}}:${{DB_PASS:-{plain}}}@${{DB_HOST}}:${{DB_PORT}}/${{DB_NAME}}",
        "jdbc": f"jdbc:postgresql://127.0.0.1:1/shop?user=u&password={plain}",
        "a suffix": f"postgresql+psycopg://planouser:{plain}@127.0.0.1:1/shop",
        "no scheme": f"planouser:{plain}@127.0.0.1:1/shop",
        "a blank before it": f" postgresql://planouser:{plain}@127.0.0.1:1/shop",
        "IPv6": f"postgresql://planouser:{plain}@[::1]:1/shop",
        "IPv6 without brackets": f"postgresql://planouser:{plain}@::1:1/shop",
        "two hosts": f"postgresql://planouser:{plain}@127.0.0.1:1,127.0.0.2:1/shop",
        "a port of a mile": f"postgresql://planouser:{plain}@127.0.0.1:99999999/shop",
        "a variable beside it": f"postgresql://planouser:{plain}@${{NOWHERE}}:1/shop",
        "a variable of ours beside it": f"postgresql://${{DB_USER}}:{plain}@${{DB_HOST}}:${{DB_PORT}}/${{DB_NAME}}",
        "nothing but it": plain,
    }
    return found


FORMS = forms()
# One of each kind for `make test`: what ends a part of a URL, what is encoded, and the other grammars.
SAMPLE = ("slash", "two at signs", "not ASCII", "encoded", "key=value, quoted", "a parameter", "nothing but it")
COMMANDS = [
    ["status"],
    ["doctor"],
    ["verify"],
    ["up"],
    ["up", "--dry-run"],
    ["up", "--yes"],
    ["run", "--", "planoai", "up"],
]
COMMANDS += [
    ["verify", "--env-file", ".env.production"],
    ["production", "neon"],
    ["production", "self-hosted", "--force"],
]
COMMANDS += [["conversations"], ["snapshot", "list"], ["snapshot", "save"], ["psql"], ["logs"], ["reset"], ["down"]]
COMMANDS += [["conversations", "--env-file", ".env.production"]]
COMMANDS += [["list"], ["forget"], ["keys"], ["keys", "set", "OPENAI_API_KEY"]]
ENV = "DB_USER=planouser\nDB_PASS={}\nDB_HOST={}\nDB_PORT=1\nDB_NAME=shop\nOPENAI_API_KEY={}\nDATABASE_URL={}\n"


@pytest.fixture
def place(tmp_path, monkeypatch):
    away.from_everything(monkeypatch, tmp_path)
    (tmp_path / "project").mkdir()
    monkeypatch.chdir(tmp_path / "project")
    return tmp_path


def write(place, string, *, quote_with=json.dumps):
    """Write a project in which the secret stands wherever somebody may put it."""
    secret = LEFT + RIGHT
    project = place / "project"
    (project / ".env").write_text(ENV.format(secret, "127.0.0.1", secret, string))
    (project / ".env.production").write_text(ENV.format(string.replace("\n", ""), "127.0.0.1", secret, string))
    (project / "config.yaml").write_text(
        "version: v0.4.0\nlisteners: [{type: model, name: a, port: 12000}]\n"
        f"model_providers: [{{model: openai/x, access_key: {secret}}}]\n"
        f"state_storage:\n  type: postgres\n  connection_string: {quote_with(string)}\n"
    )


def parts():
    """Return each part of the secret that nobody may see."""
    return {piece[at : at + 4] for piece in (LEFT, RIGHT) for at in range(len(piece) - 3)}


def shown_by(capsys, arguments):
    main(list(arguments))
    out, err = capsys.readouterr()
    return out + err


def check(shown, what):
    found = [part for part in parts() if part in shown]
    assert not found, f"{what} shows {found}:\n{shown}"


@pytest.fixture
def no_program(monkeypatch):
    """Have `run` and `psql` start nothing."""
    for name in ("run", "psql"):
        monkeypatch.setattr(f"planodev.cli.{name}.become", lambda _launch: 0, raising=False)


@pytest.mark.parametrize("form", slow_but(SAMPLE, FORMS))
@pytest.mark.usefixtures("no_program")
class TestConnectionStrings:
    def test_in_the_configuration_and_env_files(self, place, capsys, form):
        write(place, FORMS[form])
        for command in COMMANDS:
            check(shown_by(capsys, ["-v", *command]), f"`-v {command}`")
            check(shown_by(capsys, [*command[:1], "--json", *command[1:]]), f"`{command} --json`")
        check_files(place)

    def test_in_a_configuration_that_alone_names_the_server(self, place, capsys, form):
        """So that planodev logs in there, or would."""
        write(place, FORMS[form])
        (place / "project/.env").unlink()
        for command in (["doctor"], ["verify"], ["conversations"], ["psql"], ["psql", "-c", "SELECT 1"], ["status"]):
            check(shown_by(capsys, ["-v", *command]), f"`-v {command}`")
            check(shown_by(capsys, [*command[:1], "--json", *command[1:]]), f"`{command} --json`")

    def test_as_an_option(self, place, capsys, form):
        write(place, "postgresql://u:p@h/d")
        for command in (["production", "neon", "--host", FORMS[form]], ["verify", "--env-file", ".env"]):
            check(shown_by(capsys, command), f"`{command[:3]}`")

    def test_as_an_engines_address_and_as_a_host(self, place, capsys, monkeypatch, form):
        write(place, "postgresql://u:p@h/d")
        string = FORMS[form]
        for host in (string, string.replace("postgresql://", "tcp://")):
            with monkeypatch.context() as patch:
                patch.setenv("DOCKER_HOST", host)
                for command in (["status"], ["doctor"], ["up", "--dry-run"]):
                    check(shown_by(capsys, command), f"DOCKER_HOST with {command}")
        for host in (string, string.partition("://")[2]) if "@" in string else ():
            (place / "project/.env").write_text(ENV.format("x", host, "x", "x"))
            for command in COMMANDS[:8]:
                check(shown_by(capsys, command), f"DB_HOST with {command}")

    def test_in_a_traceback_of_a_bug(self, place, capsys, monkeypatch, form):
        write(place, FORMS[form])

        def broken(*_given, **_named):
            try:
                int(FORMS[form])
            except ValueError as error:
                raise KeyError(FORMS[form].partition("@")[2], f"a part: {FORMS[form][10:]}") from error

        # Called by its module, so that none which is loaded meanwhile keeps it.
        monkeypatch.setattr(env_file, "load", broken)
        for debug in ("", "1"):
            monkeypatch.setenv("PLANODEV_DEBUG", debug)
            for command in (["status"], ["status", "--json"], ["env"], ["doctor"]):
                shown = shown_by(capsys, command)
                check(shown, f"{command} with PLANODEV_DEBUG={debug}")
                assert command[0] == "doctor" or "unexpected" in shown

    def test_in_the_lines_of_a_change(self, place, capsys, form):
        string = json.dumps(FORMS[form])
        old = f"# {FORMS[form]}\nstate_storage:\n  connection_string: {string}\n  # {FORMS[form]}\nlast: {string}\n"
        new = old.replace(f"connection_string: {string}", f"type: postgres\n  connection_string: {CONNECTION_STRING}")
        shown = "\n".join(config_edit.diff(old, new, "config.yaml"))
        check(shown, "the diff")
        assert f"+  connection_string: {CONNECTION_STRING}" in shown


@pytest.mark.parametrize(
    "string",
    [
        ">-\n    postgresql://u:Zq7xKw9Tr2Lm\n    @db/d",
        ">-\n    postgresql://u:\n    Zq7xKw9Tr2Lm\n    @db/d",
        '"postgresql://u:\n    Zq7xKw9Tr2Lm@db/d"',
        '"postgresql://u:Zq7x\\\n    Kw9Tr2Lm@db/d"',
        '"postgresql://u:\\x5aq7xKw9Tr2Lm@db/d"',
    ],
)
def test_a_connection_string_over_several_lines_loses_its_password_in_a_change(string):
    old = f"state_storage:\n  type: postgres\n  connection_string: {string}\n"
    new = f"state_storage:\n  type: postgres\n  connection_string: {CONNECTION_STRING}\n"
    shown = "\n".join([*config_edit.diff(old, new, "c"), *config_edit.diff(new, old, "c")])
    assert not [part for part in ("Zq7x", "q7xK", "7xKw", "Kw9T", "w9Tr", "r2Lm") if part in shown]
    assert CONNECTION_STRING in shown


@pytest.mark.parametrize(
    "line",
    [
        "DB_PASS: Zq7xKw9Tr2Lm",
        "- DB_PASS=Zq7xKw9Tr2Lm",
        '- "DB_PASS=Zq7xKw9Tr2Lm"',
        "DB_PASS: Zq7x Kw9Tr2Lm",
        "OPENAI_API_KEY: 'Zq7x Kw9Tr2Lm'",
        'OPENAI_API_KEY: "Zq7x\\" Kw9Tr2Lm"',
        "x: {DB_PASS: Zq7x Kw9Tr2Lm, y: 1}",
        "DB_PASS: ${DB_PASS:-Zq7xKw9Tr2Lm}",
        "DB_PASS: 123-Zq7xKw9Tr2Lm",
        "DB_PWD = Zq7xKw9Tr2Lm",
        "TOKEN: |\n  Zq7xKw9T\n  r2Lm",
        "x:\n- KEY: Zq7x\n    Kw9T\n\n    r2Lm\n- y",
        "x: {P: Kw9Tr2LmZq7x}",
        "[CMD, curl, -u, 'u:Kw9Tr2LmZq7x', http://h]",
    ],
)
def test_a_line_that_changes_has_no_value_of_a_name_of_secrets_and_none_of_the_project(line):
    known = ["Kw9Tr2LmZq7x"]
    shown = "\n".join([*config_edit.diff("", line, "c", known), *config_edit.diff(line, "a: 1", "c", known)])
    assert not [part for part in ("Zq7x", "7xKw", "Kw9T", "w9Tr", "r2Lm") if part in shown], shown


@pytest.mark.parametrize(
    "line", ["access_key: $OPENAI_API_KEY", 'x: {key: "${K}", y: z}', "max_tokens: 100", "auth: true"]
)
def test_a_variable_and_a_plain_word_stay_as_they_are_in_a_change(line):
    assert f"+{line}" in config_edit.diff("", f"{line}\n", "c")


def test_the_files_of_production_are_replaced_without_the_secrets_of_their_lines(place, capsys):
    write(place, "postgresql://u:p@h/d")
    (place / "project/compose.production.yaml").write_text(f"x: {{P: {LEFT}{RIGHT}, DB_PASS: {LEFT}}}\n")
    (place / "project/pgbouncer.ini").write_text(
        f"[databases]\nshop = host=h password='{LEFT} {RIGHT}'\n{LEFT}{RIGHT}\n"
    )
    shown = shown_by(capsys, ["production", "self-hosted", "--force"])
    check(shown, "the diff")
    assert "-x: {P: ***, DB_PASS: ***" in shown


BEFORE = (
    "version: v0.4.0\nlisteners: [{type: model, name: a, port: 12000}]\n"
    "model_providers: [{model: openai/x, default: true}]\n"
)
STORAGE = "state_storage:\n  type: postgres\n  connection_string: "
# Where a configuration has a secret beside the value of one key: {} is a connection string, [] the password alone.
IN_YAML = {
    "an anchor and its alias": f"x: &c '{{}}'\n{BEFORE}{STORAGE}*c\n",
    "an anchor that is there twice": f"{BEFORE}a: &x '{{}}'\nb: &x 1\n{STORAGE}*x\n",
    "an alias of nothing, as of a password that begins with `*`": f"{BEFORE}{STORAGE}*[]\n",
    "a tag, as of a password that begins with `!`": f"{BEFORE}{STORAGE}![] x\n",
    "a tag that is not declared": f"{BEFORE}{STORAGE}![]!x y\n",
    "a tag that the value does not fit": f"{BEFORE}{STORAGE}!!timestamp '{{}}'\n",
    "a merge": f"b: &b {{connection_string: '{{}}'}}\n{BEFORE}state_storage:\n  <<: *b\n  type: postgres\n",
    "a key that is there twice": f"{BEFORE}{STORAGE}'{{}}'\n  connection_string: x\n",
    "a key of its own, twice": f"{BEFORE}'{{}}': 1\n'{{}}': 2\n",
    "a key that nobody knows": f"{BEFORE}state_storage:\n  type: memory\n  '{{}}': 1\n",
    "a block": f"{BEFORE}{STORAGE}|\n    {{}}\n",
    "quotes that do not end": f'{BEFORE}{STORAGE}"{{}}\n',
    "a tab": f"{BEFORE}state_storage:\n\tconnection_string: '{{}}'\n",
    "a value of another type": BEFORE.replace("default: true", "default: '{}'") + STORAGE + "postgresql://u:p@h/d\n",
    "a header": f"{BEFORE}endpoints: {{x: {{endpoint: h, headers: {{Authorization: '[]'}}}}}}\n{STORAGE}x\n",
    "a type": f"{BEFORE}state_storage: {{type: '{{}}'}}\n",
    "another document": f"{BEFORE}---\nx: '{{}}'\n",
    "a comment beside what changes": f"{BEFORE}state_storage: # {{}}\n  type: memory # {{}}\n",
}
OF_YAML = ("plain", "at sign", "blank", "key=value, with a quote in quotes", "a parameter with settings")


@pytest.mark.parametrize("where", IN_YAML)
@pytest.mark.usefixtures("no_program")
def test_a_secret_in_yaml_of_any_form_is_not_shown(place, capsys, where):
    write(place, "postgresql://u:p@h/d")
    for form in OF_YAML:
        text = IN_YAML[where].replace("'{}'", "'" + FORMS[form].replace("'", "''") + "'").replace("{}", FORMS[form])
        (place / "project/config.yaml").write_text(text.replace("[]", LEFT + RIGHT))
        for command in (["status"], ["doctor"], ["up", "--dry-run"], ["production", "neon", "--force"]):
            check(shown_by(capsys, ["-v", *command]), f"`{command}` with {form}")
        check(shown_by(capsys, ["status", "--json"]), f"`status --json` with {form}")


@pytest.mark.parametrize("command", ["status", "doctor", "production neon"])
def test_what_libraries_warn_of_is_not_printed(place, command):
    write(place, "postgresql://u:p@h/d")
    text = IN_YAML["an anchor that is there twice"].replace("{}", FORMS["plain"])
    (place / "project/config.yaml").write_text(text)
    done = subprocess.run(
        [sys.executable, "-m", "planodev", "-C", str(place / "project"), *command.split()],
        env={**os.environ, "PYTHONWARNINGS": "default"},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    check(done.stdout + done.stderr, command)
    assert "Warning" not in done.stderr


LOGIN, URL = f"u:{LEFT}{RIGHT}@h", f"postgresql://u:{LEFT}{RIGHT}@h/d"
# Where else a secret may stand by mistake, by its file or variable.
ELSEWHERE = {
    "the port of .env": (".env", f"DB_PASS=x\nDB_PORT={LEFT}{RIGHT}\n"),
    "the host of .env": (".env", f"DB_PASS=x\nDB_HOST={URL}\n"),
    "a password that begins with a dollar": (".env", f"DB_PASS=${LEFT}{RIGHT}\n"),
    "a reference without a value": (".env", f"DB_PASS=${{{LEFT}{RIGHT}}}\n"),
    "the parts of production's server": (".env.production", f"DB_HOST={URL}\nDB_PORT={LEFT}{RIGHT}\nDB_NAME={LOGIN}\n"),
    "production's port": (".env.production", f"DB_HOST=h\nDB_PORT=5432{LEFT}{RIGHT}\n"),
    "a line that is not TOML": ("planodev.toml", f"DB_PASS={LEFT}{RIGHT}\n"),
    "a table that is there twice": ("planodev.toml", f"[{LEFT}]\n[{LEFT}]\n"),
    "a key that is there twice": ("planodev.toml", f"name = {{{LEFT} = 1, {LEFT} = 2}}\n"),
    "a table of no setting": ("planodev.toml", f"[{LEFT}{RIGHT}]\n"),
    "a key that is no setting": ("planodev.toml", f'"{LOGIN}" = 1\n'),
    **{
        f"the setting {name}": ("planodev.toml", f'{name} = "{value}"\n')
        for name, value in (
            ("port", LEFT + RIGHT),
            ("image", URL),
            ("config", LOGIN),
            ("model", LOGIN),
            ("timeout", URL),
        )
    },
    "a table in a setting": ("planodev.toml", f"timeout = {{password = '{LEFT}{RIGHT}'}}\n"),
    **{
        f"the variable {name}": (name, value)
        for name, value in (
            *(("PLANODEV_PORT", LEFT + RIGHT), ("PLANODEV_IMAGE", LOGIN), ("PLANODEV_ENGINE", URL)),
            *(("PLANODEV_DOTENV", LOGIN), ("PLANODEV_CONFIG", URL), ("PLANODEV_TEMPLATE", LEFT + RIGHT)),
            *(("DOCKER_HOST", f"tcp://127.0.0.1:{LEFT}{RIGHT}"), ("DOCKER_CONTEXT", URL), ("DOCKER_CONTEXT", LOGIN)),
        )
    },
}
QUICK = (
    "the parts of production's server",
    "a key that is there twice",
    "the setting image",
    "the variable PLANODEV_PORT",
)
QUICK += ("the variable DOCKER_HOST",)


@pytest.mark.parametrize("where", slow_but(QUICK, ELSEWHERE))
@pytest.mark.usefixtures("no_program")
def test_a_secret_in_a_wrong_place_is_not_shown(place, capsys, monkeypatch, where):
    write(place, "postgresql://u:p@h/d")
    name, text = ELSEWHERE[where]
    if "." in name:
        (place / "project" / name).write_text(text)
    else:
        monkeypatch.delenv("DOCKER_HOST")  # which would come before a context
        monkeypatch.setenv(name, text)
    for command in (*COMMANDS[:5], ["production", "neon"], ["production", "self-hosted", "--force"], ["logs"]):
        check(shown_by(capsys, ["-v", *command]), f"`-v {command}`")
    check(shown_by(capsys, ["status", "--json"]), "`status --json`")


TYPED = [["verify", "--env-file"], ["psql", "--env-file"], ["conversations", "--env-file"], ["production"], ["up"], []]
TYPED += [["-C"], ["up", "--config"], ["up", "--name"], ["up", "--image"], ["logs", "-n"], ["env", "--format"]]
TYPED += [["conversations", "--since"], ["conversations", "import"], ["forget"], ["production", "neon", "--output"]]


@pytest.mark.parametrize(
    "words", slow_but([["psql", "--env-file"], ["production"], ["-C"], ["up", "--config"]], TYPED), ids=" ".join
)
def test_an_address_that_is_typed_in_a_wrong_place_is_not_repeated(place, capsys, words):
    write(place, "postgresql://u:p@h/d")
    for address in (URL, URL.replace(RIGHT, f"'{RIGHT}"), LOGIN, f"//{LOGIN}"):
        for more in ([], ["--json"] if words[:1] not in (["psql"], ["logs"], ["env"]) else []):
            shown = shown_by(capsys, [*more, *words, address])
            check(shown, f"{more} {words}")


HEADERS = [
    "Invalid leading whitespace, reserved character(s), or return character(s) in header value: {}",
    "Header part ({}) from ('Authorization', {}) must be of type str or bytes, not <class 'list'>",
    "Invalid header value {}",
]


@pytest.mark.parametrize("said", HEADERS)
def test_a_header_that_a_library_refuses_is_not_repeated(said):
    assert "***" in failures.readable(said.replace("{}", repr(f"{LEFT}\n{RIGHT}")))
    check(failures.readable(said.replace("{}", repr(f"{LEFT}\n{RIGHT}"))), said)


def check_files(place):
    """Look into every file but those that the secrets were written to, and the private one they are kept for."""
    given = {".env", ".env.production", "config.yaml"}
    for path in place.rglob("*"):
        if path.is_file() and path.name not in given:
            check(path.read_bytes().decode(errors="replace"), path.name)


SCREENED = {
    "an address in a sentence": ("cannot reach tcp://u:a@b@h:1 now", "cannot reach tcp://***@h:1 now"),
    "no user": ("see https://docs.docker.com/go/x", "see https://docs.docker.com/go/x"),
    "a digest": ("pull postgres@sha256:00 failed", "pull postgres@sha256:00 failed"),
    "a parameter": ("password=hunter2 host=x", "password=*** host=x"),
    "a quoted parameter": ("sslpassword='a b' host=x", "sslpassword=*** host=x"),
}


VALUES = {
    "a name": ("openai/gpt-4o", "openai/gpt-4o"),
    "a model with a colon": ("llama3.1:8b", "llama3.1:8b"),
    "an address": ("http://[::1]:8/v1", "http://[::1]:8/v1"),
    "a port that cannot be one": ("http://h:99999/v1", "http://h:99999/v1"),
    "variables": ("postgresql://${U}:${P}@h/d?sslmode=disable", "postgresql://${U}:${P}@h/d?sslmode=disable"),
    "a parameter of a variable": ("http://h/v1?key=${KEY}", "http://h/v1?key=${KEY}"),
    "a blank in a password": ("postgresql://u:a b@h/d", "postgresql://***@h/d"),
    "a quote in a password": ("postgresql://u:a'b@h/d", "postgresql://***@h/d"),
    "no scheme": ("u:a b@h", "***@h"),
    "no host": ("postgresql://u:secret", "postgresql://u:***"),
    "a key in a parameter": ("http://h/v1?sig=a&api-version=2024-10-21", "http://h/v1?***&api-version=2024-10-21"),
    "a version": ("http://h/v1?api-version=2025-01-01-preview", "http://h/v1?api-version=2025-01-01-preview"),
    "a parameter that is nothing but it": ("http://h/v1?abc", "http://h/v1?***"),
    "a quote in quotes": ("password='a\\' b=c' host=x", "password=***"),
}


@pytest.mark.parametrize("case", VALUES)
def test_a_value_is_shown_without_what_may_be_secret_in_it(case):
    value, shown = VALUES[case]
    assert masking.value(value) == shown


def test_models_at_one_server_are_named_without_the_password():
    model = "{{model: my{0}/x, provider_interface: openai, base_url: 'http://u:{1}@h:{0}/v1'}}"
    models = ", ".join(model.format(number, LEFT) for number in (1, 2, 3, 4))
    text = f"version: v0.4.0\nlisteners: [{{type: model, name: a, port: 12000}}]\nmodel_providers: [{models}]\n"
    with pytest.raises(config_edit.NotEditable) as refused:
        config_edit.with_stored_models(text)
    check(f"{refused.value} {refused.value.fix}", "the error")
    assert "***@h:1" in refused.value.fix


@pytest.mark.parametrize("case", SCREENED)
def test_an_address_has_no_password_in_what_an_engine_says(case):
    said, shown = SCREENED[case]
    assert masking.urls(said) == shown


def test_a_part_of_a_secret_is_found_wherever_it_is_cut():
    secret = "abcdefghij"
    for start in range(7):
        assert masking.parts_of(f"x{secret[start : start + 4]}y", [secret]) == "x***y"
    assert masking.parts_of("xabcy", [secret]) == "xabcy"
    assert masking.parts_of("", [secret, ""]) == ""


def test_the_secrets_of_a_project_are_known_in_each_form(tmp_path):
    (tmp_path / ".env").write_text("DB_PASS=a%40bcd\nexport OPENAI_API_KEY='kkkk'\nPLAIN=1\n")
    (tmp_path / "config.yaml").write_text('x:\n  - connection_string: "postgresql://u:pw@rd@h/d"\n')
    (tmp_path / "below").mkdir()
    found = unexpected.secrets_at(tmp_path / "below", {"MY_TOKEN": "tttt", "HOME": "/x"})
    assert {"a%40bcd", "a@bcd", "kkkk", "pw@rd", "tttt"} <= set(found)
    assert not {"1", "/x"} & set(found)


# Where a configuration has addresses of others, with what they need beside them.
PLACES = {
    "a model": "  - {model: my/x, provider_interface: mistral, base_url: URL}\n",
    "a provider that keeps the history": "  - {model: openai/x, base_url: URL}\n",
    "a provider that never answers": "  - {model: groq/x, base_url: URL}\n",
    "two servers of one cluster": "  - {model: m/x, provider_interface: mistral, base_url: 'http://h:1'}\n"
    "  - {model: my/x, provider_interface: mistral, base_url: URL}\n",
    "a host": "  - {model: my/x, provider_interface: mistral, base_url: 'http://h', http_host: URL}\n",
    "an agent": "agents: [{id: x, url: URL}]\n",
    "a filter": "filters: [{id: x, url: URL}]\n",
    "an endpoint": "endpoints: {x: {endpoint: URL}}\n",
    "a collector": "tracing: {opentracing_grpc_endpoint: URL}\n",
    "a session cache": "routing: {session_cache: {type: redis, url: URL}}\n",
    "a key that nobody knows": "colour: URL\n",
}
ADDRESSES = (
    "http://u:SECRET@h:2/v1",
    "http://u:SECRET@h:99999",
    "u:SECRET@h:2",
    "https://SECRET@h",
    "ftp://u:SECRET@[::1]",
)
ADDRESSES += ("http://u:SECRET@[::1]:8", "http://u:SECRET@[bad", "http://u:SECRET@$H", "http://u:a@SECRET@h:2")


@pytest.mark.parametrize("mode", slow_but(["native"], ["native", "docker"]))
@pytest.mark.parametrize("place", PLACES)
@pytest.mark.parametrize("address", slow_but(["u:SECRET@h:2", "http://u:a@SECRET@h:2"], ADDRESSES))
def test_what_is_wrong_with_an_address_is_said_without_its_password(tmp_path, address, place, mode):
    lines = PLACES[place].replace("URL", f"'{address.replace('SECRET', LEFT + RIGHT)}'")
    models, rest = (lines, "") if lines.startswith(" ") else ("", lines)
    path = tmp_path / "config.yaml"
    path.write_text(
        "version: v0.4.0\nlisteners: [{type: model, name: m, port: 12000}]\nmodel_providers:\n"
        f"  - {{model: anthropic/c, access_key: $K, default: true}}\n{models}{rest}"
        'state_storage: {type: postgres, connection_string: "postgresql://u:p@h:1/d"}\n'
    )
    found = judge.judge_config(config_file.load(path), None, mode)
    said = "\n".join(f"{one.message}\n{one.fix}\n{one.why}" for one in found)
    assert not [piece for piece in (LEFT, RIGHT) if piece in said], said
    assert not [one.fix for one in found if re.search(r"(?:write|put) `[^`]*\*\*\*", str(one.fix))]


# Values that no connection string is, in the forms of YAML; the password has a blank, a quote, a comma or more lines.
ODD_VALUES = [
    "{type: 'postgresql://u:Zq7x Kw9Tr2Lm@h/db'}",
    '{type: "postgresql://u:Zq7x\'Kw9T r2Lm@h/db", other: x}',
    "{type: postgresql://u:Zq7x'Kw9T r2Lm@h/db}",
    "{type: 'postgresql://u:Zq7x''Kw9T r2Lm@h/db'}",
    "\n  type: postgresql://u:Zq7x Kw9Tr2Lm@h/db  # local",
    "\n  type: postgresql://u:Zq7x, Kw9Tr2Lm@h/db",
    "\n  type: https://u:Zq7x'Kw9T r2Lm@h",
    '\n  type: https://u:Zq7x"Kw9T r2Lm@h',
    "\n  type: https://u:Zq7x #Kw9Tr2Lm@h",
    "\n  type: >-\n    https://u:Zq7x\n    Kw9Tr2Lm@h",
    '\n  type: "https://u:Zq7x \\\n    Kw9Tr2Lm@h"',
]


@pytest.mark.parametrize("value", ODD_VALUES)
def test_any_address_loses_its_password_in_a_change(value):
    old = f"state_storage: {value}\n"
    shown = "\n".join([*config_edit.diff(old, "version: v0.4.0\n", "c"), *config_edit.diff("a: 1\n", old, "c")])
    assert not [part for part in ("Zq7x", "7xKw", "Kw9T", "w9Tr", "r2Lm") if part in shown], shown


@pytest.mark.parametrize(
    "line",
    [
        'base_url: "http://h:8080"',
        "base_url: http://h:8080/v1  # local",
        "one: {base_url: http://h:8080}",
        "one: {base_url: http://h:8080, name: x}",
        "one: [http://h:1, 'http://h:2']",
        f'connection_string: "{CONNECTION_STRING}"',
        f"connection_string: {CONNECTION_STRING}",
    ],
)
def test_an_address_without_a_password_stays_as_it_is_in_a_change(line):
    assert f"+{line}" in config_edit.diff("", f"{line}\n", "c")
