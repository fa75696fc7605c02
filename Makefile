# make repro | snakemake | test | chaos | lint | ui | demo-page | docs | bench
.DEFAULT_GOAL := help
PYTHON ?= python3
VENV := .venv
# A container, which brings the packages, names a file of its own: no environment is made then.
READY := $(or $(CYTOPIPE_READY),$(VENV)/.ready)
UV := $(shell command -v uv)
INSTALL := $(if $(UV),uv pip install --quiet --python $(VENV)/bin/python,$(VENV)/bin/python -m pip install --quiet --disable-pip-version-check)
# `make setup CPU=1 CPU_INDEX=URL`: torch without CUDA, from PyTorch's index of CPU wheels (no hashes); the rest as pinned.
GPU_PACKAGES := ^(torch|torchvision|triton|nvidia-[a-z0-9-]+|cuda-[a-z-]+)==
export PATH := $(CURDIR)/$(VENV)/bin:$(PATH)
export MLFLOW_DISABLE_TELEMETRY := true
export DVC_NO_ANALYTICS := true

# SEED=1 draws the kills of that seed again, RUNS=10 fewer of them.
.PHONY: help setup plugins repro snakemake ui demo-page lint test chaos docs bench lock

help: ## show this list
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:[^#]*## /\t/' | expand -t 12

setup: $(READY) ## only make .venv with the exact pins (CPU=1 CPU_INDEX=URL: torch without CUDA); then `source .venv/bin/activate`

# Beside the environment, not in it: Snakemake imports all plug-ins that it finds, and these double its time to start.
plugins: $(READY) ## only for the tests of the profile kubernetes: its plug-ins
	test -d $(VENV)/plugins || $(VENV)/bin/python -m pip install --quiet --disable-pip-version-check --no-deps \
		--require-hashes --target $(VENV)/plugins -r workflow/plugins.lock

repro: $(READY) ## run params.yaml by DVC: the demo, unless you changed it
	@python workflow/check_project.py
	@dvc repro || { python workflow/next_steps.py failed; exit 1; }
	@python workflow/next_steps.py

snakemake: $(READY) ## run the same DAG by Snakemake
	@python workflow/check_project.py
	@snakemake --cores all
	@python workflow/next_steps.py

ui: $(READY) ## MLflow's pages, on this machine only
	@cytopipe sync
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
	@# In the order of the files: the long ones come first, and the many short ones of tests/unit fill the gaps.
	pytest -n 2 --dist loadfile --no-loadscope-reorder $(PYTEST_ARGS)

chaos: $(READY) ## kill the preset tiny 50 times, run it again each time, and compare every byte: docs/chaos.json
	python tests/faults/chaos.py --runs $(or $(RUNS),50) $(if $(SEED),--seed $(SEED)) --write docs/chaos.json

docs: $(READY) ## build the documentation into site/
	NO_MKDOCS_2_WARNING=1 mkdocs build --strict

bench: $(READY) ## measure speed, memory and coverage of intervals: writes docs/*.json and the tables of docs/
	python benchmarks/run.py --rounds 3 --write
	python docs/tools/bench_tables.py
	python benchmarks/coverage.py
	python benchmarks/guarantees.py

lock: $(READY) ## renew requirements.lock from pyproject.toml (needs an index)
	sh workflow/lock.sh

# The environment is renewed when the pins change. uv installs it where it is at hand, pip elsewhere; both check hashes.
$(VENV)/.ready: requirements.lock pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11, 5))' || \
		{ echo "cytopipe needs Python 3.11.5 or later; call make PYTHON=python3.12, say"; exit 1; }
	$(PYTHON) -m venv $(VENV)
ifdef CPU
	@test -n "$(CPU_INDEX)" || { echo "set CPU_INDEX to PyTorch's index of CPU wheels; its installation page names it"; exit 1; }
	@echo "installing the pinned packages, torch without CUDA from $(CPU_INDEX)"
	awk '/^[^ #]/ { pinned = $$0 !~ /$(GPU_PACKAGES)/ } pinned' requirements.lock > $(VENV)/requirements.lock
	$(INSTALL) --require-hashes --no-deps -r $(VENV)/requirements.lock
	$(INSTALL) --no-deps --index-url $(CPU_INDEX) $$(grep -oE '^(torch|torchvision)==[0-9.]+' requirements.lock)
else
	@echo "installing the pinned packages (once; several GB because of torch's CUDA libraries)"
	$(INSTALL) --require-hashes -r requirements.lock
endif
	$(INSTALL) --no-deps --no-build-isolation -e .
	@touch $@
