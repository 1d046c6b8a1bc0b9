# Two commands: `make run` serves the demo world, `make test` checks everything. Both do all the set-up.
PYTHON ?= $(shell command -v python3.11 || command -v python3)
VENV := .venv
BIN := $(VENV)/bin
PORT ?= 8000
HOST ?= 127.0.0.1
WORKERS ?= 2

.PHONY: run test setup setup-dev lint types contracts migrations templates check unit clean

run: setup
	$(BIN)/python manage.py up --demo --host $(HOST) --port $(PORT)

test: setup-dev check unit

setup: $(VENV)/.runtime

setup-dev: $(VENV)/.dev

$(VENV)/.made:
	@$(PYTHON) -c 'import sys; sys.exit(0 if sys.version_info[:2] == (3, 11) else "Netra needs Python 3.11; set PYTHON=/path/to/python3.11")'
	$(PYTHON) -m venv $(VENV)
	$(BIN)/pip install --quiet --disable-pip-version-check uv==0.13.8
	touch $@

# torch comes first and by pip, which takes a CPU build where one is offered; everything after leaves it alone.
$(VENV)/.runtime: requirements.txt | $(VENV)/.made
	$(BIN)/pip install --quiet --disable-pip-version-check torch==2.13.0
	$(BIN)/uv pip install --quiet --python $(BIN)/python -r requirements.txt
	touch $@

$(VENV)/.dev: requirements-dev.txt $(VENV)/.runtime
	$(BIN)/uv pip install --quiet --python $(BIN)/python -r requirements-dev.txt
	touch $@

check: lint types contracts migrations templates

lint:
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

types:
	$(BIN)/mypy .

contracts:
	$(BIN)/lint-imports --no-cache

migrations:
	$(BIN)/python manage.py makemigrations --check --dry-run
	$(BIN)/python manage.py check

templates:
	$(BIN)/djlint templates --lint --quiet

unit:
	$(BIN)/pytest -n $(WORKERS) --dist loadfile

clean:
	rm -rf $(VENV) .netra .mypy_cache .ruff_cache .pytest_cache .hypothesis
