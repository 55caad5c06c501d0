"""`docker run --env-file`, the fourth reader of `.env`: it finds our five values as they were written."""

import json
import subprocess

import pytest

from planodev.project import env_file
from tests.support.requirements import require

pytestmark = pytest.mark.docker

VALUES = {"DB_USER": "plano", "DB_PASS": "p%40ss-_.x", "DB_HOST": "127.0.0.1", "DB_PORT": "5433", "DB_NAME": "plano"}
CASES = {
    "nothing else": ("", {}),
    "comments and keys, no final newline": ("# mine\n\nOPENAI_API_KEY=sk-1 # kept\n#DB_USER=x", {}),
    "Windows": ("# mine\r\nA=b\r\n\r\nDB_PORT=1\r\nC=d\r\n", {"A": "b", "C": "d"}),
    "ours, exported, quoted and spaced": (
        "export DB_USER=\"x\"\n  DB_HOST = 'y' # why\nDB_PASS=\nexport\tDB_PORT=1\nDB_NAME\nZ=\n",
        {"Z": ""},
    ),
    "a byte order mark and foreign letters": ("\ufeffÜ=ñ 🔑\nQ='x y'\n", {"Q": "'x y'", "Ü": "ñ 🔑"}),
    "ours inside another one's value": ('M="first\nDB_PASS=trap\nlast"\nDB_USER=old\n', {"M": '"first'}),
}


@pytest.mark.parametrize("case", CASES)
def test_docker_finds_what_was_written(case, tmp_path):
    require("docker")
    text, others = CASES[case]
    path = tmp_path / ".env"
    path.write_bytes(text.encode())
    env_file.load(path).with_values(VALUES, "0123456789abcdef").write()
    create = ["docker", "create", "--env-file", str(path), "postgres:16"]
    made = subprocess.run(create, capture_output=True, text=True, check=False, env=None)
    assert made.returncode == 0, made.stderr
    number = made.stdout.strip()
    try:
        inspect = ["docker", "inspect", "--format", "{{json .Config.Env}}", number]
        listed = json.loads(subprocess.run(inspect, capture_output=True, text=True, check=True).stdout)
    finally:
        subprocess.run(["docker", "rm", "-f", "-v", number], capture_output=True, check=True)
    seen = dict(pair.split("=", 1) for pair in listed if "=" in pair)
    assert {key: seen.get(key) for key in VALUES} == VALUES
    assert {key: seen.get(key) for key in others} == others
