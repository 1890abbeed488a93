# Everything a person or a CI needs. `make demo` and `make test` work on a machine with Python 3.11, git and a registry.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
TABLE := src/xautolm/experience/starter.parquet
# What plays on surrogates of the table too: our searches, and of the others one of each kind.
ASKED_EXACTLY := xautolm;xautolm, empty store;xautolm, misleading store;xautolm, models alone;pge;random;tpe;nsga2;kNN, then tpe;kNN, then nsga2;rgpe;portfolio, then tpe;meta-learn-tpe

.PHONY: install demo test test-cluster test-slow test-data test-conformance test-gpu lint check docs site benchmark bench-search bench-peers clean

install: $(VENV)/.installed

$(VENV)/.installed: pyproject.toml constraints.txt
	$(PYTHON) -m venv $(VENV)
	$(BIN)/pip install --quiet --constraint constraints.txt pip
	$(BIN)/pip install --quiet --constraint constraints.txt --editable '.[dev,demo,onnx,description,setfit]'
	touch $@

demo: install
	HF_HUB_OFFLINE=1 $(BIN)/xautolm demo

test: install
	HF_HUB_OFFLINE=1 $(BIN)/python -m pytest --numprocesses logical --dist loadfile --no-loadscope-reorder

test-cluster: install
	HF_HUB_OFFLINE=1 $(BIN)/python -m pytest -m cluster

test-slow: install
	HF_HUB_OFFLINE=1 $(BIN)/python -m pytest -m slow --timeout 1800

test-data: install
	HF_HUB_OFFLINE=1 $(BIN)/python -m pytest -m data --timeout 3600

test-conformance: install
	HF_HUB_OFFLINE=1 $(BIN)/python -m pytest tests/conformance -m "conformance or not conformance"

test-gpu: install
	HF_HUB_OFFLINE=1 $(BIN)/python -m pytest -m gpu --timeout 600 tests/finetuning/test_gpu.py

lint: install
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

check: lint
	HF_HUB_OFFLINE=1 $(BIN)/python -m pytest --cov --cov-report=term --cov-fail-under=90

docs: install
	$(BIN)/python -m tests.levels

# The extra that builds it is not among those of `make install`.
site: install
	$(BIN)/pip install --quiet --constraint constraints.txt --editable '.[docs]'
	NO_MKDOCS_2_WARNING=1 $(BIN)/python -m mkdocs build --strict

benchmark: install
	HF_HUB_OFFLINE=1 $(BIN)/python -m benchmarks.trial_overhead
	HF_HUB_OFFLINE=1 $(BIN)/python -m benchmarks.generation_throughput

bench-search: install
	HF_HUB_OFFLINE=1 $(BIN)/python -m benchmarks.ftbench.contest $(TABLE) --out benchmarks/contest.jsonl --jobs 2 \
	  $(if $(PEERS),--peers "$(PEERS)")
	HF_HUB_OFFLINE=1 $(BIN)/python -m benchmarks.ftbench.contest $(TABLE) --out benchmarks/contest_surrogates.jsonl --jobs 2 \
	  --surrogates --seeds 3 --methods "$(ASKED_EXACTLY)"
	HF_HUB_OFFLINE=1 $(BIN)/python -m benchmarks.ftbench.page $(TABLE) benchmarks/contest.jsonl \
	  --surrogates benchmarks/contest_surrogates.jsonl --out docs/contest.md

# Environments for the peers of the contest that cannot share ours: `make bench-peers PEERS=FOLDER`.
bench-peers:
	@test -n "$(PEERS)" || { echo "Name a folder: make bench-peers PEERS=FOLDER"; exit 2; }
	for name in smac flaml syne-tune; do \
	  $(PYTHON) -m venv "$(PEERS)/$$name" && \
	  "$(PEERS)/$$name/bin/pip" install --quiet --requirement "benchmarks/ftbench/peers/requirements/$$name.txt" \
	  || exit 1; \
	done

clean:
	rm -rf $(VENV) build runs
