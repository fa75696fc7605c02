# make repro | snakemake | test | lint | ui | demo-page | docs | bench
.DEFAULT_GOAL := help
PYTHON ?= python3
VENV := .venv
READY := $(VENV)/.ready
export PATH := $(CURDIR)/$(VENV)/bin:$(PATH)
export MLFLOW_DISABLE_TELEMETRY := true
export DVC_NO_ANALYTICS := true

.PHONY: help setup repro snakemake ui demo-page lint test docs bench lock

help: ## show this list
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:[^#]*## /\t/' | expand -t 12

setup: $(READY) ## only make .venv with the exact pins; `source .venv/bin/activate` then gives you its commands

repro: $(READY) ## run params.yaml by DVC: the demo, unless you changed it
	dvc repro
	@python workflow/next_steps.py

snakemake: $(READY) ## run the same DAG by Snakemake
	snakemake --cores all
	@python workflow/next_steps.py

ui: $(READY) ## MLflow's pages, on this machine only
	mlflow ui --backend-store-uri "$${MLFLOW_TRACKING_URI:-sqlite:///mlflow.db}" --host 127.0.0.1 --port $(or $(PORT),5000)

demo-page: $(READY) ## show what the trained models say of an image, on a page on this machine only
	cytopipe demo $(if $(PORT),--port $(PORT))

lint: $(READY) ## style, types and the DAG's dependencies
	ruff check .
	ruff format --check .
	mypy
	python workflow/imports.py

test: $(READY) ## lint, then every test
	$(MAKE) lint
	pytest -n 2 --dist loadfile $(PYTEST_ARGS)

docs: $(READY) ## build the documentation into site/
	NO_MKDOCS_2_WARNING=1 mkdocs build --strict

bench: $(READY) ## measure speed and memory as ratios
	python benchmarks/run.py

lock: $(READY) ## renew requirements.lock from pyproject.toml (needs an index)
	sh workflow/lock.sh

# The environment is renewed when the pins change.
$(READY): requirements.lock pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
		{ echo "cytopipe needs Python 3.11 or later; call make PYTHON=python3.12, say"; exit 1; }
	$(PYTHON) -m venv $(VENV)
	@echo "installing the pinned packages (once; several GB because of torch's CUDA libraries)"
	$(VENV)/bin/python -m pip install --quiet --disable-pip-version-check -r requirements.lock
	$(VENV)/bin/python -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation -e .
	@touch $(READY)
