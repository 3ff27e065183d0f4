.DEFAULT_GOAL := help
.PHONY: help run test quick soak check format lock components bench fuzz clean distclean
BIN := .venv/bin

help: ## list the targets
	@awk -F ':.*## ' '/^[a-z]+:.*## / {printf "make %-11s %s\n", $$1, $$2}' Makefile

run: ## resolver, control plane and example policy in the foreground; UPSTREAM=host:port, WORKERS=1
	@scripts/bootstrap run
	@exec $(BIN)/dnsfilter up --state-dir .run --policy deploy/examples/belgium-2023.toml $(UPSTREAM:%=--upstream %) \
		$(WORKERS:%=--workers %)

# What tests write is synced thousands of times: in memory where there is room, which takes a quarter less time.
SCRATCH := $(shell df -k --output=avail /dev/shm 2>/dev/null | awk 'NR == 2 && $$1 > 4000000 {print "TMPDIR=/dev/shm"}')

# Tests start hundreds of processes: without compiled files on disk each of them compiles every module again.
unexport PYTHONDONTWRITEBYTECODE

# One process more than cores: what waits for a clock or a server leaves its core to others. tests/conftest.py says
# which files begin.
PYTEST = $(SCRATCH) $(BIN)/pytest -n $$(($$(nproc) + 1)) --dist loadfile --no-loadscope-reorder

test: ## all tests, in random order; TESTS=path runs some
	@scripts/bootstrap dev
	@scripts/components
	@$(PYTEST) $(TESTS)

# No test of these takes Schemathesis, which each process would spend seconds to import.
quick: ## the tests to run at every change, in about a minute: unit, contract and meta, without the slow ones
	@scripts/bootstrap dev
	@DNSFILTER_EXAMPLES=5 DNSFILTER_FUZZ_EXAMPLES=10 $(PYTEST) -p no:schemathesis -m "not slow" \
		tests/unit tests/contract tests/meta

# One after the other and with their output: each takes minutes, and says how far it is.
soak: ## the tests that kill the control plane and crowd it, for minutes instead of seconds; DNSFILTER_SEED repeats one
	@scripts/bootstrap dev
	@scripts/components
	@DNSFILTER_SOAK=1 $(BIN)/pytest -s -p no:randomly tests/integration/test_crashes.py tests/integration/test_operators.py \
		tests/integration/test_schemathesis.py

check: ## lint, format, types, import contracts
	@scripts/bootstrap dev
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

format: ## format the code and sort imports
	@scripts/bootstrap dev
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

# The index is named here, so that no machine's own configuration decides what is pinned.
LOCK := compile --quiet --upgrade --universal --python-version 3.11 --generate-hashes \
	--default-index https://pypi.org/simple --no-config --custom-compile-command 'make lock'

lock: ## pin newer releases in the lock files
	@scripts/bootstrap dev
	$(BIN)/uv pip $(LOCK) --group build pyproject.toml --output-file requirements.lock
	$(BIN)/uv pip $(LOCK) --extra dev --group build --group postgresql pyproject.toml --constraint requirements.lock \
		--output-file requirements-dev.lock
	$(BIN)/uv pip $(LOCK) --group postgresql --constraint requirements-dev.lock --output-file requirements-postgresql.lock

components: ## fetch the real programs that tests run (dig, Knot, NSD, Unbound, Prometheus) into .components/
	@scripts/components

bench: ## compare with other resolvers on this machine; ARGS=--help tells what can be chosen
	@scripts/bootstrap dev
	@scripts/components
	@$(BIN)/python -m tests.bench.compare $(ARGS)

fuzz: ## the compiled engine under sanitizers: its tests, then a guided fuzzer; FUZZ_TIME=600 seconds
	@scripts/fuzz

clean: ## remove caches and build output
	rm -rf build dist *.egg-info dnsfilter/engine/_engine.c dnsfilter/engine/_engine.*.so
	rm -rf .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache
	find api blocklists dnsfilter tests -name __pycache__ -type d -prune -exec rm -rf {} +

distclean: clean ## remove also .venv, .components and the state in .run
	rm -rf .venv .components .run
