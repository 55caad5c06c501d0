"""The fault matrix as data: what is done to a project that has rows, and what the next `planodev up` promises.

A row without `test` is inflicted by the function of its name in `inflict_on_project.py` or `inflict_on_engine.py`,
and judged in `test_faults.py`.
`docs/reliability.md` shows these rows; a test holds the two equal.
"""

from __future__ import annotations

from .fault import MATRIX_TEST, Fault
from .matrix_conflict import CONFLICTS
from .matrix_drift import DRIFT
from .matrix_files import FILES
from .matrix_images import IMAGES
from .matrix_strangers import PASSWORDS

MENDED = "completed by the next `up`; every committed row is there; `.env` is the old or the new one, whole"


def _held(test, name, fault, promise, code=0):
    return Fault(name, fault, promise, code, test=test)


KILLS = (
    _held(
        "faults/test_kills.py::test_killed_at_any_line_of_a_first_up",
        "killed_at_a_line_first",
        "SIGKILL at each line that a first `up` is about to say, so between any two steps",
        "completed by the next `up`",
    ),
    _held(
        "faults/test_kills.py::test_killed_at_any_line_it_is_about_to_say_when_it_replaces_a_container_with_data",
        "killed_at_a_line_later",
        "the same while a container with data is replaced",
        MENDED,
    ),
    _held(
        "faults/test_kills.py::test_killed_at_any_request_of_a_first_up",
        "killed_at_a_request_first",
        "SIGKILL right before and right after each request of a first `up` that changes the engine",
        "completed by the next `up`",
    ),
    _held(
        "faults/test_kills.py::test_killed_at_any_request_that_changes_the_engine_when_there_is_data",
        "killed_at_a_request_later",
        "the same while a container with data is replaced",
        MENDED,
    ),
    _held(
        "faults/test_kills.py::test_killed_at_random_moments_it_is_mended_each_time_and_no_row_is_lost",
        "killed_at_random",
        "SIGKILL at random moments, a third of them together with the server",
        MENDED,
    ),
    _held(
        "faults/test_kills_elsewhere.py::test_down",
        "down_killed",
        "SIGKILL of `down` at random moments",
        MENDED + "; the record says where they are",
    ),
    _held(
        "faults/test_kills_elsewhere.py::test_the_move",
        "move_killed",
        "SIGKILL of a move between the engines at random moments",
        MENDED + "; the record says in which engine they are",
    ),
    _held(
        "faults/test_kills_elsewhere.py::test_adopt",
        "adopt_killed",
        "SIGKILL of `up --adopt` at random moments",
        "ended by the next `up`, or by `--adopt` again; every row is there, and the old container is kept",
    ),
    _held(
        "faults/test_kills.py::test_the_server_killed_after_its_first_start",
        "server_killed_at_first_start",
        "SIGKILL of the container 0.05 s to 1.5 s after its first start",
        "a volume that was never ready is created again, said in one line",
    ),
    _held(
        "faults/test_interference.py::test_no_acknowledged_row_is_lost_when_postgres_is_killed_while_rows_are_written",
        "postmaster_killed",
        "SIGKILL of the postmaster while rows are written",
        "started, recovers; every acknowledged row is there",
    ),
    _held(
        "faults/test_interference.py::test_no_acknowledged_row_is_lost_when_postgres_is_killed_while_rows_are_written",
        "backend_killed",
        "SIGKILL of a backend while rows are written",
        "recovers by itself; every acknowledged row is there",
    ),
    _held(
        "faults/test_interference.py::test_the_engine_stopped_and_started_and_the_power_cut_while_rows_are_written",
        "engine_stopped",
        "the engine stopped while rows are written, not started",
        "says that no engine answers, and how to start it",
        3,
    ),
    _held(
        "faults/test_interference.py::test_the_engine_stopped_and_started_and_the_power_cut_while_rows_are_written",
        "engine_restarted",
        "the engine stopped while rows are written, and started",
        "every acknowledged row is there",
    ),
    _held(
        "faults/test_interference.py::test_the_engine_stopped_and_started_and_the_power_cut_while_rows_are_written",
        "power_cut",
        "engine, server and all processes of the machine killed at once while rows are written",
        "every acknowledged row is there",
    ),
)

AT_ONCE = (
    _held(
        "cli/test_main_job.py::test_eight_at_once_end_with_one_container_and_one_password",
        "eight_first",
        "eight first `up` in one project at once",
        "one container, one password, one `.env`; all exit 0",
    ),
    _held(
        "faults/test_interference.py::TestAtTheSameTime::test_eight_up_mend_a_removed_container_together",
        "eight_mend",
        "eight `up` at once after container and `DB_PASS` were removed",
        "one container, one password, one `.env`; all exit 0",
    ),
    _held(
        "faults/test_interference.py::TestAtTheSameTime::test_up_against_down",
        "up_against_down",
        "`up` and `down` at once",
        "one after the other; all exit 0",
    ),
    _held(
        "faults/test_interference.py::TestAtTheSameTime::test_two_projects_want_one_port",
        "one_port",
        "two projects at once with the same `DB_PORT`",
        "one gets it, the other one moves; both exit 0",
    ),
    _held(
        "faults/test_interference.py::TestAtTheSameTime::test_two_projects_want_one_port",
        "one_port_asked_for",
        "two projects at once with the same `--port`",
        "one gets it, the other one is refused with `port-taken`",
        "0, 4",
    ),
    _held(
        "project/test_lock.py::test_who_holds_it_is_said",
        "held_by_another_planodev",
        "another planodev works in the project for longer than `--timeout`",
        "says which process that is, its command, and since when it runs, or that the system does not tell",
        "6, `locked`",
    ),
    _held(
        "engines/test_waits.py::test_a_locked_table_is_named_with_its_holder_and_keeps_down_from_nothing",
        "table_locked",
        "a session holds a lock on the table, as a migration does that was left open",
        "`up`, `verify`, `doctor` and the warning of `status` name its process, its statement's first words, and since "
        "when; `down` stops the server",
        "7, `table-locked`",
    ),
    _held(
        "engines/test_waits.py::test_a_frozen_server_is_told_in_time_and_down_stops_it",
        "frozen_server",
        "the server is frozen: it takes connections, and says nothing",
        "`status`, `verify`, `psql` and `up` say so in time, `down` stops it, and the next `up` brings all rows back",
        "6, `not-ready-in-time`",
    ),
    _held(
        "engines/test_waits.py::test_what_is_about_to_be_deleted_is_named_also_where_it_cannot_be_counted",
        "locked_and_deleted",
        "the same at `down --delete-data`",
        "what cannot be counted is called every stored turn, with who locks it; nothing is deleted without `--yes`",
        "2, `not-confirmed`",
    ),
    _held(
        "conversations/test_trouble.py::test_a_prune_that_meets_a_lock_names_who_holds_it_and_deletes_nothing_by_half",
        "locked_and_pruned",
        "a session holds a row that `conversations prune` would delete",
        "`prune` names it, and deletes nothing by half",
        "6, `table-locked`",
    ),
)

MACHINE = (
    _held(
        "faults/test_interference.py::test_a_full_project_directory_is_said_and_mended_by_room",
        "full_directory",
        "the disk of the project directory full",
        "`.env` stays as it was, whole; completed once there is room",
        2,
    ),
    _held(
        "faults/test_interference.py::test_a_read_only_project_directory_is_refused_before_anything_is_touched",
        "readonly_directory",
        "project directory read-only",
        "refused before anything is touched",
        2,
    ),
    _held(
        "faults/test_interference.py::test_a_full_volume_is_said_with_the_servers_log_and_mended_by_room",
        "full_volume",
        "the disk of the volume full",
        "explained with the server's log; completed once there is room",
        6,
    ),
    _held(
        "faults/test_interference.py::test_the_wait_for_the_server_is_measured_by_a_clock_that_never_jumps",
        "clock",
        "the clock jumps while `up` waits",
        "the wait is measured by a clock that does not jump",
    ),
    _held(
        "engines/test_image.py::test_postgres_18_works_on_its_own_and_is_never_started_over_16",
        "data_of_postgres_18",
        "data of PostgreSQL 18, and an image of 16; or the other way round",
        "refused with `data-of-another-version`",
        4,
    ),
    _held(
        "project/test_ownership.py::test_a_foreign_container_and_volume_are_never_touched",
        "foreign_volume",
        "a foreign volume of the wanted name",
        "a volume of another name; the foreign one is not touched",
    ),
)

INTERRUPTED = (
    _held(
        "faults/test_interference.py::test_an_interrupt_at_any_moment_ends_within_a_second_with_what_finishes_it",
        "ctrl_c",
        "Ctrl-C at any moment",
        "ends within a second, no traceback, and names what finishes it; the next `up` completes it",
        130,
    ),
    _held(
        "faults/test_interference.py::test_an_interrupt_at_any_moment_ends_within_a_second_with_what_finishes_it",
        "sigterm",
        "SIGTERM at any moment",
        "the same",
        130,
    ),
    _held(
        "cli/test_main_job.py::test_a_reader_that_goes_away_is_no_error",
        "closed_pipe",
        "the reader of the output goes away while `planodev status` writes",
        "quiet",
        "0 or 141",
    ),
)

PLANTED = "project/test_planted_programs.py::"
TEXTS = "cli/test_hostile_text.py::TestCommands::"
SECRETS = "cli/test_secrets.py::TestConnectionStrings::"
STRANGERS = (
    _held(
        PLANTED + "TestGit::test_the_settings_of_an_unpacked_repository_run_nothing",
        "git_settings",
        "an unpacked repository whose settings name programs: `core.fsmonitor`, hooks, filters, pagers, helpers",
        "git answers, and nothing of it runs; the same for `doctor`, a dry run and `production`",
    ),
    _held(
        PLANTED + "TestGit::test_a_planted_bare_repository_runs_nothing",
        "git_bare",
        "a bare repository lies in the directory as plain files",
        "taken for none, and nothing of it runs",
    ),
    _held(
        PLANTED + "TestGit::test_no_variable_of_git_is_handed_on",
        "git_variables",
        "`GIT_DIR`, `GIT_EXEC_PATH` and settings in `GIT_CONFIG_*` lead elsewhere",
        "git is asked without them",
    ),
    _held(
        PLANTED + "TestGit::test_a_git_that_never_answers_is_not_waited_for",
        "git_silent",
        "git never answers",
        "goes on after 5 seconds, as outside a repository",
    ),
    _held(
        PLANTED + "TestPrograms::test_one_that_lies_in_the_project_is_never_found_by_a_relative_way",
        "program_planted",
        "a `git`, `planoai`, `docker` or `psql` in the directory, and `.` or an empty entry in the PATH",
        "not found there, and not run",
    ),
    _held(
        PLANTED + "TestPython::test_planoai_is_asked_without_it",
        "module_planted",
        "a `sitecustomize.py` in the directory, and an empty entry in PYTHONPATH",
        "planoai is asked without the variables of Python",
    ),
    _held(
        PLANTED + "test_no_file_of_the_project_sets_a_variable_that_steers_programs",
        "variable_planted",
        "the configuration names `LD_PRELOAD` as a key, and `.env` sets it",
        "not handed on by `run` and `env`: the warning `variable-held-back`",
    ),
    _held(
        TEXTS + "test_the_name_of_a_directory",
        "text_directory",
        "the directory's name has escapes, line ends or marks that turn a line around",
        "they stand written out, such as `\\x1b`; what is to be pasted is quoted",
    ),
    _held(
        TEXTS + "test_what_a_configuration_says",
        "text_configuration",
        "every value of the configuration has them",
        "the same",
    ),
    _held(
        "cli/test_hostile_text.py::test_what_an_engine_says",
        "text_engine",
        "an engine's error has them",
        "the same",
        "1 or 3",
    ),
    _held(
        SECRETS + "test_in_the_configuration_and_env_files",
        "secret_forms",
        "a password in more than thirty forms of a connection string, with `@`, `/`, `%FF` and `$` in it",
        "no part of it on stdout, stderr, in `--json` and in other files than it was in",
        "any",
    ),
    _held(
        SECRETS + "test_in_a_traceback_of_a_bug",
        "secret_traceback",
        "a bug of planodev's own whose message has the password",
        "`unexpected`, without any part of it, with PLANODEV_DEBUG as well",
        1,
    ),
    _held(
        SECRETS + "test_in_the_lines_of_a_change",
        "secret_diff",
        "a password beside the lines that `up` changes in the configuration",
        "only the changed lines are shown, without it",
    ),
    _held(
        "faults/test_broken_files.py::test_a_broken_file_is_told_as_what_it_is",
        "broken_files",
        "each file that planodev reads is empty, random, cut, nested, a directory, a pipe, a device or a link",
        "works without it, or has a code of its own, why and a fix",
        "0 to 7",
    ),
    _held(
        "faults/test_broken_files.py::test_a_value_of_a_record_that_is_of_another_kind",
        "broken_record",
        "each value of planodev's own record is a number, a list, null or half a character",
        "the record counts as none; the engines still know their own",
    ),
    _held(
        "faults/test_broken_files.py::test_a_value_of_dockers_files_that_is_of_another_kind",
        "broken_docker_files",
        "each value of docker's `config.json` and of a context is of another kind",
        "goes on as docker does, or says which context cannot be used",
        "0 or 3",
    ),
    _held(
        "faults/test_limits.py::test_too_few_open_files",
        "few_files",
        "three to twelve files may be open",
        "works, or says that no more can be opened",
        "0, 1 or 3",
    ),
)

GROUPS = {
    "Kills": KILLS,
    "Drift": DRIFT,
    "Conflicts, and what is broken": CONFLICTS + MACHINE,
    "Images, and copied labels": IMAGES,
    "Private files": FILES,
    "Passwords and privileges": PASSWORDS,
    "At the same time": AT_ONCE,
    "Interrupted by the user": INTERRUPTED,
    "Repositories and texts of strangers": STRANGERS,
}
MATRIX = tuple(row for rows in GROUPS.values() for row in rows)


def tables():
    """Return the matrix as `docs/reliability.md` has it, between its markers."""
    parts = []
    for title, rows in GROUPS.items():
        lines = [f"### {title}", "", "| fault | what the next `planodev up` does | exit |", "|---|---|---|"]
        for row in rows:
            error = f", `{row.error}`" if row.error else ""
            lines.append(f"| {row.fault} | {row.promise} | {row.code}{error} |")
        parts.append("\n".join(lines))
    return "\n\n".join(parts)


__all__ = ["CONFLICTS", "DRIFT", "GROUPS", "MATRIX", "MATRIX_TEST", "tables"]
