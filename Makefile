# Every command of the project. `make` alone lists them.
.DEFAULT_GOAL := help
.PHONY: help setup demo up down test test-faults check bench bench-million bench-distributed web schemas format constraints clean

PY := .venv/bin/python

help:  ## list these commands
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-18s %s\n", $$1, $$2 }' Makefile

setup:  ## make .venv with everything in it (PYTHON=... chooses the interpreter: 3.11, 3.12 or 3.13)
	@PYTHON="$(PYTHON)" bash scripts/setup.sh

demo: setup  ## run real customers through the platform and leave it running at http://127.0.0.1:8080
	@.venv/bin/rapport demo

up: setup  ## run a cluster on this machine: Kafka, Redis, ClickHouse's interface, workers (in cluster/)
	@bash scripts/services.sh
	@.venv/bin/rapport cluster up

down:  ## stop that cluster, from another terminal
	@.venv/bin/rapport cluster down

test: setup  ## run all tests
	@bash scripts/browser.sh
	@bash scripts/deploy-tools.sh
	@bash scripts/services.sh
	@$(PY) -m pytest -n 2 --dist loadfile --no-loadscope-reorder

test-faults: setup  ## kill, stop and empty what a cluster consists of, and audit what comes out (docs/failures.md)
	@bash scripts/services.sh
	@$(PY) -m pytest tests/faults -n 2 --dist load

check: setup  ## ruff, mypy --strict, import-linter and the tests of the house style
	@$(PY) -m ruff check .
	@$(PY) -m ruff format --check .
	@$(PY) -m mypy
	@.venv/bin/lint-imports
	@$(PY) -m pytest tests/test_house_style.py tests/test_glossary.py

bench: setup  ## measure events, look-ups and audiences: how many, how quickly, at what cost
	@$(PY) -m benchmarks

bench-million: setup  ## measure disk and memory of a million touchpoints, and whether memory stays flat
	@$(PY) -m benchmarks --touchpoints 1000000

bench-distributed: setup  ## measure a cluster: events, what they cost where, frames, latency, recovery
	@bash scripts/services.sh
	@$(PY) -m benchmarks.distributed

web:  ## build sdk/web/rapport.min.js from its source (needs Node)
	@bash scripts/web.sh

schemas: setup  ## write schemas/json again from the models
	@$(PY) -m schemas.generate

format: setup  ## put the code into its format
	@$(PY) -m ruff check --fix .
	@$(PY) -m ruff format .

constraints:  ## pin the newest versions of all packages in constraints.txt (needs uv)
	@uv pip compile pyproject.toml --all-extras --universal --python-version 3.11 --upgrade --quiet \
	  --no-header --no-annotate --no-emit-index-url --no-emit-find-links -o constraints.txt

clean:  ## remove .venv and the caches; never touches data/
	rm -rf .venv .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache *.egg-info
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
