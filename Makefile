.DEFAULT_GOAL := help
.PHONY: help run quick test slow check docs pictures format lock components bench fuzz catalogue release deb reproducible clean distclean
BIN := .venv/bin

help: ## list the targets
	@awk -F ':.*## ' '/^[a-z]+:.*## / {printf "make %-11s %s\n", $$1, $$2}' Makefile

run: ## run resolver, control plane and example policy in the foreground; UPSTREAM=host:port or unbound, WORKERS=1
	@scripts/bootstrap run
	@exec $(if $(filter unbound,$(UPSTREAM)),scripts/with-unbound .run) $(BIN)/dnsfilter up --state-dir .run \
		--policy deploy/examples/belgium-2023.toml $(patsubst %,--upstream %,$(UPSTREAM:unbound=127.0.0.1:5335)) \
		$(WORKERS:%=--workers %)

# Tests sync files thousands of times. Use memory for them if there is room, which saves a quarter of the time.
SCRATCH := $(shell df -k --output=avail /dev/shm 2>/dev/null | awk 'NR == 2 && $$1 > 4000000 {print "TMPDIR=/dev/shm"}')

# Tests start hundreds of processes. Without compiled files on disk each of them would compile every module again.
unexport PYTHONDONTWRITEBYTECODE

# Two processes more than cores, because tests that wait for a clock or a server leave their core idle. Few of `quick`
# do, and each process takes seconds to collect the tests. tests/conftest.py says which files begin.
SPARE = 2
quick: SPARE = 1
PYTEST = $(SCRATCH) $(BIN)/pytest -n $$(($$(nproc) + $(SPARE))) --dist loadfile --no-loadscope-reorder

# Schemathesis takes seconds to import, in each process.
WITHOUT_SCHEMATHESIS := -p no:schemathesis --ignore=tests/integration/test_schemathesis.py

quick: ## run the tests for every change, in about a minute: unit, contract and meta, without heavy ones
	@scripts/bootstrap dev
	@DNSFILTER_EXAMPLES=5 $(PYTEST) $(WITHOUT_SCHEMATHESIS) -m "not heavy and not slow" tests/unit tests/contract tests/meta

test: ## run every rule once, in about twelve minutes; TESTS=path runs some
	@scripts/bootstrap dev
	@scripts/components
	@DNSFILTER_EXAMPLES=10 DNSFILTER_FUZZ_EXAMPLES=25 $(PYTEST) $(WITHOUT_SCHEMATHESIS) -m "not slow" $(TESTS)

slow: ## run what takes minutes: kills, comparisons at length, fuzz, browsers, the booted package; TESTS=path runs some
	@scripts/bootstrap dev
	@scripts/components
	@DNSFILTER_EXAMPLES=50 $(PYTEST) -m "slow or fuzz or hypothesis" $(TESTS)

check: ## check lint, format, types, import contracts and the API's description
	@scripts/bootstrap dev
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	scripts/check-description
	scripts/pictures --check
	$(DOCS)

# A link to nothing ends it. What it does not have to build again it takes from the last time.
DOCS := $(BIN)/sphinx-build --quiet --fail-on-warning -b html -d build/docs docs api/documentation/site

docs: ## build the documents as pages, which the control plane serves at /help
	@scripts/bootstrap dev
	$(DOCS)

pictures: ## draw the pictures of the documents again, from docs/pictures/*.dot and a terminal with `make run`
	@scripts/bootstrap dev
	@scripts/components
	scripts/pictures
	$(BIN)/python -m tests.support.recorded_terminal docs/pictures/terminal.svg

format: ## format the code and sort imports
	@scripts/bootstrap dev
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

# The index is named here, so that the pinned releases do not depend on the machine's configuration.
LOCK := compile --quiet --upgrade --universal --python-version 3.11 --generate-hashes \
	--default-index https://pypi.org/simple --no-config --custom-compile-command 'make lock'

lock: ## pin newer releases in the lock files
	@scripts/bootstrap dev
	$(BIN)/uv pip $(LOCK) --group build pyproject.toml --output-file requirements.lock
	$(BIN)/uv pip $(LOCK) --extra dev --group build --group docs --group postgresql pyproject.toml --constraint requirements.lock \
		--output-file requirements-dev.lock
	$(BIN)/uv pip $(LOCK) --group docs --constraint requirements-dev.lock --output-file requirements-docs.lock
	$(BIN)/uv pip $(LOCK) --group postgresql --constraint requirements-dev.lock --output-file requirements-postgresql.lock

components: ## fetch the programs that tests run (dig, Knot, NSD, Unbound, Prometheus) into .components/
	@scripts/components

bench: ## compare with other resolvers, and measure the control plane, in ten minutes; ARGS=--help lists options
	@scripts/bootstrap dev
	@scripts/components
	@$(BIN)/python -m tests.bench.compare $(ARGS)
	@$(if $(ARGS),:,$(BIN)/python -m tests.bench.control_plane 20)

fuzz: ## run the tests of the compiled engine under sanitizers, then a guided fuzzer; FUZZ_TIME=600 seconds
	@scripts/fuzz

catalogue: ## number the catalogue if it has changed, and sign it for installations: KEY=file.pem
	@scripts/bootstrap run
	@scripts/catalogue $(KEY)

release: ## build wheel, source distribution, Debian package, image context, SBOM and checksums in dist/
	@scripts/release all

deb: ## build the Debian package alone, in dist/
	@scripts/release deb

reproducible: ## build the release twice, in different directories, and compare every byte
	@scripts/release check

clean: ## remove caches and build output
	rm -rf build dist *.egg-info api/documentation/site dnsfilter/engine/_engine.c dnsfilter/engine/_engine.*.so
	rm -rf .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache
	find api blocklists dnsfilter tests -name __pycache__ -type d -prune -exec rm -rf {} +

distclean: clean ## also remove .venv, .components and the state in .run
	rm -rf .venv .components .run
