# DGCC's own Makefile: each target does all the set-up it needs. `make help` lists them.

VENV   := .venv
PYTHON := /usr/bin/python3
BIN    := $(VENV)/bin
STAMP  := $(VENV)/.ready

NATIVE := $(wildcard dgcc/native/*.c dgcc/native/*.h dgcc/native/filter.py dgcc/native/tls/*.cc dgcc/native/tls/*.h \
          dgcc/corba/ext/*.cc dgcc/corba/ext/*.h dgcc/corba/idlgen/*.py)
BUILD  := setup.cfg pyproject.toml dgcc/native/build.py idl/dgcc.idl $(NATIVE)

.PHONY: help setup demo test chaos fuzz lint bench fidelity clean
.DEFAULT_GOAL := help

help: ## list the targets
	@sed -n 's/^\([a-z]*\):.*## /  make \1	/p' Makefile

# Where PYTHONDONTWRITEBYTECODE is set, each start would compile DGCC's own sources anew: 0.1 s for each process.
setup: $(STAMP) ## install Debian packages, make .venv, compile the native parts
	@$(BIN)/python -m compileall -q dgcc

$(STAMP): $(BUILD) .ci/packages
	@.ci/packages
	@[ -x $(BIN)/python ] || $(PYTHON) -m venv $(VENV)
# In compat mode a path in a .pth file finds the project; setuptools' finder costs each start of Python 9 ms.
	@echo "dgcc: installing the project into $(VENV)"
	@$(BIN)/pip install --quiet --disable-pip-version-check --config-settings editable_mode=compat \
	  --editable '.[test]'
	@touch $@

demo: setup ## build Lua with dgcc-master on a farm of one
	@.ci/demo

test: setup ## run the tests
	@.ci/test

chaos: setup ## kill, stop, cut off and deceive a real farm, at length (about 15 minutes; a short form is in `make test`)
	@DGCC_CHAOS=full $(BIN)/python -m pytest tests/chaos

fuzz: setup ## the long form of tests/fuzz: 240,000 broken messages and more, 3 to 10 minutes (DGCC_FUZZ_SEED=N: repeat a run)
	@PYTHONPATH=tests $(BIN)/python -m fuzz

lint: setup ## ruff and mypy
	@$(BIN)/ruff check .
	@$(BIN)/mypy

bench: setup ## measure DGCC against make and other farms, and write docs/benchmarks (BENCH="one --quick": only that)
	@.ci/packages-bench
	@$(BIN)/python -m dgcc.bench $(BENCH)

fidelity: setup ## build real projects on bare slaves and write docs/fidelity.md (PROJECTS="lua zlib": only these)
	@.ci/packages-fidelity
	@PYTHONPATH=tests $(BIN)/python -m fidelity $(PROJECTS)

clean: ## remove everything that make made here
	rm -rf $(VENV) build .demo .cache .mypy_cache .ruff_cache .pytest_cache .hypothesis dgcc/native/bin dgcc/corba/stubs *.egg-info
	find dgcc -name '*.so' -delete
	find . -name __pycache__ -prune -exec rm -rf {} +
