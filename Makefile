# Every target makes what it needs in .venv of this checkout. A machine with Python 3.11+ and make is enough.
PYTHON ?= python3
VENV   := .venv
BIN    := $(VENV)/bin
READY  := $(VENV)/.ready
PYTEST := $(BIN)/python -m pytest
# Byte code is kept in the checkout, whatever the environment says: it halves what the start of each command costs.
export PYTHONPYCACHEPREFIX := $(CURDIR)/.nanotriage/pycache
unexport PYTHONDONTWRITEBYTECODE

.DEFAULT_GOAL := help
.PHONY: help demo test check golden simulation simulate broker packaging bench commitcost quality contexts chaos deploy cluster audit sbom lock clean

help: ## this list
	@grep -hE '^[a-z]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 12

$(READY): requirements/uv.txt requirements/dev.txt requirements/llm.txt pyproject.toml
	@test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements/uv.txt
	@$(BIN)/uv pip sync --quiet --python $(BIN)/python --require-hashes requirements/dev.txt
	@$(BIN)/uv pip install --quiet --python $(BIN)/python --require-hashes --no-deps -r requirements/uv.txt -r requirements/llm.txt
	@$(BIN)/uv pip install --quiet --python $(BIN)/python --no-deps --no-build-isolation -e .
	@touch $@

# demo: BROKERS=host:port MODEL_URL=https://.../v1 MODEL=name API_KEY_FILE=path use your own instead of the embedded ones.
DEMO_FLAGS := $(if $(BROKERS),--brokers $(BROKERS)) $(if $(MODEL_URL),--model-url $(MODEL_URL)) \
              $(if $(MODEL),--model $(MODEL)) $(if $(API_KEY_FILE),--api-key-file $(API_KEY_FILE))

demo: $(READY) ## the main job on a real Kafka and a local model: no key, no broker, no Docker
	$(BIN)/nanotriage demo $(DEMO_FLAGS)

test: $(READY) ## everything CI runs: check, simulation, packaging, broker, deploy, cluster, audit; says how long each took
	@set -e; for part in check simulation packaging broker deploy cluster audit; do \
	  started=$$(date +%s); $(MAKE) --no-print-directory $$part; echo "=== $$part: $$(($$(date +%s) - started)) s"; done

check: $(READY) ## lint, types, floors, unit tests, properties, golden files: no broker, a few minutes
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports --no-cache
	$(PYTEST) tests/unit tests/properties tests/golden tests/docs tests/contracts -m "not broker and not local_model and not llm"

simulation: $(READY) ## 2,000 seeded runs on a virtual clock: kills, zombies, lost and doubled answers, outages
	$(BIN)/python -m tests.simulation --seeds 0-1999
	$(BIN)/python -m tests.simulation --seeds 0-499 --mode at_least_once
	PYTHONHASHSEED=0 $(PYTEST) tests/simulation

simulate: $(READY) ## replay one seed: make simulate SEED=7
	$(BIN)/python -m tests.simulation --seeds $(SEED) $(if $(MODE),--mode $(MODE))

broker: $(READY) ## contracts and main job on a real Kafka and on real model servers
	$(PYTEST) tests/contracts -m "broker or local_model or llm"
	$(PYTEST) tests/broker tests/quality
	$(PYTEST) tests/chaos

packaging: $(READY) ## the wheel, installed into a clean environment
	$(PYTEST) tests/packaging

deploy: $(READY) ## chart, alerts and image: schemas of five Kubernetes versions, operators, promtool (tools are fetched and kept)
	$(BIN)/python -m tests.deploy.tools
	$(PYTEST) tests/deploy

audit: $(READY) ## known vulnerabilities of what the images hold, by pip-audit (OSV_URL=... asks a database of yours)
	$(BIN)/python -m tests.deploy.audit $(if $(OSV_URL),--osv-url $(OSV_URL))

# CLUSTER_SECONDS: longest time for the first build; what is not ready then is skipped, and the run says so.
CLUSTER_SECONDS ?= 900

cluster: $(READY) ## the chart on a real API server, and pods and KEDA on it: builds Kubernetes and KEDA once (Go; kept)
	-$(BIN)/python -m tests.cluster.binaries build --seconds $(CLUSTER_SECONDS)
	$(PYTEST) tests/cluster

sbom: $(READY) ## what the image holds, as CycloneDX 1.6 from the lock: dist/sbom.cdx.json
	$(BIN)/python -m tests.deploy.sbom dist/sbom.cdx.json

golden: $(READY) ## rewrite the golden files from the code
	NANOTRIAGE_GOLDEN=write $(PYTEST) -q tests/golden tests/docs

quality: $(READY) ## the promise on public labelled data (DATA=folder) with the local model: 200 calibrations a set
	$(BIN)/python -m tests.quality $(if $(DATA),--data $(DATA))

contexts: $(READY) ## whether what was said before improves labels of follow-up messages: the local model and a small language model
	$(BIN)/python -m tests.quality.contexts $(if $(DATA),--data $(DATA))

# bench: REGIME=cpu,rate PEERS=worker,bare run a part; QUICK=1 runs everything briefly.
BENCH := .nanotriage/bench/.ready

$(BENCH): requirements/bench.txt $(READY)
	@$(BIN)/uv venv --quiet --clear --python $(BIN)/python .nanotriage/bench
	@$(BIN)/uv pip sync --quiet --python .nanotriage/bench/bin/python --require-hashes requirements/bench.txt
	@touch $@

bench: $(BENCH) ## the worker beside the field in one run: at most 20 minutes
	$(BIN)/python -m tests.bench $(if $(REGIME),--regime $(REGIME)) $(if $(PEERS),--peers $(PEERS)) $(if $(QUICK),--quick)

commitcost: $(READY) ## what a commit costs with 1, 12 and 48 lanes, exactly once and at least once: a minute and a half
	$(BIN)/python -m tests.bench.commit_cost

chaos: $(READY) ## a quarter of an hour of faults over three brokers and three workers, judged from the topics alone
	$(BIN)/python -m tests.chaos $(if $(SEED),--seed $(SEED))

soak: $(READY) ## ten minutes of steady load: memory, descriptors and tasks of a worker must stay flat
	$(BIN)/python -m tests.chaos.soak

lock: $(READY) ## resolve the dependencies anew and lock them with hashes
	cd requirements && ../$(BIN)/uv pip compile -q --universal --python-version 3.11 --generate-hashes --no-header uv.in -o uv.txt
	cd requirements && ../$(BIN)/uv pip compile -q --universal --python-version 3.11 --generate-hashes --no-header --no-deps llm.in -o llm.txt
	$(BIN)/uv pip compile -q --universal --python-version 3.11 --generate-hashes --no-header pyproject.toml -o requirements/runtime.txt
	cd requirements && ../$(BIN)/uv pip compile -q --universal --python-version 3.11 --generate-hashes --no-header bench.in -o bench.txt
	cd requirements && ../$(BIN)/uv pip compile -q --universal --python-version 3.11 --generate-hashes --no-header build.in -o build.txt
	cd requirements && ../$(BIN)/uv pip compile -q --universal --python-version 3.11 --generate-hashes --no-header --no-deps deploy.in -o deploy.txt
	cd requirements && ../$(BIN)/uv pip compile -q --universal --python-version 3.11 --generate-hashes --no-header sbom.in -o sbom.txt
	$(BIN)/uv pip compile -q --universal --python-version 3.11 --generate-hashes --no-header pyproject.toml --extra local --extra stateful --extra discover --group dev -o requirements/dev.txt
	$(BIN)/uv pip compile -q --universal --python-version 3.11 --generate-hashes --no-header -c requirements/dev.txt pyproject.toml --extra local -o requirements/local.txt
	$(BIN)/uv pip compile -q --universal --python-version 3.11 --generate-hashes --no-header -c requirements/dev.txt pyproject.toml --extra stateful -o requirements/stateful.txt

clean: ## remove what the targets made, but not the locks
	rm -rf $(VENV) .nanotriage .pytest_cache .mypy_cache .ruff_cache .hypothesis dist build
