"""The fault matrix, passwords and privileges: who is sent a password, and what runs with whose rights."""

from __future__ import annotations

from .fault import Fault

_STRANGERS, _ROLES = "engines/test_strangers.py::test_", "engines/test_privileges.py::test_"
PASSWORDS = (
    Fault(
        "stranger_at_the_port",
        "the server is stopped, and a stranger listens at its port and asks for the password",
        "no command connects there: the engine is asked first whether the project's own server listens",
        "0 or 6, `not-running`",
        test=f"{_STRANGERS}a_stopped_servers_port_is_not_logged_in_at",
    ),
    Fault(
        "another_port_than_the_servers",
        "`DB_PORT` changed to that of a stranger while the server runs at its own",
        "the same; `up` moves the server there, or to a free port",
        "6 or 7, `not-its-port`",
        test=f"{_STRANGERS}another_port_than_the_servers_is_not_logged_in_at",
    ),
    Fault(
        "password_in_clear_text",
        "a `host` line of pg_hba.conf changed to `trust` or `password`",
        "the password is not sent; says what to write there",
        "5, `not-scram`",
        test=f"{_STRANGERS}a_server_that_does_not_ask_by_scram_is_sent_no_password",
    ),
    Fault(
        "variable_of_the_shell",
        "a cloned configuration has `${AWS_SECRET_ACCESS_KEY}`, or `${DB_PASS}`, in an address of its own",
        "`verify`, `conversations`, `psql` and `doctor` refuse to send it, naming the variable",
        "2, `foreign-variables`",
        test=f"{_STRANGERS}no_variable_of_the_shell_and_no_password_goes_where_a_configuration_leads",
    ),
    Fault(
        "variable_by_the_env_file",
        "a cloned `.env` has a line such as `MINE=${AWS_SECRET_ACCESS_KEY}`, and its configuration `${MINE}@host`",
        "the same; where `DB_HOST` itself names a server elsewhere, `env-reference-foreign`",
        "2, `foreign-variables`",
        test=f"{_STRANGERS}an_env_file_that_came_along_does_not_let_variables_of_the_shell_go",
    ),
    Fault(
        "key_as_password",
        "a configuration that was pulled has the key of a provider, which `.env` holds, in an address of its own",
        "the same",
        "2, `foreign-variables`",
        test=f"{_STRANGERS}a_providers_key_goes_to_no_database_and_another_value_of_the_env_file_does",
    ),
    Fault(
        "password_in_a_log",
        "the server logs every statement, and `DB_PASS` and `DB_USER` change",
        "the server is sent verifiers; no log has a password",
        test=f"{_ROLES}no_log_has_a_password_however_much_is_logged",
    ),
    Fault(
        "trap_for_a_superuser",
        "embedded: Plano's role has views, functions and operators named as the system's, a policy, and settings for "
        "every session of its database (`search_path`, `role`, `session_authorization`)",
        "nothing of it runs as a superuser, whatever planodev asks",
        test=f"{_ROLES}nothing_that_planos_role_has_defined_runs_as_a_superuser",
    ),
    Fault(
        "role_is_superuser",
        "embedded: Plano's role is a superuser",
        "it is none any more, said in one line",
        test=f"{_ROLES}a_superuser_of_an_older_database_is_demoted_and_that_is_said",
    ),
)
