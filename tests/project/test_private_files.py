"""Private files: whole or not at all, for their directory's owner, and what a killed write leaves git never takes."""

import ctypes
import errno
import os
import signal
import stat
from pathlib import Path

import pytest

from planodev.project import private_files
from tests.support.git import git

SECRET = b"DB_PASS=a-secret-of-the-database\n"
root_only = pytest.mark.skipif(os.geteuid() != 0, reason="needs root, to give files away")


def killed_at(call, write):
    """Run a function in a process that kills itself the moment that it calls `os.<call>`."""
    child = os.fork()
    if child == 0:
        setattr(os, call, lambda *_, **__: os.kill(os.getpid(), signal.SIGKILL))
        write()
        os._exit(0)
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])


@pytest.mark.parametrize("call", ["fsync", "fchmod", "replace", "rmdir"])
@pytest.mark.parametrize("old", [None, b"A=1\n"])
def test_a_killed_write_leaves_nothing_that_git_would_add_and_is_swept(tmp_path, call, old):
    git(tmp_path, "init", "-q")
    (tmp_path / ".gitignore").write_text(".env\n")
    path = tmp_path / ".env"
    if old:
        path.write_bytes(old)
    code = killed_at(call, lambda: private_files.write_atomically(path, SECRET, 0o600))
    assert code == -signal.SIGKILL
    git(tmp_path, "add", "-A")
    assert git(tmp_path, "diff", "--cached", "--name-only").split() == [".gitignore"]
    assert (path.read_bytes() if path.exists() else None) in (old, SECRET)
    assert private_files.leftovers(tmp_path)
    private_files.sweep(tmp_path)
    assert not private_files.leftovers(tmp_path)
    assert {entry.name for entry in tmp_path.iterdir()} <= {".git", ".gitignore", ".env"}


@pytest.mark.parametrize("name", [".gitignore", "new", "." + "a" * 254])
def test_a_file_of_any_name_is_written(tmp_path, name):
    for content in (b"one\n", b"two\n"):
        private_files.write_atomically(tmp_path / name, content, 0o644)
        assert (tmp_path / name).read_bytes() == content
    assert [entry.name for entry in tmp_path.iterdir()] == [name]


def test_a_directory_of_somebody_else_is_not_swept(tmp_path):
    theirs = tmp_path / ".planodev-notes"
    theirs.mkdir()
    (theirs / "plan.md").write_text("mine")
    private_files.sweep(tmp_path)
    assert (theirs / "plan.md").read_text() == "mine"


def test_a_file_may_have_the_name_of_one_that_the_staging_directory_has(tmp_path):
    private_files.write_atomically(tmp_path / ".gitignore", b".env\n", 0o644)
    assert (tmp_path / ".gitignore").read_bytes() == b".env\n"
    assert os.listdir(tmp_path) == [".gitignore"]


@pytest.fixture
def mounted(tmp_path):
    """Return a file that is a mount of its own, as one that is bound into a container."""
    path, elsewhere = tmp_path / "project/.env", tmp_path / "elsewhere"
    path.parent.mkdir()
    path.write_bytes(b"")
    elsewhere.write_bytes(b"A=1\n# and what stands behind it\n")
    libc = ctypes.CDLL(None, use_errno=True)
    bind = 4096  # MS_BIND of <sys/mount.h>
    if os.geteuid() != 0 or libc.mount(str(elsewhere).encode(), str(path).encode(), None, bind, None):
        pytest.skip("needs root, and mounts")
    yield path
    libc.umount(str(path).encode())


def test_a_mounted_file_is_written_in_place(mounted):
    before = mounted.stat().st_ino
    private_files.write_atomically(mounted, b"A=2\n", 0o600)
    assert (mounted.read_bytes(), mounted.stat().st_ino) == (b"A=2\n", before)
    assert stat.S_IMODE(mounted.stat().st_mode) == 0o600
    assert os.listdir(mounted.parent) == [".env"]


def test_a_killed_write_in_place_is_finished_from_its_copy(mounted):
    def write():
        os.ftruncate(os.open(mounted, os.O_WRONLY), 3)
        os.kill(os.getpid(), signal.SIGKILL)

    child = os.fork()
    if child == 0:
        private_files._overwrite = lambda *_: write()
        private_files.write_atomically(mounted, b"A=2\nB=3\n", 0o600)
        os._exit(0)
    os.waitpid(child, 0)
    assert mounted.read_bytes() == b"A=1"
    [left] = private_files.leftovers(mounted.parent)
    assert {stat.S_IMODE(entry.stat().st_mode) for entry in left.iterdir()} == {0o600}
    private_files.sweep(mounted.parent)
    assert mounted.read_bytes() == b"A=2\nB=3\n"
    assert os.listdir(mounted.parent) == [".env"]


def test_what_was_written_after_a_killed_write_is_kept(tmp_path):
    staging = tmp_path / ".planodev-0123"
    staging.mkdir()
    (staging / ".gitignore").write_text("*\n")
    (staging / ".env.whole").write_bytes(SECRET)
    (tmp_path / ".env").write_text("MINE=1\n")
    later = (staging / ".env.whole").stat().st_mtime + 60
    os.utime(tmp_path / ".env", (later, later))
    private_files.sweep(tmp_path)
    assert (tmp_path / ".env").read_text() == "MINE=1\n"
    assert not private_files.leftovers(tmp_path)


@root_only
def test_what_root_makes_belongs_to_whom_the_directory_belongs_to(tmp_path):
    os.chown(tmp_path, 12345, 23456)
    private_files.write_atomically(tmp_path / ".env", SECRET, 0o600)
    private_files.make_directory(tmp_path / "state/planodev/projects")
    assert {(path.stat().st_uid, path.stat().st_gid) for path in tmp_path.rglob("*")} == {(12345, 23456)}


@root_only
def test_a_file_keeps_its_owner_and_a_link_gives_nothing_away(tmp_path):
    victim = tmp_path / "victim"
    victim.write_text("root's own")
    home = tmp_path / "home"
    home.mkdir()
    os.chown(home, 12345, 12345)
    (home / ".env").symlink_to(victim)
    private_files.write_atomically(home / ".env", SECRET, 0o600)
    assert (victim.stat().st_uid, victim.read_text()) == (0, "root's own")
    os.chown(home / ".env", 23456, 23456)
    private_files.write_atomically(home / ".env", SECRET * 2, 0o600)
    assert (home / ".env").stat().st_uid == 23456


@pytest.mark.parametrize("umask", [0o000, 0o027, 0o077])
@pytest.mark.parametrize("mode", [0o600, 0o644])
def test_modes_are_what_was_asked_for_whatever_the_umask(tmp_path, umask, mode):
    old = os.umask(umask)
    try:
        private_files.write_atomically(tmp_path / "config.yaml", b"x", mode)
        private_files.make_directory(tmp_path / "a/b")
    finally:
        os.umask(old)
    assert stat.S_IMODE((tmp_path / "config.yaml").stat().st_mode) == mode
    assert {stat.S_IMODE((tmp_path / name).stat().st_mode) for name in ("a", "a/b")} == {0o700}


def test_a_full_disk_leaves_the_old_file_and_nothing_else(tmp_path, monkeypatch):
    (tmp_path / ".env").write_text("A=1\n")

    def fail(*_, **__):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, "fsync", fail)
    with pytest.raises(OSError, match="No space"):
        private_files.write_atomically(tmp_path / ".env", SECRET, 0o600)
    assert [path.name for path in tmp_path.iterdir()] == [".env"]
    assert Path(tmp_path / ".env").read_text() == "A=1\n"


@pytest.mark.parametrize("umask", [0o000, 0o022, 0o277, 0o777])
def test_a_directory_for_data_is_private_whatever_the_umask(tmp_path, umask):
    before = os.umask(umask)
    try:
        private_files.make_directory(tmp_path / "one" / "two")
        private_files.make_directory_for(tmp_path / "one" / "data", None)
    finally:
        os.umask(before)
    for part in ("one", "one/two", "one/data"):
        assert stat.S_IMODE((tmp_path / part).stat().st_mode) == 0o700


class TestWhatSomebodyElseHasPutThere:
    """In a directory that others may write in, as the owner of the data may where root runs planodev."""

    def refused(self, call):
        with pytest.raises(OSError, match=r"another name|Too many levels|loop|Not a directory|belongs"):
            call()

    def test_a_log_that_is_a_link_or_a_second_name_is_not_opened(self, tmp_path):
        precious = tmp_path / "precious"
        precious.write_text("kept")
        precious.chmod(0o600)
        before = precious.stat()
        me = (os.geteuid(), os.getegid())
        (tmp_path / "link").symlink_to(precious)
        os.link(precious, tmp_path / "second")
        for name in ("link", "second"):
            self.refused(lambda name=name: private_files.open_to_append(tmp_path / name, me))
            self.refused(lambda name=name: private_files.set_mode(tmp_path / name, add=0o777))
        after = precious.stat()
        assert (after.st_mode, after.st_uid, after.st_gid) == (before.st_mode, before.st_uid, before.st_gid)
        assert precious.read_text() == "kept"

    def test_a_file_of_somebody_else_is_not_taken_for_the_log(self, tmp_path):
        if os.geteuid():
            pytest.skip("only root can make a file of somebody else")
        (tmp_path / "log").write_text("")
        self.refused(lambda: private_files.open_to_append(tmp_path / "log", (65534, 65534)))
        os.chown(tmp_path / "log", 65534, 65534)
        os.close(private_files.open_to_append(tmp_path / "log", (65534, 65534)))
        self.refused(lambda: private_files.set_mode(tmp_path / "log", add=0o777))

    def test_a_new_log_belongs_to_whom_it_is_for(self, tmp_path):
        if os.geteuid():
            pytest.skip("only root can give a file away")
        os.close(private_files.open_to_append(tmp_path / "log", (65534, 65533)))
        found = (tmp_path / "log").stat()
        assert (found.st_uid, found.st_gid, stat.S_IMODE(found.st_mode)) == (65534, 65533, 0o600)
