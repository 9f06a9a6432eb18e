# Two commands are enough: `make setup` (once, a minute or two), then `make reproduce`.
# Every target runs `setup` first where it needs it, so `make reproduce` alone works in a fresh clone.

PYTHON  ?= python3
VENV    ?= .venv
QUALITY ?= quick
UV      ?= uv

BIN       := $(VENV)/bin
LOCKED    := $(VENV)/.locked
INSTALLED := $(VENV)/.installed

.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
.PHONY: help setup reproduce test lab book lock clean

help:  ## show this list
	@echo "usage: make TARGET [PYTHON=python3.12] [QUALITY=quick]"
	@echo
	@sed -n 's/^\([a-z]*\):.*## /  \1|/p' Makefile | awk -F'|' '{ printf "%-12s %s\n", $$1, $$2 }'

setup: $(INSTALLED)  ## make .venv with the pinned packages and this project (a minute or two, 1 GB)

reproduce: setup  ## regenerate every figure and table and compare them with the paper
	$(BIN)/rainforest reproduce --quality $(QUALITY)

test: setup  ## run the tests
	$(BIN)/python -m pytest

lab: setup  ## open JupyterLab on notebooks/
	$(BIN)/jupyter lab --LabApp.default_url=/lab/tree/notebooks $(LABFLAGS)

book: setup  ## make a static site of all notebooks, executed, in build/book/site (ten minutes at first)
	$(BIN)/python -m rainforest_model.book --quality $(QUALITY)

lock:  ## renew requirements.lock from pyproject.toml (needs uv; UVFLAGS=--upgrade takes newer releases)
	$(UV) pip compile pyproject.toml --all-extras --group build --universal --python-version 3.11 \
	  --generate-hashes --no-emit-index-url --no-emit-find-links --custom-compile-command "make lock" \
	  --quiet $(UVFLAGS) --output-file requirements.lock

clean:  ## remove build products and caches (data/results, figures and .venv stay)
	rm -rf build dist .pytest_cache .hypothesis .ruff_cache .import_linter_cache
	find . -path ./$(VENV) -prune -o -type d \( -name __pycache__ -o -name .ipynb_checkpoints \) -exec rm -rf {} +

# What stands behind `setup`. Each stamp is newer than what it was made from, so nothing is done twice:
# a changed requirements.lock installs the packages again, a changed pyproject.toml the project itself.

$(INSTALLED): pyproject.toml $(LOCKED)
	@echo "==> Installing this project into $(VENV), editable"
	$(BIN)/python -m pip install --disable-pip-version-check --quiet --no-deps --no-build-isolation --editable .
	@touch $@
	@echo "==> Ready: 'make reproduce', 'make test', 'make lab', or 'source $(BIN)/activate' and 'rainforest --help'"

$(LOCKED): requirements.lock | $(BIN)/pip
	@echo "==> Installing the packages pinned in requirements.lock (a minute or two, 1 GB on disk)"
	$(BIN)/python -m pip install --disable-pip-version-check --require-hashes --only-binary :all: -r requirements.lock
	@touch $@

$(BIN)/pip:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { \
	  echo "Python 3.11 or newer is needed, and '$(PYTHON)' is not: $$($(PYTHON) --version 2>&1)."; \
	  echo "Name another one: make setup PYTHON=python3.12"; exit 1; }
	@$(PYTHON) -c 'import ensurepip, venv' 2>/dev/null || { \
	  echo "'$(PYTHON)' cannot make virtual environments; on Debian and Ubuntu that is a package of its own:"; \
	  $(PYTHON) -c 'import sys; print("    sudo apt install python%d.%d-venv" % sys.version_info[:2])'; exit 1; }
	@echo "==> Making a virtual environment in $(VENV) with $$($(PYTHON) --version)"
	$(PYTHON) -m venv $(VENV)
