PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
COMPILE = $(BIN)/pip-compile --quiet --generate-hashes --strip-extras --allow-unsafe --no-header \
	--no-emit-index-url --no-emit-find-links --no-emit-trusted-host
PEERS := .venv-peers

.DEFAULT_GOAL := help
.PHONY: help install serve test check chaos bench bench-peers documents lock clean

help: ## Show this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "  make %-12s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

install: $(VENV)/.dev ## Install everything into .venv

$(BIN)/python:
	$(PYTHON) -m venv $(VENV)

# Two stamps, so that serving installs no development tools.
$(VENV)/.runtime: requirements.txt pyproject.toml | $(BIN)/python
	$(BIN)/python -m pip install --quiet --require-hashes --requirement requirements.txt
	$(BIN)/python -m pip install --quiet --no-deps --no-build-isolation --editable .
	@touch $@

$(VENV)/.dev: requirements-dev.txt $(VENV)/.runtime
	$(BIN)/python -m pip install --quiet --require-hashes --requirement requirements-dev.txt
	@touch $@

serve: $(VENV)/.runtime ## Start the server, with its own PostgreSQL when DATABASE_URL is unset
	$(BIN)/agent-sessions serve

test: $(VENV)/.dev ## Run all tests against a PostgreSQL of their own
	$(BIN)/python -m pytest --numprocesses 2

check: $(VENV)/.dev ## Format, lint, types, import contracts, tests
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(MAKE) test

chaos: $(VENV)/.dev ## Kill, fill and slow everything down; repeat the HTTP tests behind PgBouncer
	$(BIN)/python -m pytest --pgbouncer --numprocesses 2 tests/api tests/http tests/contexts/sessions
	$(BIN)/python -m pytest tests/chaos

bench: $(VENV)/.dev ## Measure against a floor in the same run
	$(BIN)/python -m bench

# An environment of their own: what is measured beside the server never meets its dependencies.
$(PEERS)/.installed: requirements-peers.txt
	$(PYTHON) -m venv $(PEERS)
	$(PEERS)/bin/python -m pip install --quiet --require-hashes --requirement requirements-peers.txt
	@touch $@

bench-peers: $(VENV)/.dev $(PEERS)/.installed ## Measure beside the libraries that also keep sessions
	$(BIN)/python -m bench.peers

# google-adk asks for a package with an extra: pip takes its newest unless the extra is pinned too.
documents: $(VENV)/.dev ## Rewrite the documents that are generated from the code
	$(BIN)/python docs/generate.py

lock: $(VENV)/.dev ## Rewrite the hashed requirements
	$(COMPILE) --output-file requirements.txt pyproject.toml
	$(COMPILE) --extra otel --constraint requirements.txt --output-file requirements-otel.txt pyproject.toml
	$(COMPILE) --extra otel --extra dev --constraint requirements-otel.txt --output-file requirements-dev.txt pyproject.toml
	$(COMPILE) --no-strip-extras --output-file requirements-peers.txt bench/peers/requirements.in

clean: ## Remove environments and caches (never a data folder)
	rm -rf $(VENV) $(PEERS) .mypy_cache .ruff_cache .hypothesis .import_linter_cache dist
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
