# make run: PagerPal on http://127.0.0.1:8000. make test: all tests. Nothing else is needed first.

PYTHON := $(firstword $(foreach name,python3 python3.13 python3.12 python3.11,\
	$(shell $(name) -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null && echo $(name))))
BIN := .venv/bin
# Three for two cores: a browser and the programs that tests start leave them idle now and then.
PYTEST := $(BIN)/pytest -n 3 --dist worksteal

.PHONY: run test lint bench faults fuzz container-check clean

run: .venv/.run-stamp
	@exec $(BIN)/python manage.py serve

test: .venv/.test-stamp
	DATABASE_URL= $(PYTEST)
ifdef TEST_DATABASE_URL
	DATABASE_URL=$(TEST_DATABASE_URL) $(PYTEST)
endif

# As many kills as it takes to believe the figures: hours. FAULTS_SCALE=0.05 is a short round, and
# FAULTS names some of the faults of docs/faults.md.
faults: .venv/.test-stamp
	PAGERPAL_FAULT_ROUNDS=$${PAGERPAL_FAULT_ROUNDS:-10} \
		PAGERPAL_FAULT_KILLS=$${PAGERPAL_FAULT_KILLS:-100} $(BIN)/pytest -v -m processes \
		pagerpal/tests/test_deaths.py
	$(BIN)/python -m pagerpal.faults $(FAULTS)

# Hostile bodies for every kind of alert source, and made-up calls to the API; other ones with
# another FUZZ_SEED.
fuzz: .venv/.test-stamp
	FUZZ_BODIES=$${FUZZ_BODIES:-20000} $(BIN)/pytest -n 0 -s alertsources/tests/test_fuzz.py
	FUZZ_CALLS=$${FUZZ_CALLS:-300} $(BIN)/pytest -v pagerpal/tests/test_api_fuzz.py

# What the Dockerfile says, done in a clean folder without a container engine; about a minute.
container-check: .venv/.test-stamp
	$(BIN)/python -m pagerpal.tests.dockerfile

bench: .venv/.test-stamp
	$(BIN)/python -m pagerpal.bench

lint: .venv/.test-stamp
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/python manage.py makemigrations --check --dry-run
	ENVIRONMENT=production SESSION_COOKIE_SECURE=true ALLOWED_ORIGINS=https://pager.example.org \
		PAGERPAL_BASE_URL=https://pager.example.org DATABASE_URL= \
		SECRET_KEY=$$($(BIN)/python -c 'import secrets; print(secrets.token_urlsafe(48))') \
		$(BIN)/python manage.py check --deploy --fail-level WARNING

clean:
	rm -rf .venv staticfiles

.venv/bin/python:
	@test -n "$(PYTHON)" || { \
		echo "PagerPal needs Python 3.11 or newer; python3 here is $$(python3 --version 2>&1)." >&2; \
		exit 1; }
	@$(PYTHON) -m venv .venv || { \
		echo "Python cannot make environments here; on Debian: apt install python3-venv" >&2; \
		rm -rf .venv; exit 1; }

.venv/.run-stamp: requirements.txt | .venv/bin/python
	@echo "Installing what PagerPal needs into .venv, which takes a minute the first time."
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check -r requirements.txt
	@touch $@

.venv/.test-stamp: requirements-dev.txt requirements.txt | .venv/bin/python
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -r requirements-dev.txt
	@touch $@ .venv/.run-stamp
