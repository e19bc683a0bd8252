# `make` alone lists the targets. Everything below sets itself up first; PYTHON names the interpreter to do it with.

PYTHON ?= $(shell command -v python3.11 || echo python3)
PORT ?= 9000
CLOUD_PORT ?= 8900
DATA ?= .run
STORE ?= sqlite
CONFIG ?=
NODES ?= 1
PROCESSES ?=
MINUTES ?= 5
BIN := .venv/bin
CLOUD_PYTHON ?= .venv-cloud/bin/python
export PORT CLOUD_PORT DATA STORE CONFIG CLOUD_PYTHON NODES PROCESSES
.DEFAULT_GOAL := help
.PHONY: help setup run run-cluster cloud serve demo test test-cluster frozen lint types rows crash-points drill sim sim-points mutants dead-code bench services services-down schema clean
MAKEFLAGS += --no-print-directory

help: ## list the targets
	@sed -n 's/^\([a-z-]*\):[^#]*## /\1 - /p' $(MAKEFILE_LIST) | awk -F ' - ' '{ printf "make %-14s %s\n", $$1, $$2 }'
	@echo "Settings: PORT=$(PORT) CLOUD_PORT=$(CLOUD_PORT) DATA=$(DATA) STORE=$(STORE) CONFIG=$(CONFIG) NODES=$(NODES) MINUTES=$(MINUTES); OTTER_* is passed through."

setup: .venv/done .venv-cloud/done ## install what is needed into .venv and .venv-cloud

.venv/done: setup.py requirements/constraints.txt otter/plugins/otter_plugin.py
	@echo "Setting up .venv (a minute or two, once)..." >&2
	@$(PYTHON) -m venv --clear .venv >&2
	@$(BIN)/pip install --quiet --disable-pip-version-check -c requirements/constraints.txt -e '.[test]' >&2
	@ln -sf ../../../../../../otter/plugins/otter_plugin.py "$$($(BIN)/python -c 'import twisted.plugins as p; print(p.__path__[0])')"
	@touch $@

.venv-cloud/done: requirements/cloud.txt
	@echo "Setting up .venv-cloud, the simulated cloud's own environment (a minute or two, once)..." >&2
	@$(PYTHON) -m venv --clear .venv-cloud >&2
	@.venv-cloud/bin/pip install --quiet --disable-pip-version-check -r requirements/cloud.txt >&2
	@touch $@

run: setup ## otter and a simulated cloud together, ready to be used; Ctrl-C stops both
	@exec $(BIN)/python scripts/run.py

run-cluster: setup ## PROCESSES=3 otters on one port, on real Cassandra and ZooKeeper, with a simulated cloud; Ctrl-C stops all
	@exec $(BIN)/python -m scripts.run_cluster

cloud: setup ## the simulated cloud alone (Mimic), in the foreground
	@exec scripts/cloud

serve: setup ## otter alone, in the foreground: JSON log lines on standard output
	@exec scripts/serve

demo: setup ## a story in nine steps against otter and a simulated cloud of its own, told as it happens; PROCESSES=3 for many
	@exec $(BIN)/python scripts/demo.py

test: setup ## everything that can be tested on this machine; with Java 17 and Maven, on a real Cassandra, too
	@exec scripts/test

test-cluster: setup ## otters, Cassandra and ZooKeeper, three of each, are killed, paused and restarted for MINUTES=5; CLUSTER="..." FLEET="--seed 7"
	@$(BIN)/python -m tests.cluster $(CLUSTER)
	@$(if $(MINUTES:0=),exec $(BIN)/python -m tests.fleet --minutes $(MINUTES) $(FLEET),true)

frozen: setup ## stop an otter at each kind of request to the cloud, while another takes over; FROZEN="--every" or "--brief"
	@exec $(BIN)/python -m tests.fleet.frozen $(FROZEN)

lint: setup ## style (ruff) and types (mypy)
	@$(BIN)/ruff check . && $(BIN)/ruff format --check . && $(BIN)/mypy

rows: setup ## run what docs/compatibility.md names, and fail for a row that no test shows
	@exec $(BIN)/python scripts/rows.py . -m "not services"

crash-points: setup ## kill otter at every changing request of the demo's story, before and after
	@exec $(BIN)/python -m tests.crash_points

drill: setup ## kill otter under load and start it with another engine, again and again; DRILL="--seed 5 --flips 40" and so on
	@exec $(BIN)/python -m tests.drill $(DRILL)

sim: setup ## otter in a simulated world with faults (docs/simulation.md); SIM="--minutes 10" and so on
	@exec $(BIN)/python -m tests.sim $(SIM)

sim-points: setup ## disturb each scenario of the simulator at each of its points in turn; SCENARIO="..." for one of them
	@exec $(BIN)/python -m tests.sim.points $(if $(SCENARIO),"$(SCENARIO)")

.venv-mutants/done: requirements/mutants.txt
	@echo "Setting up .venv-mutants, for the tool that draws mutants (a minute, once)..." >&2
	@$(PYTHON) -m venv --clear .venv-mutants >&2
	@.venv-mutants/bin/pip install --quiet --disable-pip-version-check -r requirements/mutants.txt >&2
	@touch $@

mutants: setup .venv-mutants/done ## make otter wrong in hundreds of ways, and see who notices; MUTANTS="--seed 5 --number 20" and so on
	@exec .venv-mutants/bin/python -m tests.mutants $(MUTANTS)

dead-code: setup ## list what no walk through HTTP reaches, whichever engine runs; DEAD_CODE="--engine cycle" or "--report"
	@exec $(BIN)/python scripts/dead_code.py $(DEAD_CODE)

bench: setup ## the figures of docs/figures.md, measured here
	@exec $(BIN)/python -m benchmarks

services: ## real Cassandra and ZooKeeper on loopback, NODES=1 or 3 of each; they need Java 17 and Maven (docs/services.md)
	@$(PYTHON) -m scripts.services up --nodes $(NODES)
	@$(PYTHON) -m scripts.services env
	@echo "make services-down stops them, and keeps their data; with WIPE=1 it forgets them." >&2

schema: setup ## the tables in Cassandra: make or update those that CONFIG's store names; SCHEMA="--dry-run" and so on
	@exec $(BIN)/otter-schema $(if $(CONFIG),--config "$(CONFIG)") $(SCHEMA)

services-down: ## stop what make services started; WIPE=1 forgets the data, too
	@$(PYTHON) -m scripts.services down $(if $(WIPE),--wipe)

clean: ## remove what these targets made, but not the data
	rm -rf .venv .venv-cloud .venv-mutants .hypothesis .pytest_cache .ruff_cache .mypy_cache build *.egg-info
