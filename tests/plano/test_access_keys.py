"""Keys of model providers: which ones planoai looks for, and what it makes of what it finds."""

from __future__ import annotations

import pytest

from planodev.plano import access_keys, judge
from planodev.plano.access_keys import AccessKey
from planodev.plano.providers import PROVIDERS
from tests.support.passwords import READ_DIFFERENTLY

NAMED = [
    ({}, []),
    ({"model_providers": None}, []),
    ({"model_providers": "text"}, []),
    ({"model_providers": [{"model": "a/b"}, {"model": "c/d", "access_key": ""}]}, []),
    ({"model_providers": [{"access_key": "$A"}]}, [AccessKey("A")]),
    (
        {"model_providers": [{"access_key": "$A"}, {"access_key": "$B"}, {"access_key": "$A"}]},
        [AccessKey("A"), AccessKey("B")],
    ),
    ({"model_providers": [{"access_key": "${A}"}]}, [AccessKey("A", braces=True)]),
    ({"model_providers": [{"access_key": "sk-1"}, {"access_key": "${A"}, {"access_key": "$A-B"}]}, [AccessKey("")]),
    ({"llm_providers": [{"access_key": "$OLD"}]}, [AccessKey("OLD")]),
    (
        {"prompt_targets": [{"endpoint": {"http_headers": {"Authorization": "Bearer $T", "X-Other": "$NOT"}}}]},
        [AccessKey("T")],
    ),
    ({"prompt_targets": [{"endpoint": {"http_headers": {"authorization": "$U"}}}]}, [AccessKey("U")]),
    ({"prompt_targets": [{}, {"endpoint": None}, {"endpoint": {"http_headers": None}}, "x"]}, []),
]


@pytest.mark.parametrize(("content", "keys"), NAMED)
def test_what_a_configuration_names(content, keys):
    assert access_keys.named_in(content) == keys


PLACEHOLDERS = [
    "<your key>",
    "<>",
    "...",
    "changeme",
    "change-me",
    "Change_Me",
    "TODO",
    "tbd",
    "xxx",
    "XXXXXXXX",
    "placeholder",
    "your-api-key",
    "YOUR_OPENAI_API_KEY",
    "your_key_here",
    "my-key",
    "insert-your-key",
    "replace_me",
    "sk-...",
    "sk-xxxxxxxx",
    "sk-your-key",
    "OPENAI_API_KEY",
    "api_key",
    "$OPENAI_API_KEY",
    "${OPENAI_API_KEY}",
    "  changeme  ",
    "y",
    "No",
    "none",
]
REAL = [
    "sk-proj-abc_DEF-123",
    "sk-ant-api03-xyz",
    "gsk_abc",
    "AIzaSyA-1",
    "xai-abc",
    "0123456789abcdef",
    "sk-xabc",
    "yourself",
    "a.bc",
]
REFERENCES = ["op://a/b", "encrypted:BDqD", "pass://a/b", "aws-sm://a", "chamberme", "sk-${REST}", "arn:aws:ssm:x"]


def test_placeholders_are_known_and_no_key_is_taken_for_one():
    assert [value for value in PLACEHOLDERS if not access_keys.is_placeholder(value)] == []
    assert [value for value in REAL if access_keys.is_placeholder(value)] == []


def test_only_what_every_reader_reads_alike_can_be_saved():
    assert [value for value in REAL if not access_keys.can_be_saved(value)] == []
    for value in [*PLACEHOLDERS, *REFERENCES, *READ_DIFFERENTLY, "", "abc"]:
        assert not access_keys.can_be_saved(value), value


SHELL = {"K": "sk-shell"}
FAULTS = [
    # `.env` beside, the shell, code, what the fix has
    ("K=sk-1\n", {}, None, ""),
    ("K=sk-1\n", SHELL, None, ""),
    ("# c\r\nK=sk-1\r\n", {}, None, ""),
    ("  K = sk-1  \n", {}, None, ""),
    ("K=\nK=sk-1\n", {}, None, ""),
    ("K=a#b\n", {}, None, ""),
    (None, SHELL, None, ""),
    (None, {}, "key-not-in-env-file", "`planodev keys set K`"),
    (None, {"K": ""}, "key-empty", "`planodev keys set K`"),
    (None, {"K": "changeme"}, "key-placeholder", "`planodev keys set K`"),
    ("", {}, "key-not-in-env-file", "`planodev keys set K`"),
    ("", SHELL, "key-not-in-env-file", "`planodev up --save-keys`"),
    ("#K=sk-1\n", {}, "key-not-in-env-file", "`planodev keys set K`"),
    ("export K=sk-1\n", SHELL, "key-exported", "without `export`"),
    ("K\n", {}, "key-not-in-env-file", "`planodev keys set K`"),
    ("", {"K": "<your key>"}, "key-not-in-env-file", "`planodev keys set K`"),
    ("K=\n", {}, "key-empty", "`planodev keys set K`"),
    ("K=\n", SHELL, "key-empty", "`planodev up --save-keys`"),
    ("K=sk-1\nK=\n", {}, "key-empty", "`planodev keys set K`"),
    ("K=<your key>\n", {}, "key-placeholder", "`planodev keys set K`"),
    ("K=changeme\n", SHELL, "key-placeholder", "`planodev up --save-keys`"),
    ('K="sk-1"\n', SHELL, "key-quoted", "without quotes"),
    ("K='sk-1'\n", {}, "key-quoted", "without quotes"),
    ("K=sk-1 # mine\n", {}, "key-with-comment", "on its own line"),
    *(
        (f"K={value}\n", {}, "key-breaks-yaml", "`planodev keys set K`")
        for value in ("@abcd", "%abcd", "*abcd", "{abcd}", "abcd:")
    ),
    *((f"K={value}\n", {}, None, "") for value in ("!abcd", "#abcd", "-abcd", "12345", "ab:cd")),
    ("K='op://a/b'\n", SHELL, "key-is-reference", "`planodev keys set K`"),
    ("K=sk-${REST}\n", {}, "key-is-reference", "`planodev keys set K`"),
    (None, {"K": "op://a/b"}, "key-is-reference", "`planodev keys set K`"),
    ("", {"K": "op://a/b"}, "key-not-in-env-file", "`planodev keys set K`"),
]


WARNED = ("key-quoted", "key-with-comment")


def faults(key, place, shell, beside):
    if beside is not None:
        (place / ".env").write_bytes(beside.encode())
    places = access_keys.Places(place / ".env", beside, place / ".env", shell, place / "config.yaml")
    return judge.judge_keys([key], places)


@pytest.mark.parametrize(("beside", "shell", "code", "fix"), FAULTS)
def test_what_planoai_will_stumble_over(tmp_path, beside, shell, code, fix):
    found = faults(AccessKey("K"), tmp_path, shell, beside)
    assert [(one.code, one.fatal) for one in found] == ([(code, code not in WARNED)] if code else [])
    for one in found:
        assert (fix in str(one.fix), one.key, "K" in one.message) == (True, "K", True)
        assert one.absent == (code not in (*WARNED, "key-exported", "key-is-reference", "key-breaks-yaml"))
        assert "sk-" not in f"{one.message} {one.fix}"


def test_what_is_wrong_in_the_configuration_itself_comes_first(tmp_path):
    (braces,) = faults(AccessKey("K", braces=True), tmp_path, SHELL, "K=sk-1\n")
    assert (braces.code, "`access_key: $K`" in braces.fix) == ("access-key-braces", True)
    (literal,) = faults(AccessKey(""), tmp_path, SHELL, "K=sk-1\n")
    assert (literal.code, literal.key) == ("access-key-literal", "")
    assert "NAME=…" in literal.fix
    assert not braces.absent
    assert not literal.absent


def test_where_planoai_looks_into_another_file_the_fix_names_that_one(tmp_path):
    (tmp_path / "a b").mkdir()
    for text, shell in (("", SHELL), ("K=\n", {})):
        (tmp_path / "a b/.env").write_text(text)
        places = access_keys.Places(tmp_path / "a b/.env", text, tmp_path / ".env", shell, tmp_path / "a b/config.yaml")
        (found,) = judge.judge_keys([AccessKey("K")], places)
        assert f"'{tmp_path}/a b/.env'" in str(found.fix)
        assert "--save-keys" not in str(found.fix)


@pytest.mark.parametrize("shell", [{}, SHELL])
def test_a_missing_key_of_any_provider_fits_into_a_line_of_up(tmp_path, shell):
    for name in sorted({key for provider in PROVIDERS for key in provider.keys}):
        (found,) = faults(AccessKey(name), tmp_path, dict.fromkeys([name] if shell else [], "sk-shell"), "")
        assert len(f"! {found.message} [{found.code}]") <= 100


@pytest.mark.parametrize("in_shell", [False, True])
def test_many_missing_keys_are_counted_on_one_line_and_named_by_the_fix(tmp_path, in_shell):
    names = sorted({key for provider in PROVIDERS for key in provider.keys})
    for some in (names[:count] for count in range(2, len(names) + 1)):
        shell = dict.fromkeys(some if in_shell else [], "sk-shell")
        places = access_keys.Places(tmp_path / ".env", "", tmp_path / ".env", shell, tmp_path / "config.yaml")
        (found,) = judge.together(judge.judge_keys(map(AccessKey, some), places), places)
        assert len(f"! {found.message} [{found.code}]") <= 100
        assert in_shell or all(name in str(found.fix) for name in some)


@pytest.mark.parametrize("value", ["@abcd", "%abcd", "abcd:"])
def test_a_key_that_breaks_the_rendered_configuration_is_told_and_not_saved(tmp_path, value):
    assert "YAML" in access_keys.why_not(value)
    assert [one.code for one in faults(AccessKey("K"), tmp_path, {}, f"K={value}\n")] == ["key-breaks-yaml"]
    assert faults(AccessKey("K"), tmp_path, {}, f"K={value.strip('@%:')}\n") == []


@pytest.mark.parametrize("text", ["ANTHROPIC_API_KEY", "$$ANTHROPIC_API_KEY", "$ANTHROPIC_API_KEY "])
def test_another_form_of_a_variable_gets_the_one_that_planoai_reads(tmp_path, text):
    (key,) = access_keys.named_in({"model_providers": [{"model": "anthropic/c", "access_key": text}]})
    (found,) = faults(key, tmp_path, {}, None)
    assert (found.code, found.fix) == (
        "access-key-literal",
        "write `access_key: $ANTHROPIC_API_KEY` in `config.yaml`",
    )
