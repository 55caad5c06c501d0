"""Configurations of every kind that Plano's users write: `state_storage` is edited, and nothing else.

`configs` holds what planoai accepts as it is, `mended` what it refuses for its `state_storage` alone, and `refused`
what is to be left alone; the first line of each of those says where the fault stands.
"""

from __future__ import annotations

import re
from difflib import SequenceMatcher
from pathlib import Path

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from ruamel.yaml import YAML
from ruamel.yaml.error import YAMLError

from planodev.plano import config_file, models
from planodev.plano.config_edit import NotEditable, diff, with_storage, with_stored_models
from planodev.plano.rules import VERSIONS
from planodev.postgres.connection import CONNECTION_STRING
from planodev.problems import BadInput
from tests.support.tiers import slow_but

HERE = Path(__file__).parent
CONFIGS, MENDED, REFUSED = (
    {path.stem: path.read_bytes() for path in sorted((HERE / kind).glob("*.yaml"))}
    for kind in ("configs", "mended", "refused")
)
EDITED = {name: content.decode() for name, content in {**CONFIGS, **MENDED}.items()}
STORES_ALREADY = {
    "ollama",
    "routing-preferences-top-level",
    "storage-with-own-address",
    "storage-with-own-address-unquoted-variables",
}
# planoai takes the last of two, and says nothing.
TAKEN_BY_PLANOAI = {
    "refused-duplicate-key-in-flow",
    "refused-duplicate-key-in-model-provider",
    "refused-duplicate-root-key",
}


def load(text):
    return YAML(typ="safe", pure=True).load(text.removeprefix("\ufeff"))


def block_of(text):
    """Return where `state_storage` stands: from its key to the end of the line of its last value; None without one."""
    mark = len(text) - len(text.removeprefix("\ufeff"))
    root = YAML(typ="safe", pure=True).compose(text[mark:])
    for key, value in root.value:
        if key.value == "state_storage":
            ends = [key.end_mark.index, *ends_in(value)]
            stop = re.compile(r"[\r\n]|$").search(text, max(ends) + mark).start()
            return key.start_mark.index + mark, stop
    return None


def ends_in(node):
    """Yield where the scalars and flow collections of a node end, so without what only follows them."""
    if node.id == "scalar":
        # An empty one stands wherever the next token is; a block scalar ends behind its last line break.
        if node.end_mark.index > node.start_mark.index:
            yield node.end_mark.index - (1 if node.style in {"|", ">"} else 0)
    elif node.flow_style:
        yield node.end_mark.index
    else:
        for part in node.value:
            for child in part if node.id == "mapping" else [part]:
                yield from ends_in(child)


def comments(text):
    """Return what looks like a comment, line by line."""
    return re.findall(r"(?m)(?:^|(?<=\s))#[^\r\n]*", text)


def comments_by_key(text):
    """Return (key, comment) of each line that begins with a key and ends with a comment."""
    return re.findall(r"(?m)^\s*[\"']?(\w+)[\"']?[ ]*:[^\r\n#]*(?<=\s)(#[^\r\n]*)", text)


def assert_only_storage_changed(old, new):
    before, after = load(old), load(new)
    storage, had = after.pop("state_storage"), before.pop("state_storage", None)
    assert after == before
    assert list(after) == list(before)
    own = had.get("connection_string") if isinstance(had, dict) else None
    assert storage == {"type": "postgres", "connection_string": own or CONNECTION_STRING}

    if isinstance(had, dict) and had.get("type") == "postgres" and own:
        assert new == old
    elif (block := block_of(old)) is None:
        assert_is_insertion(old, new)
    else:
        start, stop = block
        assert new.startswith(old[:start])
        assert new.endswith(old[stop:])
        inner = new[start : len(new) - len(old[stop:])]
        kept = iter(comments(inner))
        assert all(comment in kept for comment in comments(old[start:stop])), "a comment inside is gone"
        assert set(comments_by_key(old[start:stop])) <= set(comments_by_key(inner)), "a comment is behind another key"

    lines = [text.splitlines(keepends=True) for text in (old, new)]
    matcher = SequenceMatcher(None, *lines, autojunk=False)
    gone = [line for kind, i, j, *_ in matcher.get_opcodes() if kind in {"delete", "replace"} for line in lines[0][i:j]]
    assert len(gone) <= 3, f"more lines than a block has: {gone}"

    ends = set(re.findall(r"\r\n|\r|\n", old))
    if ends:
        assert set(re.findall(r"\r\n|\r|\n", new)) == ends
    assert with_storage(new) == new


def assert_is_insertion(old, new):
    same = next((i for i, (a, b) in enumerate(zip(old, new, strict=False)) if a != b), min(len(old), len(new)))
    # The place may be ambiguous: what is put in can begin as what follows it does.
    assert any(new.endswith(old[i:]) for i in range(same, -1, -1) if i >= same - 300), "something is gone"


@pytest.mark.parametrize("name", sorted(EDITED))
def test_only_state_storage_changes(name):
    old = EDITED[name]
    new = with_storage(old)
    assert (new == old) == (name in STORES_ALREADY)
    assert_only_storage_changed(old, new)


@pytest.mark.parametrize("name", sorted(name for name, text in EDITED.items() if "state_storage" not in load(text)))
def test_a_new_block_comes_last(name):
    assert list(load(with_storage(EDITED[name])))[-1] == "state_storage"


@pytest.mark.parametrize("kind", slow_but(["mended"], ["configs", "mended"]))
def test_planoai_accepts_each_before_and_after_and_reads_all_else_alike(kind, judge, tmp_path):
    for name, content in (CONFIGS if kind == "configs" else MENDED).items():
        path = tmp_path / f"{name}.yaml"
        path.write_bytes(content)
        why, before = judge(str(path))
        assert (why is None) == (kind == "configs"), f"{name}: {why}"
        path.write_bytes(with_storage(content.decode()).encode())
        why, after = judge(str(path))
        assert why is None, f"{name}: {why}"
        storage = after.pop("state_storage")
        assert storage["type"] == "postgres"
        assert storage["connection_string"]
        if before:
            before.pop("state_storage", None)
            assert list(after.items()) == list(before.items()), name


def test_the_files_cover_all_that_planoai_knows(schema_of_planoai):
    contents = [load(content.decode()) for content in CONFIGS.values()]
    assert len(contents) >= 34
    assert {content["version"] for content in contents} == set(schema_of_planoai["properties"]["version"]["enum"])
    assert {key for content in contents for key in content} == set(schema_of_planoai["properties"])


COMMON = "version: v0.4.0\nlisteners: [{type: model, name: m, port: 12000}]\n"


@pytest.mark.parametrize(
    "text",
    [
        # Changing what the anchor marks would change `routing` as well.
        "state_storage: &kept\n  type: memory\nrouting:\n  session_cache: *kept\n",
        "state_storage: &kept {type: memory}\nrouting: {session_cache: *kept}\n",
        "state_storage:\n  type: &kept memory\nrouting:\n  session_cache: {type: *kept}\n",
        # A block that merges what another one holds.
        "routing: {session_cache: &kept {type: memory}}\nstate_storage: {<<: *kept}\n",
        "routing: {session_cache: &kept {type: memory}}\nstate_storage:\n  <<: *kept # from above\nmode: llm\n",
        # A text at the end that owns all that follows.
        "system_prompt: |+\n  text\n",
        "system_prompt: |+\n  text\n\n\n",
        "system_prompt: |2+\n   text\n\n  \n",
        "system_prompt: |\n  text",
        "system_prompt: >-\n  text\n  # not a comment\n # a comment\n",
        'system_prompt: "text\n\n  over lines\\\n  "  # the end',
        "system_prompt: 'it''s: # no comment'",
        "agents:\n  # nobody\n  []\n",
        "? system_prompt\n",
        "? system_prompt\n: text",
        "...\n# after the end",
        "...",
        "... # the end\n\n",
        "# ---\n# ...\n",
        "system_prompt: |\n  ...text\n  ---\n",
        "state_storage: !!map {type: !!str memory}\n",
        "state_storage: &unused\n  &also type: memory\n",
        "'state_storage' : {  }\n",
        '"state_storage": {"type":"memory"}\n',
        '"state_storage": {"type":"memory",}  # ,}\n',
        "state_storage:\n  type: >-\n    memory\n\n# end\n",
        "state_storage:\n  type: |-\n    memory\nmode: llm\n",
        "state_storage:\n  type:\n    memory # indented\n",
        "state_storage:\n  connection_string: |\n\n  type: memory\n",
        "state_storage:\n  ? type\n  : memory\n",
        "? state_storage\n",
        "state_storage: # why\n  # and how\n  type: memory\n",
        "state_storage:\n            type: memory\n",
        "state_storage:\n\n\n  type: memory\n\n\n\nmode: llm\n",
        "state_storage:\n  connection_string: ~ # later\n  type: postgres # sooner\n",
    ],
)
def test_what_is_hard_to_edit_is_edited_right_or_left_alone(text):
    old = COMMON + text
    load(old)
    try:
        new = with_storage(old)
    except NotEditable:
        return
    assert_only_storage_changed(old, new)


PIECES = st.sampled_from(
    ["\n", "# a note\n", "  # indented\n", "#\n", "   \n", "# state_storage:\n", "#\ttab: 'quote\n"]
)
STORAGES = st.sampled_from(
    [
        None,
        "state_storage:\n  type: memory\n",
        "state_storage:  # why\n    type: memory  # gone at restart\n",
        "state_storage: {type: memory}\n",
        "'state_storage': {'type': 'memory', }  # flow\n",
        "state_storage:\n",
        "state_storage:  # later\n",
        "state_storage: null\n",
        "state_storage: {}\n",
        "state_storage:\n  type: postgres\n",
        'state_storage:\n  connection_string: ""\n  type: postgres # yes\n',
        "state_storage:\n  type: postgres\n  connection_string:\n",
        "state_storage:\n  type: memory\n  # connection_string: postgresql://a:b@c/d\n",
        "state_storage:\n  type: postgres\n  connection_string: postgresql://a:b@c/d # ours\n",
    ]
)
PARTS = [
    "version: v0.4.0\n",
    "listeners:\n- type: model\n  name: m\n  port: 12000\n",
    'model_providers:\n    -   model: openai/gpt-4o\n        access_key: "$OPENAI_API_KEY"\n',
    "routing: {session_ttl_seconds: 60}  # short\n",
    "system_prompt: |\n  one\n\n  two # three\n",
    "tracing:\n  random_sampling: 100\n",
]


@st.composite
def configurations(draw):
    texts = list(draw(st.permutations(PARTS)))
    if storage := draw(STORAGES):
        texts.insert(draw(st.integers(0, len(PARTS))), storage)
    pieces = draw(st.lists(st.tuples(st.integers(0, 30), PIECES), max_size=5))
    text = sprinkled("".join(texts), pieces, crlf=draw(st.booleans()), final=draw(st.booleans()))
    return "\ufeff" * draw(st.booleans()) + text


@st.composite
def sprinkled_files(draw):
    text = EDITED[draw(st.sampled_from(sorted(EDITED)))]
    pieces = draw(st.lists(st.tuples(st.integers(0, 60), PIECES), min_size=1, max_size=6))
    return sprinkled(text.replace("\r\n", "\n"), pieces, crlf="\r\n" in text, final=draw(st.booleans()))


@pytest.mark.slow
@settings(max_examples=300, deadline=None)
@given(configurations())
@example("\ufeff" + "".join(PARTS).replace("\n", "\r\n") + "state_storage:")
def test_wherever_the_block_stands_nothing_else_changes(text):
    assert_edited(text)


@pytest.mark.slow
@settings(max_examples=200, deadline=None)
@given(sprinkled_files())
def test_comments_and_blank_lines_anywhere_change_nothing_of_this(text):
    assert_edited(text)


def sprinkled(text, pieces, *, crlf, final):
    lines = text.splitlines(keepends=True)
    for place, piece in pieces:
        lines.insert(place % (len(lines) + 1), piece)
    text = "".join(lines)
    text = text if final else text.rstrip("\n")
    return text.replace("\n", "\r\n") if crlf else text


def assert_edited(text):
    try:
        load(text)
    except YAMLError:  # a comment inside a value that goes over lines
        return
    assert_only_storage_changed(text, with_storage(text))


def assert_only_models_changed(old):
    """Hold an edit of the models to what its diff shows, and to what it is for."""
    try:
        new = with_stored_models(old)
    except NotEditable:
        return None
    before, after = load(old), load(new)
    assert comments(new) == comments(old)
    assert not [model for model in models.of(after) if not model.stored and model.chat_form and not model.router]
    changed = [line for line in diff(old, new, "c") if re.match(r"[+-](?![+-])", line)]
    words = [re.sub(r"[^\w./*:$-]+", " ", line[1:]).split() for line in changed]
    gone = [word for line, one in zip(changed, words, strict=True) for word in one if line[0] == "-"]
    added = [word for line, one in zip(changed, words, strict=True) for word in one if line[0] == "+"]
    forms = [model.chat_form or {} for model in models.of(before) if not model.stored]
    fine = {text for form in forms for pair in form.items() for text in (*pair, f"{pair[0]}:", f"{pair[0]}:{pair[1]}")}
    assert {word for word in added if word not in gone} <= fine
    for key in set(before) - {"model_providers", "llm_providers", "model_aliases", "routing_preferences"}:
        assert key in ("ratelimits", "model_metrics_sources") or after[key] == before[key]
    assert with_stored_models(new) == new
    return new


@pytest.mark.parametrize("name", sorted(CONFIGS))
def test_storing_all_models_changes_nothing_else(name):
    assert_only_models_changed(CONFIGS[name].decode())


@pytest.mark.slow
def test_what_planoai_accepts_it_accepts_with_all_models_stored(judge, tmp_path):
    edited = 0
    for name, content in CONFIGS.items():
        new = assert_only_models_changed(content.decode())
        if new in (None, content.decode()):
            continue
        edited += 1
        (tmp_path / f"{name}.yaml").write_bytes(new.encode())
        assert judge(str(tmp_path / f"{name}.yaml"))[0] is None, name
    assert edited > 15


@settings(max_examples=150, deadline=None)
@given(sprinkled_files())
def test_comments_and_blank_lines_anywhere_change_nothing_of_that(text):
    try:
        load(text)
    except YAMLError:
        return
    assert_only_models_changed(text)


def expected(content):
    """Return the places that a file's first line names, as `line L, column C`; none where there is none."""
    first = content.split(b"\n", 1)[0].decode()
    return [f"line {line}, column {column}" for line, column in re.findall(r"(\d+) (\d+)", first)]


def complaint(path):
    """Return what planodev has against a file, None where it has nothing."""
    try:
        config = config_file.load(path)
        assert config.content is not None
    except BadInput as error:
        return f"{error.message}: {error.why}"
    return None


# A key that planoai does not know is planoai's to name; planodev edits the file all the same.
UNKNOWN_KEYS = {name for name in REFUSED if "unknown-key" in name or "state-storage" in name or "root-key" in name} - {
    "refused-duplicate-root-key"
}


@pytest.mark.parametrize("name", sorted(set(REFUSED) - UNKNOWN_KEYS))
def test_what_is_refused_is_told_with_its_place(name):
    said = complaint(HERE / "refused" / f"{name}.yaml")
    assert said
    places = expected(REFUSED[name])
    assert not places or any(re.search(rf"{place}\b", said) for place in places), f"{said!r}, not at {places}"


@pytest.mark.parametrize("name", sorted(EDITED))
def test_nothing_is_said_against_what_is_edited(name, tmp_path):
    (tmp_path / "config.yaml").write_text(EDITED[name], newline="")
    assert complaint(tmp_path / "config.yaml") is None


@pytest.mark.slow
def test_planoai_refuses_these_too(judge):
    taken = {name for name in REFUSED if judge(str(HERE / "refused" / f"{name}.yaml"))[0] is None}
    assert taken == TAKEN_BY_PLANOAI
    assert len(REFUSED) >= 10


def test_planodev_knows_the_versions_that_planoai_knows(schema_of_planoai):
    assert set(schema_of_planoai["properties"]["version"]["enum"]) == set(VERSIONS)
