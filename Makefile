# `make run` decides the claims of one config; `make scoreboard` decides those of all configs that changed, with FRESH=1 of
# all; `make certify` decides those of all configs that have no certificate yet, or of CONFIG=..., again under other
# settings and keeps what came of it, two at a time, and goes on where it was stopped. `make test` runs every check.
# `make resilience` kills, damages and starves runs, and writes the counts into docs/resilience.md. `make release-check`
# builds the packages and uses them outside of the repository; ALL=1 runs the whole gallery. All set up their own
# environment.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
CONFIG ?= configs/l1_sparsity.yaml
# What the scoreboard has tried so far is a part of the repository.
LEDGER := docs/scoreboard/ledger.jsonl
PYTEST_WORKERS ?= auto
# A worker that is out of tests takes some of another's last ones, so that neighbours share what they compiled.
PYTEST_OPTIONS = -n $(PYTEST_WORKERS) --dist worksteal
# The suite compiles without XLA's optimiser, for speed; these tests run with the code that users run: two once more,
# and two, of what XLA fuses, there alone.
AS_USERS_RUN_ALONE := tests/ops/test_as_users_run.py tests/ops/test_in_use.py
AS_USERS_RUN := tests/sweep/test_compiler.py tests/sweep/test_check.py $(AS_USERS_RUN_ALONE)

.PHONY: run certify scoreboard test types suite resilience release-check format clean

run: $(VENV)/.installed
	$(BIN)/jaxml run $(CONFIG)
	@echo 'The command is $(BIN)/jaxml; after `source $(BIN)/activate` it is jaxml.'

certify: $(VENV)/.installed-dev
	$(BIN)/python docs/make_certificates.py runs/scoreboard $(if $(filter file,$(origin CONFIG)),,$(CONFIG))
	$(BIN)/python docs/make_scoreboard.py runs/scoreboard

scoreboard: $(VENV)/.installed-dev
	for config in $(if $(FRESH),configs/*.yaml,$$($(BIN)/python docs/make_scoreboard.py --stale)); do \
	  $(BIN)/jaxml run $$config --runs runs/scoreboard --fresh --ledger $(LEDGER) || exit 1; done
	$(BIN)/python docs/make_scoreboard.py runs/scoreboard

test: $(VENV)/.installed-dev
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(MAKE) --jobs=2 types suite  # pyright keeps one core busy for a minute, and the other idle

types: $(VENV)/.installed-dev
	$(BIN)/pyright

suite: export PYTHONDONTWRITEBYTECODE =  # workers, the second call and children import what the first one compiled
suite: $(VENV)/.installed-dev
	$(BIN)/python -m pytest $(PYTEST_OPTIONS) $(AS_USERS_RUN_ALONE:%=--ignore=%)
	XLA_FLAGS= $(BIN)/python -m pytest $(PYTEST_OPTIONS) $(AS_USERS_RUN)

resilience: $(VENV)/.installed-dev
	$(BIN)/python -m tests.resilience --write

release-check:
	$(PYTHON) -m tests.release

format: $(VENV)/.installed-dev
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

clean:
	rm -rf $(VENV) runs .pytest_cache .ruff_cache .hypothesis

$(VENV)/.installed: pyproject.toml constraints.txt
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(BIN)/pip install --quiet --disable-pip-version-check -c constraints.txt -e .
	touch $@

$(VENV)/.installed-dev: pyproject.toml constraints.txt
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(BIN)/pip install --quiet --disable-pip-version-check -c constraints.txt -e '.[dev]'
	touch $@ $(VENV)/.installed
