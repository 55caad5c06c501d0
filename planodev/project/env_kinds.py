"""Which kind of `.env` a project has, and whether planodev uses it: decided here for all commands.

`docs/env-files.md` has the kinds in a table, and so have the tests. Three questions, in this order: can the path be
read (`refuse_path`), is its content text (`refuse_content`), and is it this project's to take (`judge`, `judge_link`).
"""

from __future__ import annotations

import codecs
import re
import stat
from typing import TYPE_CHECKING

from planodev.problems import BadInput, Command, Conflict, Fix, PlanodevError, Shell
from planodev.project import env_keys

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

OWN = ".env.plano"  # what is proposed for a file of planodev's own
# The codes of files that stay as they are while planodev has its own.
LEFT_ALONE = (
    *("env-file-of-another-program", "env-file-of-another-checkout", "env-file-outside-project", "env-reference"),
    *("env-file-encrypted", "env-file-binary", "env-file-unknown-format"),
)
_OF_A_SHELL = ("/dev/fd/", "/dev/stdin", "/proc/self/fd/")  # of `<(…)` and `|`, which end

_TO_UTF_8 = "(umask 077; iconv -f {0} -t UTF-8 {1} >{2} && mv {2} {1})"
# The longer marks first: that of UTF-32 begins with that of UTF-16.
_MARKS = (
    (codecs.BOM_UTF32_LE, "UTF-32"),
    (codecs.BOM_UTF32_BE, "UTF-32"),
    (codecs.BOM_UTF16_LE, "UTF-16"),
    (codecs.BOM_UTF16_BE, "UTF-16"),
)
# How files begin that are encrypted as a whole. Sources: git-crypt 0.7 `commands.cpp`; openssl-enc(1), which transcrypt
# calls; age-encryption.org/v1; RFC 4880, section 6.2; Ansible's user guide, "Vault format".
_ENCRYPTED = (
    (rb"\0GITCRYPT", "git-crypt", "`git-crypt unlock` decrypts it"),
    (rb"(?:Salted__|U2FsdGVkX1)", "openssl or transcrypt", "`transcrypt` with this repository's password decrypts it"),
    (rb"age-encryption\.org/|-----BEGIN AGE ", "age", None),
    (rb"-----BEGIN PGP ", "PGP", None),
    (rb"\$ANSIBLE_VAULT;", "Ansible Vault", None),
    (rb"-----BEGIN [A-Z0-9 ]+-----", "a program that writes PEM", None),
)
_SOPS = r"(?m)^sops_(?:mac|version)="
_LFS = "version https://git-lfs.github.com/"
_ASSIGNMENT = r"(?m)^[ \t]*(?:export[ \t]+)?[A-Za-z_][A-Za-z0-9_.]*[ \t]*="
_HIGH = rb"[\x80-\xff]"  # of which a text in Latin-1 has few
_CONTROL = rb"[\x00-\x08\x0e-\x1a\x1c-\x1f]"


def own_name(path: Path) -> str:
    """Return the name to propose for a file of planodev's own, in place of this one."""
    return OWN if path.name != OWN else f"{OWN}dev"


def _elsewhere(path: Path) -> Fix:
    """Return the fix that leaves a file as it is, and keeps planodev's lines in another."""
    return Fix(Command("up", "--dotenv", own_name(path)), " leaves it as it is")


def is_stream(path: Path) -> bool:
    """Say whether reading could block forever: a device, or a pipe that no shell has made."""
    try:
        mode = path.stat().st_mode
    except OSError:
        return False
    return not stat.S_ISREG(mode) and not stat.S_ISDIR(mode) and not str(path).startswith(_OF_A_SHELL)


def refuse_path(path: Path) -> None:
    """Refuse what cannot be read as a file.

    Raises:
        BadInput: it is a link to nothing, a directory, a pipe or a device.

    """
    if path.is_symlink() and not path.exists():
        raise BadInput(
            "env-file-broken-link",
            f"`{path}` is a link to `{path.readlink()}`, which does not exist",
            fix=Fix("create the file that it points to, or remove the link: ", Shell("rm {}", path)),
        )
    if path.is_dir():
        empty = not any(path.iterdir())
        raise BadInput(
            "env-file-is-directory",
            f"`{path}` is a directory",
            why="Docker creates one when a missing file is mounted" if empty else "it may be a virtual environment",
            fix=Fix("remove it: ", Shell("rmdir {}", path)) if empty else _elsewhere(path),
        )
    if is_stream(path):
        kind = "a pipe" if stat.S_ISFIFO(path.stat().st_mode) else "a device or a socket"
        raise BadInput(
            "env-file-unreadable",
            f"`{path}` is {kind}, and no file",
            why="what is in it can be read once, and nothing can be kept there",
            fix=_elsewhere(path),
        )


def unreadable(path: Path, error: OSError) -> BadInput:
    """Return the error for a file that this user may not read."""
    fix = Fix(Shell("chmod u+rw {}", path), ", as its owner")
    return BadInput("env-file-unreadable", f"`{path}` cannot be read", why=error.strerror, fix=fix)


def refuse_content(path: Path, content: bytes) -> None:
    """Refuse a file that is not UTF-8 text; the fix never destroys it.

    Raises:
        BadInput: it is encrypted, binary, or in another encoding.

    """
    for beginning, program, decrypt in _ENCRYPTED:
        if re.match(beginning, content):
            raise _encrypted(path, program, decrypt)
    charset = next((name for mark, name in _MARKS if content.startswith(mark)), None)
    if charset is None:
        if b"\0" in content:
            raise _binary(path, "it holds NUL bytes")
        try:
            content.decode()
        except UnicodeDecodeError as error:
            if re.search(_CONTROL, content) or len(re.findall(_HIGH, content)) * 3 > len(content):
                raise _binary(path, f"byte {error.start} is 0x{content[error.start]:02x}") from error
            charset, why = "LATIN1", f"byte {error.start} is 0x{content[error.start]:02x}"
        else:
            return
    else:
        why = f"it begins with the mark of {charset}"
    convert = Fix(Shell(_TO_UTF_8, charset, path, f"{path}.new"))
    raise BadInput("env-file-not-utf8", f"`{path}` is not UTF-8", why=why, fix=convert)


def _binary(path: Path, why: str) -> BadInput:
    return BadInput("env-file-binary", f"`{path}` is not text", why=why, fix=_elsewhere(path))


def _encrypted(path: Path, program: str, decrypt: str | None) -> BadInput:
    why = "no line of it can be read or added before it is decrypted"
    fix = _elsewhere(path) if decrypt is None else f"{decrypt}; or " + _elsewhere(path)
    return BadInput("env-file-encrypted", f"`{path}` is encrypted by {program}", why=why, fix=fix)


# Names that other programs give the parts of a database's address: with one of them in the file, DB_HOST and the like
# are theirs as well. Sources: the environment files of Laravel, Symfony, Django, WordPress (Bedrock), Directus, Knex,
# Sequelize, TypeORM, n8n, and of the images of mysql, mariadb and postgres. As text: nearly
# no project needs them, and each pattern that is compiled costs every command a moment.
_PASSWORD = r"(?:DB|DATABASE|MYSQL|MARIADB|POSTGRES|POSTGRESQL|PG)_?(?:ROOT_)?(?:PASSWORD|PASSWD|PWD)"  # noqa: S105  names
_DRIVER = (
    r"DB_(?:CONNECTION|CLIENT|ENGINE|DIALECT|DRIVER|TYPE|ADAPTER|BACKEND|KIND|DATABASE|USERNAME|LOGIN|PREFIX"
    r"|TABLE_PREFIX|CHARSET|COLLATE|COLLATION)|DATABASE_(?:CLIENT|ENGINE|DRIVER|DIALECT|TYPE)"
)
# What only one framework has.
_DJANGO = r"DJANGO_\w+|ALLOWED_HOSTS|CSRF_TRUSTED_ORIGINS"
_FRAMEWORK = rf"WP_(?:ENV|HOME|SITEURL)|{_DJANGO}|RAILS_\w+|SECRET_KEY_BASE|LARAVEL_\w+|DRUPAL_\w+|TYPO3_\w+"
_KNOWN = (
    ("Laravel", r"APP_KEY|LARAVEL_\w+"),
    ("WordPress", r"WP_\w+|TABLE_PREFIX"),
    ("Django", _DJANGO),
    ("Rails", r"RAILS_\w+|SECRET_KEY_BASE"),
    ("Directus", r"DB_CLIENT|DIRECTUS_\w+"),
    ("Symfony", r"APP_SECRET"),
)
# Where other databases listen: MySQL, SQL Server, Oracle, MongoDB, Redis, Cassandra, CockroachDB.
_OTHER_PORTS = ("3306", "3307", "33060", "1433", "1521", "27017", "6379", "9042", "26257")
_OTHER_URL = r"(?i:mysql2?|mariadb|sqlite3?|sqlserver|mssql|oracle|mongodb)(?:\+\w+)?:"


def judge(path: Path, text: str, written: Mapping[str, str], *, asked: bool, ours: bool) -> PlanodevError | None:
    """Return why planodev does not take a file that it can read for the project's, None where it does.

    Args:
        path: of the file, in the project's directory.
        text: of the file.
        written: its assignments.
        asked: whether the user has named this very file.
        ours: whether the file has the number of this project's own database.

    """
    if text.strip() and not re.search(_ASSIGNMENT, text) and _has_lines(text):
        is_pointer = text.startswith(_LFS)
        why = (
            "it is a pointer of Git LFS: `git lfs pull` fetches the file" if is_pointer else "planodev adds such lines"
        )
        message = f"`{path}` has no line of the form KEY=value"
        return BadInput("env-file-unknown-format", message, why=why, fix=_elsewhere(path))
    if re.search(_SOPS, text):
        return _encrypted(path, "SOPS", None)
    if ours or asked:
        return None
    evidence = _foreign(written)
    return _of_another_program(path, written, evidence) if evidence else None


def _has_lines(text: str) -> bool:
    return any(line.strip() and not line.lstrip("\ufeff \t").startswith("#") for line in text.splitlines())


def _foreign(written: Mapping[str, str]) -> list[str]:
    """Return the names by which a file shows that its DB_* belong to another program than Plano."""
    shared = [name for name in env_keys.ALL if written.get(name)]
    found = [name for name in written if re.fullmatch(_DRIVER, name) or name == "DB_PASSWORD"]
    if not shared:
        return [name for name in found if name.startswith(env_keys.PREFIX)]
    found += [name for name in written if re.fullmatch(_FRAMEWORK, name)]
    found += ["APP_KEY"] if written.get("APP_KEY", "").startswith("base64:") else []
    found += [env_keys.PORT] if written.get(env_keys.PORT) in _OTHER_PORTS else []
    found += [name for name in ("DATABASE_URL", "DB_URL") if re.match(_OTHER_URL, written.get(name, ""))]
    if not written.get(env_keys.PASSWORD):  # so what goes with the user and the host stands under another name
        found += [name for name in written if re.fullmatch(_PASSWORD, name)]
    return list(dict.fromkeys(found))


def _of_another_program(path: Path, written: Mapping[str, str], evidence: list[str]) -> Conflict:
    program = next(
        (name for name, known in _KNOWN if any(re.fullmatch(known, one) for one in written)), "another program"
    )
    shared = [name for name in env_keys.ALL if written.get(name)]
    what = ", ".join(shared) if shared else f"the names {env_keys.PREFIX}…"
    return Conflict(
        "env-file-of-another-program",
        f"{what} in `{path}` belong{'s' if len(shared) == 1 else ''} to {program}",
        why=f"it has {', '.join(evidence)}, and planodev would change the address that goes with that",
        fix=Fix(
            *(Command("up", "--dotenv", own_name(path)), " keeps Plano's in a separate file; "),
            *(Command("up", "--dotenv", path.name), " gives them to Plano"),
        ),
    )


def judge_link(path: Path, project: Path, *, asked: bool, ours: bool, of_another: bool) -> Conflict | None:
    """Return why a link is not followed, None for one that is, and for what is none.

    Args:
        path: of the file, in the project's directory.
        project: the directory.
        asked: whether the user has named this very file.
        ours: whether the file has the number of this project's own database.
        of_another: whether it has that of another checkout's.

    """
    target = path.resolve()
    if not path.is_symlink() or target.is_relative_to(project):
        return None
    root, other = _checkout(project), _checkout(target.parent)
    if of_another or (other is not None and other != root):
        return Conflict(
            "env-file-of-another-checkout",
            f"`{path}` is a link to `{target}`, the file of another checkout",
            why="each checkout has its own database, and one file cannot name two",
            fix=_elsewhere(path) + ", and gives this checkout its own",
        )
    if asked or ours:
        return None
    return Conflict(
        "env-file-outside-project",
        f"`{path}` is a link to `{target}`, outside this project",
        why="what else reads that file would get this project's database",
        fix=Fix(
            *(Command("up", "--dotenv", own_name(path)), " leaves it as it is; "),
            *(Command("up", "--dotenv", path.name), " writes there"),
        ),
    )


def _checkout(directory: Path) -> Path | None:
    """Return the root of the git checkout that a directory is in."""
    return next((one for one in (directory, *directory.parents) if (one / ".git").exists()), None)
