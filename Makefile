# Needs python3 (3.11 or newer) and make. Everything else comes from requirements.lock, checked by hash.
PYTHON ?= python3
VENV   := .venv
BIN    := $(VENV)/bin
PKGS   := port2port node hub
ALONE  := tests/e2e/test_cut_off.py

.DEFAULT_GOAL := help
.PHONY: help setup check test test-all proto demo bench lock clean

help:            ## this list
	@grep -hE '^[a-z-]+: .*##' $(MAKEFILE_LIST) | sed 's/:.*##/ /' | awk '{n=$$1; $$1=""; printf "  make %-10s%s\n", n, $$0}'

$(VENV)/.ready: requirements.lock requirements-sources.lock pyproject.toml
	@echo "setting up: virtual environment and locked packages (one to two minutes)"
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes --only-binary :all: --no-deps -r requirements.lock
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes --no-binary :all: --no-build-isolation --no-deps -r requirements-sources.lock
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation -e .
	@touch $@

setup: $(VENV)/.ready ## install the locked packages into .venv

demo: setup      ## a finding at one port reaches another and comes back as a sighting (loopback, throw-away keys)
	@$(BIN)/port2port demo

test: setup      ## unit, contract on memory and SQLite, loopback integration, a tenth of the examples: about three minutes
	@P2P_QUICK=1 $(BIN)/python -m pytest -m "not slow and not fault" -q -n 2 --dist worksteal tests/unit tests/contract tests/integration

# Demo and images take longest and come first in their order; what measures seconds on a wall clock has the machine alone.
test-all: setup  ## everything: processes, PostgreSQL, kills, power cut, images
	@$(BIN)/python -m pytest -m "not fault" -q -n 2 --dist worksteal tests/unit tests/contract tests/integration
	@$(BIN)/python -m pytest -m "not fault" -q -n 2 --dist loadfile --no-loadscope-reorder --ignore $(ALONE) tests/e2e tests/browser
	@$(BIN)/python -m pytest -m "not fault" -q tests/architecture $(ALONE)
	@$(BIN)/python -m pytest -m fault -q

check: setup     ## ruff, mypy --strict, import-linter, architecture tests
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/python -m pytest -q tests/architecture

proto: setup     ## regenerate port2port/v1 from proto/
	$(BIN)/python -m grpc_tools.protoc -I proto --plugin=protoc-gen-mypy=$(BIN)/protoc-gen-mypy --plugin=protoc-gen-mypy_grpc=$(BIN)/protoc-gen-mypy_grpc --python_out=. --grpc_python_out=. --mypy_out=. --mypy_grpc_out=. proto/port2port/v1/*.proto

bench: setup     ## every benchmark, ratios inside one run
	@for b in benchmarks/[a-z]*.py; do echo "== $$b"; $(BIN)/python $$b || exit 1; done

# What has no wheel, needed by a tool of the tests: cpe is built from its source, weakrefmethod is for Python before 3.4.
SOURCES := cpe
UNUSED  := weakrefmethod
LOCKING := uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-emit-index-url --no-emit-find-links --no-header

lock:           ## make both lock files anew (needs uv on the PATH)
	$(LOCKING) $(foreach name,$(SOURCES) $(UNUSED),--no-emit-package $(name)) --extra test --extra postgres pyproject.toml -o requirements.lock
	printf '%s\n' $(SOURCES) | $(LOCKING) --no-deps --no-annotate - -o requirements-sources.lock

clean:           ## remove what make made
	rm -rf $(VENV) build *.egg-info .mypy_cache .ruff_cache .pytest_cache .import_linter_cache
