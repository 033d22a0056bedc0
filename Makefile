# Everything one does with a checkout. `make` alone explains it. Written for GNU make 3.81 and later.

VENV   ?= .venv
PYTHON ?= $(shell for p in python3.13 python3.12 python3.11 python3; do \
	$$p -c 'import sys; sys.exit(sys.version_info < (3, 11))' >/dev/null 2>&1 && { echo $$p; break; }; done)
PORT   ?= 8080
DATA   ?=
EMPTY  ?=
RESET  ?=
TESTS  ?=
JOBS   ?= auto
ONLY   ?= core whole floor pages calls

RUN  = $(VENV)/bin/python
PIP  = $(RUN) -m pip --disable-pip-version-check --quiet
DEMO = --port $(PORT) $(if $(EMPTY),--empty) $(if $(RESET),--reset) $(if $(DATA),--data "$(DATA)")

.DEFAULT_GOAL := help
.PHONY: help demo test check bench soak generate clean

help: ## Show what can be made
	@awk 'BEGIN {FS = ":.*## "} /^[a-z]+:.*## / {printf "  make %-10s %s\n", $$1, $$2}' $(MAKEFILE_LIST)
	@echo
	@echo "  demo takes PORT=8080, EMPTY=1 (no employees), RESET=1 (begin anew) and DATA=folder;"
	@echo "  test takes TESTS=\"tests/scim -k patch\"; JOBS=0 runs them one by one;"
	@echo "  bench takes ONLY=\"floor pages\" (of core, whole, floor, pages, calls); all take PYTHON=python3.12."

demo: $(VENV)/run.done ## Serve the demo: a legacy HR database behind standard SCIM
	@exec $(RUN) -m gateway.cli demo $(DEMO)

test: $(VENV)/dev.done ## Run all tests
	@$(RUN) -m pytest -n $(JOBS) --maxprocesses 4 --dist loadfile $(TESTS)

check: $(VENV)/dev.done ## Run the linter and the type checker
	@$(RUN) -m ruff check .
	@$(RUN) -m mypy

bench: $(VENV)/dev.done ## Measure the core beside another library, and the gateway beside the least that could do the same
	@for one in $(ONLY); do $(RUN) tests/benchmarks/$$one.py && echo || exit 1; done

soak: $(VENV)/dev.done ## Run the long form of the random and fault tests
	@SCIM_SOAK=1 $(RUN) -m pytest -p no:cacheprovider $(if $(TESTS),$(TESTS),tests)

generate: $(VENV)/dev.done ## Write the generated tables and schemas anew
	@for script in tests/scim/requirements_table.py $$(ls tests/*/generate_*.py deploy/*/generate_*.py 2>/dev/null); do $(RUN) $$script || exit 1; done

clean: ## Remove the virtual environment and all caches
	@rm -rf $(VENV) build dist .mypy_cache .ruff_cache .pytest_cache .hypothesis *.egg-info
	@find gateway backends tests -name __pycache__ -type d -prune -exec rm -rf {} +

$(VENV)/run.done: pyproject.toml
	@$(MAKE) --no-print-directory venv-new EXTRA=
	@touch $@

$(VENV)/dev.done: pyproject.toml
	@$(MAKE) --no-print-directory venv-new EXTRA='[dev]'
	@touch $(VENV)/run.done $@

.PHONY: venv-new
venv-new:
	@test -n "$(PYTHON)" || { echo "scim-gateway needs Python 3.11 or newer, and none is on the path; install one or name it: make demo PYTHON=/path/to/python3.13" >&2; exit 1; }
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null || { echo "scim-gateway needs Python 3.11 or newer, which $(PYTHON) is not" >&2; exit 1; }
	@$(PYTHON) -c 'import venv, ensurepip' 2>/dev/null || { echo "$(PYTHON) cannot make virtual environments; install the package that brings its venv module (on Debian and Ubuntu: python3-venv)" >&2; exit 1; }
	@test -x $(RUN) || { echo "making a virtual environment in $(VENV)"; $(PYTHON) -m venv $(VENV); }
	@echo "installing what is needed into $(VENV)"
	@$(PIP) install -e '.$(EXTRA)'
