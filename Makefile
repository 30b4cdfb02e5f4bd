# make run    install what is missing, start Frazil, print the portal's URL
# make check  the fast checks, under two minutes
# make test   install everything, the whole suite
# make soak   what takes long
# make down   stop Frazil and its desktops
# make clean  forget the Python environment and what was built

PYTHON := /usr/bin/python3
BIN := .venv/bin
SUDO := $(shell [ "$$(id -u)" = 0 ] || echo sudo)
PYTEST := $(BIN)/python -m pytest
TWO := -n 2 --dist loadscope --no-loadscope-reorder

.DEFAULT_GOAL := help
.PHONY: help run down check lint types imports unit openapi reference test soak clean

help:
	@sed -n 's/^# make/  make/p' Makefile

run:
	@$(PYTHON) scripts/bootstrap run
	@exec $(SUDO) $(BIN)/frazil up $(ARGS)

down:
	@$(SUDO) $(BIN)/frazil down

check:
	@$(PYTHON) scripts/bootstrap check
	@$(MAKE) --no-print-directory lint types imports unit

lint:
	$(BIN)/ruff check
	$(BIN)/ruff format --check

types:
	$(BIN)/mypy

imports:
	$(BIN)/lint-imports

unit:
	$(PYTEST) tests/unit $(TWO)

# Whether what is generated and committed is what the code says now. Unit tests ask it, these two show what differs.
openapi:
	@mkdir -p build
	@$(BIN)/python -m frazil.controller.api.openapi build/openapi.json
	@diff -u docs/reference/openapi.json build/openapi.json \
		|| { echo "docs/reference/openapi.json is old: $(BIN)/python -m frazil.controller.api.openapi"; exit 1; }

reference:
	@$(BIN)/python -m frazil.cli.reference --check docs/reference

test:
	@$(PYTHON) scripts/bootstrap test
	@$(MAKE) --no-print-directory lint types imports
	@lab=$$(mktemp -d /var/tmp/fz-lab-XXXXXX); trap "$(SUDO) rm -rf $$lab" EXIT; set -ex; \
	$(SUDO) env FRAZIL_LAB=$$lab $(PYTEST) tests -m "not soak and not alone" $(TWO); \
	$(SUDO) env FRAZIL_LAB=$$lab $(PYTEST) tests -m "alone and not soak"

soak:
	@$(PYTHON) scripts/bootstrap soak
	$(SUDO) scripts/fresh-machine
	$(SUDO) $(PYTEST) tests -m soak --timeout=7200
	$(SUDO) env FRAZIL_STORM_S=600 $(PYTEST) tests/integration/controller/test_several.py -k storm
	$(SUDO) env FRAZIL_FORBIDDEN_S=600 $(PYTEST) tests/e2e/test_sharing.py tests/e2e/test_desktop_in_native_viewer.py -k policy

clean:
	rm -rf .venv build web/node_modules
