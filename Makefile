# One command for each thing; `make` alone lists them. Every one of them first sets up what it needs, and a set-up that
# is there already costs nothing: its stamp carries a hash of uv.lock and pyproject.toml.
#
#   PYTHON=python3.12 make demo     another interpreter (3.11 or later)
#
# Nothing is installed outside this folder and the tools' own caches, but for one case: the tests (`make test`, `test-full`,
# `test-cluster`), run as root, install what is missing of the Debian packages that only they need: see TEST_PROGRAMS.

SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help
.DELETE_ON_ERROR:

PYTHON ?= python3
UV_VERSION := 0.13.9
CACHE := .cache
BIN := .venv/bin
PY := $(BIN)/python

# The interpreter itself, never a pyenv shim or an active environment's link to it: given one of those, uv takes the
# environment for another interpreter's and makes it anew on every run, under whatever is running in it.
REAL_PYTHON := 'import sys; print(sys._base_executable)'

UV := $(shell command -v uv)
ifeq ($(UV),)
UV := $(CACHE)/bootstrap/bin/uv
UV_MADE := $(UV)
endif

STAMP := $(CACHE)/setup-$(shell cat uv.lock pyproject.toml | sha256sum | cut -c1-16).stamp
# A stamp without its environment is stale.
ifeq ($(wildcard $(PY)),)
.PHONY: $(STAMP)
endif

.PHONY: help
help: ## this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "make %-9s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

.PHONY: setup
setup: $(STAMP) ## the environment and the programs of the local stack

.PHONY: demo
demo: $(STAMP) ## a canary that answers 503, its rollback, and the verdict (under two minutes)
	$(BIN)/harness run experiments/canary-5xx.yaml

.PHONY: check
check: $(STAMP) ## format, lint, types, import rules, unit tests, house rules (under two minutes)
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports --no-logo
	$(BIN)/pytest tests/unit tests/histories tests/property tests/house_rules

.PHONY: test
test: check programs ## check, then real parts on loopback and the report in a browser; of all kills a pairwise part
	$(BIN)/pytest -m "not full" tests/integration tests/browser

.PHONY: test-full
test-full: check programs ## the same with every kill and signal at every moment (an hour); writes docs/reliability.md
	mkdir -p benchmarks/results
	KILLS_RESULTS=benchmarks/results/kills.json $(BIN)/pytest tests/integration tests/browser
	$(PY) -m harness.testing.kills benchmarks/results/kills.json docs/reliability.md

.PHONY: cluster-up
cluster-up: $(STAMP) ## a real one-node Kubernetes, built from Go modules (ten minutes the first time); needs root
	$(PY) -m tests.cluster.throwaway up

.PHONY: cluster-down
cluster-down: $(STAMP) ## and it is gone without a trace
	$(PY) -m tests.cluster.throwaway down

.PHONY: test-cluster
test-cluster: $(STAMP) programs ## the cluster itself, and PortTrack's chart on it
	$(PY) -m tests.cluster.throwaway build
	$(BIN)/pytest tests/cluster

.PHONY: bench
bench: $(STAMP) ## the figures of the documentation, measured again into benchmarks/results/
	$(PY) -m benchmarks

.PHONY: rules
rules: $(STAMP) ## alert and recording rules of both timings, rendered from their one source
	$(PY) -m harness.drive.stack.rules --write

.PHONY: schemas
schemas: $(STAMP) ## JSON Schemas of experiment, target and findings.json, made from their one source
	$(PY) -m harness.schemas --write docs/schemas

.PHONY: docs
docs: $(STAMP) ## the site of docs/ into build/site/ (seconds); a broken link is an error
	$(BIN)/sphinx-build -W --keep-going -q -b html docs build/site

.PHONY: clean
clean: ## what checks and builds leave behind; keeps the environment, .cache/ and reports/
	rm -rf .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache build dist
	find harness target-app tests benchmarks locustfiles -name __pycache__ -prune -exec rm -rf {} +

# ---- set-up ---------------------------------------------------------------------------------------------------------

.PHONY: python
python:
	@command -v "$(PYTHON)" >/dev/null || { echo "$(PYTHON): not found; install Python 3.11 or later, or name one: PYTHON=... make" >&2; exit 1; }
	@"$(PYTHON)" -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { echo "$(PYTHON) is $$("$(PYTHON)" -V); 3.11 or later is needed, name one: PYTHON=python3.11 make" >&2; exit 1; }

$(CACHE)/bootstrap/bin/uv: | python
	@"$(PYTHON)" -c 'import ensurepip' || { echo "$(PYTHON) cannot make virtual environments; apt-get install python3-venv, or install uv" >&2; exit 1; }
	"$(PYTHON)" -m venv $(CACHE)/bootstrap
	$(CACHE)/bootstrap/bin/pip install --quiet --disable-pip-version-check uv==$(UV_VERSION)

$(STAMP): $(UV_MADE) | python
	interpreter="$$("$(PYTHON)" -c $(REAL_PYTHON))"; \
	UV_PYTHON_DOWNLOADS=never $(UV) sync --frozen --all-extras --all-groups --python "$$interpreter"
	$(PY) -m harness.drive.stack.binaries --cache $(CACHE)
	rm -f $(CACHE)/setup-*.stamp
	touch $@

# What only tests need: Chromium draws the report; the others make the base of the runner's image, and the image.
TEST_PROGRAMS := chromium buildah runc mmdebstrap

.PHONY: programs
programs:
	@missing=""; for one in $(TEST_PROGRAMS); do command -v $$one >/dev/null || missing="$$missing $$one"; done; \
	[ -z "$$missing" ] || { \
	  [ "$$(id -u)" = 0 ] && command -v apt-get >/dev/null || { \
	    echo "not found:$$missing; tests need them: apt-get install$$missing" >&2; exit 1; }; \
	  apt-get update -qq; \
	  DEBIAN_FRONTEND=noninteractive apt-get install -qq -y --no-install-recommends $$missing; }
