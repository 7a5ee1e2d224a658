# The set-up of a checkout: everything lands in .venv, and for the demo in .demo.
PYTHON ?= python3
VENV := .venv
TEAM := .venv-distributed
BIN := $(VENV)/bin

.DEFAULT_GOAL := help
.PHONY: help demo demo-airflow test test-distributed check format bench reference constraints clean

help: ## Say what there is to make
	@grep -E '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 14

demo: ## Take the iris example from liminal.yml to a served prediction, in .venv and .demo
	@PYTHON="$(PYTHON)" sh scripts/venv.sh $(VENV)
	@rm -f $(VENV)/.dev  # what `make test` installed there is replaced
	@PIP_CACHE_DIR=.demo/cache/pip $(BIN)/python -m pip install --quiet --constraint constraints.txt .
	@$(BIN)/python scripts/demo.py

demo-airflow: ## The same on Airflow: build, deploy, start, trigger, predict, stop
	@PYTHON="$(PYTHON)" sh scripts/venv.sh $(VENV)
	@rm -f $(VENV)/.dev  # what `make test` installed there is replaced
	@PIP_CACHE_DIR=.demo/cache/pip $(BIN)/python -m pip install --quiet --constraint constraints.txt '.[airflow]'
	@$(BIN)/python scripts/demo_airflow.py

test: $(VENV)/.dev ## Check style, types and layers, and run all tests
	$(BIN)/ruff format --check
	$(BIN)/ruff check
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/python -m pytest --numprocesses 2 --dist worksteal $(PYTEST)

test-distributed: $(VENV)/.dev $(TEAM)/.made ## Test on an Airflow with PostgreSQL, Celery and two workers
	LIMINAL_TEST_DISTRIBUTED=1 $(BIN)/python -m pytest --durations 0 $(PYTEST) tests/distributed

check: $(VENV)/.dev ## Check style, types and layers only
	$(BIN)/ruff format --check
	$(BIN)/ruff check
	$(BIN)/mypy
	$(BIN)/lint-imports

format: $(VENV)/.dev ## Bring the code into its style
	$(BIN)/ruff check --fix
	$(BIN)/ruff format

bench: $(VENV)/.dev ## Measure the figures, as ratios of medians of one run
	$(BIN)/python -m benchmarks

reference: $(VENV)/.dev ## Write docs/reference.md, the tables of all keys
	$(BIN)/python scripts/reference.py

constraints: $(VENV)/.dev ## Pin the newest versions that fit together, for Python 3.10 and later
	$(BIN)/uv pip compile --universal --python-version 3.10 --all-extras --no-emit-index-url \
		--no-header --no-annotate --upgrade pyproject.toml --output-file constraints.txt

clean: ## Remove what the other targets made
	rm -rf $(VENV) $(TEAM) .demo .cache

$(VENV)/.dev: pyproject.toml constraints.txt
	@PYTHON="$(PYTHON)" sh scripts/venv.sh $(VENV)
	$(BIN)/python -m pip install --quiet --constraint constraints.txt --editable '.[dev]'
	@touch $@

# As on a worker: without what the tests need, and compiled, for each part and each task is a new process.
$(TEAM)/.made: pyproject.toml constraints.txt tests/distributed/requirements.txt $(VENV)/.dev
	@PYTHON="$(PYTHON)" sh scripts/venv.sh $(TEAM)
	@$(BIN)/uv pip install --quiet --python $(TEAM)/bin/python --compile-bytecode \
		--constraint constraints.txt --editable '.[airflow]' --requirement tests/distributed/requirements.txt
	@touch $@
