# Each target does its own set-up in .venv; run them on a fresh clone.
PYTHON ?= python3
BIN := .venv/bin

.PHONY: quickstart test check

quickstart: .venv/installed
	$(BIN)/plasticity-bench run quick
	$(BIN)/plasticity-bench leaderboard quick
	$(BIN)/plasticity-bench report quick

test: .venv/installed
	$(BIN)/pytest -n 2

check: .venv/installed
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/pyright

.venv/installed: pyproject.toml
	$(PYTHON) -m venv .venv
	$(BIN)/pip install --quiet --upgrade pip
	$(BIN)/pip install --quiet --editable '.[dev]'
	touch $@
