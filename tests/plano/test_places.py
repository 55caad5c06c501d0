"""Where things stand: each finding about a configuration has its line, and what is to be removed all of its lines."""

from __future__ import annotations

import re

import pytest

from planodev.plano import access_keys, config_file, judge, yaml_of_plano
from tests.support.rules import BAD, KINDS, LATE, judged
from tests.support.will_store import CASES

TEXT = """\
version: v0.4.0
listeners:
  - &one
    type: agent
    name: a
    agents:
      - id: x
        description: |
          a
          b

      # a comment
  - <<: *one
    name: b
  - *one
  - {type: model,
     name: m}
  - *one
overrides:
  upstream_tls_ca_path: /x  # c
on: {}
nothing:
last:
  - a
  -
    b: c
"""


def file(tmp_path, text):
    (tmp_path / "config.yaml").write_text(text)
    return config_file.load(tmp_path / "config.yaml")


@pytest.mark.parametrize(
    ("path", "where"),
    [
        (("version",), "`version` from line 1"),
        (("listeners", 0), "the listener in lines 3–11"),
        (("listeners", 0, "agents", 0, "description"), "`description` from lines 8–11"),
        (("listeners", 1), "the listener in lines 13–14"),
        (("listeners", 1, "name"), "`name` from line 14"),
        (("listeners", 2), "the listener in line 15"),
        (("listeners", 3), "the listener in lines 16–17"),
        (("listeners", 3, "name"), "`name` from line 17"),
        (("listeners", 4), "the listener in line 18"),
        (("overrides", "upstream_tls_ca_path"), "`overrides` from lines 19–20"),
        ((True,), "`True` from line 21"),
        (("nothing",), "`nothing` from line 22"),
        (("last",), "`last` from lines 23–26"),
        (("last", 1), "the entry in line 26"),
    ],
)
@pytest.mark.parametrize("form", [str, lambda text: "\ufeff" + text, lambda text: text.replace("\n", "\r\n")])
def test_a_part_stands_on_its_own_lines_and_no_others(tmp_path, form, path, where):
    (tmp_path / "config.yaml").write_bytes(form(TEXT).encode())
    config = config_file.load(tmp_path / "config.yaml")
    assert config.without(*path) == f"remove {where} of `config.yaml`"


@pytest.mark.parametrize("path", [("listeners", 1, "agents"), ("listeners", 2, "name"), ("listeners", 4, "type")])
def test_what_comes_by_an_alias_is_not_removed_where_another_part_has_it(tmp_path, path):
    config = file(tmp_path, TEXT)
    fix = config.without(*path)
    assert fix.startswith(f"in line {config.line(*path[:2])} of `config.yaml` write the keys that it needs in place")
    assert f"without `{path[-1]}`" in fix


def removed(text, fix):
    """Return a text without the lines that a fix names."""
    first, last = re.search(r"lines? (\d+)(?:–(\d+))?", fix).groups()
    lines = text.splitlines(keepends=True)
    return "".join(lines[: int(first) - 1] + lines[int(last or first) :])


@pytest.mark.parametrize("path", [("listeners", 3), ("overrides", "upstream_tls_ca_path"), ("last",), ("nothing",)])
def test_without_these_lines_all_else_is_as_it_was(tmp_path, path):
    config = file(tmp_path, TEXT)
    left = yaml_of_plano.reader().load(removed(TEXT, config.without(*path)))
    wanted = {key: value for key, value in config.content.items() if key != path[0]}
    if path[0] == "listeners":
        wanted["listeners"] = [one for at, one in enumerate(config.content["listeners"]) if at != path[1]]
    assert left == wanted


BLOCK = """\
version: v0.3.0
listeners:
  - type: model
    name: m
    port: 12000
model_providers:
  - model: anthropic/c
    access_key: $K
  - model: openai/*
    access_key: $L
    routing_preferences:
      - name: a
        description: d
      - name: b
        description: |
          more
          than a line
  - model: gemini/x
    access_key: $M
state_storage: {type: postgres, connection_string: "postgresql://u:p@h:1/d"}
"""


def test_a_block_is_removed_with_all_of_its_lines(tmp_path):
    (problem,) = [one for one in judged(BLOCK, tmp_path) if one.fatal]
    assert (problem.code, problem.fix) == (
        "wildcard-preference",
        "remove `routing_preferences` from lines 11–17 of `config.yaml`",
    )
    assert [one for one in judged(removed(BLOCK, problem.fix), tmp_path) if one.fatal] == []


# What is not there has no line.
WITHOUT_A_LINE = {"config-key-missing", "config-without-storage", "no-models"}
TEXTS = [text for text, *_ in [*KINDS, *LATE, *CASES]] + [path.read_text() for path in sorted(BAD.glob("*.yaml"))]


@pytest.mark.parametrize("text", TEXTS)
def test_each_finding_about_a_configuration_has_its_line(tmp_path, text):
    for problem in judged(text, tmp_path):
        has = re.search(r"\blines? \d", f"{problem.message} {problem.fix}")
        assert has or problem.code in WITHOUT_A_LINE, problem


KEYS = """\
version: v0.4.0
model_providers:
  - model: anthropic/a
    access_key: sk-ant-1234567890
  - model: openai/b
    access_key: ${OPENAI_API_KEY}
  - model: mistral/c
    access_key: MISTRAL_API_KEY
  - model: gemini/d
    access_key: another-literal
prompt_targets:
  - name: t
    description: d
    endpoint:
      name: e
      path: /
      http_headers:
        Authorization: Bearer ${TOKEN_OF_IT}
"""


def test_findings_about_access_keys_have_theirs(tmp_path):
    config = file(tmp_path, KEYS)
    places = access_keys.Places(tmp_path / ".env", "", tmp_path / ".env", {}, config.path)
    found = [(one.code, one.message, one.fix) for one in judge.judge_keys(config.keys, places)]
    assert [(code, re.search(r"\(lines? [\d, ]+\)", said)[0]) for code, said, _ in found] == [
        ("access-key-literal", "(lines 4, 10)"),
        ("access-key-braces", "(line 6)"),
        ("access-key-literal", "(line 8)"),
        ("access-key-braces", "(line 18)"),
    ]
    assert [fix.rpartition("write ")[2] for *_, fix in found] == [
        "`access_key: $NAME` in lines 4, 10 of `config.yaml`",
        "`access_key: $OPENAI_API_KEY` in line 6 of `config.yaml`",
        "`access_key: $MISTRAL_API_KEY` in line 8 of `config.yaml`",
        "`Authorization: Bearer $TOKEN_OF_IT` in line 18 of `config.yaml`",
    ]
    assert "sk-ant" not in str(found)
