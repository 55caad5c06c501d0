"""Fixes that are words about a text, followed to the letter: what they were for is gone."""

from __future__ import annotations

import pytest

from planodev.plano import driver_url
from tests.support.will_store import found
from tests.support.words_of_fixes import CONFIGURATIONS, STRINGS


@pytest.mark.parametrize(("code", "there", "says", "written"), STRINGS)
def test_the_words_that_a_fix_of_a_connection_string_names_mend_it(code, there, says, written):
    (problem,) = driver_url.problems(there)
    assert (problem.code, says in str(problem.fix)) == (f"connection-string-{code}", True)
    assert driver_url.problems(written) == []


@pytest.mark.parametrize(("code", "there", "says", "written"), CONFIGURATIONS)
def test_the_lines_that_a_fix_of_a_configuration_names_mend_it(tmp_path, code, there, says, written):
    problem = next(one for one in found(tmp_path, there) if one.code == code)
    assert says in str(problem.fix)
    assert written[0] in there
    assert code not in [one.code for one in found(tmp_path, there.replace(*written))]
