# Where to start: make help.
.DEFAULT_GOAL := help
.NOTPARALLEL:
SHELL := /bin/bash

# A Rust installed a moment ago is found in the shell that installed it, too.
export PATH := $(PATH):$(HOME)/.cargo/bin

# Namespaces and BPF need root. Cargo itself stays the user's, so that target/ does too.
ROOT := $(if $(filter 0,$(shell id -u)),,sudo -E)
ROOT_RUNNER := $(if $(ROOT),--config "target.'cfg(unix)'.runner='$(ROOT)'")
FUZZ_SECONDS ?= 600
BENCH_ARGS ?=

.PHONY: help
help: ## show this
	@echo 'loxid: an external layer-4 load balancer on XDP'
	@echo
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-10s %s\n", $$1, $$2 }' Makefile

.PHONY: deps
deps: ## install what building, testing and checking need (quick when it is there)
	@packaging/deps/install.sh

.PHONY: build
build: deps ## build loxid and loxictl for use
	cargo build --release -p loxid -p loxictl

.PHONY: demo
demo: build ## show HTTP balanced over backends in namespaces, and clean up (root)
	@$(if $(ROOT),echo 'demo: asking for root (sudo): it makes network namespaces and loads BPF programs')
	@$(ROOT) packaging/demo/demo.sh

.PHONY: test
test: deps ## run every test, and 30 s of fuzzing a target (root)
	@packaging/checks/test.sh

.PHONY: test-guest
test-guest: ## run the kernel's tests on Debian's kernels 6.1 and 6.12 (qemu; no root, no KVM)
	@packaging/deps/install.sh guest
	@packaging/guest/run.sh

.PHONY: fuzz
fuzz: deps ## fuzz the forwarding core, FUZZ_SECONDS=600 a target
	bpf/fuzz/run.sh $(FUZZ_SECONDS)

.PHONY: bench
bench: deps ## measure packets a second against other forwarders, BENCH_ARGS= (root)
	@$(if $(ROOT),echo 'bench: asking for root (sudo): it makes network namespaces and loads BPF programs')
	cargo build --release -p lb-plane --example afxdp_limit
	cargo run --release $(ROOT_RUNNER) -p lb-benchmarks -- $(BENCH_ARGS)

.PHONY: compare
compare: deps ## measure dnat beside an earlier revision, REV=a2a076d (root)
	@benchmarks/compare.sh $(REV)

.PHONY: check
check: deps ## formatting, lints, dependency bans, licences
	@packaging/checks/check.sh

.PHONY: clean
clean: ## remove what was built
	cargo clean
