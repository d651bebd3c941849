# `make help` lists what there is.
.DEFAULT_GOAL := help
.PHONY: help run test test-long test-arbiter bench bench-quick lint format lock screenshots venv-demo venv-dev

# The system's Python that .venv is made with; any of 3.11 or later.
PYTHON ?= $(firstword $(foreach p,python3 python3.14 python3.13 python3.12 python3.11,\
	$(shell $(p) -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null && echo $(p))))
PY := .venv/bin/python
# More for pytest: `make test ARGS="-k cancel"`. Which engines: dynoxide, moto, or both.
ARGS ?=
ENGINE ?= both
# Processes that run tests: two more than there are cores, since some tests wait.
JOBS ?= $(shell echo $$(( $$(getconf _NPROCESSORS_ONLN 2>/dev/null || echo 1) + 2 )))
# 1: trace it, which takes half as long again. All tests together must reach 95 %.
COVERAGE ?=
# 1, for a build server: what failed beside others is tried once more, alone, and named. What fails again fails.
AGAIN ?=
PYTEST = $(PY) -m pytest --numprocesses $(JOBS) --dist worksteal
ALONE = $(if $(AGAIN),|| { [ $$? = 1 ] && echo 'What failed is tried once more and alone:' && \
	$(PY) -m pytest --last-failed --last-failed-no-failures none -rA --show-capture no; })

help: ## This list
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/^([a-z-]+):.*## /\1\t/' | expand -t 16

run: venv-demo ## The console with its engine, demo company and simulator (PORT, DATA_DIR, DEMO, SIMULATE ...)
	@$(PY) -m opsportal.run

# The tests start some sixty processes, each of which would otherwise compile the console again.
test test-long test-arbiter: export PYTHONDONTWRITEBYTECODE :=

test: venv-dev ## Every test but the long forms, in parallel (ARGS="-k name" for some, COVERAGE=1 to measure what they reach)
	@$(PY) scripts/chromium.py
	@$(PY) -m opsportal.dynamo.embedded .data || { echo 'Without it: make test ENGINE=moto' >&2; exit 1; }
ifeq ($(COVERAGE)$(ENGINE)$(ARGS),1both)
	@# Tracing costs half as much time again: not for what the first pass has covered.
	@$(PYTEST) -m "not long and not browser and not moto" --cov --cov-report=term --cov-fail-under=0 $(ALONE)
	@$(PY) -m coverage report --format=total
	@$(PYTEST) -m "not long and (browser or moto)" $(ALONE)
else
	@$(PYTEST) --engine $(ENGINE) $(if $(COVERAGE),--cov --cov-report=term --cov-fail-under=0) -m "not long" $(ARGS) $(ALONE)
endif
	@$(if $(ARGS),,$(PY) scripts/postgres.py)

# One after the other: they look at what time and load do.
test-long: venv-dev ## The long forms: kills, soaks, wide matrices (ARGS="-k name" for some)
	@$(PY) -m opsportal.dynamo.embedded .data
	@$(PY) -m pytest -m "long or hypothesis and not moto" --hypothesis-profile long $(ARGS) $(ALONE)

test-arbiter: venv-dev ## The engine tests on Amazon's DynamoDB Local, for those who accept its licence
	@$(PY) scripts/arbiter.py
	@$(PY) -m pytest --numprocesses 2 --engine arbiter -m "not browser" -k "arbiter" $(ARGS)

# Beside a floor in the same run, since milliseconds are of one machine.
bench: venv-dev ## The console against its floor, in ten minutes (ARGS="--product DIR" for another checkout's)
	@$(PY) -m benchmarks $(ARGS)

bench-quick: venv-dev ## The same on small tables, in a minute or two
	@$(PY) -m benchmarks --quick $(ARGS)

lint: venv-dev ## Style, types, import rules, templates
	@$(PY) -m ruff check .
	@$(PY) -m ruff format --check .
	@$(PY) -m mypy
	@.venv/bin/lint-imports --no-logo
	@find templates -name '*.html' -print0 | xargs -0r .venv/bin/djade --target-version 5.2 --check

format: venv-dev ## Put code and templates into the project's form
	@$(PY) -m ruff check --fix-only --quiet .
	@$(PY) -m ruff format .
	@find templates -name '*.html' -print0 | xargs -0r .venv/bin/djade --target-version 5.2 || true

lock: ## Resolve requirements/*.in into hash-locked requirements/*.txt
	@scripts/lock

screenshots: venv-dev ## Every page, light and dark, wide and narrow, into .screenshots/
	@$(PY) scripts/screenshots.py

venv-demo venv-dev: venv-%:
	@python='$(PYTHON)'; test -n "$$python" || { \
	    echo 'Python 3.11 or later was not found: install it, or name it: make PYTHON=/path/to/python3 ...' >&2; \
	    exit 1; }; \
	"$$python" scripts/venv.py $*
