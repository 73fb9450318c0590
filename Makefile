# make figure1   from nothing to results/figure1.pdf
# make all       and to all other results: tables, statistics, trade-off, sound, report
# make test      all checks and tests
# Both set up .venv from the locked requirements first; they need Python 3.11 and nothing else.
PYTHON ?= python3.11
VENV ?= .venv
CONFIG ?= config/config.yaml
CORES ?= $(shell getconf _NPROCESSORS_ONLN)

BIN := $(VENV)/bin
INSTALL := $(BIN)/python -m pip install --quiet --disable-pip-version-check

.PHONY: figure1 all test check plans docs lock clean
.DELETE_ON_ERROR:

figure1: $(VENV)/runtime
	$(BIN)/snakemake results/figure1.pdf --quiet rules --cores $(CORES) --configfile $(CONFIG)

all: $(VENV)/runtime
	$(BIN)/snakemake --quiet rules --cores $(CORES) --configfile $(CONFIG)
	$(BIN)/snakemake --quiet rules --configfile $(CONFIG) --report results/report.zip

test: check
	$(BIN)/python -m pytest -n $(CORES) --dist loadfile --no-loadscope-reorder

check: $(VENV)/development
	$(BIN)/ruff check
	$(BIN)/ruff format --check
	$(BIN)/snakefmt --check Snakefile workflow
	$(BIN)/mypy

# Every shipped configuration plans without data, with the jobs that tests/plans.yaml has.
plans: $(VENV)/development
	$(BIN)/python workflow/scripts/plan.py --expect tests/plans.yaml

# The key tables of config/README.md, of README.md the rule graph and the table of reruns, of docs/scale.md the numbers.
docs: $(VENV)/development
	$(BIN)/python docs/generate.py

# Where the index offers a CPU build, pip names it with a local suffix that other machines do not have.
lock: $(VENV)/development
	$(INSTALL) pip-tools
	cd envs && for name in requirements requirements-dev; do \
	    CUSTOM_COMPILE_COMMAND="make lock" ../$(BIN)/pip-compile --quiet --allow-unsafe --no-strip-extras \
	        --no-emit-index-url --no-emit-find-links --no-emit-options --annotation-style line \
	        --output-file $$name.txt $$name.in && \
	    sed -i -E 's/^(torch==[0-9.]+)\+[a-z0-9]+/\1/' $$name.txt || exit 1; \
	done

clean:
	rm -rf $(VENV) .snakemake

$(VENV)/bin/python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info[:2] != (3, 11))' 2>/dev/null || \
	    { echo 'howlow needs Python 3.11; say which with `make PYTHON=/path/to/python3.11 ...`' >&2; exit 1; }
	$(PYTHON) -m venv $(VENV)

$(VENV)/runtime: envs/requirements.txt | $(VENV)/bin/python
	@echo 'Installing the locked packages into $(VENV); this takes some minutes.'
	$(INSTALL) -r envs/requirements.txt
	@touch $@

$(VENV)/development: envs/requirements-dev.txt $(VENV)/runtime
	$(INSTALL) -r envs/requirements-dev.txt
	@touch $@
