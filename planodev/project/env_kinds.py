"""Which kind of `.env` a project has, and whether planodev uses it: decided here for all commands.

`docs/env-files.md` has the kinds in a table, and so have the tests. Three questions, in this order: can the path be
read (`refuse_path`), is its content text (`refuse_content`), and is it this project's to take (`judge`, `judge_link`).
"""

from __future__ import annotations

import codecs
import errno
import re
import stat
from typing import TYPE_CHECKING

from planodev.problems import BadInput, Command, Conflict, Fix, PlanodevError, Shell
from planodev.project import env_keys

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

OWN = ".env.plano"  # the proposed name for a file of planodev's own
# The codes of files that stay as they are while planodev uses a file of its own.
LEFT_ALONE = (
    *("env-file-of-another-program", "env-file-of-another-checkout", "env-file-outside-project", "env-reference"),
    *("env-file-encrypted", "env-file-binary", "env-file-unknown-format"),
)
_OF_A_SHELL = ("/dev/fd/", "/dev/stdin", "/proc/self/fd/")  # pipes of a shell, such as `<(…)`: reading them ends

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
_NOT_ASCII = rb"[\x80-\xff]"  # few in a text in Latin-1, many in binary data
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
    return not stat.S_ISREG(mode) and not stat.S_ISDIR(mode) and not is_of_a_shell(path)


def is_of_a_shell(path: Path) -> bool:
    """Say whether a path is a pipe that a shell has made, as for `<(…)`."""
    return str(path).startswith(_OF_A_SHELL)


def refuse_path(path: Path, way: Fix | None = None) -> None:
    """Refuse what cannot be read as a file.

    Args:
        path: of the file.
        way: what mends it where the file itself stays as it is; None for an `up` with another file.

    Raises:
        BadInput: it is a link to nothing, a directory, a pipe or a device.

    """
    try:
        path.stat()
    except FileNotFoundError as error:
        if path.is_symlink():
            raise _broken_link(path, "which does not exist") from error
        return
    except OSError as error:
        if error.errno == errno.ELOOP:
            raise _broken_link(path, "which is a loop") from error
        raise unreadable(path, error, way) from error
    if path.is_dir():
        raise _directory(path, way or _elsewhere(path))
    if is_stream(path):
        kind = "a pipe" if stat.S_ISFIFO(path.stat().st_mode) else "a device or a socket"
        raise BadInput(
            "env-file-unreadable",
            f"`{path}` is {kind}, not a file",
            why="it can be read only once, and nothing can be stored in it",
            fix=way or _elsewhere(path),
        )


def _broken_link(path: Path, why: str) -> BadInput:
    return BadInput(
        "env-file-broken-link",
        f"`{path}` is a link to `{path.readlink()}`, {why}",
        fix=Fix("create the file that it points to, or remove the link: ", Shell("rm {}", path)),
    )


def _directory(path: Path, way: Fix) -> BadInput:
    try:
        empty = not any(path.iterdir())
    except OSError:
        empty = False
    return BadInput(
        "env-file-is-directory",
        f"`{path}` is a directory",
        why="Docker creates one when a missing file is mounted" if empty else "it may be a virtual environment",
        fix=Fix("remove it: ", Shell("rmdir {}", path)) if empty else way,
    )


def unreadable(path: Path, error: OSError, way: Fix | None = None) -> BadInput:
    """Return the error for a file that this user may not read; `way` as in `refuse_path`."""
    forbidden = error.errno in (errno.EACCES, errno.EPERM)
    give = Fix(Shell("chmod u+rw {}", path), ", as its owner; or ") if forbidden else Fix()
    fix = give + (way or _elsewhere(path))
    return BadInput("env-file-unreadable", f"`{path}` cannot be read", why=error.strerror, fix=fix)


def refuse_content(path: Path, content: bytes, way: Fix | None = None) -> None:
    """Refuse a file that is not UTF-8 text; the fix never destroys it.

    Args:
        path: of the file.
        content: of the file.
        way: as in `refuse_path`.

    Raises:
        BadInput: it is encrypted, binary, or in another encoding.

    """
    way = way or _elsewhere(path)
    for beginning, program, decrypt in _ENCRYPTED:
        if re.match(beginning, content):
            raise _encrypted(path, program, decrypt, way)
    charset = next((name for mark, name in _MARKS if content.startswith(mark)), None)
    if charset is None:
        if b"\0" in content:
            raise _binary(path, "it holds NUL bytes", way)
        try:
            content.decode()
        except UnicodeDecodeError as error:
            why = f"byte {error.start} is 0x{content[error.start]:02x}"
            if re.search(_CONTROL, content) or len(re.findall(_NOT_ASCII, content)) * 3 > len(content):
                raise _binary(path, why, way) from error
            charset = "LATIN1"
        else:
            return
    else:
        why = f"it begins with the mark of {charset}"
    convert = Fix(Shell(_TO_UTF_8, charset, path, f"{path}.new"))
    raise BadInput("env-file-not-utf8", f"`{path}` is not UTF-8", why=why, fix=convert)


def _binary(path: Path, why: str, way: Fix) -> BadInput:
    return BadInput("env-file-binary", f"`{path}` is not text", why=why, fix=way)


def _encrypted(path: Path, program: str, decrypt: str | None, way: Fix) -> BadInput:
    why = "no line of it can be read or added before it is decrypted"
    fix = way if decrypt is None else f"{decrypt}; or " + way
    return BadInput("env-file-encrypted", f"`{path}` is encrypted by {program}", why=why, fix=fix)


# Names that other programs use for the parts of a database's address: where one is in the file, DB_HOST and the like
# are that program's as well. Sources: the environment files of Laravel, Symfony, Django, WordPress (Bedrock, and its
# image), Directus, Knex, Sequelize, TypeORM, n8n, Yii, Keycloak, Spring Boot, Quarkus, Flask-SQLAlchemy, and of the
# images of mysql, mariadb and postgres. Not compiled at import, which would slow down every command, as few projects
# need them.
_DRIVER = (
    r"DB_(?:CONNECTION|CLIENT|ENGINE|DIALECT|DRIVER|TYPE|ADAPTER|BACKEND|KIND|VENDOR|DSN|DATABASE|USERNAME|LOGIN|PASSWORD"
    r"|PREFIX|TABLE_PREFIX|CHARSET|COLLATE|COLLATION)|DATABASE_(?:CLIENT|ENGINE|DRIVER|DIALECT|TYPE)"
)
# Names of one framework only, or of a server that is no PostgreSQL.
_ANY = "another program"
_FRAMEWORKS = (
    ("Laravel", r"LARAVEL_\w+"),
    ("WordPress", r"WP_\w+|WORDPRESS_\w+|TABLE_PREFIX|(?:SECURE_AUTH|LOGGED_IN|NONCE)_(?:KEY|SALT)"),
    ("Django", r"DJANGO_\w+|ALLOWED_HOSTS|CSRF_TRUSTED_ORIGINS"),
    ("Rails", r"RAILS_\w+|RACK_ENV|SECRET_KEY_BASE"),
    ("Directus", r"DIRECTUS_\w+|DB_CLIENT"),
    ("Symfony", r"APP_SECRET|SYMFONY_\w+"),
    ("Spring", r"SPRING_\w+"),
    ("Quarkus", r"QUARKUS_\w+"),
    ("Flask", r"FLASK_\w+|SQLALCHEMY_\w+"),
    ("TypeORM", r"TYPEORM_\w+"),
    ("ASP.NET", r"ASPNETCORE_\w+"),
    (_ANY, r"DRUPAL_\w+|TYPO3_\w+|CRAFT_\w+|MAGE_\w+|(?:MYSQL|MARIADB|MSSQL|ORACLE)_\w+"),
)
_PASSWORD = r"(?:DB|DATABASE|POSTGRES|POSTGRESQL|PG)_?(?:ROOT_)?(?:PASS|PASSWORD|PASSWD|PWD)(?:_FILE)?"  # noqa: S105
# The default ports of other databases: MySQL, SQL Server, Oracle, MongoDB, Redis, Cassandra, CockroachDB.
_OTHER_PORT = r"(?:3306|3307|33060|1433|1521|27017|6379|9042|26257)"
# A program, a name, and a value by which that program is recognised.
_VALUES = (
    ("Laravel", "APP_KEY", r"base64:.*"),
    ("Laravel", "DB_CONNECTION", r"mysql|mariadb|pgsql|sqlite|sqlsrv"),
    ("Django", "SECRET_KEY", r"django-insecure-.*"),
    (_ANY, env_keys.PORT, _OTHER_PORT),
    (_ANY, env_keys.HOST, rf".*:{_OTHER_PORT}|[^/]*:/[^/].*"),
    (_ANY, env_keys.USER, r"root|sa"),
    (_ANY, env_keys.DATABASE, r"(?i).*\.(?:sqlite3?|db3?)|:memory:"),
)
_OTHER_URL = r"(?i)(?:jdbc:)?(?:mysql2?|mariadb|sqlite3?|sqlserver|mssql|oracle|mongodb)(?:\+\w+)?:"
_URL = r"(?i)(?:jdbc:)?(?:postgres|postgresql|psql|pgsql|postgis|ecto)(?:\+\w+)?://[^/?#]*/([^?#]*).*"
_OF_A_DATABASE = r"(?:.*_)?(?:DB|DATABASE|DATASOURCE)(?:_.*)?"
_PLANOS = "plano"  # the database's name in Plano's documentation


def judge(path: Path, text: str, written: Mapping[str, str], *, asked: bool, ours: bool) -> PlanodevError | None:
    """Return why planodev does not take a file that it can read for the project's, None where it does.

    Args:
        path: of the file, in the project's directory.
        text: of the file.
        written: its assignments.
        asked: whether the user has named this very file.
        ours: whether the file has the id of this project's own database.

    """
    if text.strip() and not re.search(_ASSIGNMENT, text.lstrip("\ufeff")) and _has_lines(text):
        is_pointer = text.startswith(_LFS)
        why = (
            "it is a pointer of Git LFS: `git lfs pull` fetches the file" if is_pointer else "planodev adds such lines"
        )
        message = f"`{path}` has no line of the form KEY=value"
        return BadInput("env-file-unknown-format", message, why=why, fix=_elsewhere(path))
    if re.search(_SOPS, text):
        return _encrypted(path, "SOPS", None, _elsewhere(path))
    if ours or asked:
        return None
    evidence = _foreign(written)
    return _of_another_program(path, written, evidence) if evidence else None


def _has_lines(text: str) -> bool:
    return any(line.strip() and not line.lstrip("\ufeff \t").startswith("#") for line in text.splitlines())


def _foreign(written: Mapping[str, str]) -> dict[str, str]:
    """Return the names by which a file shows that its DB_* belong to another program than Plano, and that program's."""
    drivers = [name for name in written if re.fullmatch(_DRIVER, name)]
    # Where none of the five is set, another program may still read them, if it has names like theirs.
    like_ours = any(name.startswith(env_keys.PREFIX) for name in drivers)
    if not like_ours and not any(written.get(name) for name in env_keys.ALL):
        return {}
    found = {name: _ANY for name, value in written.items() if _is_address(name, value, written)}
    found |= dict.fromkeys(drivers, _ANY)
    if not written.get(env_keys.PASSWORD):  # then the password has another program's name
        found |= {name: _ANY for name in written if name != env_keys.PASSWORD and re.fullmatch(_PASSWORD, name)}
    found |= {name: one for one, names in _FRAMEWORKS for name in written if re.fullmatch(names, name)}
    return found | {name: one for one, name, value in _VALUES if re.fullmatch(value, written.get(name, ""))}


def _is_address(name: str, value: str, written: Mapping[str, str]) -> bool:
    """Say whether a line holds the address of another program's database, or puts it together from DB_*."""
    if name in env_keys.ALL:
        return False
    if re.match(_OTHER_URL, value):
        return re.fullmatch(_OF_A_DATABASE, name) is not None or not written.get(env_keys.PASSWORD)
    database = written.get(env_keys.DATABASE)
    if database == _PLANOS:
        return False
    url = re.fullmatch(_URL, value)
    return bool(url and url[1] == database) or re.search(rf"\$\{{?(?:{'|'.join(env_keys.ALL)})\b", value) is not None


def _of_another_program(path: Path, written: Mapping[str, str], evidence: Mapping[str, str]) -> Conflict:
    program = next((program for program in evidence.values() if program != _ANY), _ANY)
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
    """Return why a file that two projects would write is not taken, None for one that is.

    Args:
        path: of the file, in the project's directory: a link, or what another project's `.env` is a link to.
        project: the directory.
        asked: whether the user has named this very file.
        ours: whether the file has the id of this project's own database.
        of_another: whether it has that of another project's.

    """
    target = path.resolve()
    other = _checkout(target.parent)
    if of_another or (other is not None and other != _checkout(project)):
        message = f"`{path}` is shared: the `.env` of another project is a link to it"
        if path.is_symlink():
            message = f"`{path}` is a link to `{target}`, the file of another checkout or project"
        return Conflict(
            "env-file-of-another-checkout",
            message,
            why="each has its own database, and one file cannot name two",
            fix=_elsewhere(path) + ", and gives this one its own",
        )
    if asked or ours or target.is_relative_to(project):
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
    """Return the root of the git checkout that a directory is in, None where it is in none."""
    return next((one for one in (directory, *directory.parents) if (one / ".git").exists()), None)
