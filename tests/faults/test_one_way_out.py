"""A problem is told once, and what is told beside it leads to the same way out."""

from __future__ import annotations

import pytest

from tests.faults import states

UP = "`planodev up`"


def test_with_plano_a_missing_key_is_told_once_with_the_command_that_goes_on(follower):
    here = follower()
    states.has_planoai(here)
    done = here("up", "--with-plano")
    assert (done.code, done.err.count("[key-not-in-env-file]")) == (7, 1), done.err
    assert "keys set ANTHROPIC_API_KEY` reads it without showing it, then `planodev up --with-plano`" in done.err
    here.monkeypatch.setenv("ANTHROPIC_API_KEY", "sk-ant-1")
    done = here("up", "--with-plano", "--no-save-keys")
    assert (done.code, done.err.count("[key-not-in-env-file]")) == (7, 1), done.err
    assert "`planodev up --save-keys --with-plano`" in done.err


@pytest.mark.parametrize("written", [(), ("DB_PASS",), ("DB_USER", "DB_NAME")])
def test_beside_another_ones_server_nothing_leads_to_the_up_that_refuses(follower, written):
    here = follower()
    here.write(".env", "".join(f"{one}\n" for one in states.FOREIGN.splitlines() if one[:7] not in written))
    (here.directory / ".env").chmod(0o644)
    for command in ("up", "verify", "status", "doctor", "env"):
        done = here(command)
        assert UP not in done.out + done.err, (command, done.out, done.err)
    assert "@db.other.net:5" in here("status").out
    if not written:
        assert "fix: `chmod 600 .env`" in here("doctor").out
        here.write("config.yaml", states.OK)
        assert "Next: `planodev verify`" in here("status").out
