"""Which rows are conversations, what is shown of them, and that nothing of it steers a terminal."""

from __future__ import annotations

import itertools
import json
import re
from html import unescape

import pytest
from hypothesis import given
from hypothesis import strategies as st

from planodev.conversations import heads, layout, markdown, page, terminal, times, transcript
from planodev.conversations.heads import Outline
from planodev.conversations.store import Row
from planodev.problems import BadInput
from planodev.result import Verbatim
from planodev.visible import in_json, line, size, visible
from tests.support.conversations import EVERY_KIND, PIXEL


def outline(number, keys, *, at, matches=True):
    roles = "".join("ua"[place % 2] for place in range(len(keys)))
    return Outline(number, at, "m", "p", 10, tuple(keys), roles, "", "", matches)


@st.composite
def trees(draw):
    """Return rows as random turns leave them, each going on from any earlier one or from nothing."""
    rows = []
    for number in range(draw(st.integers(1, 40))):
        parent = draw(st.sampled_from([None, *rows]))
        words = draw(st.lists(st.sampled_from("abc"), min_size=1, max_size=3))
        later = draw(st.integers(0, 2))
        before, at = (parent.keys, parent.created_at + later) if parent else ((), draw(st.integers(0, 5)))
        rows.append(outline(str(number), [*before, *words], at=at))
    return rows


@given(trees(), st.integers(1, 50), st.randoms())
def test_for_random_trees_the_list_finds_exactly_the_newest_heads(rows, wanted, dice):
    dice.shuffle(rows)  # within a second the server may return rows in any order
    rows.sort(key=lambda row: -row.created_at)
    true = [row for row in rows if not any(one.keys[: len(row.keys)] == row.keys != one.keys for one in rows)]
    found = [head.row for head in heads.newest(rows, wanted).heads]
    assert {row.id for row in found} <= {row.id for row in true}
    assert [row.created_at for row in found] == [row.created_at for row in true[:wanted]]
    assert len({row.id for row in found}) == min(wanted, len(true))


def test_reading_ends_where_no_older_row_can_matter():
    read = itertools.count(1)
    rows = (outline(str(n), ["x", str(n)], at=1000 - n) for n in read)  # endless
    assert heads.newest(rows, 20).looked_at == heads.LEAST_LOOKED_AT
    assert heads.newest(rows, 300).looked_at == 300


def test_a_parent_of_the_same_second_that_comes_first_is_no_head():
    newer = [outline(str(n), [str(n)], at=9) for n in range(heads.LEAST_LOOKED_AT - 1)]
    rows = [*newer, outline("parent", "ab", at=5), outline("other", "x", at=5), outline("child", "abcd", at=5)]
    found = heads.newest([*rows, outline("older", "old", at=4)], heads.LEAST_LOOKED_AT + 1)
    assert {head.row.id for head in found.heads} == {*(row.id for row in newer), "child", "other"}
    assert found.looked_at == len(rows)


def test_only_what_matches_counts_and_a_match_that_was_gone_on_from_does_not():
    rows = [outline("new", "abcd", at=3, matches=False), outline("old", "ab", at=2), outline("far", "xy", at=1)]
    assert [head.row.id for head in heads.newest(rows, 1).heads] == ["far"]


def test_branches_name_the_newer_conversation_and_the_last_turn_that_they_share():
    rows = [
        outline("c", "abcdxy", at=3),
        outline("b", "abcdef", at=2),
        outline("a", "abzz", at=1),
        outline("d", "q", at=0),
    ]
    found = {head.row.id: (head.branch_of, head.branch_turn) for head in heads.newest(rows, 9).heads}
    assert found == {"c": (None, None), "b": ("c", 2), "a": ("c", 1), "d": (None, None)}


def test_rows_without_items_and_rows_that_are_no_list_hide_nothing():
    odd = [
        Outline(name, 1, "m", "p", 1, keys, "", "", "") for name, keys in (("null", None), ("empty", ()), ("two", ()))
    ]
    rows = [outline("a", "xy", at=2), *odd]
    assert {head.row.id for head in heads.newest(rows, 9).heads} == {"a", "null", "empty", "two"}


SCREEN = "data:image/png;base64," + PIXEL
# Items as the Responses API and chat completions have them, each with what is shown of it.
KINDS = [
    (
        {"role": "assistant", "content": [{"type": "refusal", "refusal": "I can't."}]},
        [("assistant", "text", "", "I can't.")],
    ),
    (
        {
            "role": "assistant",
            "content": [
                {
                    "type": "output_text",
                    "text": "See there.",
                    "annotations": [
                        {"type": "url_citation", "url": "https://a.example/b", "title": "B"},
                        {"type": "file_citation", "file_id": "file-1", "filename": "x.pdf"},
                    ],
                }
            ],
        },
        [
            ("assistant", "text", "", "See there."),
            ("assistant", "attachment", "", "[url_citation: B, https://a.example/b]"),
            ("assistant", "attachment", "", "[file_citation: x.pdf, file-1]"),
        ],
    ),
    (
        {
            "type": "file_search_call",
            "id": "fs",
            "status": "completed",
            "queries": ["hats"],
            "results": [{"file_id": "f", "filename": "stock.csv", "text": "3 hats"}],
        },
        [
            ("assistant", "call", "file_search", '{"queries": ["hats"]}'),
            ("tool", "attachment", "", "[file stock.csv]"),
            ("tool", "result", "", "3 hats"),
        ],
    ),
    (
        {"type": "web_search_call", "id": "ws", "status": "completed", "action": {"type": "search", "query": "hats"}},
        [("assistant", "call", "web_search", '{"action": {"type": "search", "query": "hats"}}')],
    ),
    (
        {"type": "code_interpreter_call", "code": "print(1)", "outputs": [{"type": "logs", "logs": "1"}]},
        [("assistant", "call", "code_interpreter", '{"code": "print(1)"}'), ("tool", "result", "", "1")],
    ),
    (
        {"type": "computer_call_output", "output": {"type": "computer_screenshot", "image_url": SCREEN}},
        [("tool", "attachment", "", "[image/png, 70 B]")],
    ),
    (
        {"type": "image_generation_call", "result": PIXEL},
        [("assistant", "call", "image_generation", "{}"), ("tool", "attachment", "", "[image/png, 70 B]")],
    ),
    ({"type": "local_shell_call_output", "output": "total 0"}, [("tool", "result", "", "total 0")]),
    (
        {"type": "mcp_call", "name": "roll", "arguments": '{"n": 2}', "output": "7", "error": None},
        [("assistant", "call", "roll", '{"n": 2}'), ("tool", "result", "", "7")],
    ),
    ({"type": "mcp_approval_request", "name": "roll", "arguments": "{}"}, [("assistant", "call", "roll", "{}")]),
    (
        {"type": "function_call_output", "output": [{"type": "input_text", "text": "a"}, {"type": "b", "c": 1}]},
        [("tool", "result", "", "a"), ("tool", "result", "", '{"type": "b", "c": 1}')],
    ),
    (
        {"type": "reasoning", "summary": [], "content": [{"type": "reasoning_text", "text": "hm"}]},
        [("assistant", "reasoning", "", "hm")],
    ),
    *(({"role": "user", "content": empty}, [("user", "other", "", "(empty)")]) for empty in (None, [], "")),
    (
        {"role": "user", "content": ["bare", {"type": "input_text", "text": "part"}]},
        [("user", "text", "", "bare"), ("user", "text", "", "part")],
    ),
    (
        {"role": "assistant", "content": None, "tool_calls": [{"function": {"name": "stock", "arguments": "{}"}}]},
        [("assistant", "call", "stock", "{}")],
    ),
    ({"role": "tool", "tool_call_id": "t", "content": "43"}, [("tool", "result", "", "43")]),
    (
        {"role": "user", "content": [{"type": "file", "file": {"filename": "a.pdf", "file_data": SCREEN}}]},
        [("user", "attachment", "", "[a.pdf, image/png, 70 B]")],
    ),
    (
        {"role": "assistant", "content": [{"type": "output_audio", "data": PIXEL, "transcript": "hello"}]},
        [("assistant", "attachment", "", "[audio/?, 70 B]"), ("assistant", "text", "", "hello")],
    ),
    (
        {"type": "of_tomorrow", "role": "user", "content": "x"},
        [("user", "other", "", '{"type": "of_tomorrow", "role": "user", "content": "x"}')],
    ),
]


class TestLayout:
    @pytest.mark.parametrize(
        "text",
        [
            ">" * 50,
            "> " * 30 + "words",
            "```rm -rf words\nbody\n```",
            "| a | b |\n|---|---|\n| 1 | 2 | words |",
            "|" + "a|" * 40 + "\n|" + "-|" * 40 + "\n|" + "b|" * 40,
            "[words]: http://a.example",
            "<http://a.example/%E2%80%AEwords>",
            "[text](http://a.example/%E2%80%AE 'words') ![text](words)",
            "&#x202e;words &amp; <b>words</b>",
            "- a\n  - b\n    words\n",
            "# Head\n\nline\nnext  \nlast\n\n```python\nprint(1)\n```\n",
        ],
    )
    def test_no_word_of_a_message_is_lost_or_decoded_in_the_terminal_and_on_the_page(self, text):
        from rich.console import Console

        row = Row("id", [{"role": "user", "content": text}], 1, "m", "p", None)
        entries = transcript.entries(row.input_items)
        console = Console(width=100, no_color=True)
        with console.capture() as captured:
            for piece in terminal.chat(row, entries):
                console.print(getattr(piece, "text", "") if isinstance(piece, Verbatim) else piece)
        shown = captured.get()
        html = page.page("p", [(heads.Head(outline("id", "u", at=1)), "id", row, entries)])
        body = html[html.index("<main>") : html.index("</main>")]
        for where in (shown, unescape(re.sub("<[^>]*>", "", body))):
            if not text.strip(">"):
                assert text in where
            letters = [letter for letter in where if letter.isalnum()]
            wanted = [letter for letter in text if letter.isalnum() and not ("python" in text and letter in "python")]
            assert not [letter for letter in set(wanted) if letters.count(letter) < wanted.count(letter)]
            assert "\u202e" not in where

    def test_lines_stay_lines(self):
        assert [piece.type for token in terminal._markdown("one\ntwo").parsed for piece in token.children or ()] == [
            "text",
            "hardbreak",
            "text",
        ]
        assert layout.tokens("one\ntwo") is not None

    def test_a_long_message_keeps_its_lines(self):
        row = Row("id", [{"role": "user", "content": "a\n\tb\n" * 8000}], 1, "m", "p", None)
        (long,) = (
            piece for piece in terminal.chat(row, transcript.entries(row.input_items)) if isinstance(piece, Verbatim)
        )
        assert long.text == "a\n\tb\n" * 8000


class TestTranscript:
    def test_every_kind_of_item_is_shown_as_what_it_is(self):
        found = [(one.role, one.kind, one.name or one.text) for one in transcript.entries(EVERY_KIND)]
        assert found[1:] == [
            ("user", "text", "What is this, and is it in stock?"),
            ("user", "text", "Here it is:"),
            ("user", "attachment", "[image/png, 70 B]"),
            ("user", "attachment", "[image https://shop.example/shoe.png]"),
            ("user", "attachment", "[order.pdf, application/pdf, 70 B]"),
            ("user", "attachment", "[audio/mp3, 70 B]"),
            ("assistant", "reasoning", "It looks like a shoe."),
            ("assistant", "call", "stock"),
            ("tool", "result", '{"left": 3}'),
            ("assistant", "call", "shell"),
            ("tool", "result", "total 0"),
            ("user", "attachment", "[reference to msg_17]"),
            ("assistant", "call", "price"),
            ("assistant", "text", "An answer of a Plano before 0.4.27."),
            ("assistant", "text", "# In stock\n\n- **3** left\n\n```python\nprint(43)\n```\n"),
        ]

    @pytest.mark.parametrize(("item", "shown"), KINDS)
    def test_a_kind_that_clients_and_providers_use(self, item, shown):
        assert [(one.role, one.kind, one.name, one.text) for one in transcript.entries([item])] == shown

    def test_bytes_are_never_shown_whatever_holds_them(self):
        data = "data:image/png;base64," + "A" * 4000
        for item in (
            {"type": "new", "shot": data},
            {"role": "user", "content": [{"type": "new", "shot": [data]}]},
            [data],
        ):
            (one,) = transcript.entries([item])
            assert "[image/png, 3 kB]" in one.text
            assert "AAAA" not in one.text

    @given(
        st.recursive(
            st.none() | st.booleans() | st.integers() | st.text(),
            lambda inner: (
                st.lists(inner, max_size=4)
                | st.dictionaries(
                    st.sampled_from(
                        [
                            "role",
                            "type",
                            "content",
                            "text",
                            "output",
                            "arguments",
                            "input",
                            "name",
                            "image_url",
                            "summary",
                        ]
                    ),
                    inner
                    | st.sampled_from(["message", "function_call", "function_call_output", "reasoning", "input_image"]),
                    max_size=5,
                )
            ),
            max_leaves=20,
        )
    )
    def test_whatever_stands_in_a_row_is_shown_and_steers_nothing(self, items):
        entries = transcript.entries(items)
        row = Row("id", items, 1, "m", "p", None)
        text = markdown.document(row, entries)
        assert text == visible(text)

    def test_an_image_of_a_megabyte_is_shown_by_its_size(self):
        item = {
            "role": "user",
            "content": [{"type": "input_image", "image_url": {"url": "data:image/jpeg;base64," + "A" * 1_333_334}}],
        }
        assert [one.text for one in transcript.entries([item])] == ["[image/jpeg, 1.0 MB]"]


class TestVisible:
    @pytest.mark.parametrize(
        ("text", "shown"),
        [
            ("\x1b[31mred", r"\x1b[31mred"),
            ("\x9b2J", r"\x9b2J"),
            ("a\u202eb\u2066c", r"a\u202eb\u2066c"),
            ("\x00\x07\x7f\r", r"\x00\x07\x7f\x0d"),
            ("\ud800", r"\ud800"),
            ("\U000e0041", r"\U000e0041"),
            ("one\r\ntwo\tthree", "one\ntwo\tthree"),
            ("日本 שלום 👩‍💻", "日本 שלום 👩‍💻"),
        ],
    )
    def test_steering_characters_are_written_out_and_letters_stay(self, text, shown):
        assert visible(text) == shown

    @given(st.text())
    def test_json_means_the_same_and_has_nothing_that_steers(self, text):
        written = in_json(json.dumps({"a": text}, ensure_ascii=False, indent=2))
        assert json.loads(written) == {"a": text}
        written.encode()
        assert visible(written) == written

    @given(st.text(), st.integers(2, 60))
    def test_a_line_is_one_line_and_fits(self, text, columns):
        from rich.cells import cell_len

        assert "\n" not in line(text, columns)
        assert cell_len(line(text, columns)) <= columns

    def test_sizes_are_for_people(self):
        assert [size(n) for n in (0, 70, 999, 1000, 12_345, 999_600, 10_000_000)] == (
            ["0 B", "70 B", "999 B", "1 kB", "12 kB", "1.0 MB", "10.0 MB"]
        )


def test_a_fence_is_longer_than_what_it_holds():
    assert markdown.fenced("a ```` b").splitlines() == ["`````text", "a ```` b", "`````"]


@pytest.mark.parametrize(("text", "ago"), [("30s", 30), ("2h", 7200), ("30d", 30 * 86400), ("2w", 14 * 86400)])
def test_times_that_are_so_long_ago(text, ago, monkeypatch):
    monkeypatch.setattr(times.time, "time", lambda: 2e9)
    assert times.since("--since", text) == 2_000_000_000 - ago


@pytest.mark.parametrize(
    "text", ["", "2", "h", "-1h", "2 h", "1e3d", "99999999999999999999h", "2026-13-01", "soon", "\x1b[2J"]
)
def test_what_is_no_time_is_refused(text):
    with pytest.raises(BadInput) as refused:
        times.since("--since", text)
    assert refused.value.code == "bad-time"
    assert not re.search(r"[\x00-\x1f]", refused.value.message)


def test_a_time_that_no_calendar_has_is_shown_as_it_is():
    odd = (2**62, -(2**62), 10**12, 253_402_300_800, -62_135_596_801)
    assert [times.shown(n) for n in odd] == [times.minute(n) for n in odd] == [str(n) for n in odd]
    assert times.shown(1_000_000_000).startswith(times.minute(1_000_000_000))


def test_dates_are_of_this_machine_s_zone():
    from datetime import datetime

    assert times.since("--since", "2026-11-27") == int(datetime(2026, 11, 27).timestamp())  # noqa: DTZ001  local


@pytest.mark.parametrize("width", [60, 80, 100, 250])
def test_what_identifies_a_row_of_a_table_is_never_cut(width):
    from rich.console import Console

    from planodev.tables import Column, table

    rows = [
        ["2026-11-27 15:00", "a1b2c3d4", "m" * 48, "first message " * 4],
        ["2026-11-27 15:01", "日本語のid", "m", "x"],
    ]
    made = table([Column("WHEN"), Column("ID"), Column("MODEL", shrinks=True), Column("FIRST", shrinks=True)], rows)
    console = Console(width=width, no_color=True)
    with console.capture() as captured:
        console.print(made)
    shown = captured.get()
    assert len(shown.splitlines()) == 3
    assert all(cell in shown for row in rows for cell in row[:2])
