# A machine with Python and make is enough: every target makes what it needs.
# PYTHON picks the interpreter that .venv/ is made from: make venv PYTHON=python3.13

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
INSTALLED := $(VENV)/.installed
ARTIFACTS := artifacts
LOAD_PROFILE ?= HealthOnlyUser
LOAD_TIME ?= 15s
LOAD_USERS ?= 10

.DEFAULT_GOAL := help
.DELETE_ON_ERROR:

.PHONY: help
help:  ## this list
	@sed -n 's/^\([a-z]*\):.*##  *\(.*\)/  \1|\2/p' $(MAKEFILE_LIST) | awk -F'|' '{ printf "%-10s %s\n", $$1, $$2 }'

.PHONY: venv
venv: $(INSTALLED)  ## .venv/ with the pinned versions and this project, editable

# Stamped: done again only when the pinned versions or the project's own metadata change. uv installs
# them in a tenth of the time that pip takes; pip gets uv itself, by its hash as well.
$(INSTALLED): requirements.lock pyproject.toml
	$(PYTHON) -m venv $(VENV)
	sed -n '/^uv==/,/[^\\]$$/p' requirements.lock >$(VENV)/uv.txt
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -r $(VENV)/uv.txt
	$(BIN)/uv pip install --quiet --python $(BIN)/python --no-config -r requirements.lock
	$(BIN)/uv pip install --quiet --python $(BIN)/python --no-config --no-deps --no-build-isolation -e .
	touch $@

.PHONY: gate
gate: $(INSTALLED)  ## Hancock's endpoints against their latency budgets, with artifacts
	mkdir -p $(ARTIFACTS)
	HANCOCK_PERF_ARTIFACT=$(ARTIFACTS)/performance-latency.json \
	  $(BIN)/pytest tests/benchmark_suite.py tests/test_performance.py -v \
	  --latency-artifacts=$(ARTIFACTS) --junitxml=$(ARTIFACTS)/benchmark-junit.xml

# Tests that need redis-server, nginx or promtool are skipped where those are missing; in CI they fail.
export HANCOCK_TESTS_WITHOUT_SERVICES ?= $(if $(CI),0,1)

.PHONY: test
test: $(INSTALLED)  ## all tests that a change has to pass
	$(BIN)/pytest --timeout=180 -m "not long" --durations=25

.PHONY: long
long: $(INSTALLED)  ## tests too long for every change: neighbours, faults, duels, benchmarks
	$(BIN)/pytest --timeout=180 -m long
	HANCOCK_TESTS_REPEATS=20 $(BIN)/pytest tests/measuring/takers/test_busy_core.py

# serving.py is what the others share; contract.py and image.py need more than the lock installs, and
# unseen_peers.py needs root; picture.py makes pictures for the documents.
SHOWS := $(filter-out %/serving.py %/contract.py %/image.py %/unseen_peers.py %/picture.py,$(wildcard tests/*/shows/*.py))

.PHONY: shows
shows: $(INSTALLED)  ## the scripts of tests/*/shows, each printing its figures
	@status=0; for script in $(SHOWS); do \
	  echo "== $$script"; $(BIN)/python "$$script" || status=1; \
	done; exit $$status

# Random cases; what it finds has to become a seed, see tests/fuzz/fuzzing.py.
FUZZ_CASES ?= 20000
.PHONY: fuzz
fuzz: $(INSTALLED)  ## many random inputs for each surface, and how many there were
	FUZZ_CASES=$(FUZZ_CASES) $(BIN)/pytest tests/fuzz --timeout=7200 -q

.PHONY: soak
soak: $(INSTALLED)  ## Hancock under load for half an hour, with gates next to it
	$(BIN)/python benchmarks/soak.py --check --json $(ARTIFACTS)/soak/soak.json

.PHONY: check
check: $(INSTALLED)  ## lint, format, types, structure, workflows, and the wheel builds
	$(BIN)/ruff check
	$(BIN)/ruff format --check
	$(BIN)/mypy
	$(BIN)/python benchmarks/structure.py --check
	$(BIN)/zizmor --offline --quiet .
	$(BIN)/python -m build --wheel --no-isolation --outdir build/wheel

# Built twice: what is published must depend on nothing but the commit.
.PHONY: dist
dist: $(INSTALLED)  ## wheel and sdist in dist/, built twice and equal, checked by twine
	rm -rf dist build/again
	$(BIN)/python -m build --no-isolation --outdir dist >/dev/null
	$(BIN)/python -m build --no-isolation --outdir build/again >/dev/null
	cd dist && set -e && for file in *; do cmp "$$file" "../build/again/$$file"; done
	$(BIN)/twine check --strict dist/*

.PHONY: audit
audit: $(INSTALLED)  ## known vulnerabilities of the pinned versions; their licences, in build/licences.md
	mkdir -p build
	$(BIN)/pip-licenses --from=mixed --with-urls --format=markdown --output-file=build/licences.md
	$(BIN)/pip-audit --disable-pip --require-hashes -r requirements.lock

.PHONY: docs
docs: $(INSTALLED)  ## the documentation site, in build/docs/; warnings are errors
	$(BIN)/sphinx-build -E -W --keep-going -q -b html docs build/docs

.PHONY: links
links: $(INSTALLED)  ## every link of the documentation that leaves it
	$(BIN)/sphinx-build -q -b linkcheck docs build/links

# mutants.py takes an hour and soak.py half of one; each has its own target.
BENCHMARKS := $(filter-out %/mutants.py %/soak.py,$(wildcard benchmarks/*.py))

.PHONY: bench
bench: $(INSTALLED)  ## the scripts of benchmarks/, each printing its ratios
	@set -e; for script in $(BENCHMARKS); do \
	  echo "== $$script"; $(BIN)/python "$$script"; \
	done

.PHONY: mutants
mutants: $(INSTALLED)  ## how many small changes to the code the tests notice; MUTANTS has options
	$(BIN)/python benchmarks/mutants.py $(MUTANTS)

.PHONY: serve
serve: $(INSTALLED)  ## Hancock on its development server
	$(BIN)/python -m hancock_app

.PHONY: load
load: $(INSTALLED)  ## a short Locust run against Hancock under gunicorn, gated by its budgets
	$(BIN)/python tests/load_hancock.py --profile $(LOAD_PROFILE) --users $(LOAD_USERS) \
	  --time $(LOAD_TIME) --artifacts $(ARTIFACTS)/load

.PHONY: lock
lock:  ## requirements.lock anew from pyproject.toml, for Python 3.11 to 3.14
	$(PYTHON) -m venv build/lock-tools
	build/lock-tools/bin/python -m pip install --quiet --disable-pip-version-check uv
	build/lock-tools/bin/uv pip compile pyproject.toml --all-extras --universal --upgrade \
	  --python-version 3.11 --no-config --generate-hashes --custom-compile-command 'make lock' --no-annotate --no-emit-index-url \
	  --no-emit-find-links --quiet --output-file requirements.lock

.PHONY: clean
clean:  ## removes all that these targets made
	rm -rf $(VENV) $(ARTIFACTS) build dist .tox .mypy_cache .pytest_cache .ruff_cache .hypothesis .benchmarks
