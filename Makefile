# Two commands do everything on a fresh machine with python3 (3.11 or later, with venv), make and gcc:
#   make lab     JupyterLab on the tutorials (make apps: the apps alone)
#   make test    lint, types, tests, doctests, notebooks
PYTHON ?= python3
BIN := .venv/bin
STAMP := .venv/.installed
NOTEBOOKS = $(sort $(wildcard tutorials/[0-9]*.ipynb))
CELL_TIMEOUT ?= 600
# Two files at a time, on one thread each: the machine's cores are not asked for twice.
WORKERS ?= 2
PYTEST = OMP_NUM_THREADS=1 OPENBLAS_NUM_THREADS=1 $(BIN)/python -m pytest -n $(WORKERS) --dist loadfile --doctest-modules --nbval-lax --nbval-current-env \
	--nbval-cell-timeout=$(CELL_TIMEOUT)
PYTEST_PATHS = tutorials tests qdens_nb scripts

# So that notebooks and tests find the command qdens.
export PATH := $(CURDIR)/.venv/bin:$(PATH)

.DEFAULT_GOAL := help
.PHONY: help env lab apps test test-all lint format tutorials data-chain data-bose-hubbard data-dots bench studies reproduce readme docs clean

help:  ## this list
	@grep -E '^[a-z-]+:.*##' Makefile | sed -E 's/:.*## */\t/' | expand -t 14

env: $(STAMP)  ## the environment .venv, renewed when pyproject.toml or constraints.txt change

$(STAMP): pyproject.toml constraints.txt
	@$(PYTHON) -c 'import sys; sys.version_info >= (3, 11) or sys.exit( \
	  "qdens_nb needs Python 3.11 or later; this is " + sys.version.split()[0] + ". Use make PYTHON=...")'
	@test -x $(BIN)/python || $(PYTHON) -m venv .venv
	@echo "Installing into .venv; this takes a minute or two."
	$(BIN)/python -m pip install --disable-pip-version-check --quiet \
	  --constraint constraints.txt --editable '.[dev]'
	@touch $@

lab: $(STAMP)  ## JupyterLab on the tutorials
	$(BIN)/jupyter lab --LabApp.default_url=/lab/tree/tutorials/00_index.ipynb \
	  $(if $(filter 0,$(shell id -u)),--allow-root) $(LAB_ARGS)

apps: $(STAMP)  ## the apps in Voila, each on a page of its own
	$(BIN)/voila apps --Voila.config_file_paths=apps $(VOILA_ARGS)

COVERAGE_REPORT = --cov=qdens_nb --cov-report=term:skip-covered --cov-report=html:build/coverage
test: lint  ## lint, types, tests, doctests and notebooks; COVERAGE=1 also says which lines ran
	$(PYTEST) $(if $(COVERAGE),$(COVERAGE_REPORT)) $(PYTEST_PATHS)

test-all: lint  ## the same with the slow tests
	QDENS_EXAMPLES=300 $(PYTEST) -m "" --timeout=3600 $(if $(COVERAGE),$(COVERAGE_REPORT)) $(PYTEST_PATHS)

lint: $(STAMP)  ## ruff and mypy
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

format: $(STAMP)  ## format code, strip notebooks
	$(BIN)/ruff check --fix-only .
	$(BIN)/ruff format .
	$(if $(NOTEBOOKS),$(BIN)/nbstripout $(NOTEBOOKS) $(wildcard apps/*.ipynb))

tutorials: $(STAMP)  ## run every notebook headless into build/tutorials
	$(BIN)/python scripts/run_tutorials.py --timeout $(CELL_TIMEOUT) $(NOTEBOOKS)

CHAIN = generate_chain
data-chain: $(STAMP)  ## make the shipped data and weights of the chain again (hours)
	$(BIN)/qdens generate chain --config configs/$(CHAIN)_full.yaml --seed 1 --out runs/train/random
	$(BIN)/qdens generate chain --config configs/$(CHAIN)_mirror.yaml --seed 2 --out runs/train/mirror
	$(BIN)/qdens generate chain --config configs/$(CHAIN)_noise_l18.yaml --seed 11 --out runs/noise_l18
	$(BIN)/qdens generate chain_wells --config configs/$(CHAIN)_wells.yaml --seed 987654 --out runs/wells_ed
	$(BIN)/qdens generate chain_wells --config configs/$(CHAIN)_wells_l40.yaml --seed 7 --out runs/wells_l40
	$(BIN)/qdens generate chain_well_grid --config configs/$(CHAIN)_well_grid.yaml --seed 7 --out runs/well_grid
	for model in chain chain_cnn chain_live chain_cnn_live; do \
	  $(BIN)/qdens train $${model%_live} --config configs/train_$$model.yaml --data runs/train \
	    --out runs/w_$$model --workers 2 --resume || exit 1; done
	$(BIN)/python scripts/ship_chain.py

BOSE = generate_bose_hubbard
data-bose-hubbard: $(STAMP)  ## make the shipped data and weights of the Bose-Hubbard model again (hours)
	$(BIN)/qdens generate bose_hubbard --config configs/$(BOSE).yaml --seed 2026 --out runs/bose
	$(BIN)/qdens generate bose_hubbard_traps --config configs/$(BOSE)_traps_l16.yaml --seed 31 --out runs/bose_traps_l16
	$(BIN)/qdens generate bose_hubbard --config configs/$(BOSE)_noise_l10.yaml --seed 32 --out runs/bose_noise_l10
	$(BIN)/qdens train bose_hubbard_cnn --config configs/train_bose_hubbard_cnn_mean_field.yaml \
	  --out runs/w_bose_hubbard_cnn_mean_field --resume
	for name in bose_hubbard bose_hubbard_live bose_hubbard_cnn_first bose_hubbard_cnn; do \
	  case $$name in *cnn*) model=bose_hubbard_cnn;; *) model=bose_hubbard;; esac; \
	  $(BIN)/qdens train $$model --config configs/train_$$name.yaml --data runs/bose \
	    --out runs/w_$$name --resume || exit 1; done
	$(BIN)/python scripts/ship_bose_hubbard.py

DOTS = generate_dots
data-dots: $(STAMP)  ## make the shipped data and weights of the quantum dots again (two hours)
	$(BIN)/qdens generate dots --config configs/$(DOTS).yaml --seed 41 --out runs/dots
	$(BIN)/qdens generate dots --config configs/$(DOTS)_fresh.yaml --seed 42 --out runs/dots_fresh
	$(BIN)/qdens generate dots --config configs/$(DOTS)_fresh.yaml --seed 46 --out runs/dots_fresh_second
	$(BIN)/qdens generate dots --config configs/$(DOTS)_designed.yaml --seed 45 --out runs/dots_designed
	$(BIN)/qdens generate dots --config configs/$(DOTS)_conditional.yaml --seed 44 --out runs/dots_conditional
	for name in density density_free free_to_interacting potential density_live; do \
	  case $$name in *live) data=dots_conditional;; *) data=dots;; esac; \
	  $(BIN)/qdens train dot_$$name --config configs/train_dots_$$name.yaml --data runs/$$data \
	    --out runs/w_dot_$$name --resume || exit 1; done
	$(BIN)/python scripts/ship_dots.py

bench: $(STAMP)  ## the comparisons with peers, into results/bench.json (under an hour, on an idle machine)
	$(BIN)/python benchmarks/bench.py $(BENCH_ARGS)

studies: $(STAMP)  ## the studies that train or measure accuracy (many hours)
	$(BIN)/python benchmarks/bench.py --studies $(BENCH_ARGS)

reproduce: $(STAMP)  ## rebuild one data set and small weights, compare with what is expected
	$(BIN)/python scripts/reproduce.py

readme: $(STAMP)  ## write the results tables of README.md and docs/ from results/
	$(BIN)/python scripts/readme_tables.py

DOCS_STAMP := .venv/.installed-docs
$(DOCS_STAMP): $(STAMP)
	$(BIN)/python -m pip install --disable-pip-version-check --quiet \
	  --constraint constraints.txt --editable '.[dev,docs]'
	@touch $@

docs: $(DOCS_STAMP)  ## the documentation site, into build/docs, with its links checked
	$(BIN)/python scripts/build_docs.py

clean:  ## remove caches and build products; .venv, data and runs stay
	rm -rf build dist .pytest_cache .mypy_cache .ruff_cache lightning_logs dask-worker-space
	find qdens_nb tests scripts benchmarks tutorials \
	  \( -name __pycache__ -o -name .ipynb_checkpoints \) -prune -exec rm -rf {} +
