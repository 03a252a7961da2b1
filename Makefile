# Every target sets up what it needs. Needed beforehand: Rust, a C++ compiler, Python 3 with pip.
# LIBTORCH or LIBTORCH_USE_PYTORCH in the environment: that libtorch 2.11.0 is used and nothing is fetched.

.DEFAULT_GOAL := help
.PHONY: help build demo test bench libtorch engine-lock clean

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
demo: build ## train, quantise, evaluate, render and verify three seeds on made-up text; run again to continue
	@[ -d demo/data ] || { mkdir -p demo && rm -rf demo/data.partial \
	  && $(CADDIE) fixture demo/data.partial --seed 1 && mv demo/data.partial demo/data; }
	$(CADDIE) submit demo --data demo/data --seeds 42,0,1234 --out demo \
	  --track non_record_16mb --author caddie --github-id caddie

test: libtorch ## every test of the workspace
	$(call need,$(CARGO),install Rust from rustup.rs)
	$(call need,c++,apt-get install g++)
	$(CARGO) test --workspace

bench: build ## the engine against eager PyTorch on this machine
	$(call need,$(PYTHON),apt-get install python3 python3-pip)
	"$(PYTHON)" benches/run.py --caddie $(CADDIE)

engine-lock: ## renew the Cargo.lock that ships inside train_gpt.py
	scripts/engine-lock

clean: ## delete target/ and demo/; the fetched libtorch stays
	$(CARGO) clean
	rm -rf demo
