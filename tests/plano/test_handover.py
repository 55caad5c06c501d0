"""`planodev run -- planoai up`: what reaches Plano logs in, and what would not work never starts planoai.

The planoai is the real one, with only launching replaced (tests/support/planoai_recorder.py).
"""

from __future__ import annotations

import subprocess
from dataclasses import dataclass, field

import psycopg
import pytest

from tests.support.project import KEY
from tests.support.real_planoai import log_in, parsed
from tests.support.tiers import slow_but

pytestmark = pytest.mark.docker

MODES = {"native": (), "docker": ("--docker",)}
OTHER = {
    "DB_USER": "somebody",
    "DB_PASS": "wrong",
    "DB_HOST": "db.example",
    "DB_PORT": "1",
    "DB_NAME": "other",
}


@pytest.mark.slow
def test_a_login_with_another_password_fails_from_both_places(ready):
    values = ready.env
    for mode, host in (("native", "127.0.0.1"), ("docker", "host.docker.internal")):
        wrong = f"postgresql://{values['DB_USER']}:wrong@{host}:{values['DB_PORT']}/{values['DB_NAME']}"
        try:
            assert not log_in(mode, wrong)
        except psycopg.OperationalError:
            assert mode == "native"


@dataclass
class Case:
    """Changes of the files as (file, pattern, new text), the shell's variables, and planoai's arguments."""

    change: list[tuple[str, str, str]] = field(default_factory=list)
    shell: dict[str, str] = field(default_factory=dict)
    arguments: tuple[str, ...] = ()
    make: dict[str, str] = field(default_factory=dict)
    says: str = ""

    def prepare(self, project):
        for name, old, new in self.change:
            project.change(name, old, new)
        for name, source in self.make.items():
            (project.path / name).parent.mkdir(exist_ok=True)
            (project.path / name).write_text((project.path / source).read_text())


LINE = f"^ANTHROPIC_API_KEY={KEY}$"
SHELL = {"ANTHROPIC_API_KEY": "sk-of-the-shell"}
ALLOWED = {
    "key in `.env`": Case(),
    "key in both": Case(shell=SHELL),
    # Plano gets these two, since they are pasted into YAML; it is still said.
    "key quoted": Case([(".env", LINE, f'ANTHROPIC_API_KEY="{KEY}"')], says="key-quoted"),
    "key commented": Case([(".env", LINE, f"ANTHROPIC_API_KEY={KEY} # mine")], says="key-with-comment"),
    "key empty in the shell": Case(shell={"ANTHROPIC_API_KEY": ""}),
    "other DB_* in the shell": Case(shell=OTHER, says="shell-overruled"),
    "empty DB_* in the shell": Case(shell=dict.fromkeys(OTHER, "")),
    "DB_* exported and quoted in `.env`": Case([(".env", "^DB_USER=plano$", 'export DB_USER="plano" # why')]),
    "a FILE": Case(shell=SHELL, arguments=("config/plano.yaml",), make={"config/plano.yaml": "config.yaml"}),
    "a --path": Case(arguments=("--path", "deploy"), make={"deploy/config.yaml": "config.yaml"}),
    "a --path with `.env`": Case(
        arguments=("--path=d",), make={"d/plano_config.yaml": "config.yaml", "d/.env": ".env"}
    ),
}


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("name", slow_but(["key in both"], ALLOWED))
def test_what_reaches_plano_logs_in(ready, hand, name, mode):
    case = ALLOWED[name]
    case.prepare(ready)
    files = {path: path.read_bytes() for path in ready.path.rglob("*") if path.is_file()}
    done, seen = hand("planoai", "up", *case.arguments, *MODES[mode], **case.shell)
    assert (seen["mode"], seen["unreadable"]) == (mode, None)
    assert parsed(seen["connection_string"])["host"] == {"native": "127.0.0.1", "docker": "host.docker.internal"}[mode]
    assert log_in(mode, seen["connection_string"])
    assert seen["access_keys"] == {"anthropic/claude-sonnet-4-5": KEY}
    assert (case.says in done.err, "planodev ask" in done.err) == (True, False)  # what runs is known to planoai alone
    assert (KEY in done.err, ready.env["DB_PASS"] in done.err) == (False, False)
    assert ("host-for-other-mode" in done.err) == (mode == "native")
    assert {path: path.read_bytes() for path in ready.path.rglob("*") if path.is_file()} == files


PASSWORDS = {"native": "p@ss:w/o#rd%&$ '\"é", "docker": "{%41} ${DB_USER} \\n: #@/?[~]`"}


@pytest.mark.parametrize("mode", slow_but(["native"], PASSWORDS))
def test_a_password_with_special_characters_reaches_plano_whole(project, hand, mode):
    quoted = PASSWORDS[mode].replace("\\", "\\\\").replace("'", "\\'")
    project.write(".env", f"DB_PASS='{quoted}'\n")
    project("up", "--model", "ollama/llama3.1")
    _, seen = hand("planoai", "up", *MODES[mode], project=project)
    assert parsed(seen["connection_string"])["password"] == PASSWORDS[mode]
    assert log_in(mode, seen["connection_string"])


@pytest.mark.slow
def test_the_name_of_the_configuration_and_the_port_are_the_projects_own(make_project, hand):
    from tests.support.ports import free_port

    project, port = make_project("other"), free_port()
    project("up", "--port", str(port), "--model", "groq/llama-3.3-70b-versatile", "--config", "plano_config.yaml")
    project.write(".env", (project.path / ".env").read_text() + "GROQ_API_KEY=gsk-1\n")
    for arguments in MODES.values():
        _, seen = hand("planoai", "up", *arguments, project=project)
        assert (parsed(seen["connection_string"])["port"], seen["access_keys"]) == (
            str(port),
            {"groq-chat/llama-3.3-70b-versatile": "gsk-1"},
        )
        assert log_in(seen["mode"], seen["connection_string"])


WITHOUT = (".env", LINE, "")
REFUSED = {
    "key missing": (Case([WITHOUT]), "key-not-in-env-file", "keys set ANTHROPIC_API_KEY`"),
    "key in the shell": (Case([WITHOUT], SHELL), "key-not-in-env-file", "up --save-keys`"),
    "key empty": (Case([(".env", LINE, "ANTHROPIC_API_KEY=")]), "key-empty", "keys set ANTHROPIC_API_KEY`"),
    "key empty, in the shell": (
        Case([(".env", LINE, "ANTHROPIC_API_KEY=")], SHELL),
        "key-empty",
        "up --save-keys`",
    ),
    "key exported": (Case([(".env", LINE, "export ANTHROPIC_API_KEY=sk-1")]), "key-exported", ".env"),
    "placeholder": (
        Case([(".env", LINE, "ANTHROPIC_API_KEY=<your key>")]),
        "key-placeholder",
        "keys set ANTHROPIC_API_KEY`",
    ),
    "placeholder with words": (
        Case([(".env", LINE, "ANTHROPIC_API_KEY=changeme")]),
        "key-placeholder",
        "keys set ANTHROPIC_API_KEY`",
    ),
    "braces": (
        Case([("config.yaml", r"\$ANTHROPIC_API_KEY", "${ANTHROPIC_API_KEY}")]),
        "access-key-braces",
        "access_key: $ANTHROPIC_API_KEY",
    ),
    "a key itself": (Case([("config.yaml", r"\$ANTHROPIC_API_KEY", "sk-1")]), "access-key-literal", "NAME=…"),
    "other `.env` beside": (
        Case(arguments=("d/x.yaml",), make={"d/x.yaml": "config.yaml", "d/.env": "config.yaml"}),
        "key-not-in-env-file",
        "d/.env",
    ),
    "no configuration": (Case(arguments=("--path", "nowhere")), "config-missing", "planodev"),
    "no storage": (Case([("config.yaml", r"^state_storage:(\n  .*)+", "")]), "config-without-storage", "up --yes`"),
    "in memory": (Case([("config.yaml", "type: postgres", "type: memory")]), "config-without-storage", "up --yes`"),
    "no port": (Case([("config.yaml", "^    port: 12000\n", "")]), "listener-without-port", "`port: 12000`"),
    "a variable that is not set": (
        Case([("config.yaml", r"\$\{DB_HOST\}", "${DB_HOSTNAME}")]),
        "connection-string-unset",
        "DB_HOSTNAME",
    ),
    "TLS": (Case([("config.yaml", r"DB_NAME\}", "DB_NAME}?sslmode=require")]), "connection-string", "sslmode=disable"),
    "wrong password": (Case([(".env", "^DB_PASS=.*", "DB_PASS=wrong")]), "password-refused", "up`"),
    "no database": (Case([(".env", "^DB_NAME=.*", "DB_NAME=nowhere")]), "database-missing", "up`"),
    "no user": (Case([(".env", "^DB_USER=.*", "DB_USER=")]), "env-file-incomplete", "up`"),
}


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("name", slow_but(list(REFUSED)[:2], REFUSED))
def test_what_would_not_work_is_refused_with_the_fix_and_planoai_is_not_started(ready, hand, name, mode):
    case, code, fix = REFUSED[name]
    case.prepare(ready)
    done, seen = hand("planoai", "up", *case.arguments, *MODES[mode], code=7, **case.shell)
    assert seen is None
    assert (done.out, f"[{code}" in last_error(done)) == ("", True), done.err
    assert fix in done.err.rpartition("  fix: ")[2]
    assert "sk-" not in done.err


def last_error(done):
    return next(line for line in reversed(done.err.splitlines()) if line.startswith("✗"))


def test_a_fix_that_is_named_mends_it(ready, hand):
    ready.change(".env", LINE, "ANTHROPIC_API_KEY=")
    hand("planoai", "up", code=7, **SHELL)
    ready("up", "--save-keys", **SHELL)
    assert hand("planoai", "up", **SHELL)[1]["access_keys"] == {"anthropic/claude-sonnet-4-5": "sk-of-the-shell"}


@pytest.mark.slow
def test_a_server_that_does_not_run_and_a_table_that_is_gone(project, hand):
    hand("planoai", "up", code=7, project=project)
    project("up", "--model", "ollama/llama3.1")
    with project.login() as session:
        session.execute("DROP TABLE conversation_states")
    for mode in MODES.values():
        done, seen = hand("planoai", "up", *mode, code=7, project=project)
        assert (seen, "[table-missing]" in done.err, f"-C {project.path} up`" in done.err) == (None, True, True)
    project("down", "--keep-data")
    for mode in MODES.values():
        done, seen = hand("planoai", "up", *mode, code=7, project=project)
        assert (seen, "[not-running]" in done.err, f"-C {project.path} up`" in done.err) == (None, True, True)
    project("up")
    assert hand("planoai", "up", project=project)[1]


def test_other_commands_get_an_address_of_this_machine_and_no_questions(ready, hand):
    ready.change(".env", LINE, "")
    done, seen = hand("planoai", "logs", code=None)
    assert (seen, "✗" in done.err) == (None, False)
    done, _ = hand("sh", "-c", "echo $DB_HOST $DATABASE_URL", code=0)
    host, url = done.out.split()
    assert (host, log_in("native", url)) == ("127.0.0.1", True)
    assert psycopg.connect(url, sslmode="disable").close() is None
    done, _ = hand("sh", "-c", "echo $DATABASE_URL", options=["--plano", "docker"])
    assert log_in("docker", done.out.strip())
    done, _ = hand("sh", "-c", "echo $DATABASE_URL", DATABASE_URL="postgresql://of:another@project/x")
    assert done.out.strip() == url


@pytest.mark.parametrize("shell", slow_but(["sh"], ["sh", "bash", "zsh"]))
def test_a_shell_that_evaluates_env_can_log_in(ready, shell):
    import shlex
    import shutil

    if not shutil.which(shell):
        pytest.skip(f"{shell} is not installed")
    for mode in MODES:
        command = shlex.join(ready.command("env", "--format", "shell", "--plano", mode))
        script = f'eval "$({command})"; printf "%s\\n" "postgresql://$DB_USER:$DB_PASS@$DB_HOST:$DB_PORT/$DB_NAME"'
        script += ' "$DATABASE_URL" "$ANTHROPIC_API_KEY"'
        done = subprocess.run([shell, "-c", script], env=ready.environment, capture_output=True, text=True, check=True)
        one, url, key = done.stdout.splitlines()
        assert (one == url, key) == (True, KEY)
        assert log_in(mode, url)
