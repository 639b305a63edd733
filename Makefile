# One command from a fresh clone: `make book` or `make test`. `make help` lists the rest.
PROFILE ?= quick
PORT ?= 8000
# The Pythons of `requires-python` in pyproject.toml: those that torch has wheels for.
SUPPORTED := import sys; sys.exit(not (3, 10) <= sys.version_info < (3, 15))
PYTHON ?= $(shell for p in python3 python3.14 python3.13 python3.12 python3.11 python3.10; \
  do $$p -c '$(SUPPORTED)' 2>/dev/null && echo $$p && break; done)

VENV := .venv
BIN := $(VENV)/bin
READY := $(VENV)/.ready
NEXT := _build/venv-next
PYTEST = OMP_NUM_THREADS=1 $(BIN)/python -m pytest -n auto --dist worksteal -m "not slow"
export NETDYN_RUNS ?= $(CURDIR)/_build/runs

# TORCH=cpu takes the wheels without the graphics libraries; they are far smaller, and
# pip prefers them because 2.0+cpu sorts above 2.0.
INDEX := $(if $(filter cpu,$(TORCH)),--extra-index-url https://download.pytorch.org/whl/cpu)

.DEFAULT_GOAL := help
.PHONY: help setup book published release test test-portable test-slow lint pair bench \
  lab serve clean distclean results results-status results-verify

help: ## list the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-13s %s\n", $$1, $$2 }' Makefile
	@echo "  make book PROFILE=test|quick|paper; make setup TORCH=cpu for small torch wheels"

setup: $(READY) ## make the environment in .venv; every other target does it if needed

$(READY): pyproject.toml constraints.txt
	@$(or $(PYTHON),false) -c '$(SUPPORTED)' 2>/dev/null || { echo "netdyn needs Python 3.10 to \
	3.14 and found $(or $(PYTHON),none): install one, or name it with make PYTHON=python3.12"; exit 1; }
	@$(PYTHON) -c 'import ensurepip, venv' 2>/dev/null || { echo "$(PYTHON) comes without \
	its venv module: install it (Debian and Ubuntu: apt install python3-venv)"; exit 1; }
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install $(INDEX) -e '.[book,sweep,test]' -c constraints.txt
	@touch $(READY)

book: $(READY) $(if $(filter next,$(SPHINX)),$(NEXT)/.ready) ## run the notebooks and build the site (PROFILE=quick)
	@$(if $(filter next,$(SPHINX)),NETDYN_SPHINX=$(CURDIR)/$(NEXT)/bin/python) \
	$(BIN)/python -m netdyn_utils book --profile $(PROFILE)

# Sphinx and its theme as they are now, without Jupyter Book. What the pages describe is
# imported from .venv; a path of its own comes first.
$(NEXT)/.ready: book/sphinx-next.txt $(READY)
	rm -rf $(NEXT)
	$(BIN)/python -m venv $(NEXT)
	$(NEXT)/bin/python -m pip install --quiet -r book/sphinx-next.txt
	$(BIN)/python -c 'import sysconfig; print(sysconfig.get_path("purelib"))' > \
	  "$$($(NEXT)/bin/python -c 'import sysconfig; print(sysconfig.get_path("purelib"))')/main.pth"
	@touch $@

# What others see: the paper profile, from the records in book/results once there are any.
published: ## build the site that others see, from book/results if it holds runs
	@$(MAKE) book $(if $(wildcard book/results/*.json),PROFILE=paper)

# Names are sorted, and time, owner and mode are the same for every file: the same pages
# give the same archive. It needs GNU tar.
release: SITE = netdyn-site-$(shell sed -n 's/^version = "\(.*\)"/\1/p' pyproject.toml)
release: ## pack the site that was built last, with SHA-256 checksums
	@test -f _build/site/index.html || { echo "there is no site yet: make book builds it"; exit 1; }
	@cd _build && tar --sort=name --mtime=@$$(git log -1 --format=%ct 2>/dev/null || echo 315532800) \
	  --owner=0 --group=0 --numeric-owner --mode=a=rX,u+w --format=ustar \
	  --transform='s,^site,$(SITE),' -c site | gzip -9n > $(SITE).tar.gz
	@cd _build && sha256sum $(SITE).tar.gz | tee SHA256SUMS

test: lint ## everything that is checked: lint, pairs, unit tests, notebooks, pages
	$(PYTEST)

# What must hold on any processor, with instruction sets switched off: records, golden
# runs, statistics, and with AVX2 left the claims and the measures. NumPy knows what there
# is to switch off, and warns of what this machine lacks anyway.
EXACT := golden store statistics protocol
MEASURES := missing_records verdicts histogram tails intervals information principal_direction \
  exponential_vs_power_law scale_mixture theory
AVX512 := from numpy._core._multiarray_umath import __cpu_dispatch__ as all; \
  print(*(one for one in all if one.startswith(("AVX512", "X86_V4"))))
test-portable: PYTEST += -W "ignore:During parsing environment variable:ImportWarning"
test-portable: $(READY) ## the tests of what is stored, as on other processors
	NPY_DISABLE_CPU_FEATURES="$$($(BIN)/python -c '$(AVX512)')" ATEN_CPU_CAPABILITY=avx2 \
	  $(PYTEST) $(patsubst %,tests/test_%.py,$(EXACT) $(MEASURES))
	NPY_DISABLE_CPU_FEATURES="$$($(BIN)/python -c '$(AVX512)')" ATEN_CPU_CAPABILITY=default \
	  $(PYTEST) $(EXACT:%=tests/test_%.py)

test-slow: $(READY) ## the tests that take minutes each
	$(BIN)/python -m pytest -m slow

lint: $(READY) ## ruff, the layers, and the notebooks against their texts
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/lint-imports --no-cache --no-logo
	$(BIN)/python -m netdyn_utils pair --check

pair: $(READY) ## make each .ipynb from its .py
	@$(BIN)/python -m netdyn_utils pair

# One thread, as the committed records were made: on more the last bits are others.
results: $(READY) ## compute what is missing of the study; goes on where it stopped
	OMP_NUM_THREADS=1 $(BIN)/python -m netdyn_utils results compute

results-status: $(READY) ## say which records of the study are fresh
	@$(BIN)/python -m netdyn_utils results status

results-verify: $(READY) ## compute first parts again and compare (ARGS=--no-full-data|--all)
	@$(BIN)/python -m netdyn_utils results verify $(ARGS)

bench: $(READY) ## measure what tracking costs
	$(BIN)/python -m benchmarks

lab: $(READY) ## open the notebooks in JupyterLab (ARGS="--no-browser --port 8890")
	$(BIN)/jupyter lab --ip=127.0.0.1 $(if $(filter 0,$(shell id -u)),--allow-root) \
	  --LabApp.default_url=/lab/tree/notebooks $(ARGS)

serve: $(READY) ## show the site to this machine only, until Ctrl-C (PORT=8000)
	@test -f _build/site/index.html || { echo "there is no site yet: make book builds it"; exit 1; }
	@$(BIN)/python -m http.server --bind 127.0.0.1 --directory _build/site $(PORT)

clean: ## remove pages and executed notebooks; computed runs stay
	rm -rf _build/site _build/stage _build/executed _build/building-* .pytest_cache .ruff_cache
	rm -f _build/netdyn-site-* _build/SHA256SUMS

distclean: clean ## remove the environment and the computed runs too
	rm -rf $(VENV) _build *.egg-info
