"""What `.env` may say about the database, and the passwords that are made for it."""

import re

import pytest

from planodev.problems import BadInput, Conflict
from planodev.project import credentials, env_file


def read(tmp_path, text):
    (tmp_path / ".env").write_text(text)
    return credentials.read(env_file.load(tmp_path / ".env"))


def test_good_values_are_read_and_the_password_is_raw_and_hidden(tmp_path):
    text = "DB_USER=plano\nDB_PASS=p%40ss\nDB_HOST=host.docker.internal\nDB_PORT=5433\nDB_NAME=my.db-1\n"
    found = read(tmp_path, text)
    assert (found.user, found.password, found.plano, found.port, found.database) == (
        "plano",
        "p@ss",
        "docker",
        5433,
        "my.db-1",
    )
    assert "p@ss" not in repr(found)


@pytest.mark.parametrize("text", ["", "DB_USER=\nDB_PASS=\nDB_HOST=\nDB_PORT=\nDB_NAME=\n", "DB_USER\nDB_PASS\n"])
def test_what_is_not_said_is_left_open(tmp_path, text):
    assert read(tmp_path, text) == credentials.Credentials(None, None, None, None, None)


@pytest.mark.parametrize(
    ("line", "code"),
    [
        ("DB_USER=pg_admin", "bad-db-user"),
        ("DB_USER=public", "bad-db-user"),
        ("DB_USER=none", "bad-db-user"),
        ("DB_USER='a b'", "bad-db-user"),
        ("DB_USER='a\"b'", "bad-db-user"),
        ('DB_USER="a\'; DROP ROLE x"', "bad-db-user"),
        ("DB_USER=jürgen", "bad-db-user"),
        ("DB_USER=-a", "bad-db-user"),
        ("DB_USER=a@b", "bad-db-user"),
        (f"DB_USER={'a' * 64}", "bad-db-user"),
        ("DB_NAME=template0", "bad-db-name"),
        ("DB_NAME=template1", "bad-db-name"),
        ("DB_NAME=a/b", "bad-db-name"),
        ("DB_NAME=a?sslmode=require", "bad-db-name"),
        ("DB_NAME=a#b", "bad-db-name"),
        (f"DB_NAME={'a' * 64}", "bad-db-name"),
        ("DB_PORT=0", "bad-db-port"),
        ("DB_PORT=65536", "bad-db-port"),
        ("DB_PORT=abc", "bad-db-port"),
        ("DB_PORT=5432.0", "bad-db-port"),
        ("DB_PASS=%ff", "bad-db-pass"),
        ("DB_PASS=a%00", "bad-db-pass"),
    ],
)
def test_a_value_that_cannot_work_names_its_line(tmp_path, line, code):
    with pytest.raises(BadInput) as caught:
        read(tmp_path, line + "\n")
    key = line.partition("=")[0]
    assert (caught.value.code, caught.value.exit_code) == (code, 2)
    assert key in caught.value.message
    assert f"{key}=" in str(caught.value.fix)


@pytest.mark.parametrize("name", ["a" * 63, "_x", "0a", "A.b-c_d"])
def test_names_up_to_63_bytes_that_every_reader_takes_are_taken(tmp_path, name):
    assert read(tmp_path, f"DB_USER={name}\nDB_NAME={name}\n").database == name


@pytest.mark.parametrize(
    ("host", "mode"),
    [
        ("host.docker.internal", "docker"),
        ("172.17.0.1", "docker"),
        ("0.0.0.0", "docker"),
        ("127.0.0.1", "native"),
        ("localhost", "native"),
        ("::1", "native"),
        ("[::1]", "native"),
    ],
)
def test_the_host_tells_where_plano_runs(tmp_path, host, mode):
    assert read(tmp_path, f"DB_HOST={host}\n").plano == mode


@pytest.mark.parametrize(
    "host", ["db.example.com", "10.0.0.5", "1172.17.0.1", "172.17.0.1.example", "172.17.0", "localhost2"]
)
def test_a_server_that_planodev_does_not_run_is_left_alone(tmp_path, host):
    found = read(tmp_path, f"DB_HOST={host}\n")
    assert (found.plano, found.foreign_host) == (None, host)
    with pytest.raises(Conflict) as caught:
        credentials.refuse_foreign(env_file.load(tmp_path / ".env"), found, configured=True)
    assert (caught.value.code, caught.value.exit_code) == ("foreign-host", 4)
    assert host in caught.value.message


@pytest.mark.parametrize("text", ["", "DB_HOST=127.0.0.1\n", "DB_HOST=host.docker.internal\n"])
def test_a_server_of_ours_is_not_refused(tmp_path, text):
    credentials.refuse_foreign(env_file.load(tmp_path / ".env"), read(tmp_path, text), configured=True)


def test_generated_passwords_are_32_safe_characters_and_never_the_same():
    made = {credentials.generate_password() for _ in range(200)}
    assert len(made) == 200
    assert all(re.fullmatch(r"[A-Za-z0-9_-]{32}", password) for password in made)
