# One environment in .venv serves every target. uv is used where it is installed, and installed into .venv otherwise.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
INSTALLED := $(VENV)/.installed
PEERS := .venv-peers
PEERS_INSTALLED := $(PEERS)/.installed
RUNS ?= runs
REPORT ?= report

.PHONY: demo test lint gate baseline bench notebooks zoo data clean

demo: $(INSTALLED)
	@$(BIN)/clipkstar eval --model tiny-p8 --pretrained stage1 --suite bundled --runs $(RUNS)
	@$(BIN)/clipkstar eval --model tiny-p8 --pretrained final --suite bundled --runs $(RUNS)
	@$(BIN)/python -m clipkstar.picture $(RUNS)/digits/zoo--tiny-p8--final/* $(RUNS)/digits.svg
	@$(BIN)/clipkstar sweep --model 'tiny-*' --pretrained '*' --suite bundled --runs $(RUNS) > $(RUNS)/sweep.txt
	@$(BIN)/clipkstar report $(RUNS) --out $(REPORT)
	@echo "The runs lie in $(RUNS)/<task>/<checkpoint>/<run_id>/, a picture of the last model's digits in $(RUNS)/digits.svg,"
	@echo "the table of the sweep in $(RUNS)/sweep.txt. Open $(REPORT)/index.html in a browser."

test: $(INSTALLED) $(PEERS_INSTALLED)
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest --numprocesses auto --maxprocesses 4 --dist loadfile

lint: $(INSTALLED)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

# Whether the code still finds in a bundled model what it found when tests/zoo_baseline.parquet was saved.
gate: $(INSTALLED)
	rm -rf build/gate
	$(BIN)/clipkstar eval --model tiny-p8 --pretrained final --suite bundled --runs build/gate --force
	$(BIN)/clipkstar check build/gate --baseline tests/zoo_baseline.parquet --junit build/gate.xml

# Saves tests/zoo_baseline.parquet again, for changes that are meant to change the numbers.
baseline: $(INSTALLED)
	rm -rf build/gate
	$(BIN)/clipkstar eval --model tiny-p8 --pretrained final --suite bundled --runs build/gate --force
	$(BIN)/clipkstar baseline save build/gate --out tests/zoo_baseline.parquet

bench: $(INSTALLED) $(PEERS_INSTALLED)
	$(BIN)/python -m tests.bench
	$(BIN)/python -m tests.bench_encoding
	$(BIN)/python -m tests.bench_sweep
	$(BIN)/python -m tests.bench_report
	$(BIN)/python -m tests.bench_training

# Executes notebooks/*.ipynb again and keeps their outputs.
notebooks: $(INSTALLED)
	$(BIN)/python -m notebooks.execute

# Trains again what is missing of clipkstar/zoo (FORCE=1: everything), minutes per model.
zoo: $(INSTALLED)
	$(BIN)/python -m clipkstar.zoo.train $(if $(FORCE),--force)

# Builds tasks/_bundled/*.parquet again from the packages they come from (needs apt-get and npm).
data: $(INSTALLED)
	$(BIN)/python -m clipkstar_tasks._bundled.build

clean:
	rm -rf $(VENV) $(PEERS) build dist *.egg-info

$(INSTALLED): pyproject.toml constraints.txt
	@if command -v uv >/dev/null; then uv venv --quiet --allow-existing --python $(PYTHON) $(VENV); \
	else $(PYTHON) -m venv $(VENV) && $(BIN)/python -m pip install --quiet uv; fi
	@uv=$$(command -v uv || echo $(BIN)/uv); \
	$$uv pip install --quiet --python $(BIN)/python --constraint constraints.txt --editable '.[notebook,test,transformers,zoo]'
	@touch $@

# What tests/test_parity.py compares with, in an environment of its own because it needs an older numpy. uv links the
# packages that both environments share, so this one adds seconds and megabytes where links are possible.
$(PEERS_INSTALLED): tests/peers.txt constraints.txt | $(INSTALLED)
	@uv=$$(command -v uv || echo $(BIN)/uv); \
	$$uv venv --quiet --allow-existing --python $(BIN)/python $(PEERS) && grep -v '^numpy==' constraints.txt | \
	$$uv pip install --quiet --python $(PEERS)/bin/python --constraint - --requirements tests/peers.txt
	@touch $@
