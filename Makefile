# `make study` and `make test` need Python 3.11 or newer and nothing else.

PYTHON ?= python3
STUDY ?= configs/default.yaml
ENVIRONMENT = .venv/installed

.PHONY: study test lint docs faults bench lock

study: $(ENVIRONMENT)
	.venv/bin/snakemake --cores all --configfile $(STUDY)

test: $(ENVIRONMENT)
	.venv/bin/python -m pytest --numprocesses auto --dist worksteal

lint: $(ENVIRONMENT)
	.venv/bin/ruff check .
	.venv/bin/ruff format --check .
	.venv/bin/snakefmt --check Snakefile rules
	.venv/bin/snakemake --lint
	.venv/bin/mypy
	.venv/bin/lint-imports

docs: $(ENVIRONMENT)
	NO_MKDOCS_2_WARNING=1 .venv/bin/mkdocs build --strict

faults: $(ENVIRONMENT)
	.venv/bin/python -m pytest -m "" tests/faults tests/cluster

bench: $(ENVIRONMENT)
	.venv/bin/python benchmarks/steps.py
	.venv/bin/python benchmarks/memory.py
	.venv/bin/python benchmarks/tokenising.py
	.venv/bin/python benchmarks/workflow.py

# torch is installed first and alone, so that pip keeps the locked version whatever else asks for it.
# Python compiles a module when it is first imported; most of those that are installed never are.
$(ENVIRONMENT): requirements.lock pyproject.toml
	$(PYTHON) -m venv .venv
	.venv/bin/pip install --quiet --no-compile $$(grep '^torch==' requirements.lock)
	.venv/bin/pip install --quiet --no-compile --requirement requirements.lock
	.venv/bin/pip install --quiet --no-deps --editable .
	touch $@

lock: $(ENVIRONMENT)
	.venv/bin/pip freeze --exclude-editable | sed 's/+cpu//' > requirements.lock
