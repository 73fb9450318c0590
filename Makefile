# make figure1   from nothing to results/figure1.pdf
# make all       from there to all other results: tables, statistics, trade-off, sound, report
# make test      all checks and tests
# Each first sets up .venv from the locked requirements, with the newest of these Pythons that it finds.
PYTHONS := 3.13 3.12 3.11
PYTHON ?= $(PYTHONS:%=python%) python3 python
VENV ?= .venv
CONFIG ?= config/config.yaml
CORES ?= $(shell getconf _NPROCESSORS_ONLN)

BIN := $(VENV)/bin
INSTALL := $(BIN)/python -m pip install --quiet --disable-pip-version-check

# The shell reads CONFIG from its environment, so that the path may have blanks and quotes.
export CONFIG

ifneq ($(filter %.yaml %.yml,$(MAKECMDGOALS)),)
$(error To run a configuration, name it with CONFIG: make figure1 CONFIG=$(filter %.yaml %.yml,$(MAKECMDGOALS)))
endif

.PHONY: figure1 all configuration test check mutants plans docs wheels lock clean
.DELETE_ON_ERROR:

figure1: configuration $(VENV)/runtime
	@$(BIN)/howlow check --without-data "$$CONFIG"
	@$(BIN)/snakemake results/figure1.pdf --quiet rules host --cores $(CORES) --configfile "$$CONFIG"
	@echo 'The figure is results/figure1.pdf, and results/figure1.png.'

all: configuration $(VENV)/runtime
	@$(BIN)/howlow check --without-data "$$CONFIG"
	@$(BIN)/snakemake --quiet rules host --cores $(CORES) --configfile "$$CONFIG"
	@$(BIN)/snakemake --quiet rules host --configfile "$$CONFIG" --report results/report.zip
	@echo 'The figure is results/figure1.pdf, and everything is in results/report.zip, which opens without a network.'

configuration:
	@test -f "$$CONFIG" || { echo "howlow: CONFIG names $$CONFIG, and there is no such file" >&2; exit 1; }

test: check
	$(BIN)/python -m pytest -n $(CORES) --dist loadfile --no-loadscope-reorder

check: $(VENV)/development
	$(BIN)/ruff check
	$(BIN)/ruff format --check
	$(BIN)/snakefmt --check Snakefile workflow
	$(BIN)/mypy

# Break the core of the library in 450 places, one at a time, and write into docs/testing.md what its fast tests notice.
mutants: $(VENV)/development
	$(BIN)/python tests/mutants.py --sample 450 --seed 1 --cores $(CORES) --page docs/testing.md

# Check that every shipped configuration plans the jobs of tests/plans.yaml, without any data.
plans: $(VENV)/development
	$(BIN)/howlow plan --expect tests/plans.yaml

# Write the key tables of config/README.md, the rule graph and the tables of reruns of README.md, and the numbers of
# docs/scale.md.
docs: $(VENV)/development
	$(BIN)/python docs/generate.py

# Check that the locked packages can be installed with each of the Pythons, on Linux and macOS. It takes some minutes.
wheels: $(VENV)/runtime
	$(BIN)/python envs/check_wheels.py $(PYTHONS)

# Run this with the newest of the Pythons, and `make wheels` after it. The dependencies have a marker for what only a newer
# Python needs, and under an older one pip-compile leaves it out.
# The lock must not depend on whether the index offers PyTorch's CPU build or its CUDA build. The version of the first
# has a suffix that other indexes do not have. The second needs further packages, which it names in exact versions
# itself.
lock: $(VENV)/development
	$(INSTALL) pip-tools
	for source in pyproject.toml envs/requirements-dev.in; do \
	    name=envs/requirements$$(test $$source = pyproject.toml || echo -dev) && \
	    CUSTOM_COMPILE_COMMAND="make lock" $(BIN)/pip-compile --quiet --allow-unsafe --no-strip-extras \
	        --no-emit-index-url --no-emit-find-links --no-emit-options --annotation-style line \
	        --output-file $$name.txt $$source && \
	    sed -i -E -e 's/^(torch==[0-9.]+)\+[a-z0-9]+/\1/' -e '/^(cuda-|nvidia-|triton==)/d' $$name.txt || exit 1; \
	done

clean:
	rm -rf $(VENV) .snakemake

$(VENV)/bin/python:
	@for python in $(PYTHON); do \
	    "$$python" -c '$(IS_ONE_OF)' $(PYTHONS) 2>/dev/null || continue; \
	    "$$python" -c '$(SAY_WHICH)'; \
	    exec "$$python" -m venv $(VENV); \
	done; \
	echo 'howlow needs a Python of one of these versions: $(PYTHONS). None of these is one: $(PYTHON).' \
	    'To get one with uv, for instance: uv python install $(firstword $(PYTHONS)), and then make PYTHON="$$(uv python find $(firstword $(PYTHONS)))"' >&2; \
	exit 1

IS_ONE_OF := import sys; sys.exit("%d.%d" % sys.version_info[:2] not in sys.argv)
SAY_WHICH := import sys; print("Setting up $(VENV) with Python %s, %s" % (sys.version.split()[0], sys.executable))

# The package itself is installed as a link to this folder, with the locked setuptools.
$(VENV)/runtime: envs/requirements.txt pyproject.toml | $(VENV)/bin/python
	@echo 'Installing the locked packages into $(VENV); this takes some minutes.'
	@$(INSTALL) -r envs/requirements.txt || { echo '$(IF_IT_FAILS)' >&2; exit 1; }
	@$(INSTALL) --no-deps --no-build-isolation --editable . || { echo '$(IF_IT_FAILS)' >&2; exit 1; }
	@touch $@

IF_IT_FAILS := The packages could not be installed: see "Installation" in docs/troubleshooting.md.

$(VENV)/development: envs/requirements-dev.txt $(VENV)/runtime
	@$(INSTALL) -r envs/requirements-dev.txt || { echo '$(IF_IT_FAILS)' >&2; exit 1; }
	@touch $@
