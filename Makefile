# Each target does its own set-up in .venv; run them on a fresh clone.
PYTHON ?= python3
BIN := .venv/bin

.PHONY: quickstart test check

quickstart: .venv/installed
	$(BIN)/plasticity-bench run quick
	$(BIN)/plasticity-bench leaderboard quick
	$(BIN)/plasticity-bench report quick

# Two processes on two cores: threads of their own would make them wait for each other.
test: export OMP_NUM_THREADS = 1
test: .venv/installed
	$(BIN)/pytest -n 2

check: .venv/installed
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/pyright

TOO_OLD := plasticity-bench needs Python 3.11 or newer, found %d.%d. \
	Name another: make PYTHON=python3.12

.venv/installed: pyproject.toml
	@command -v $(PYTHON) > /dev/null || \
		{ echo "no $(PYTHON) here. Install Python 3.11 or newer, or name it: make PYTHON=..."; exit 1; }
	@$(PYTHON) -c 'import sys; v = sys.version_info[:2]; \
		sys.exit("$(TOO_OLD)" % v if v < (3, 11) else 0)'
	$(PYTHON) -m venv .venv
	$(BIN)/pip install --quiet --upgrade pip
	$(BIN)/pip install --quiet --editable '.[dev]'
	touch $@
