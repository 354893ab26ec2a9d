# StockSync's commands. `make` alone lists them.

# The first Python on the path that is new enough; `make run PYTHON=…` names another.
PYTHON ?= $(shell for p in python3 python3.14 python3.13 python3.12 python3.11; do \
	$$p -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null && { echo $$p; exit; }; \
	done; echo python3)
VENV := .venv/bin
INSTALL := $(PYTHON) -m stocksync.up.install
# A file is run by one worker, which shares what is dear to make; those that take long come first.
PYTEST_ARGS ?= -n logical --dist loadfile --no-loadscope-reorder

.NOTPARALLEL:
.PHONY: help run install install-dev test soak bench lint messages screenshots clean

help:
	@echo 'make run     install, start everything, print where to log in; Ctrl-C stops it (PORT=8000)'
	@echo 'make test    the whole test suite, on a private PostgreSQL'
	@echo 'make soak    the tests that take long, alone'
	@echo 'make bench   measure pacing, limiter, scheduler, sync engine, protocol, exports and pages side by side; takes its time'
	@echo 'make lint    ruff, mypy, import-linter, migrations and API schema checks'
	@echo 'make messages   refresh the catalogues of translations from the code, and compile them'
	@echo 'make screenshots   bring up a product with something to see, and take its pictures for docs/screenshots'
	@echo 'make clean   remove .venv and var/, the database included, after asking'

run: install
	@$(VENV)/python -m stocksync.run

install:
	@$(INSTALL) requirements.txt

install-dev:
	@$(INSTALL) requirements.txt requirements-workers.txt requirements-dev.txt

test: install-dev
	@$(VENV)/python -m pytest $(PYTEST_ARGS)

soak: install-dev
	@$(VENV)/python -m pytest -m soak $(PYTEST_ARGS)

bench: install-dev
	@$(VENV)/python -m tests.bench $(BENCH_ARGS)

lint: install-dev
	$(VENV)/ruff check .
	$(VENV)/ruff format --check .
	$(VENV)/mypy .
	$(VENV)/lint-imports
	$(VENV)/python manage.py makemigrations --check --dry-run
	$(VENV)/python manage.py spectacular --validate --fail-on-warn --file /dev/null

messages: install-dev
	@$(VENV)/python -m tests.messages

screenshots: install-dev
	@$(VENV)/python -m tests.browser.screenshots

clean:
	@$(PYTHON) -m stocksync.up.clean
