"""Rows of every kind that the table can have, looked for, shown, followed and brought in over the command line."""

from __future__ import annotations

import json
import os
import re
import shlex
import subprocess

import pytest

from tests.support.conversations import PIXEL, said
from tests.support.waiting import at_most, line_of, until

pytestmark = pytest.mark.each_engine(slow="docker")


def test_a_search_finds_what_anything_in_a_row_says_and_no_names_or_bytes(project, plano):
    items = [
        {
            "role": "user",
            "content": ["bare words", {"type": "input_image", "image_url": f"data:image/png;base64,{PIXEL}"}],
        },
        {
            "type": "file_search_call",
            "status": "completed",
            "queries": ["felt hats"],
            "results": [{"text": "three left"}],
        },
        {"type": "web_search_call", "action": {"type": "search", "query": "hatters"}},
        {"role": "assistant", "content": [{"type": "refusal", "refusal": "never again"}]},
        {"type": "of_tomorrow", "deep": {"er": [["in there"]]}},
        "a bare item",
    ]
    number, odd = plano.put(items), plano.put("not a list")

    def ids(text):
        found = project("conversations", "--grep", text, "--json").json["data"]["conversations"]
        return [one["id"] for one in found]

    for text in ("bare WORDS", "felt", "three left", "hatters", "never again", "in there", "bare item"):
        assert ids(text) == [number], text
    assert ids("not a LIST") == [odd]
    for text in ("input_image", "completed", "file_search", PIXEL[:20]):
        assert ids(text) == [], text


def test_a_turn_is_an_answer_whoever_kept_its_items(project, plano):
    call, output = (
        {"type": "function_call", "name": "f", "arguments": "{}"},
        {"type": "function_call_output", "output": "1"},
    )
    patch = [{"type": "apply_patch_call", "operation": {}}, {"type": "apply_patch_call_output", "output": "done"}]
    plano.put([said("a"), {"type": "reasoning", "summary": []}, call, output, said("b", "assistant")], at=3)
    plano.put([said("c"), *patch, said("d", "assistant"), {"role": "admin", "content": "e"}], at=2)
    plano.put([{"role": "unknown", "content": "u"}, {"type": "update"}], at=1)
    listed = project("conversations", "--json").json["data"]["conversations"]
    assert [(one["turns"], one["first_message"]) for one in listed] == [(2, "a"), (2, "c"), (0, "")]


@pytest.mark.slow
def test_the_time_of_a_row_that_lies_ahead_hides_no_turn_from_those_who_follow(project, plano):
    for moment in ("infinity", "2199-01-01"):
        plano.session.execute("UPDATE conversation_states SET updated_at = %s", [plano.turn("ahead") and moment])
    following = project.start("conversations", "--follow")
    idle = (
        "SELECT 1 FROM pg_stat_activity WHERE application_name = 'planodev' AND state = 'idle' AND query = 'ROLLBACK'"
    )
    until(lambda: plano.session.execute(idle).fetchone(), "its first look")
    try:
        with at_most(1.5):
            new = plano.turn("new")
            assert new[5:13] in line_of(following)
    finally:
        following.kill()


@pytest.mark.slow
def test_what_led_to_a_conversation_goes_with_it_answered_or_not(project, plano):
    asked = plano.put([said("asked")])
    answered = plano.put([said("asked"), said("yes", "assistant")])
    last = plano.put([said("asked"), said("yes", "assistant"), said("and?")])
    other = plano.put([said("asked otherwise")])
    assert project("conversations", "prune", last, "--yes", "--json").json["data"]["deleted_rows"] == 3
    assert project.stored() == [other]
    assert {asked, answered, last}.isdisjoint(project.stored())


def test_every_command_that_is_named_is_for_the_server_that_was_asked(project, plano):
    root = plano.turn("root")
    leaf = plano.turn("leaf", after=root)
    values = {**project.env, "DB_HOST": "127.0.0.1"}
    project.write("prod.env", "".join(f"{name}={value}\n" for name, value in values.items()))
    option = ("--env-file", "prod.env")
    assert (
        project("conversations", *option).out.rstrip().endswith(f"conversations show {leaf[5:13]} --env-file prod.env`")
    )
    unknown = project("conversations", "show", "nobody", *option, "--json", code=2).json["error"]
    assert "conversations --env-file prod.env`" in unknown["fix"]
    refused = project("conversations", "prune", "--superseded", *option, "--json", code=2).json["error"]
    assert refused["fix"].endswith("conversations prune --superseded --yes --env-file prod.env`")


ROW = {"response_id": "r", "input_items": [], "created_at": 1, "model": "m", "provider": "p"}


class TestImport:
    def bring(self, project, *rows, code=0, options=()):
        file = project.path / "rows.jsonl"
        file.write_text("".join((row if isinstance(row, str) else json.dumps({**ROW, **row})) + "\n" for row in rows))
        return project("conversations", "import", str(file), *options, "--json", code=code).json

    def test_a_pipe_is_read_as_a_file_is(self, project, plano):
        text = json.dumps(ROW) + "\n"
        command = project.command("conversations", "import", "/dev/stdin", "--json")
        done = subprocess.run(command, env=project.environment, input=text, capture_output=True, text=True, check=True)
        assert json.loads(done.stdout)["data"]["added"] == 1
        fifo = project.path / "fifo"
        os.mkfifo(fifo)
        with subprocess.Popen(["sh", "-c", 'printf %s "$1" > "$2"', "sh", text, fifo]), at_most(30):
            assert project("conversations", "import", str(fifo), "--json").json["data"]["same"] == 1
        assert project.stored() == ["r"]

    def test_two_lines_of_one_row_are_to_say_the_same(self, project, plano):
        many = [{"response_id": f"x{number}"} for number in range(600)]
        for between in ([], many):
            error = self.bring(project, {}, *between, {"model": "other"}, code=2, options=["--force"])["error"]
            assert f"lines 1 and {len(between) + 2}" in error["why"]
        assert project.stored() == []
        assert self.bring(project, {}, "", {})["data"] | {"file": ""} == (
            {"file": "", "rows": 2, "added": 1, "replaced": 0, "same": 0}
        )

    @pytest.mark.slow
    def test_what_was_exported_is_taken_again_whatever_its_numbers_and_times(self, project, plano):
        items = '[{"n": 0.12345678901234567890123, "big": 1e400, "small": 1e-400}]'
        for number, moment in enumerate(("infinity", "-infinity", "0044-03-15 BC", "20260-01-01", None)):
            plano.session.execute(
                "INSERT INTO conversation_states VALUES (%s, %s, -1, 'm', 'p', %s)", [str(number), items, moment]
            )
        rows = plano.session.execute("SELECT response_id, input_items::text, updated_at::text FROM conversation_states")
        before = sorted(rows.fetchall())[:4]
        project("conversations", "export", "all.jsonl")
        project("reset", "--yes")
        assert project("conversations", "import", "all.jsonl", "--json").json["data"]["added"] == 5
        rows = plano.session.execute("SELECT response_id, input_items::text, updated_at::text FROM conversation_states")
        assert sorted(rows.fetchall())[:4] == before

    @pytest.mark.parametrize(
        "row", [{"updated_at": "2026-99-99T99:99:99"}, {"response_id": os.urandom(5000).hex()}], ids=["time", "id"]
    )
    @pytest.mark.slow
    def test_what_postgres_does_not_take_is_the_file_s_fault(self, project, plano, row):
        assert self.bring(project, {}, {**row, "model": "x"}, code=2)["error"]["code"] == "bad-import-file"
        assert project.stored() == []


class TestSnapshot:
    @pytest.mark.parametrize(
        "instead",
        [
            "CREATE VIEW conversation_states AS SELECT * FROM plain",
            "CREATE TABLE conversation_states (LIKE plain, PRIMARY KEY (response_id)) PARTITION BY HASH (response_id)",
        ],
        ids=["view", "parts"],
    )
    @pytest.mark.slow
    def test_rows_that_a_dump_would_leave_out_are_not_called_saved(self, project, plano, instead):
        plano.turn("a")
        plano.session.execute(f"ALTER TABLE conversation_states RENAME TO plain; {instead}")
        error = project("snapshot", "save", "x", "--json", code=1).json["error"]
        assert (error["code"], "conversations export FILE" in error["fix"]) == ("snapshot-failed", True)
        assert "No snapshot yet" in project("snapshot", "list").out

    @pytest.mark.slow
    def test_columns_of_the_team_s_own_come_back(self, project, plano):
        number = plano.turn("a")
        plano.session.execute(
            'ALTER TABLE conversation_states ADD COLUMN tag2 text, ADD COLUMN "Own, ""one""" int DEFAULT 7'
        )
        project("snapshot", "save", "x")
        plano.session.execute("DELETE FROM conversation_states")
        project("snapshot", "restore", "x", "--yes")
        assert project.stored() == [number]


def test_the_command_that_goes_on_has_the_model_listener_s_port(project, plano):
    number = plano.turn("a")
    project.change("config.yaml", "port: 12000", "port: 12345  # not 12000")
    assert "http://localhost:12345/v1/responses" in project("conversations", "show", number).out


def test_a_role_is_told_the_right_that_it_lacks_as_it_is_to_be_typed(project, plano):
    plano.turn("a")
    role = "CURRENT_USER"
    if project.engine == "docker":  # where the role in `.env` is a superuser
        role = '"Weak-One"'
        plano.session.execute("CREATE ROLE \"Weak-One\" LOGIN PASSWORD 'weak'")
        plano.session.execute('GRANT SELECT, INSERT, UPDATE ON conversation_states TO "Weak-One"')
        project.change(".env", "^DB_USER=.*$", "DB_USER=Weak-One").change(".env", "^DB_PASS=.*$", "DB_PASS=weak")
    for command in (("conversations", "prune", "--superseded"), ("reset",)):
        plano.session.execute(f"REVOKE DELETE, TRUNCATE ON conversation_states FROM {role}")
        error = project(*command, "--yes", "--json", code=5).json["error"]
        grant = re.search("(GRANT [^;]*);", shlex.split(error["fix"].split("`")[1])[-1])[1]
        assert error["code"] == "privilege-refused"
        plano.session.execute(grant)
        project(*command, "--yes")


@pytest.mark.slow
def test_a_table_of_another_shape_is_told_as_that_by_every_command(project, plano):
    plano.turn("a")
    plano.session.execute("ALTER TABLE conversation_states ALTER COLUMN response_id TYPE int USING 1")
    for command in (("show", "x"), ("prune", "x"), ("--limit", "1")):
        assert project("conversations", *command, "--json", code=7).error == "column-wrong-type", command
