# Each target sets up what it needs in .venv first; nothing but python3 and make has to be there.
PYTHON ?= python3
VENV   ?= .venv
PY     := $(VENV)/bin/python
PIP    := $(PY) -m pip --disable-pip-version-check --quiet

.PHONY: run test models check bench pins picture clean help

help:
	@echo "make run      both example programs, 500 requests at once, side by side"
	@echo "make test     the whole suite, then the lanes (oldest aiohttp, the wheel, a real model server)"
	@echo "make models   lastcall.llm against every real model server; builds llama.cpp once (8 minutes)"
	@echo "make check    ruff, formatting, mypy --strict, spelling, docs examples"
	@echo "make bench    every benchmark, as ratios"
	@echo "make picture  the report pictured in the README, made anew"

$(VENV)/bin/python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "lastcall needs Python 3.11 or later; this is " + sys.version.split()[0] + ". Name another: make PYTHON=python3.12 ...")'
	@echo "setting up $(VENV) ..." >&2
	@$(PYTHON) -m venv $(VENV)

$(VENV)/.run: pyproject.toml requirements/dev.txt | $(VENV)/bin/python
	@echo "installing lastcall into $(VENV) ..." >&2
	@$(PIP) install -c requirements/dev.txt -e '.[llm]'
	@touch $@

$(VENV)/.dev: $(VENV)/.run
	@echo "installing the development tools into $(VENV) ..." >&2
	@$(PIP) install -r requirements/dev.txt
	@touch $@

run: $(VENV)/.run
	@$(PY) examples/compare.py

test: $(VENV)/.dev
	@$(PY) tools/browser.py
	$(PY) -m pytest -n 2
	$(PY) tools/lanes.py
	$(PY) tools/models.py mlx-lm

models: $(VENV)/.dev
	$(PY) tools/models.py

check: $(VENV)/.dev
	$(PY) -m ruff check
	$(PY) -m ruff format --check
	$(PY) -m mypy
	$(PY) -m codespell_lib
	$(PY) -m pytest -q tests/test_docs.py

bench: $(VENV)/.dev
	$(PY) benchmarks/run.py

pins: $(VENV)/.dev
	$(PY) tools/pins.py

picture: $(VENV)/.dev
	$(PY) tools/picture.py

clean:
	rm -rf $(VENV) .venv-* .mypy_cache .ruff_cache .pytest_cache dist build
