# Every target sets up what it needs. Needed beforehand: Rust, a C++ compiler, Python 3 with pip.
# LIBTORCH or LIBTORCH_USE_PYTORCH in the environment: that libtorch 2.11.0 is used and nothing is fetched.

.DEFAULT_GOAL := help
.PHONY: help build demo test sky bench bench-verify corpus heads verdicts parity probes probe-zoo ablations ladder rehearse-corpus scanners wheel fuzz libtorch engine-lock clean bench-q2 bench-ce q2-claims rounding

CARGO ?= cargo
PYTHON ?= python3
CADDIE = "$${CARGO_TARGET_DIR:-target}/release/caddie"

ifeq ($(strip $(LIBTORCH)),)
unexport LIBTORCH
else
# A relative path would be looked up from the folder of another crate.
override LIBTORCH := $(shell cd "$(LIBTORCH)" 2>/dev/null && pwd || printf '%s' "$(LIBTORCH)")
export LIBTORCH
endif

# $(call need,command,how to get it)
need = @command -v "$(1)" >/dev/null 2>&1 || { echo "make: $(1) not found: $(2)" >&2; exit 1; }

help: ## this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "make %-12s %s\n", $$1, $$2 }' Makefile

libtorch: ## fetch libtorch 2.11.0 once (about 540 MB) and link .libtorch to it
	$(call need,$(PYTHON),apt-get install python3 python3-pip)
	@"$(PYTHON)" scripts/fetch-libtorch

build: libtorch ## the release binary, target/release/caddie
	$(call need,$(CARGO),install Rust from rustup.rs)
	$(call need,c++,apt-get install g++)
	$(CARGO) build --release

# The data is renamed into place when it is complete, so that an interrupted run leaves nothing half made.
demo: build ## train, quantize, evaluate, render and verify three seeds on made-up text; run again to continue
	@[ -d demo/data ] || { mkdir -p demo && rm -rf demo/data.partial \
	  && $(CADDIE) fixture demo/data.partial --seed 1 && mv demo/data.partial demo/data; }
	$(CADDIE) submit demo --data demo/data --seeds 42,0,1234 --out demo \
	  --track non_record_16mb --author caddie --github-id caddie

# Many tests wait for the processes that they start, so there are two threads for each core. The example that compares with
# upstream is left to `make parity`, and to clippy.
test: libtorch ## every test of the workspace
	$(call need,$(CARGO),install Rust from rustup.rs)
	$(call need,c++,apt-get install g++)
	RUST_TEST_THREADS="$${RUST_TEST_THREADS:-$$((2 * $$(getconf _NPROCESSORS_ONLN)))}" $(CARGO) test --workspace --lib --bins --tests

sky: ## SkyPilot's own parser on the job of `submit --on skypilot`: make sky SKY_PYTHON=a Python with skypilot from PyPI
	@[ -x "$(SKY_PYTHON)" ] || { echo "make: give SKY_PYTHON=PYTHON, one that has skypilot (pip install skypilot)" >&2; exit 1; }
	CADDIE_SKY_PYTHON="$(SKY_PYTHON)" $(CARGO) test $(TOOLKIT) --test launch skypilot -- --nocapture

bench: build ## the engine against eager PyTorch on this machine
	$(call need,$(PYTHON),apt-get install python3 python3-pip)
	"$(PYTHON)" benches/run.py --caddie $(CADDIE)

# Of a checkout or of what pull requests propose, nothing is committed here: both are given by name.
# $(call given,VARIABLE,what it is)
given = @[ -d "$($(1))" ] || { echo "make: give $(1)=DIR, $(2)" >&2; exit 1; }
# The toolkit alone, without libtorch.
TOOLKIT = --no-default-features -p caddie

corpus: ## compare with the corpus worked out by hand, over a checkout: make corpus UPSTREAM=DIR
	$(call given,UPSTREAM,a checkout of openai/parameter-golf)
	CADDIE_UPSTREAM="$(abspath $(UPSTREAM))" $(CARGO) test $(TOOLKIT) --test 'corpus_*' -- --nocapture --test-threads 1

heads: ## verify what pull requests propose: make heads HEADS=DIR, with DIR/<number>/records/<track>/<name>
	$(call given,HEADS,a folder of pull requests' folders)
	$(CARGO) build --release $(TOOLKIT)
	"$(PYTHON)" scripts/heads "$(HEADS)" --caddie $(CADDIE)

verdicts: ## compare the audit with the verdicts on pull requests: make verdicts HEADS=DIR UPSTREAM=DIR [WRITE=docs/verdicts.md]
	$(call given,HEADS,a folder of pull requests' folders)
	$(call given,UPSTREAM,a checkout of openai/parameter-golf)
	$(CARGO) build --release $(TOOLKIT)
	"$(PYTHON)" scripts/verdicts "$(HEADS)" --upstream "$(UPSTREAM)" --caddie $(CADDIE) $(if $(WRITE),--write "$(WRITE)")

bench-verify: ## time verify over a checkout beside CPython's ast.parse: make bench-verify UPSTREAM=DIR
	$(call given,UPSTREAM,a checkout of openai/parameter-golf)
	$(CARGO) build --release $(TOOLKIT)
	"$(PYTHON)" benches/verify.py --caddie $(CADDIE) --upstream "$(UPSTREAM)"

bench-ce: libtorch ## time a training step with the fused cross-entropy beside the composed one on this machine
	$(CARGO) run --release -p caddie-engine --example fused_ce

bench-q2: ## time the product of packed symbols by popcount beside f32 on this machine
	rustc --edition 2024 -O -C target-cpu=native benches/q2_popcount.rs -o "$${TMPDIR:-/tmp}/caddie-q2-popcount"
	"$${TMPDIR:-/tmp}/caddie-q2-popcount"

scanners: ## compare the audit of model files with other scanners: make scanners CORPUS=DIR [WRITE=docs/audit.md]
	$(call given,CORPUS,the folder tests of a checkout of mmaitre314/picklescan)
	$(CARGO) build --release $(TOOLKIT)
	"$(PYTHON)" scripts/scanners "$(CORPUS)" --caddie $(CADDIE) $(if $(WRITE),--write "$(WRITE)")

wheel: ## the toolkit as a wheel, without libtorch, installed into a fresh environment and tried [PROFILE=dev]
	$(call need,$(CARGO),install Rust from rustup.rs)
	$(call need,$(PYTHON),apt-get install python3 python3-venv)
	PYTHON="$(PYTHON)" scripts/wheel $(PROFILE)

rehearse-corpus: ## rehearse every merged script on the CPU at toy size: make rehearse-corpus UPSTREAM=DIR [PARITY_PYTHON=PYTHON]
	$(call given,UPSTREAM,a checkout of openai/parameter-golf)
	$(CARGO) build --release $(TOOLKIT)
	scripts/rehearse-corpus "$(UPSTREAM)" --caddie $(CADDIE) $(if $(PARITY_PYTHON),--python "$(PARITY_PYTHON)")

probes: ## probe ruled heads and merged folders for leakage, and write docs/probes.md: make probes HEADS=DIR UPSTREAM=DIR [PARITY_PYTHON=PYTHON]
	$(call given,HEADS,a folder of pull requests' folders)
	$(call given,UPSTREAM,a checkout of openai/parameter-golf)
	$(CARGO) build --release $(TOOLKIT)
	scripts/probes "$(HEADS)" "$(UPSTREAM)" --caddie $(CADDIE) $(if $(PARITY_PYTHON),--python "$(PARITY_PYTHON)")

probe-zoo: ## probe small scripts of our own, legal and illegal, with PyTorch: make probe-zoo PARITY_PYTHON=a Python with torch 2.11
	@[ -x "$(PARITY_PYTHON)" ] || { echo "make: give PARITY_PYTHON=PYTHON, one that has what rehearsal/requirements.txt lists" >&2; exit 1; }
	CADDIE_REHEARSE_PYTHON="$(PARITY_PYTHON)" $(CARGO) test $(TOOLKIT) --test probe_zoo -- --nocapture --test-threads 1

parity: build ## compare the engine with upstream's scripts on the CPU: make parity UPSTREAM=DIR [HEADS=DIR] [WRITE=docs/parity.md] [ONLY="record newest"] [KEEP=DIR]
	$(call given,UPSTREAM,a checkout of openai/parameter-golf)
	$(CARGO) build --release -p caddie-engine --example parity
	"$(PYTHON)" scripts/parity/compare.py "$(UPSTREAM)" --caddie $(CADDIE) \
	  --compare "$${CARGO_TARGET_DIR:-target}/release/examples/parity" $(if $(WRITE),--write "$(WRITE)") \
	  $(if $(HEADS),--heads "$(HEADS)") $(if $(PARITY_PYTHON),--python "$(PARITY_PYTHON)") \
	  $(if $(KEEP),--keep "$(KEEP)") $(if $(ONLY),--only $(ONLY))

rounding: libtorch ## what other kernels and bf16 move a document's nats by: make rounding DATA=DIR MODELS="FILE FILE"
	$(call given,DATA,a corpus of caddie fixture)
	$(CARGO) build --release -p caddie-engine --example rounding
	"$(PYTHON)" scripts/rounding/measure.py "$${CARGO_TARGET_DIR:-target}/release/examples/rounding" "$(DATA)" $(MODELS)

# Without DATA the page is written from the stored results alone.
ablations: $(if $(DATA),build) ## docs/ablations.md from stored results; with DATA=DIR, run studies first [STUDIES="a b"]
	$(call need,$(PYTHON),apt-get install python3)
	$(if $(DATA),"$(PYTHON)" scripts/ablations run $(STUDIES) --data "$(DATA)" --caddie $(CADDIE))
	"$(PYTHON)" scripts/ablations write

ladder: $(if $(DATA),build) ## docs/ladder.md from the stored result; with DATA=DIR, climb it first
	$(call need,$(PYTHON),apt-get install python3)
	$(if $(DATA),"$(PYTHON)" scripts/ladder run --data "$(DATA)" --caddie $(CADDIE))
	"$(PYTHON)" scripts/ladder write

q2-claims: ## docs/q2.md from stored results and the names of tests
	$(call need,$(PYTHON),apt-get install python3)
	"$(PYTHON)" scripts/q2-claims

SECONDS ?= 60
FUZZ ?= $(CARGO) +nightly fuzz
fuzz: ## feed random bytes to every reader, SECONDS each; needs cargo-fuzz and a nightly toolchain
	$(call need,cargo-fuzz,cargo install cargo-fuzz; rustup toolchain install nightly)
	@for target in $${TARGETS:-$$($(FUZZ) list)}; do mkdir -p "fuzz/corpus/$$target" || exit 1; \
	  $(FUZZ) run "$$target" "fuzz/corpus/$$target" "fuzz/seeds/$$target" -- -max_total_time=$(SECONDS) -max_len=16384 \
	    -rss_limit_mb=1024 -timeout=10 -print_final_stats=1 || exit 1; done

engine-lock: ## renew the Cargo.lock that ships inside train_gpt.py
	scripts/engine-lock

clean: ## delete target/ and demo/; the fetched libtorch stays
	$(CARGO) clean
	rm -rf demo
