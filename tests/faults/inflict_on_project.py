"""How each fault of the matrix is inflicted on `.env` and inside the database: a function by the row's name.

What has to be taken back before `up` can work again is left in `case.undo`, which also runs when a test fails.
"""

from __future__ import annotations


def keep(case):
    """Put `.env` back at the end as it was, as far as the row changes it in a way that lasts."""
    path = case.project.path / ".env"
    case.undo.callback(path.write_bytes, path.read_bytes())


# Drift: what stands in `.env`


def env_deleted(case):
    (case.project.path / ".env").unlink()


def password_changed(case):
    case.project.change(".env", "^DB_PASS=.*", "DB_PASS=another-password-by-hand")


def password_emptied(case):
    case.project.change(".env", "^DB_PASS=.*", "DB_PASS=")


def password_line_removed(case):
    case.project.change(".env", "^DB_PASS=.*\n", "")


def password_emptied_and_container_removed(case):
    case.api.remove_container(case.name, force=True)
    password_emptied(case)


def user_changed(case):
    keep(case)
    case.words["old"] = case.project.env["DB_USER"]
    case.project.change(".env", "^DB_USER=.*", "DB_USER=another_user")


def database_changed(case):
    keep(case)
    case.words["old"] = case.project.env["DB_NAME"]
    case.project.change(".env", "^DB_NAME=.*", "DB_NAME=another_database")


def env_of_another_checkout(case):
    other = case.another()
    case.words |= {"other": other.status()["port"]}
    case.project.write(".env", (other.path / ".env").read_text())


def env_readonly(case):
    (case.project.path / ".env").chmod(0o400)
    case.project.environment["PLANODEV_PORT"] = str(case.words["free"])
    case.undo.callback(case.project.environment.pop, "PLANODEV_PORT")


def env_open_to_all(case):
    (case.project.path / ".env").chmod(0o644)


def env_with_crlf(case):
    path = case.project.path / ".env"
    path.write_bytes(path.read_bytes().replace(b"\n", b"\r\n"))


def env_with_quotes(case):
    case.project.change(".env", "^DB_PASS=(.*)", f'DB_PASS="{case.project.env["DB_PASS"]}"')


def env_with_byte_order_mark(case):
    path = case.project.path / ".env"
    path.write_bytes(b"\xef\xbb\xbf" + path.read_bytes())
    keep(case)


def half_written_files(case):
    for name in ("..env.k3v0a1b2", "..config.yaml.zz91xq0p"):
        path = case.project.path / name
        path.write_text("# planodev project: 00")
        case.undo.callback(path.unlink, missing_ok=True)


# Drift: what is inside the database


def role_password_changed(case):
    with case.project.login() as session:
        session.execute(f"ALTER ROLE {case.project.env['DB_USER']} PASSWORD 'by hand'")


def role_without_login(case):
    user_changed(case)
    case.project("up")
    with case.project.login(user="plano") as session:
        session.execute("ALTER ROLE another_user NOLOGIN")


def role_expired(case):
    with case.project.login() as session:
        session.execute(f"ALTER ROLE {case.project.env['DB_USER']} VALID UNTIL '2001-01-01'")


def superuser_without_login(case):
    with case.project.login() as session:
        session.execute(f"ALTER ROLE {case.project.env['DB_USER']} NOLOGIN")

    def back():
        case.stop()
        case.change_data(
            "echo 'ALTER ROLE plano LOGIN' | gosu postgres postgres --single -D /data postgres >/dev/null 2>&1"
        )

    case.undo.callback(back)


def role_cannot_write(case):
    user_changed(case)
    case.project("up")
    with case.project.login(user="plano") as session:
        session.execute("REVOKE INSERT ON conversation_states FROM another_user")
