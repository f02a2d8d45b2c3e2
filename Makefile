.PHONY: help run test lint bench install install-test browser lock clean

# Compiled modules are kept: without them every command takes four seconds more to start.
unexport PYTHONDONTWRITEBYTECODE

PYTHON ?= python3
BIN := .venv/bin
# uv where it can be had (9 s), pip where not (32 s): the result is the same.
PIP_INSTALL = $(BIN)/uv pip install -q --python $(BIN)/python

help:            ## this list
	@sed -n 's/^\([a-z-]*\):.*## /\1|/p' $(MAKEFILE_LIST) | awk -F'|' '{printf "make %-10s %s\n", $$1, $$2}'

run: install     ## the sandbox, the service and a demo client: open the printed URL
	@$(BIN)/tts-service demo

test: lint browser  ## everything CI checks
	$(BIN)/python -m pytest

lint: install-test  ## style and types
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

bench: install-test .venv/bench  ## speed, beside the obvious and the best alternative
	$(BIN)/python -m bench

install: .venv/run
install-test: .venv/test

.venv/bin/uv:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null \
	  || { echo "tts-service needs Python 3.11 or newer; here, '$(PYTHON) --version' says: $$($(PYTHON) --version 2>&1)."; \
	       echo "Name another one: make PYTHON=python3.12"; exit 1; }
	@$(PYTHON) -c 'import ensurepip, venv' 2>/dev/null \
	  || { echo "Python's venv module is missing. On Debian and Ubuntu: apt-get install python3-venv"; exit 1; }
	@echo "Installing into .venv, once (about 20 s)"
	@$(PYTHON) -m venv .venv
	@$(BIN)/python -m pip install -q --disable-pip-version-check uv || true
	@touch $@

.venv/run: .venv/bin/uv setup.cfg pyproject.toml
	@$(PIP_INSTALL) -e '.[voice,mp3]' || $(BIN)/python -m pip install -q --disable-pip-version-check -e '.[voice,mp3]'
	@touch $@

.venv/test: .venv/run
	@$(PIP_INSTALL) -e '.[test]' || $(BIN)/python -m pip install -q --disable-pip-version-check -e '.[test]'
	@touch $@

.venv/bench: .venv/run
	@$(PIP_INSTALL) -e '.[bench]' || $(BIN)/python -m pip install -q --disable-pip-version-check -e '.[bench]'
	@touch $@

# The browser tests drive the system's Chromium. Root on Debian gets it installed; others are told.
browser:
	@command -v chromium chromium-browser google-chrome >/dev/null 2>&1 || { \
	  if [ "$$(id -u)" = 0 ] && command -v apt-get >/dev/null; then \
	    echo "Installing Chromium for the browser tests"; \
	    apt-get update -qq && DEBIAN_FRONTEND=noninteractive apt-get install -y -qq chromium >/dev/null; \
	  else echo "No Chromium here: the browser tests will be skipped. On Debian: apt-get install chromium"; fi; }

lock:            ## pin every dependency with its hash, for deployment
	$(BIN)/uv pip compile -q --generate-hashes --universal --python-version 3.11 --extra voice --extra mp3 --extra postgres --extra redis \
	  setup.cfg -o requirements.lock

clean:
	rm -rf .venv build dist *.egg-info
