"""Which database belongs to which directory: moved, renamed, copied, cloned again."""

import shutil
from pathlib import Path

import pytest

from planodev.problems import BadInput
from planodev.project import env_file, identity
from planodev.project.identity import Owner, Project, original_still_there, ownership
from tests.support.waiting import until

ID, OTHER = "a" * 16, "b" * 16
OWNER = Owner(ID, "/home/me/shop", "1:10")


@pytest.mark.parametrize(
    ("path", "inode", "project_id", "still_there", "expected"),
    [
        ("/home/me/shop", "1:10", ID, True, "ours"),
        ("/home/me/shop", "1:99", ID, True, "ours"),  # restored from a backup, with its `.env`
        ("/new/place", "1:10", ID, False, "ours"),  # moved
        ("/new/place", "1:99", ID, False, "ours"),  # moved to another disk
        ("/new/place", "1:99", ID, True, "copy"),
        ("/home/me/shop", "1:10", None, True, "ours"),  # `.env` deleted
        ("/home/me/shop", "1:10", OTHER, True, "ours"),  # `.env` replaced by another checkout's
        ("/home/me/shop", "1:99", None, False, "namesake"),
        ("/home/me/shop", "1:99", OTHER, False, "namesake"),
        ("/new/place", "1:10", None, True, "other"),
        ("/new/place", "1:10", OTHER, False, "other"),
        ("/new/place", "1:10", None, False, "ours"),  # moved, and `.env` deleted
        ("/elsewhere/shop", "1:99", None, True, "other"),  # the same directory name is nothing
    ],
)
def test_whose_the_data_is_goes_by_path_inode_and_number(path, inode, project_id, still_there, expected):
    here = Project(Path(path), inode)
    assert ownership(here, project_id, OWNER, lambda owner: owner == OWNER and still_there) == expected


def test_a_directory_that_is_no_checkout_may_have_the_number_of_a_removed_one():
    owner = Owner(ID, "/home/me/shop", "1:10:")
    assert ownership(Project(Path("/new/place"), "1:10:"), None, owner, lambda _: False) == "other"


def checkout(path, number=None):
    """Make a directory as `up` leaves it, and return what its database's labels would say."""
    path.mkdir(parents=True)
    if number:
        env_file.load(path / ".env").with_values({"DB_USER": "plano"}, number).write()
    here = identity.at(path)
    return Owner(number or "", str(here.path), here.inode)


def seen_from(path, owner):
    here = identity.at(path)
    return ownership(here, env_file.load(here.env_path).project_id, owner, original_still_there)


def test_a_moved_or_renamed_project_finds_its_data(tmp_path):
    owner = checkout(tmp_path / "a" / "shop", ID)
    (tmp_path / "b").mkdir()
    for old, new in (("a/shop", "a/store"), ("a/store", "b/shop")):
        (tmp_path / old).rename(tmp_path / new)
        assert seen_from(tmp_path / new, owner) == "ours"


def test_a_project_reached_through_a_link_is_the_same_one(tmp_path):
    owner = checkout(tmp_path / "shop", ID)
    (tmp_path / "link").symlink_to("shop")
    assert seen_from(tmp_path / "link", owner) == "ours"


def test_a_copy_does_not_share_until_the_original_is_gone(tmp_path):
    owner = checkout(tmp_path / "shop", ID)
    shutil.copytree(tmp_path / "shop", tmp_path / "copy")
    assert seen_from(tmp_path / "copy", owner) == "copy"
    assert seen_from(tmp_path / "shop", owner) == "ours"
    (tmp_path / "shop" / ".env").unlink()
    assert seen_from(tmp_path / "copy", owner) == "copy"
    assert seen_from(tmp_path / "shop", owner) == "ours"
    shutil.rmtree(tmp_path / "shop")
    assert seen_from(tmp_path / "copy", owner) == "ours"


UNREADABLE = {
    "a directory, as Docker makes one": lambda path: path.mkdir(),
    "a link to nothing": lambda path: path.symlink_to("nowhere"),
    "binary": lambda path: path.write_bytes(b"\0\1\2"),
}


@pytest.mark.parametrize("spoil", UNREADABLE.values(), ids=UNREADABLE)
def test_a_project_whose_env_file_cannot_be_read_is_still_there(tmp_path, spoil):
    owner = checkout(tmp_path / "shop", ID)
    shutil.copytree(tmp_path / "shop", tmp_path / "copy")
    (tmp_path / "shop" / ".env").unlink()
    spoil(tmp_path / "shop" / ".env")
    assert original_still_there(owner)
    assert seen_from(tmp_path / "copy", owner) == "copy"


def test_a_deleted_env_file_loses_nothing(tmp_path):
    owner = checkout(tmp_path / "shop", ID)
    (tmp_path / "shop" / ".env").unlink()
    assert seen_from(tmp_path / "shop", owner) == "ours"


def test_a_new_checkout_where_one_was_moved_away_is_a_namesake_and_the_moved_one_keeps_its_data(tmp_path):
    owner = checkout(tmp_path / "shop", ID)
    (tmp_path / "shop").rename(tmp_path / "old")
    checkout(tmp_path / "shop")
    assert seen_from(tmp_path / "shop", owner) == "namesake"
    assert seen_from(tmp_path / "old", owner) == "ours"


def test_a_new_checkout_where_one_was_deleted_is_a_namesake(tmp_path):
    def clone(number=None):
        checkout(tmp_path / "shop", number)
        (tmp_path / "shop" / ".git").mkdir()
        (tmp_path / "shop" / ".git" / "description").write_text("as git writes it, once")

    clone(ID)
    here = identity.at(tmp_path / "shop")
    owner = identity.Owner(ID, str(here.path), here.inode)
    made, now = (tmp_path / "shop/.git/description").stat().st_mtime_ns, tmp_path / "now"
    shutil.rmtree(tmp_path / "shop")
    # Two people's clones are further apart than one tick of the file system's clock.
    until(lambda: now.write_text("now") and now.stat().st_mtime_ns > made, "the next tick")
    clone()
    assert seen_from(tmp_path / "shop", owner) == "namesake"


def test_another_checkouts_env_file_brings_its_number_but_not_its_data(tmp_path):
    theirs, ours = checkout(tmp_path / "a" / "shop", ID), checkout(tmp_path / "b" / "shop", OTHER)
    shutil.copy(tmp_path / "a" / "shop" / ".env", tmp_path / "b" / "shop" / ".env")
    assert seen_from(tmp_path / "b" / "shop", theirs) == "copy"
    assert seen_from(tmp_path / "b" / "shop", ours) == "ours"


@pytest.mark.parametrize("make", [lambda path: None, lambda path: path.write_text("")])
def test_a_project_is_a_directory_that_is_there(tmp_path, make):
    make(tmp_path / "shop")
    with pytest.raises(BadInput) as caught:
        identity.at(tmp_path / "shop")
    assert (caught.value.code, caught.value.exit_code) == ("no-directory", 2)


@pytest.mark.parametrize(
    ("name", "slug"),
    [("My Shop!", "my-shop"), ("a__b", "a-b"), ("Ünïcode", "n-code"), ("日本", "project"), ("x" * 60, "x" * 40)],
)
def test_the_slug_fits_into_a_container_name(name, slug):
    assert Project(Path("/p") / name, "").slug == slug


def test_numbers_are_16_digits_and_never_the_same():
    numbers = {identity.new_id() for _ in range(100)}
    assert len(numbers) == 100
    assert all(env_file.id_in(f"# planodev project: {number}") == number for number in numbers)
