"""All states in which a command fails and its fix can be followed."""

from __future__ import annotations

from tests.faults import states, states_of_engines, states_of_machines, states_on_embedded

OF_ENGINES = (*states_of_engines.STATES, *states_of_machines.STATES, *states_on_embedded.STATES)
STATES = (*states.STATES, *OF_ENGINES)
