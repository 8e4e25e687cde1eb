# Steunpunt Mailbox. `make run` starts it, `make check` is for every change, `make test` runs everything.
# Needs git, make and any Python >= 3.11 with venv. `make run PYTHON=python3.13` chooses another Python.

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
WORKERS ?= 2
SLOW_WORKERS ?= 4

# --only-binary: installing a wheel runs none of its code. Only stem has no wheel: it is built from its pinned source
# with the installed setuptools (ADR 13). We compile afterwards on all cores, because pip would use one.
PIP_INSTALL := $(BIN)/python -m pip install --quiet --disable-pip-version-check --no-compile --only-binary :all: --require-hashes
COMPILE := $(BIN)/python -m compileall -q -j 0 $(VENV)/lib || true
FROM_SOURCE := --no-binary stem --use-pep517 --no-build-isolation
PACKAGES := crypto protocol gpg programs store stored_mailbox sync source_app journalist_app web report deploy
CATALOGUES := $(wildcard languages/*/LC_MESSAGES/*.po journalist_app/translations/*/LC_MESSAGES/*.po)
# The tests that could not run, one on each line, with the reason.
NOT_RUN := .cache/not-run
# The Debian packages that are missing, one on each line. A sentence, if the dependencies were not audited.
MISSING := .cache/missing-packages
NOT_AUDITED := .cache/not-audited
# A fast test that uses the network fails.
FAST := -q -n $(WORKERS) -m "not slow" --disable-socket --allow-unix-socket
# Folders in which the fast tests cover every branch. The slow tests cover the carriers, over real connections.
GATED := crypto/*,protocol/*,gpg/*,programs/*,store/*,stored_mailbox/*,sync/*,web/*,report/*,source_app/services/*,source_app/signpost/*,journalist_app/services/*,journalist_app/search/*,journalist_app/inbox/*,journalist_app/files/file_types.py,journalist_app/files/presealed.py,journalist_app/files/sealed_blocks.py,journalist_app/files/mail_parts.py,journalist_app/files/metadata.py,journalist_app/files/metadata_sentences.py,journalist_app/cleaning/same_content.py,journalist_app/cleaning/picture_pdf.py,journalist_app/cleaning/copy_sentences.py

# The temporary files of fast tests (one GB) are in memory if there is room, because these tests prove nothing about a
# disk. The files are removed at the end, also if a test failed. The name is short, because paths of sockets must be short.
fast check: export PYTEST_DEBUG_TEMPROOT := $(shell \
	free=$$(df -m --output=avail /dev/shm 2>/dev/null | tail -n 1) && [ "$$free" -ge 4000 ] \
	&& echo /dev/shm/t-$$(echo "$(CURDIR)" | cksum | cut -c 1-4))
IN_MEMORY := if [ -n "$$PYTEST_DEBUG_TEMPROOT" ]; then \
	mkdir -p -m 700 "$$PYTEST_DEBUG_TEMPROOT" && trap 'rm -rf "$$PYTEST_DEBUG_TEMPROOT"' EXIT; fi;

# If this variable is set, each of the hundreds of processes that tests start would compile every module again.
unexport PYTHONDONTWRITEBYTECODE

.PHONY: help run test check format lint types contracts audit fast slow bench prove screenshots lock clean \
	say-what-passed system-packages run-packages deb

help:
	@echo "make run          install what is missing and start both interfaces (Ctrl-C stops them)"
	@echo "make check        check format, lint, types, contracts, and the fast tests of the folders you changed (a minute);"
	@echo "                  TESTS=tests runs all fast tests (four minutes)"
	@echo "make test         run every check and every test, as CI does"
	@echo "make bench        measure speed and memory (half an hour; prints a table and writes bench/RESULTS.md)"
	@echo "make prove        run the long proofs: 200 kills, 5,000 power cuts, two minutes of load, a million entries"
	@echo "make screenshots  take the screenshots in docs/screenshots/ again"
	@echo "make deb          build the Debian packages of the committed files in dist/, for the Debian that runs here"
	@echo "make lock         update the pinned dependencies in requirements*.txt"
	@echo "make clean        remove everything that make created; the desk's keys and store in var/ stay"

# ---- installing -------------------------------------------------------------------------------------

$(BIN)/python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' \
		|| { echo "$(PYTHON) is older than Python 3.11. Choose another one, for example: make PYTHON=python3.13"; exit 1; }
	$(PYTHON) -m venv $(VENV)

# setuptools is pinned in its own file, so that installing this project downloads nothing unpinned.
$(VENV)/run.stamp: requirements.txt requirements-build.txt pyproject.toml | $(BIN)/python
	@echo "Installing the pinned dependencies (the first time takes half a minute) ..."
	$(PIP_INSTALL) -r requirements-build.txt
	$(PIP_INSTALL) $(FROM_SOURCE) -r requirements.txt
	@PYTHONWARNINGS=ignore $(BIN)/python -m pip install --quiet --disable-pip-version-check \
		--no-build-isolation --no-deps --editable .
	@$(COMPILE)
	@touch $@

$(VENV)/dev.stamp: requirements-dev.txt $(VENV)/run.stamp
	@echo "Installing the pinned tools for tests ..."
	$(PIP_INSTALL) -r requirements-dev.txt
	@$(COMPILE)
	@touch $@

$(VENV)/translations.stamp: $(CATALOGUES) $(VENV)/run.stamp
	@for catalogues in $(sort $(dir $(patsubst %/,%,$(dir $(patsubst %/,%,$(dir $(CATALOGUES))))))); do \
		$(BIN)/pybabel --quiet compile --directory $$catalogues || exit 1; \
	done
	@touch $@

# ---- running -------------------------------------------------------------------------------------

# The desk is marked as a trial: it has no recovery sheet. exec, so that Ctrl-C and SIGTERM reach the program itself.
run: run-packages $(VENV)/run.stamp $(VENV)/translations.stamp
	@test -e var/config.toml || $(BIN)/steunpunt setup --trial
	@exec $(BIN)/steunpunt run

# ---- testing -------------------------------------------------------------------------------------

# Two jobs at a time: apt and pip wait for downloads, and most checks use one process. mypy runs beside the slow tests,
# which wait much of the time; the fast tests keep both cores busy.
test: export STEUNPUNT_NOT_RUN := $(CURDIR)/$(NOT_RUN)
test: export STEUNPUNT_MISSING := $(CURDIR)/$(MISSING)
test: export STEUNPUNT_NOT_AUDITED := $(CURDIR)/$(NOT_AUDITED)
test:
	@mkdir -p $(dir $(NOT_RUN)) && rm -f $(NOT_RUN) $(MISSING) $(NOT_AUDITED)
	@$(MAKE) --no-print-directory --jobs 2 system-packages $(VENV)/dev.stamp
	@$(MAKE) --no-print-directory --jobs 2 --output-sync format lint contracts audit
	@$(MAKE) --no-print-directory fast
	@$(MAKE) --no-print-directory --jobs 2 types slow
	@$(MAKE) --no-print-directory say-what-passed

# Some tests need root, and some a Debian package. In CI, a test that could not run is a failure.
say-what-passed:
	@if [ -s $(NOT_AUDITED) ]; then cat $(NOT_AUDITED); fi
	@if [ -s $(NOT_RUN) ]; then \
		echo "Everything that ran passed. These tests could not run here:"; sort -u $(NOT_RUN); [ -z "$$CI" ]; \
	elif [ -s $(NOT_AUDITED) ]; then echo "Everything else passed."; else echo "Everything passed."; fi

# The tests of each folder with uncommitted changes. Without changes: all tests.
TESTS ?= $(wildcard $(sort $(shell git status --porcelain --untracked-files=all \
	| awk '{split($$NF, part, "/"); print part[1] == "tests" ? "tests/" part[2] : "tests/" part[1]}')))

check: $(VENV)/dev.stamp $(VENV)/translations.stamp
	@$(MAKE) --no-print-directory format lint types contracts
	$(IN_MEMORY) $(BIN)/python -m pytest $(FAST) $(TESTS) $(if $(TESTS),tests/docs/test_plain_english.py)
	@$(BIN)/python -m tests.code_lines

format: $(VENV)/dev.stamp
	$(BIN)/ruff format --check --quiet . || { echo "The format is not right. Run: $(BIN)/ruff format ."; exit 1; }

lint: $(VENV)/dev.stamp
	$(BIN)/ruff check --quiet .

types: $(VENV)/dev.stamp
	$(BIN)/mypy

contracts: $(VENV)/dev.stamp
	$(BIN)/lint-imports

# A known advisory is a failure. If no source of advisories can be reached, a message says so.
audit: $(VENV)/dev.stamp
	@deploy/audit.sh $(BIN)/pip-audit requirements.txt

# Coverage is measured in the fast tests. This makes each of them half as slow again, so long tests are slow tests.
fast: $(VENV)/dev.stamp $(VENV)/translations.stamp
	$(BIN)/coverage erase
	$(IN_MEMORY) $(BIN)/coverage run -m pytest $(FAST)
	$(BIN)/coverage combine --quiet
	@if [ -s "$$STEUNPUNT_MISSING" ]; then echo "coverage of every branch: Debian packages are missing" >> $(NOT_RUN); \
		else $(BIN)/coverage report --include='$(GATED)' --omit='sync/carriers.py' --fail-under=100; fi

# -v prints each test when it ends, so that a failure or a hang in this long run is visible early. More workers than
# cores, because these tests wait much: for Tor, for a client that stalls, for a store that is locked.
slow: $(VENV)/dev.stamp $(VENV)/translations.stamp
	$(BIN)/python -m pytest -v -n $(SLOW_WORKERS) --dist loadfile --no-loadscope-reorder -m slow

# Quick if everything is installed. If a package is missing, a message says so, and the mailbox starts without it.
run-packages:
	@deploy/system-packages.sh run

system-packages:
	@deploy/system-packages.sh test

# Tests of a server and its syncs, of which `make prove` makes each store in a database of PostgreSQL.
ON_POSTGRESQL := tests/stored_mailbox tests/sync tests/source_app tests/deploy/sweeping/test_retention.py

# ---- measuring and proving -----------------------------------------------------------------------

bench: $(VENV)/dev.stamp $(VENV)/translations.stamp
	$(BIN)/python -m bench.run

prove: system-packages $(VENV)/dev.stamp $(VENV)/translations.stamp
	STEUNPUNT_PROVE=whole $(BIN)/python -m pytest tests/proofs tests/tor/manual tests/browser/test_nothing_is_lost.py -m slow --timeout 3600 -p no:randomly -rP
	$(BIN)/python -m pytest -p tests.databases.stores_on_postgresql $(ON_POSTGRESQL) -m "not slow"

screenshots: system-packages $(VENV)/dev.stamp $(VENV)/translations.stamp
	$(BIN)/python -m docs.screenshots.take

# ---- packaging -------------------------------------------------------------------------------------

deb:
	@deploy/debian/build.sh dist

# ---- maintaining -------------------------------------------------------------------------------------

# The files name no package index, so that anyone who installs can use their own.
PIP_COMPILE := CUSTOM_COMPILE_COMMAND="make lock" $(BIN)/pip-compile --quiet --allow-unsafe --generate-hashes \
	--no-emit-find-links --no-emit-index-url --no-emit-trusted-host --strip-extras

lock: $(VENV)/dev.stamp
	$(PIP_COMPILE) --output-file requirements.txt pyproject.toml
	$(PIP_COMPILE) --extra dev --constraint requirements.txt --output-file requirements-dev.txt pyproject.toml
	$(PIP_COMPILE) --only-build-deps --build-deps-for editable --output-file requirements-build.txt pyproject.toml

clean:
	rm -rf $(VENV) .cache build dist *.egg-info .coverage .coverage.* .hypothesis .mypy_cache .pytest_cache \
		.ruff_cache .import_linter_cache
	find $(PACKAGES) tests -name __pycache__ -prune -exec rm -rf {} +
	find $(PACKAGES) -name '*.mo' -exec rm -f {} +
