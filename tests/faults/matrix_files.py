"""The fault matrix, private files: what somebody else can read, or has put where root writes."""

from __future__ import annotations

from .fault import Fault

_FILES = "project/test_private_files.py::"
FILES = (
    Fault(
        "link_for_the_log",
        "embedded: the server's log replaced by a link, or by another name of a file of root's",
        "not opened, and nothing is given away",
        test=f"{_FILES}TestWhatSomebodyElseHasPutThere::test_a_log_that_is_a_link_or_a_second_name_is_not_opened",
    ),
    Fault(
        "umask",
        "a umask that lets everybody in, or nobody",
        "directories for data have mode 0700",
        test=f"{_FILES}test_a_directory_for_data_is_private_whatever_the_umask",
    ),
    Fault(
        "output_open_to_others",
        "`planodev env` writes into a file that others can read",
        "one line of warning",
        test="cli/test_env_output.py::test_a_file_that_others_can_read_is_one_line_of_warning",
    ),
)
