# make demo | test | test-long | contract | up | bench | lint | lock | clean. Needs make and Python 3.10 or newer, nothing else.

PYTHON ?= python3
BIN := .venv/bin
# Copies, not links into uv's cache: as root, `pipeline` changes modes in the embedded Postgres' folder.
UV := UV_LINK_MODE=copy $(BIN)/python -m uv pip install -q --compile-bytecode --python $(BIN)/python
PIP := PIP_DISABLE_PIP_VERSION_CHECK=1 $(BIN)/python -m pip install -q

# Each worker and each process of the tests would compile the project anew.
unexport PYTHONDONTWRITEBYTECODE

.PHONY: demo test test-long contract up bench lint lock clean
.DELETE_ON_ERROR:

demo: .venv/.stamp
	$(BIN)/pipeline demo

# A file goes to one worker, with what it makes once for its tests; conftest.py has put the long ones first.
test: lint
	$(BIN)/python -m pytest -n 3 --dist loadfile --no-loadscope-reorder

# Every failure mode of every flow; `make test` has one or some of each.
test-long: .venv/.stamp
	$(BIN)/python -m pytest -n 2 -m long

up: .venv/.stamp
	$(BIN)/pipeline up

bench: .venv/.stamp
	$(BIN)/python -m pipeline_tests.benchmarks

# The Amazon flow through Prism with Amazon's own models. Skips, and says why, without Node or the models (REFERENCE_DIR).
PRISM := @stoplight/prism-cli@5.14.2
contract: .venv/.stamp
	@test -x .contract/node_modules/.bin/prism || ! command -v npm >/dev/null || \
		npm install --silent --no-save --no-fund --no-audit --prefix .contract $(PRISM) || echo 'Prism could not be installed' >&2
	$(BIN)/python -m pytest -m contract -rs pipeline_tests/contract

lint: .venv/.stamp
	$(BIN)/ruff check
	$(BIN)/ruff format --check
	$(BIN)/mypy
	$(BIN)/lint-imports

# Hashes for all platforms and no address of a package index: the lock works wherever pip is pointed.
lock: .venv/.stamp
	$(BIN)/python -m uv --version >/dev/null 2>&1 || $(PIP) uv
	$(BIN)/python -m uv pip compile -q pyproject.toml --extra dev --universal --python-version 3.10 --generate-hashes \
		--no-strip-extras --no-emit-index-url --no-annotate --no-header -o requirements.lock

# Keeps data/.
clean:
	rm -rf .venv .contract *.egg-info .hypothesis .mypy_cache .pytest_cache .ruff_cache .import_linter_cache .tmp_dagster_home_*
	find pipeline pipeline_tests -name __pycache__ -type d -prune -exec rm -rf {} +

.venv/.stamp: pyproject.toml requirements.lock
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 10))' || \
		{ echo 'Python 3.10 or newer is needed: make PYTHON=/path/to/python3 ...' >&2; exit 1; }
	@$(BIN)/python -m pip --version >/dev/null 2>&1 || { rm -rf .venv; $(PYTHON) -m venv .venv; } || \
		{ rm -rf .venv; echo 'python -m venv failed; on Debian and Ubuntu: apt install python3-venv' >&2; exit 1; }
	@echo 'Installing into .venv (a few minutes the first time) ...'
	@# Two installs: with hashes pip refuses a local project, which has none. uv is only faster.
	@$(BIN)/python -m uv --version >/dev/null 2>&1 || $(PIP) uv >/dev/null 2>&1 || true
	@$(UV) --require-hashes -r requirements.lock 2>/dev/null || $(PIP) --require-hashes -r requirements.lock
	@$(UV) --no-deps -e . 2>/dev/null || $(PIP) --no-deps -e .
	@touch $@
