# Everything runs from .venv, which is made when it is missing and brought up to date when pyproject.toml changed.
PYTHON ?= python3
BIN := .venv/bin
READY := .venv/.ready
# Where Debian's tuxpaint-stamps-default puts its photographs and sounds.
VERIDICAL_STAMPS ?= /usr/share/tuxpaint/stamps
export VERIDICAL_STAMPS
# Where Debian's asterisk-core-sounds-en-wav puts its spoken prompts.
VERIDICAL_VOICES ?= /usr/share/asterisk/sounds/en_US_f_Allison
export VERIDICAL_VOICES

.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
.PHONY: help explain test lint debian train-courier evaluate-courier benchmark-attention benchmark-attribution benchmark-causes benchmark-coherence benchmark-combinations benchmark-concepts benchmark-conservation benchmark-curvature benchmark-delay benchmark-faithfulness benchmark-faults benchmark-kills benchmark-latency benchmark-log benchmark-matches benchmark-names benchmark-precision benchmark-ray benchmark-realtime benchmark-sentences benchmark-shortcut benchmark-simulate benchmark-speech benchmark-suite benchmark-tamper benchmark-verdicts calibrate-courier concepts-courier fuzz scenarios clean

help: ## list the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-22s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

explain: $(READY) ## explain one decision of the reference system, and check that the account is true
	$(BIN)/veridical explain --report out/report.html

test: $(READY) debian ## run the tests
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest -q -n auto --maxprocesses 4 --dist loadfile

lint: $(READY) ## check style, format and types
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/pyright

train-courier: $(READY) ## train the reference system's head again
	$(BIN)/python -m veridical.scenarios.courier.train

evaluate-courier: $(READY) ## measure the reference system on scenes that it was not trained on
	$(BIN)/python -m veridical.scenarios.courier.evaluate

benchmark-attribution: $(READY) ## measure the attribution engines beside Captum and pytorch-grad-cam
	$(BIN)/python -m benchmarks.attribution

benchmark-curvature: $(READY) ## measure what curvature adds to predicted effects
	$(BIN)/python -m benchmarks.curvature

benchmark-faithfulness: $(READY) ## measure our explanations beside those of peers
	$(BIN)/python -m benchmarks.faithfulness

benchmark-latency: $(READY) ## measure what an explanation costs beside the decision itself
	$(BIN)/python -m benchmarks.latency

benchmark-realtime: $(READY) ## measure decisions, deadlines and memory on a stream, with and without the agent
	$(BIN)/python -m benchmarks.realtime --parts latency,multiples,deadlines,soak

benchmark-faults: $(READY) debian ## inject faults into a running agent: the loop goes on, the log holds, each is recorded
	$(BIN)/python -m benchmarks.faults

benchmark-suite: $(READY) debian ## run the shipped scenarios before both heads, by family
	OMP_NUM_THREADS=1 $(BIN)/python -m benchmarks.suite --system both

benchmark-causes: $(READY) ## measure how often the account names the true cause, and what the verdict says
	$(BIN)/python -m benchmarks.causes

benchmark-verdicts: $(READY) ## measure how often the verdict is wrong, and what it costs (about an hour on two cores)
	OMP_NUM_THREADS=1 $(BIN)/python -m benchmarks.verdicts --jobs 2

benchmark-attention: $(READY) ## measure whether attention or the gradient names what matters
	$(BIN)/python -m benchmarks.attention

benchmark-coherence: $(READY) ## measure how steadily saliency follows what moves
	$(BIN)/python -m benchmarks.coherence

benchmark-combinations: $(READY) ## measure how often pairs of evidence that act together are found, and only there
	$(BIN)/python -m benchmarks.combinations

benchmark-concepts: $(READY) ## measure concepts' effects against those of the things that make them
	$(BIN)/python -m benchmarks.concepts

benchmark-conservation: $(READY) ## measure sums and shares of senses on 200 scenes (about an hour)
	$(BIN)/python -m benchmarks.conservation

benchmark-delay: $(READY) ## measure at which delay each method loses a cause
	$(BIN)/python -m benchmarks.delay

benchmark-kills: $(READY) ## kill writers and the server while they append, and see whether anything acknowledged is lost
	OMP_NUM_THREADS=1 $(BIN)/python -m benchmarks.kills

benchmark-log: $(READY) ## measure appends, verifying and proofs of the log, to a million entries
	OMP_NUM_THREADS=1 $(BIN)/python -m benchmarks.log_speed

benchmark-precision: $(READY) ## measure bytes per record at each precision, and what is lost by it
	OMP_NUM_THREADS=1 $(BIN)/python -m benchmarks.precision

benchmark-tamper: $(READY) ## change single bytes everywhere, and see whether each change is found for the right reason
	$(BIN)/python -m benchmarks.tamper

benchmark-ray: $(READY) ## run a batch on two local nodes of Ray beside the local engine, one worker killed
	$(BIN)/python -m benchmarks.ray_nodes

scenarios: $(READY) ## run the shipped scenarios
	$(BIN)/veridical scenarios run scenarios/shipped --reports out/scenarios

fuzz: $(READY) ## feed the readers what nobody would write, for ten minutes
	$(BIN)/python -m benchmarks.fuzz --minutes 10

benchmark-matches: $(READY) ## measure whether regions, sounds and words of one meaning find each other
	$(BIN)/python -m benchmarks.matches

benchmark-names: $(READY) ## measure names of concepts against what is known to be there
	$(BIN)/python -m benchmarks.names

benchmark-sentences: $(READY) ## hold sentences against the graph, over a thousand decisions
	$(BIN)/python -m benchmarks.sentences

benchmark-shortcut: $(READY) ## measure whether a planted shortcut is found, and only where it is a cause
	$(BIN)/python -m benchmarks.shortcut

benchmark-simulate: $(READY) ## measure how well decisions are foretold from the justification alone
	$(BIN)/python -m benchmarks.simulate

benchmark-speech: $(READY) ## measure the times of spoken words, and what cutting them out does
	$(BIN)/python -m benchmarks.speech

concepts-courier: $(READY) ## find the concepts of the reference system's heads again
	$(BIN)/python -m veridical.scenarios.courier.find_concepts
	$(BIN)/python -m veridical.scenarios.courier.find_concepts --shortcut --scenes 400

calibrate-courier: $(READY) ## measure again how far off explanations of the reference system are
	$(BIN)/python -m veridical.scenarios.courier.calibrate

clean: ## remove caches and build outputs, but not .venv
	rm -rf build dist *.egg-info .pytest_cache .ruff_cache .hypothesis
	find . -path ./.venv -prune -o -type d -name __pycache__ -exec rm -rf {} +

# Says what the tests will miss. Under CI=true that is a failure; elsewhere they are skipped, with the reason.
debian:
	@missing=; \
	[ -d "$$VERIDICAL_STAMPS" ] || missing="$$missing tuxpaint-stamps-default"; \
	[ -d "$$VERIDICAL_VOICES" ] || missing="$$missing asterisk-core-sounds-en-wav"; \
	command -v chromium >/dev/null || missing="$$missing chromium"; \
	ls /usr/lib/postgresql/*/bin/postgres >/dev/null 2>&1 || missing="$$missing postgresql"; \
	command -v openssl >/dev/null || missing="$$missing openssl"; \
	[ -z "$$missing" ] && exit 0; \
	echo "make test: Debian packages are missing; install them with: apt-get install$$missing" >&2; \
	echo "make test: installed elsewhere? Set VERIDICAL_STAMPS or VERIDICAL_VOICES to the folder." >&2; \
	[ "$$CI" != true ] || exit 1; \
	echo "make test: the tests that need them are skipped" >&2

$(READY): pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
	  { echo "make: $(PYTHON) is not Python 3.11 or newer; name one: make PYTHON=python3.11" >&2; exit 1; }
	@$(BIN)/python -m pip --version >/dev/null 2>&1 || \
	  { echo "make: making .venv; the first time this takes some minutes and about 6 GB"; \
	    $(PYTHON) -m venv --clear .venv; }
	$(BIN)/python -m pip install --quiet --upgrade "pip>=24.1"
	$(BIN)/python -m pip install $(if $(wildcard $(READY)),--quiet) --editable ".[dev,adapters,benchmark,postgresql,analysis,otel,time,fuzz,serve,gymnasium,mcap,scale]"
	mkdir -p .venv/typing
	ln -sfn ../.. .venv/typing/veridical
	touch $@
