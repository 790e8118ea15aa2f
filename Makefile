# Every target works in a fresh clone; `make` alone lists them. Requires GNU make 3.81.

SHELL := /bin/bash
BIN := .venv/bin
READY := .venv/ready
MACHINE := packages/slipway
WORKFLOWS := $(wildcard .github/workflows/*.yml)
ACTIONS := $(wildcard .github/actions/*/action.yml)
GITHUB := build/checked-github

# Programs that the tests of packages/slipway install, such as actionlint.
export PATH := $(CURDIR)/.services/bin:$(PATH)

# This file runs programs of these folders, so they must not be in a commit.
COMMITTED := $(shell git ls-files -- .venv .services 2>/dev/null | head -n 1)
ifneq ($(COMMITTED),)
$(error $(COMMITTED) is committed and would be run as a tool: git rm -r --cached .venv .services)
endif

# A released wheel of slipway is locked by its sha256; the folder is not in the lock.
FOLDER := $(shell grep -sE '^slipway-ml = .*path =' pyproject.toml)
ifneq ($(FOLDER),)
ifeq ($(wildcard $(MACHINE)/pyproject.toml),)
$(error $(MACHINE) is missing, and pyproject.toml names no release: restore the folder, or see docs/upgrade.md)
endif
endif

.PHONY: help setup data demo check test lint bench lock clean

help: ## List the targets
	@awk -F ':.*## ' '/^[a-z]+:.*## / { printf "  make %-6s  %s\n", $$1, $$2 }' Makefile

setup: $(READY) ## Install the Python packages and the slipway command into .venv
	@$(BIN)/python -m slipway.repository.merge_driver
	@echo ".venv is ready"

data: $(READY) ## Fetch the data of data.dvc
	@$(BIN)/slipway restore data.dvc

demo: $(READY) ## Run the whole loop on your model and write site/index.html
	$(BIN)/slipway demo

check: lint ## Lint and test your model, in under two minutes
	$(BIN)/pytest

test: check ## Lint and test everything: your model, then packages/slipway if it is a folder
ifneq ($(wildcard $(MACHINE)/tests/conftest.py),)
	$(MAKE) --no-print-directory -C $(MACHINE) test
endif

lint: $(READY) $(GITHUB) ## Check style, types and settings, as pre-commit and CI do
	@$(BIN)/ruff format --check --quiet . || { echo "To format: $(BIN)/ruff format" >&2; exit 1; }
	@$(BIN)/ruff check --quiet . || { echo "To fix what can be fixed: $(BIN)/ruff check --fix" >&2; exit 1; }
	$(BIN)/mypy

# Repeated when something in .github has changed; a file that was removed changes its folder.
$(GITHUB): $(READY) Makefile $(shell find .github 2>/dev/null)
	@rm -f $@
	$(BIN)/check-jsonschema --quiet --builtin-schema vendor.dependabot .github/dependabot.yml
	RUST_LOG=error $(BIN)/zizmor --quiet --no-progress --offline --strict-collection --persona=pedantic .github
ifneq ($(ACTIONS),)
	$(BIN)/check-jsonschema --quiet --builtin-schema vendor.github-actions $(ACTIONS)
endif
ifneq ($(WORKFLOWS),)
	$(BIN)/check-jsonschema --quiet --builtin-schema vendor.github-workflows $(WORKFLOWS)
	$(BIN)/check-jsonschema --quiet --builtin-schema custom.github-workflows-require-timeout $(WORKFLOWS)
	@if type actionlint >/dev/null 2>&1; then echo actionlint; actionlint && mkdir -p $(@D) && touch $@; \
	else echo "actionlint is not installed: the workflows were checked against their schema only"; fi
endif

bench: $(READY) build/model/manifest.json ## Measure speed and memory (BENCH=startup for one part)
	@$(MAKE) --no-print-directory -C $(MACHINE) bench

# Some benchmarks use the model.
build/model/manifest.json: | $(READY)
	$(BIN)/slipway restore data.dvc build/model

# No header, annotation or index line: the lock is the same wherever it is compiled.
COMPILE = $(BIN)/uv pip compile $(UPGRADE) --quiet --universal --python-version 3.11 \
	--generate-hashes --no-emit-index-url --no-annotate --no-header
# Packages of which MLflow 3.17, which only the tests install, takes no version as new as the lock's.
NEWER = importlib-metadata pyarrow
LOCK = $(COMPILE) pyproject.toml $(if $(FOLDER),--no-emit-package slipway-ml)

lock: $(READY) ## Pin the packages of pyproject.toml by hash (UPGRADE=--upgrade for newer versions)
	$(LOCK) --all-extras --output-file requirements.lock
	$(LOCK) --constraint requirements.lock --output-file requirements-serve.lock
	@$(MAKE) --no-print-directory setup
	$(BIN)/python -m slipway.stages
ifneq ($(wildcard $(MACHINE)/tests/conftest.py),)
	$(COMPILE) $(MACHINE)/pyproject.toml --extra test --extra explain \
		--constraint requirements.lock \
		--override <(printf '%s\n' $(NEWER)) --output-file $(MACHINE)/requirements-test.lock
endif

clean: ## Remove generated files, except .venv and data
	rm -rf build site .mypy_cache .pytest_cache .ruff_cache .hypothesis notebooks/.ipynb_checkpoints

# Wheels only, so that no code of a package runs while it is installed; a few packages have none.
SOURCE_ONLY := $(shell sed -n 's/^source-only = \[\(.*\)\].*/\1/p' pyproject.toml | tr -d '" ')
WHEELS := --only-binary :all: $(if $(SOURCE_ONLY),--no-binary $(SOURCE_ONLY))
# uv takes a tenth of pip's time. It does not read pip's settings: a mirror that they name is passed on.
INSTALL = index=$${UV_DEFAULT_INDEX:-$${PIP_INDEX_URL:-$$($(BIN)/pip config get global.index-url 2>/dev/null)}}; \
	UV_SYSTEM_CERTS=1 $${index:+env UV_DEFAULT_INDEX="$$index"} \
	$(BIN)/uv pip install $$([ -t 2 ] || echo --quiet) --python $(BIN)/python --no-deps --require-hashes
EDITABLE = $(BIN)/pip install --disable-pip-version-check --quiet --no-deps --no-build-isolation

.PHONY: install
install: # the packages of LOCK, for packages/slipway
	@$(INSTALL) $(WHEELS) -r $(LOCK)

# If one of these files is newer than the stamp, the installed packages may differ from it.
$(READY): requirements.lock pyproject.toml .python-version $(wildcard $(MACHINE)/pyproject.toml)
	@for python in $(PYTHON) python$$(cat .python-version) python3 python3.13 python3.12; do \
		if $$python -c 'import ensurepip, sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; then \
			echo "Making .venv with $$python"; \
			exec $$python -m venv .venv; \
		fi; \
	done; \
	echo "No Python 3.11 or newer with venv was found." >&2; \
	echo "  Debian, Ubuntu: apt install python3-venv    macOS: brew install python@3.11" >&2; \
	echo "  Another place: make setup PYTHON=/path/to/python3.11" >&2; \
	exit 2
	@echo "Installing $$(grep -c == requirements.lock) packages, checked by hash"
	@sed -n '/^uv==/,/[^\\]$$/p' requirements.lock > .venv/installer.lock
	@$(BIN)/pip install --disable-pip-version-check --quiet --no-deps --require-hashes --only-binary :all: \
		-r .venv/installer.lock
	@$(INSTALL) $(WHEELS) -r requirements.lock
	@$(EDITABLE) $(if $(wildcard $(MACHINE)/pyproject.toml),-e $(MACHINE)) -e .
	@touch $@
