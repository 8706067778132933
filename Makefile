# Every target starts from a clean checkout: it makes .venv and installs what it needs.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
# Tests run in this many processes; one that has finished its share takes over tests of another.
WORKERS ?= 2
PYTEST := $(BIN)/python -m pytest -n $(WORKERS) --dist worksteal

.PHONY: demo test test-all lint train bench page clean

# PyTorch first and pinned: what needs it later then finds it installed.
$(BIN)/.local: pyproject.toml constraints.txt
	$(PYTHON) -c 'import sys; sys.exit("spexapi needs Python 3.11 or newer, this is " + sys.version.split()[0]) if sys.version_info < (3, 11) else None'
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --upgrade pip
	$(BIN)/python -m pip install --quiet -c constraints.txt torch
	$(BIN)/python -m pip install --quiet -c constraints.txt -e ".[all]"
	touch $@

$(BIN)/.test: $(BIN)/.local
	$(BIN)/python -m pip install --quiet -c constraints.txt -e ".[test]"
	touch $@

demo: $(BIN)/.local
	$(BIN)/python -m spexapi demo --out demo

page: $(BIN)/.local
	$(BIN)/python -m spexapi ui

lint: $(BIN)/.test
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/pyright

test: $(BIN)/.test
	$(PYTEST) -m "not slow"

test-all: $(BIN)/.test lint
	$(PYTEST)

# Trains the embedded model again; over an hour on two cores.
train: $(BIN)/.test
	$(BIN)/python -m training.train
	$(BIN)/python -m training.export training/runs/reader spexapi/backends/huggingface/embedded_model
	$(BIN)/python -m training.evaluate

# The peers live in an environment of their own: shapiq 1.8 needs Python 3.12.
PEER_PYTHON ?= python3.12
.env-peers/bin/python:
	$(PEER_PYTHON) -m venv .env-peers
	.env-peers/bin/python -m pip install --quiet shapiq==1.8.0 spectralexplain==0.0.4 xgboost-cpu lightgbm galois

# Hours. Each part goes on where it was stopped; BENCH="--seconds 600" ends each after ten minutes.
bench: $(BIN)/.test .env-peers/bin/python
	$(BIN)/python benchmarks/faithfulness.py recorded $(BENCH)
	$(BIN)/python benchmarks/faithfulness.py planted $(BENCH)
	$(BIN)/python benchmarks/ten_documents.py $(BENCH)
	$(BIN)/python benchmarks/recovery.py $(BENCH)
	$(BIN)/python benchmarks/deletion.py $(BENCH)
	$(BIN)/python benchmarks/calls_saved.py
	$(BIN)/python benchmarks/calls_saved_table.py
	$(BIN)/python benchmarks/coverage.py
	$(BIN)/python benchmarks/training_data.py
	$(BIN)/python benchmarks/prune.py $(BENCH)
	$(BIN)/python benchmarks/heads_speed.py
	$(BIN)/python benchmarks/mislabelled.py
	$(BIN)/python benchmarks/speed.py $(BENCH)

clean:
	rm -rf $(VENV) .env-peers demo
