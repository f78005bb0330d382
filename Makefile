# Everything below sets itself up: the virtual environment is made on first use.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.installed

.PHONY: golden check test lint demo docs e2e e2e-core record new-cause bench clean setup

setup: $(STAMP)

$(STAMP): pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit("Python 3.10 or newer is needed" if sys.version_info < (3, 10) else 0)'
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(BIN)/pip install --quiet --editable '.[dev]'
	@touch $@

demo: $(STAMP) ## the main job on recordings, no cluster
	@for name in $$($(BIN)/poddoctor demo 2>/dev/null); do \
		echo "\$$ poddoctor demo $$name"; $(BIN)/poddoctor demo $$name || test $$? -eq 1 || exit 2; echo; done

test: $(STAMP) ## all tests that need no cluster
	$(BIN)/python -Im pytest -n auto -q

lint: $(STAMP)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

check: lint test ## what a change must pass

golden: $(STAMP) ## writes the golden texts anew: read the difference before you commit
	UPDATE_GOLDEN=1 $(BIN)/python -Im pytest -q tests/test_recordings.py

docs: $(STAMP) ## the generated pages
	$(BIN)/python tools/docs.py

e2e: $(STAMP) ## break, diagnose and heal on a kind cluster (KIND_NODE_IMAGE chooses the node image)
	$(BIN)/python tools/cluster.py
	$(BIN)/python -Im pytest -n $${E2E_JOBS:-4} --dist worksteal -q -m 'not exclusive' e2e/test_scenarios.py
	$(BIN)/python -Im pytest -n 2 --dist worksteal -q -m exclusive e2e/test_scenarios.py

e2e-core: $(STAMP) ## the same for the main causes of each stage, in a few minutes
	$(BIN)/python tools/cluster.py
	$(BIN)/python -Im pytest -n $${E2E_JOBS:-4} --dist worksteal -q -m 'core and not exclusive' e2e/test_scenarios.py
	$(BIN)/python -Im pytest -n 2 --dist worksteal -q -m 'core and exclusive' e2e/test_scenarios.py

record: $(STAMP) ## CAUSE=family/cause: break it on the cluster and write its recording
	$(BIN)/python e2e/run.py --record --no-fix $(CAUSE)

new-cause: $(STAMP) ## FAMILY=… NAME=…: a playbook and a scenario with the questions to answer
	$(BIN)/python tools/new_cause.py $(FAMILY) $(NAME)

bench: $(STAMP) ## the ratios of docs/architecture.md against kubectl
	$(BIN)/python tools/bench.py

clean:
	rm -rf $(VENV) build dist *.egg-info
