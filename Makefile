# KneeOA's jobs. `make` alone lists them.
#
# Two environments, both editable installs, so that what runs is always what lies in the tree and neither has to be
# rebuilt after an edit: .venv-demo holds the runtime alone (no torch), .venv holds everything. That the wheel is whole
# is proved separately, by .ci/run in an empty environment.

SHELL := /bin/bash
.DEFAULT_GOAL := help
.DELETE_ON_ERROR:

# Folders of this repository are called datasets, model, ...: they must not shadow other people's packages.
export PYTHONSAFEPATH := 1

PYTHON ?= python3
DATA ?= data/knee-kl299
RUN ?= runs/kl
PYTEST_ARGS ?=
BENCH_ARGS ?=

DEMO := .venv-demo/bin
BIN := .venv/bin
# A stamp is newer than what decides about the environment's content; touching either file installs anew.
DEMO_STAMP := .venv-demo/.installed
STAMP := .venv/.installed
PINS := pyproject.toml constraints.txt
# pip would say so too, but only after a page of other text.
VERSION_CHECK := 'import sys; (3, 11) <= sys.version_info < (3, 14) or sys.exit("KneeOA needs Python 3.11 to 3.13; name one, such as: make PYTHON=python3.12 demo")'

.PHONY: help demo test check docs bench bench-service bench-page ohif soak wheel train serve clean

help: ## list these jobs
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-13s %s\n", $$1, $$2 }' $(firstword $(MAKEFILE_LIST))

demo: $(DEMO_STAMP) ## grade a synthetic film of both knees: table here, report and overlay picture in demo/ (no torch, a few minutes at first)
	@mkdir -p demo
	$(DEMO)/kneeoa phantom demo/standing.dcm --kind bilateral --grade 0 --left-grade 3 --seed 26 --long-side 2000
	$(DEMO)/kneeoa grade demo/standing.dcm --overlay demo --report demo/report.json
	@ls demo/*

test: $(STAMP) ## set up everything and run the whole suite
	$(BIN)/python -m pytest -m "not gpu and not soak" $(PYTEST_ARGS)

check: $(STAMP) ## lint, formatting, types, dependency rules
	$(BIN)/ruff check
	$(BIN)/ruff format --check
	$(BIN)/mypy
	$(BIN)/lint-imports

docs: $(STAMP) ## build the documentation into site/; any warning is an error
	NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build --strict --clean

bench: $(STAMP) ## measure films by transfer syntax and size, and the start of the service, into bench/; hold them against the baseline: BENCH_ARGS=--strict
	$(BIN)/python tests/benchmarks/measure.py bench/bench.json
	$(BIN)/python tests/benchmarks/plot.py bench/bench.json bench/bench.png
	$(BIN)/python tests/benchmarks/service_start.py bench/start.json
	$(BIN)/python tests/benchmarks/compare.py bench/bench.json $(BENCH_ARGS)

bench-service: $(STAMP) ## load a real service, hold it against grading in process, into bench/: BENCH_ARGS="--films 5000" as a soak
	$(BIN)/python tests/benchmarks/service_load.py bench/service.json $(BENCH_ARGS)
	$(BIN)/python tests/benchmarks/service_plot.py bench/service.json bench/service.png

bench-page: $(STAMP) ## measure the page in Chromium on an idle machine: first view, long worklist, size, layout shift
	$(BIN)/python tests/benchmarks/page.py bench/page.json $(BENCH_ARGS)

ohif: $(STAMP) ## film and results in OHIF (from npm) over a real Orthanc, screenshots into bench/ohif/: look at them
	$(BIN)/python tests/ohif/show.py bench/ohif

soak: $(STAMP) ## the long tests
	$(BIN)/python -m pytest -m soak --timeout 0 $(PYTEST_ARGS)

wheel: $(STAMP) ## build the sdist, and the wheel from it, into dist/
	rm -rf dist
	$(BIN)/python -m build --outdir dist .

train: $(STAMP) ## train the shipped configuration: make train DATA=DIR [RUN=DIR]
	$(BIN)/kneeoa train configs/kl.yaml data.root=$(DATA) out=$(RUN)

serve: $(DEMO_STAMP) ## start the service on 127.0.0.1:8080, without any configuration
	$(DEMO)/kneeoa serve

clean: ## remove both environments and everything made here, but neither runs/ nor data
	rm -rf .venv .venv-demo demo dist build site bench htmlcov .coverage
	rm -rf .pytest_cache .mypy_cache .ruff_cache .import_linter_cache .hypothesis
	find . -name __pycache__ -type d -not -path './.git/*' -prune -exec rm -rf {} +

$(DEMO_STAMP): $(PINS)
	@$(PYTHON) -c $(VERSION_CHECK)
	$(PYTHON) -m venv .venv-demo
	$(DEMO)/python -m pip install --quiet -c constraints.txt -e '.[cpu,serve]'
	@touch $@

$(STAMP): $(PINS)
	@$(PYTHON) -c $(VERSION_CHECK)
	$(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --quiet -c constraints.txt -e '.[cpu,serve,archive,ray,train,docs,dev]'
	@touch $@
