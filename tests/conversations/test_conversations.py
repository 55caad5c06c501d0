"""What Plano has stored, seen by `planodev conversations`, on every engine by the same test."""

from __future__ import annotations

import contextlib
import itertools
import json
import re
import time
from types import SimpleNamespace

import pytest

from planodev.conversations import follow
from tests.support.conversations import EVERY_KIND, Plano, said
from tests.support.terminal import on_terminal
from tests.support.tiers import slow_but
from tests.support.waiting import at_most, line_of, until

pytestmark = pytest.mark.each_engine(slow="docker")

HOSTILE = (
    "\x1b]0;owned\x07\x1b[31mred \x9b2J \u202efdp.exe\u202c <script>alert(1)</script> <img src=x onerror=alert(2)>"
)


def without(project, plano, privilege):
    """Take a privilege from the role in `.env`; on Docker that is a superuser, so another role takes its place."""
    if project.engine == "docker":
        plano.session.execute("CREATE ROLE weak LOGIN PASSWORD 'weak'")
        plano.session.execute("GRANT SELECT, INSERT, UPDATE, DELETE ON conversation_states TO weak")
        project.change(".env", "^DB_USER=.*$", "DB_USER=weak").change(".env", "^DB_PASS=.*$", "DB_PASS=weak")
    role = "weak" if project.engine == "docker" else "CURRENT_USER"
    plano.session.execute(f"REVOKE {privilege} ON conversation_states FROM {role}")


def test_a_newcomer_sees_two_turns_as_one_conversation(project, plano):
    assert "No conversation is stored yet" in project("conversations").out
    first = plano.turn("My order 1234 has not arrived.")
    second = plano.turn("Which order was it?", after=first)
    shown = project("conversations").out
    assert len(re.findall("My order 1234", shown)) == 1
    assert second[5:13] in shown
    assert first[5:13] not in shown
    chat = project("conversations", "show", "last").out
    said_in_order = ["My order 1234", "Answer to: My order", "Which order was it?", "Answer to: Which order"]
    assert [text for text in said_in_order if text in chat] == said_in_order
    command = re.search(r"curl (\S+) .*\n +-d '(.*)'", chat)
    assert command[1] == "http://localhost:12000/v1/responses"
    assert json.loads(command[2])["previous_response_id"] == second


def test_the_list_has_heads_alone_newest_first_with_branches_and_what_answered(project, plano):
    root = plano.turn("root")
    left = plano.turn("left", after=root, provider="openai/gpt-4o")
    right = plano.turn("right", after=root)
    odd = plano.put({"not": "a list"})
    data = project("conversations", "--json").json["data"]
    assert [one["id"] for one in data["conversations"]] == [odd, right, left]
    assert [one["turns"] for one in data["conversations"]] == [0, 2, 2]
    assert [(one["branch_of"], one["branch_turn"]) for one in data["conversations"]] == [
        (None, None),
        (None, None),
        (right, 1),
    ]
    assert (data["looked_at"], data["complete"]) == (4, True)
    shown = project("conversations").out
    assert "anthropic/claude-sonnet-4-5 → openai/gpt-4o" in shown
    assert "(its items are not a list)" in shown
    assert f"{right[5:13]}, turn 1" in shown
    assert [one["id"] for one in project("conversations", "--limit", "1", "--json").json["data"]["conversations"]] == [
        odd
    ]


@pytest.mark.slow
def test_a_list_is_narrowed_by_model_time_and_words(project, plano):
    old = plano.turn('about "Shoes"\nand laces', at=int(time.time()) - 10_000)
    new = plano.turn("about hats", model="ollama/llama3.1", provider="ollama/llama3.1", at=int(time.time()) - 10)

    def ids(*arguments):
        return [one["id"] for one in project("conversations", *arguments, "--json").json["data"]["conversations"]]

    assert ids("--model", "LLAMA") == [new]
    assert ids("--since", "1h") == [new]
    assert ids("--grep", "answer TO") == [new, old]
    assert ids("--grep", '"shoes"\nand') == [old]
    assert ids("--grep", "input_text") == []
    assert "searched the newest 2 turns" in project("conversations", "--grep", "hats").out
    assert project("conversations", "--since", "soon", "--json", code=2).error == "bad-time"


def test_one_is_shown_with_every_kind_of_item_and_as_it_stands(project, plano):
    number = plano.put(EVERY_KIND)
    chat = project("conversations", "show", number).out
    for part in ("[image/png, 70 B]", 'stock(item="shoe", size=43)', "shell(ls -l)", "folded", "print(43)", "3 left"):
        assert part in chat
    assert "Be kind and brief. " * 5 not in chat
    data = project("conversations", "show", number, "--json").json["data"]
    assert list(data) == ["response_id", "input_items", "created_at", "model", "provider", "updated_at"]
    assert data["input_items"] == EVERY_KIND
    report = project("conversations", "show", number, "--markdown").out
    assert report.startswith(f"# Conversation `{number}`\n")
    assert "## assistant calls `stock`" in report


def test_what_users_typed_is_text_in_every_form(project, plano):
    number = plano.put([said(HOSTILE), said(HOSTILE, "assistant")], model=HOSTILE, provider=f"x/{HOSTILE}")
    for arguments in ((), ("--json",), ("show", number), ("show", number, "--json"), ("show", number, "--markdown")):
        out = project("conversations", *arguments).out
        assert not re.search("[\x00-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e]", out), arguments
        assert "<script>" in out or not arguments
    _, screen = on_terminal(project, "conversations", "show", number)
    assert not re.search("\x1b\\]|\x9b|\x07|\u202e", screen)
    assert "<script>alert(1)</script>" in screen
    assert project("conversations", "show", number, "--json").json["data"]["model"] == HOSTILE


@pytest.mark.slow
def test_a_message_of_ten_megabytes_is_shown_whole_and_soon(project, plano):
    text = "long " * 2_000_000
    plano.put([said(text), said("fine", "assistant")])
    with at_most(15):
        assert "long long" in project("conversations").out
        assert text.strip() in project("conversations", "show", "last").out


def test_ids_are_found_by_their_beginning_and_never_guessed(project, plano):
    one = plano.put([said("one")], number="resp_0123456789abcdef")
    other = plano.put([said("other")], number="resp_0123456789abcxyz")
    plano.put([said("third")], number="monday")
    shorts = {c["id"]: c["short_id"] for c in project("conversations", "--json").json["data"]["conversations"]}
    assert shorts == {one: "0123456789abcd", other: "0123456789abcx", "monday": "monday"}
    assert project("conversations", "show", shorts[other], "--json").json["data"]["response_id"] == other
    assert project("conversations", "show", "mon", "--json").json["data"]["response_id"] == "monday"
    ambiguous = project("conversations", "show", "0123", "--json", code=2).json["error"]
    assert ambiguous["code"] == "id-ambiguous"
    assert one in ambiguous["why"]
    assert other in ambiguous["why"]
    unknown = project("conversations", "show", "mondey", "--json", code=2).json["error"]
    assert (unknown["code"], "monday" in unknown["why"]) == ("id-unknown", True)
    for text in ("", "\x1b[31m", "%", "_", "'; DROP TABLE conversation_states; --"):
        assert project("conversations", "show", "--json", "--", text, code=2).error == "id-unknown"


def looked(project):
    """Say whether a session of planodev has read the table, and waits for what comes."""
    waiting = (
        "SELECT 1 FROM pg_stat_activity WHERE application_name = 'planodev' AND state = 'idle' AND query = 'ROLLBACK'"
    )
    with project.login() as session:
        return session.execute(waiting).fetchone()


def test_a_turn_is_seen_within_a_second(project, plano, monkeypatch):
    """By the pauses between two looks, since a busy machine adds to each what the clock on the wall shows."""
    paused, stored = [], []

    def sleep(seconds):
        paused.append(seconds)
        stored.append(plano.turn(f"turn {len(paused)}"))

    monkeypatch.setattr(follow, "time", SimpleNamespace(sleep=sleep, monotonic=lambda: sum(paused)))
    with project.login(autocommit=False) as session:
        monkeypatch.setattr(follow.access, "session", lambda _: contextlib.nullcontext(session))
        seen = [row.id for row, _ in itertools.islice(follow.turns(None), 3)]
    assert seen == stored
    assert max(paused) < 1


def test_turns_are_followed_also_over_a_restart(project, plano):
    plano.turn("before")
    following = project.start("conversations", "--follow")
    until(lambda: looked(project), "its first look")
    first = plano.turn("first")
    line = line_of(following)
    assert first[5:13] in line
    assert "first" in line
    project("down", "--keep-data")
    project("up")
    with project.login() as session:
        Plano(session).turn("after")
    assert "after" in line_of(following)
    following.send_signal(2)
    assert following.wait(30) == 130
    assert "before" not in following.stdout.read()


class TestPrune:
    def test_superseded_turns_go_and_every_conversation_stays(self, project, plano):
        root = plano.turn("root")
        left, right = plano.turn("left", after=root), plano.turn("right", after=root)
        last = plano.turn("last", after=left)
        odd = plano.put("no list")
        dry = project("conversations", "prune", "--superseded", "--dry-run", "--json").json["data"]
        assert (dry["rows"], dry["conversations"], dry["deleted_rows"]) == (2, 0, 0)
        assert project("conversations", "prune", "--superseded", "--json", code=2).error == "not-confirmed"
        assert len(project.stored()) == 5
        assert project("conversations", "prune", "--superseded", "--yes", "--json").json["data"]["deleted_rows"] == 2
        assert set(project.stored()) == {right, last, odd}

    @pytest.mark.slow
    def test_old_turns_go(self, project, plano):
        old = plano.turn("old", at=int(time.time()) - 40 * 86400)
        new = plano.turn("new", at=int(time.time()))
        data = project("conversations", "prune", "--older-than", "30d", "--yes", "--json").json["data"]
        assert (data["rows"], data["conversations"], data["deleted_rows"]) == (1, 1, 1)
        assert project.stored() == [new]
        assert old not in project.stored()
        assert "Nothing to delete" in project("conversations", "prune", "--older-than", "30d").out

    @pytest.mark.slow
    def test_an_id_stands_for_its_conversation_and_no_other(self, project, plano):
        root = plano.turn("root")
        left, right = plano.turn("left", after=root), plano.turn("right", after=root)
        leaf = plano.turn("leaf", after=right)
        other = plano.turn("other")
        project("conversations", "prune", right[5:13], "--yes")
        assert set(project.stored()) == {root, left, other}
        assert leaf not in project.stored()
        project("conversations", "prune", left, other, "--yes")
        assert project.stored() == []

    def test_what_is_needed_to_say_and_who_may(self, project, plano):
        plano.turn("a")
        for arguments in ((), ("--superseded", "--older-than", "1d"), ("--superseded", "x")):
            assert project("conversations", "prune", *arguments, "--json", code=2).error == "usage"
        assert project("conversations", "prune", "nobody", "--json", code=2).error == "id-unknown"
        without(project, plano, "DELETE")
        refused = project("conversations", "prune", "--superseded", "--yes", "--json", code=5)
        assert refused.error == "privilege-refused"


class TestTransfer:
    def test_what_was_exported_is_imported_and_never_over_what_differs(self, project, plano):
        number = plano.put(EVERY_KIND)
        other = plano.turn(HOSTILE)
        file = project.path / "rows.jsonl"
        assert project("conversations", "export", str(file), "--json").json["data"]["rows"] == 2
        assert file.stat().st_mode & 0o777 == 0o600
        assert project("conversations", "export", str(file), "--json", code=4).error == "file-exists"
        row = plano.session.execute("SELECT * FROM conversation_states ORDER BY 1").fetchall()
        project("reset", "--yes")
        brought = project("conversations", "import", str(file), "--json").json["data"]
        assert (brought["added"], brought["replaced"], brought["same"]) == (2, 0, 0)
        assert plano.session.execute("SELECT * FROM conversation_states ORDER BY 1").fetchall() == row
        assert project("conversations", "import", str(file), "--json").json["data"]["same"] == 2
        plano.session.execute("UPDATE conversation_states SET model = 'changed' WHERE response_id = %s", [number])
        plano.session.execute("DELETE FROM conversation_states WHERE response_id = %s", [other])
        differs = project("conversations", "import", str(file), "--json", code=4).json["error"]
        assert (differs["code"], number in differs["why"]) == ("row-differs", True)
        assert project.stored() == [number]
        option = re.match("`(--[a-z]+)`", differs["fix"])[1]
        assert project("conversations", "import", str(file), option, "--json").json["data"]["replaced"] == 1
        assert plano.session.execute("SELECT * FROM conversation_states ORDER BY 1").fetchall() == row

    @pytest.mark.parametrize(
        "bad",
        slow_but([None], ["[1]", "{", '{"response_id": "x"}', "\udcff", '"\\ud800"', None, "[" * 100_000]),
    )
    def test_a_line_that_is_no_row_is_named_and_nothing_is_touched(self, project, plano, bad):
        row = {"response_id": "fine", "input_items": [], "created_at": 1, "model": "m", "provider": "p"}
        second = json.dumps({**row, "model": "a\0b"}) if bad is None else bad
        file = project.path / "rows.jsonl"
        file.write_bytes(f"{json.dumps(row)}\n{second}\n".encode(errors="surrogateescape"))
        error = project("conversations", "import", str(file), "--json", code=2).json["error"]
        assert error["code"] == "bad-import-file"
        assert "line 2" in error["why"] or "UTF-8" in error["why"]
        assert project.stored() == []


class TestBadInput:
    @pytest.mark.slow
    def test_a_column_of_json_may_hold_what_no_text_can(self, project, plano):
        plano.session.execute("ALTER TABLE conversation_states ALTER COLUMN input_items TYPE json")
        asked = r'{"role": "user", "content": "a\u0000b \ud800 c \ud83d\ude00 d \\u0000"}'
        raw = f"[{asked}, " + r'{"role": "assistant", "content": "\udc00"}]'
        plano.session.execute(
            "INSERT INTO conversation_states (response_id, input_items, created_at, model, provider)"
            " VALUES ('odd', %s, 5, 'm', 'p')",
            [raw],
        )
        assert "a�b � c" in project("conversations").out
        items = project("conversations", "show", "odd", "--json").json["data"]["input_items"]
        assert items[0]["content"] == "a�b � c 😀 d \\u0000"

    @pytest.mark.slow
    def test_without_a_database_it_says_so_and_starts_none(self, project):
        assert project("conversations", "--json", code=7).error == "env-file-incomplete"
        project("up")
        project("down", "--keep-data")
        assert project("conversations", "--json", code=6).error == "not-running"
        assert project("conversations", "show", "last", "--json", code=6).error == "not-running"

    def test_a_table_that_is_missing_or_not_plano_s(self, project, plano):
        plano.session.execute("ALTER TABLE conversation_states RENAME COLUMN model TO modell")
        assert project("conversations", "--json", code=7).error == "column-missing"
        plano.session.execute("DROP TABLE conversation_states")
        missing = project("conversations", "--json", code=7).json["error"]
        assert (missing["code"], missing["fix"].endswith("up`")) == ("table-missing", True)

    @pytest.mark.slow
    def test_a_role_without_select(self, project, plano):
        without(project, plano, "SELECT")
        error = project("conversations", "--json", code=7).json["error"]
        assert (error["code"], "GRANT SELECT" in error["fix"]) == ("privilege-missing", True)

    @pytest.mark.slow
    def test_a_locked_table_ends_in_time_and_names_who_holds_it(self, project, plano):
        with project.login(autocommit=False, application_name="the-holder") as holder:
            holder.execute("LOCK TABLE conversation_states")
            with at_most(12):
                error = project("conversations", "--json", code=6).json["error"]
            assert error["code"] == "table-locked"
            assert "the-holder" in error["why"]
            assert str(holder.info.backend_pid) in error["why"]
            assert f"pg_terminate_backend({holder.info.backend_pid})" in error["fix"]
