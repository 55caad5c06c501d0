"""`.env`: foreign lines stay byte for byte, every reader agrees, and no failure leaves half a file."""

import contextlib
import errno
import io
import os
import stat
import subprocess
import tempfile
import threading
import time
from pathlib import Path

import pytest
from dotenv import dotenv_values
from hypothesis import HealthCheck, assume, example, given, settings
from hypothesis import strategies as st

from planodev.problems import BadInput
from planodev.project import env_file, env_keys, private_files, references
from tests.support.passwords import READ_DIFFERENTLY

PROJECT = "0123456789abcdef"
WANTED = {
    "DB_USER": "plano",
    "DB_PASS": "p%40ss-_.x",
    "DB_HOST": "host.docker.internal",
    "DB_PORT": "5433",
    "DB_NAME": "plano",
}

COMMENTS = ["# DB_USER=commented", "  # indented", "#", "# it's \"odd", f"# planodev project: {PROJECT}"]
BLANKS = ["", "   ", "\t"]
ASSIGNMENTS = [
    "OPENAI_API_KEY=sk-1",
    "export A='b c'",
    'Q="x # no comment"',
    "E=",
    "MY_DB_USER=mine",
    "DB_USERNAME=theirs",
    "P='a\n\nb'",
    'M="first\nDB_PASS=trap\nlast"',
    "export N='DB_PORT=1\nDB_NAME=trap'",
]
# What `sh` would stumble over or expand; the other readers take it.
NOT_FOR_SH = ["K=<x>", "UNBOUND", "A=$(no) `no`", "B = spaced out", "C=it's", "D=('a')", "ÜNI=ñ\u2028x"]
OURS = ["{}=old", 'export {}="old"', "{}='o l d'", "  {} = old # why", "{}", "{}=", "export\t{}=a=b", "{}=old\\"]
NEWLINES = st.sampled_from(["\n", "\r\n"])
ANYTHING = st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]), max_size=20)


def lines(foreign):
    theirs = st.sampled_from(foreign).map(lambda text: (None, text))
    ours = st.tuples(st.sampled_from(env_keys.ALL), st.sampled_from(OURS)).map(lambda x: (x[0], x[1].format(x[0])))
    return st.lists(theirs | ours, max_size=12)


def joined(parts, newline, *, final, bom):
    texts = [text.replace("\n", newline) + newline for _, text in parts]
    if texts and not final:
        texts[-1] = texts[-1].removesuffix(newline)
    if texts and bom:
        texts[0] = "\ufeff" + texts[0]
    return texts


def loaded(text):
    with tempfile.TemporaryDirectory() as directory:
        path = Path(directory) / ".env"
        path.write_bytes(text.encode())
        file = env_file.load(path)
    assert file.text == text
    return file


def as_dotenv(text):
    return dotenv_values(stream=io.StringIO(text), interpolate=False)


def as_sh(path):
    script = 'set -a; . "$1"; for key in DB_USER DB_PASS DB_HOST DB_PORT DB_NAME; do eval "echo \\"\\$$key\\""; done'
    # An empty PATH: whatever a foreign line makes of itself, it starts nothing.
    done = subprocess.run(
        ["/bin/sh", "-c", script, "sh", str(path)], env={"PATH": "/nowhere"}, capture_output=True, check=False
    )
    return dict(zip(env_keys.ALL, done.stdout.decode().split("\n"), strict=False))


def assert_all_in_place(parts, texts, new):
    """Compare with a second, simpler account: the last line of each key is replaced, the rest follows at the end."""
    kept = [f"{key}={WANTED[key]}\n" if key else texts[i] for i, (key, _) in enumerate(parts)]
    if kept and not texts[-1].endswith("\n"):
        kept[-1] = kept[-1].removesuffix("\n")
    assert new.startswith("".join(kept))
    allowed = [f"{key}={value}" for key, value in WANTED.items()]
    for line in new[len("".join(kept)) :].splitlines():
        assert not line or line in allowed or line.startswith(f"# planodev project: {PROJECT} ")


@settings(max_examples=300, deadline=None)
@given(lines(COMMENTS + BLANKS + ASSIGNMENTS + NOT_FOR_SH[:4]), NEWLINES, st.booleans(), st.booleans())
def test_foreign_lines_keep_every_byte_and_their_place(parts, newline, final, bom):
    assume(not (bom and parts and parts[0][0]))  # whose line is it then?
    texts = joined(parts, newline, final=final, bom=bom)
    new = loaded("".join(texts)).with_values(WANTED, PROJECT).text
    assert_all_in_place(parts, texts, new)


@settings(max_examples=300, deadline=None)
@given(lines(COMMENTS + BLANKS + ASSIGNMENTS + NOT_FOR_SH), NEWLINES, st.booleans(), st.booleans())
@example(parts=[("DB_USER", "DB_USER=plano")], newline="\n", final=True, bom=True)
def test_planoai_and_dotenv_read_the_values_alike_and_a_second_time_changes_nothing(parts, newline, final, bom):
    new = loaded("".join(joined(parts, newline, final=final, bom=bom))).with_values(WANTED, PROJECT)
    for read in (env_file.read_as_planoai(new.text), as_dotenv(new.text), new.values):
        assert {key: read.get(key) for key in WANTED} == WANTED
    assert new.project_id == PROJECT
    assert new.with_values(WANTED, PROJECT).text == new.text


@settings(max_examples=300, deadline=None)
@given(st.text(st.sampled_from(list("DB_USER=x'\"\\ \n\r\t#$`é\ufeff\x0b\u2028")), max_size=60) | ANYTHING)
@example("\r")
@example("\ufeff\ufeff")
def test_no_text_at_all_makes_planoai_and_dotenv_disagree(text):
    new = loaded(text).with_values(WANTED, PROJECT)
    for read in (env_file.read_as_planoai(new.text), as_dotenv(new.text)):
        assert {key: read.get(key) for key in WANTED} == WANTED
    assert new.with_values(WANTED, PROJECT).text == new.text


@pytest.mark.skipif(not Path("/bin/sh").exists(), reason="needs sh")
@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(parts=lines(COMMENTS + BLANKS + ASSIGNMENTS), newline=NEWLINES, final=st.booleans())
def test_sh_reads_the_same_values(tmp_path, parts, newline, final):
    # A backslash at a line's end is a continuation for sh alone; what follows it is not this file's fault.
    parts = [part for part in parts if not part[1].endswith("\\")]
    path = tmp_path / ".env"
    text = "".join(joined(parts, newline, final=final, bom=False))
    path.write_bytes(loaded(text).with_values(WANTED, PROJECT).text.encode())
    assert as_sh(path) == WANTED


@given(
    st.text("AB_=1 #\n\r'\"$.\ufeff\t\x0c")
    | st.lists(st.sampled_from(["A=1\n", "# x\n", "\n", "B_=a.b/c"])).map("".join)
)
def test_a_plain_file_is_cut_as_python_dotenv_cuts_it(text):
    assert env_file._cut(text) == env_file._cut_by_dotenv(text)


def test_a_new_number_takes_the_place_of_the_old_one():
    text = "A=1\n# planodev project: ffffffffffffffff (words)\nB=2\n"
    assert loaded(text).with_values({}, PROJECT).text == text.replace("f" * 16, PROJECT)


@pytest.mark.parametrize("value", READ_DIFFERENTLY)
def test_a_value_that_readers_would_take_differently_is_never_written(value):
    with pytest.raises(ValueError, match="DB_PASS"):
        loaded("").with_values({"DB_PASS": value}, PROJECT)


@pytest.mark.parametrize("mode", [None, 0o644, 0o666])
def test_the_written_file_is_for_its_owner_only(tmp_path, mode):
    path = tmp_path / ".env"
    if mode:
        path.write_text("A=1\n")
        path.chmod(mode)
    file = env_file.load(path)
    assert (file.exists, file.mode) == (mode is not None, mode)
    file.with_values(WANTED, PROJECT).write()
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert env_file.load(path).values == {**file.values, **WANTED}
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize("culprit", ["fsync", "rename"])
def test_a_failing_write_leaves_the_old_file_and_nothing_else(tmp_path, monkeypatch, culprit):
    path = tmp_path / ".env"
    path.write_text("A=1\n")

    def fail(*_, **__):
        raise OSError(errno.ENOSPC, "No space left on device")

    if culprit == "fsync":
        monkeypatch.setattr(os, "fsync", fail)
    else:
        monkeypatch.setattr(os, "replace", fail)
        monkeypatch.setattr(Path, "replace", fail)
    with pytest.raises(BadInput) as caught:
        env_file.load(path).with_values(WANTED, PROJECT).write()
    monkeypatch.undo()
    assert (caught.value.code, caught.value.exit_code) == ("env-file-unwritable", 2)
    assert caught.value.why == "No space left on device"
    assert path.read_text() == "A=1\n"
    assert list(tmp_path.iterdir()) == [path]


def test_a_reader_sees_the_old_or_the_new_file_and_never_a_part(tmp_path):
    path, contents = tmp_path / ".env", (b"a" * 300_000, b"b" * 300_000)
    path.write_bytes(contents[0])
    writer = threading.Thread(
        target=lambda: [private_files.write_atomically(path, contents[i % 2], 0o600) for i in range(40)]
    )
    writer.start()
    seen = set()
    while writer.is_alive():
        seen.add(path.read_bytes())
    writer.join()
    assert seen <= set(contents)


@pytest.mark.parametrize("mode", [0o600, 0o644])
def test_a_file_gets_the_mode_that_was_asked_for_whatever_the_umask(tmp_path, mode):
    old = os.umask(0o077)
    try:
        private_files.write_atomically(tmp_path / "config.yaml", b"x", mode)
    finally:
        os.umask(old)
    assert stat.S_IMODE((tmp_path / "config.yaml").stat().st_mode) == mode


def test_a_link_stays_a_link_and_its_target_is_written(tmp_path):
    (tmp_path / "elsewhere").mkdir()
    target = tmp_path / "elsewhere" / "shared.env"
    target.write_text("A=1\n")
    link = tmp_path / ".env"
    link.symlink_to("elsewhere/shared.env")
    env_file.load(link).with_values(WANTED, PROJECT).write()
    assert link.is_symlink()
    assert not target.is_symlink()
    assert env_file.load(target).values == {"A": "1", **WANTED}


def directory(path):
    path.mkdir()


def broken_link(path):
    path.symlink_to("gone")


def latin1(path):
    path.write_bytes(b"A=1\nB=\xe9\n")


def unreadable(path):
    path.write_text("A=1\n")
    path.chmod(0)


@pytest.mark.parametrize(
    ("make", "code"),
    [
        (directory, "env-file-is-directory"),
        (broken_link, "env-file-broken-link"),
        (latin1, "env-file-not-utf8"),
        (unreadable, "env-file-unreadable"),
    ],
)
def test_a_file_that_cannot_be_read_is_named_with_a_fix(open_place, as_ordinary_user, make, code):
    path = open_place / ".env"
    make(path)
    with as_ordinary_user(), pytest.raises(BadInput) as caught:
        env_file.load(path)
    assert (caught.value.code, caught.value.exit_code) == (code, 2)
    assert str(path) in caught.value.message
    assert caught.value.fix


@pytest.mark.parametrize(
    "text", ["x" * 200_000, "\n" * 200_000 + "x y", "A=" + "b" * 200_000 + " ", "a" * 200_000 + "\n=b"]
)
def test_a_broken_file_is_cut_in_time_that_grows_with_its_length(text):
    begun = time.process_time()
    assert "".join(line.text for line in env_file._cut(text)) == text
    assert time.process_time() - begun < 10  # seconds; a search from each place takes minutes


@pytest.mark.parametrize("unit", ["$ ", "$$", "$A", "${A}", "${A:-"])
def test_references_are_resolved_in_time_that_grows_with_their_number(unit):
    begun = time.process_time()
    with contextlib.suppress(references.Unresolved):
        references.expand(unit * 200_000, {"A": "x"}.get)
    assert time.process_time() - begun < 10  # seconds; a copy of the rest for each takes minutes


def test_no_text_of_a_file_or_a_line_has_a_value(tmp_path):
    path = tmp_path / ".env"
    path.write_text("DB_PASS=hunter2\n")
    found = env_file.load(path)
    assert "hunter2" not in f"{found!r} {found} {found.lines!r} {found.lines[0]}"
