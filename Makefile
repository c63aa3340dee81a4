# Every command of the repository. `make` alone lists them.
#
# Needs Python 3.11 to 3.13 with venv, git and make. All else is installed below .venv, from requirements locked with hashes.

.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
MAKEFLAGS += --no-print-directory
SHELL := /bin/sh

# The first interpreter that fits; another one by `make PYTHON=…`.
PYTHON ?= $(shell for p in python3 python3.13 python3.12 python3.11; do \
	"$$p" -c 'import sys; sys.exit(not (3, 11) <= sys.version_info[:2] <= (3, 13))' 2>/dev/null && echo "$$p" && break; done)
BIN := .venv/bin
READY := .venv/.ready
CONSOLE := src/interlock/_console/index.html
# Of `up` and `down`: another data folder than .data. Of every command: more arguments for what it calls.
DATA ?=
ARGS ?=
# Workers of pytest-xdist: what the tests are balanced for.
WORKERS ?= 2
export UV_PYTHON_DOWNLOADS := never
export PIP_DISABLE_PIP_VERSION_CHECK := 1

.PHONY: help setup console browser demo up down check lint format types imports docs reference site test bench lock clean

help: ## Show this list
	@awk -F ':.*## ' '/^[a-z]+:.*## / { printf "  \033[1mmake %-8s\033[0m %s\n", $$1, $$2 }' Makefile

setup: $(READY) $(CONSOLE) ## Make .venv with everything in it; does nothing where it is up to date

$(READY): requirements/bootstrap.txt requirements/dev.txt pyproject.toml
	@test -n "$(PYTHON)" || { echo "Python 3.11, 3.12 or 3.13 is needed; name one with: make setup PYTHON=/path/to/python3" >&2; exit 1; }
	"$(PYTHON)" -m venv .venv
	$(BIN)/python -m pip install --quiet --require-hashes --requirement requirements/bootstrap.txt
	@# A machine may have told its package registry to pip only; then pip does what uv does faster.
	$(BIN)/uv pip install --quiet --python $(BIN)/python --require-hashes --requirement requirements/dev.txt \
		|| $(BIN)/python -m pip install --quiet --require-hashes --requirement requirements/dev.txt
	$(BIN)/uv pip install --quiet --python $(BIN)/python --offline --no-deps --no-build-isolation --editable .
	@touch $(READY)

$(CONSOLE): $(READY) docs/reference/openapi.json $(shell find console -type f -not -path '*/node_modules/*' -not -name schema.d.ts)
	$(BIN)/python scripts/build_console.py

console: $(READY) ## Check the console's types, run its unit tests, build it
	$(BIN)/python scripts/build_console.py --check

demo: setup ## Run a batch of receipts through the whole product, kill a worker on the way, show what came of it
	$(BIN)/python scripts/demo.py $(ARGS)

up: setup ## Start everything and leave it running (DATA=folder for another one than .data)
	$(BIN)/interlock up --detach $(if $(DATA),--data "$(DATA)") $(ARGS)

down: setup ## Stop what `make up` started
	$(BIN)/interlock down $(if $(DATA),--data "$(DATA)") $(ARGS)

check: lint types imports ## The quick part: style, types, layers, unit tests
	$(BIN)/pytest -q -n $(WORKERS) --dist loadgroup tests/unit $(ARGS)

lint: setup ## Style
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

format: setup ## Put the style right where that can be done without a person
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

types: setup ## Types, strictly
	$(BIN)/mypy

imports: setup ## Layers: who may import whom
	$(BIN)/lint-imports

docs: setup reference site ## Write the reference pages that follow from the code, build the site into site/

reference: setup
	$(BIN)/python scripts/write_reference.py
	$(BIN)/python scripts/write_openapi.py
	$(BIN)/python scripts/write_shipped_models.py

site: setup
	@# Not --quiet: with it, warnings are not seen as errors.
	NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build --strict

browser: ## Install Debian's Chromium for the console's tests, where that can be done; else they are skipped, loudly
	@command -v chromium chromium-browser google-chrome >/dev/null 2>&1 || { \
		if [ "$$(id -u)" = 0 ] && command -v apt-get >/dev/null; then \
			apt-get update -qq && DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends chromium >/dev/null; \
		else echo "no Chromium, and no right to install one: the console's browser tests are skipped" >&2; fi; }

test: lint types imports site console browser ## Everything: style, types, layers, documentation, then all tests in one run
	$(BIN)/pytest -n $(WORKERS) --dist loadgroup $(ARGS)

bench: setup ## Measure, print tables, fail where a gate is missed (ARGS="tasks peers" for some, ARGS=--quick for minutes)
	$(BIN)/python -m bench $(ARGS)

lock: $(READY) ## Lock the requirements again; keeps versions that still fit (ARGS=--upgrade raises them)
	$(call compile,requirements/bootstrap.in,bootstrap)
	$(call compile,pyproject.toml --extra all,runtime)
	$(call compile,pyproject.toml --all-extras --group dev,dev)

compile = $(BIN)/uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-emit-index-url --no-header \
	--no-annotate --override requirements/overrides.txt $(ARGS) --output-file requirements/$(2).txt $(1)

clean: ## Remove .venv, caches and built files; data folders stay
	rm -rf .venv build dist site console/node_modules src/interlock/_console .mypy_cache .ruff_cache .pytest_cache .hypothesis .schemathesis .import_linter_cache
	find src tests automations bench scripts -type d -name __pycache__ -prune -exec rm -rf {} +
