# Two commands do all the set-up on a fresh Debian or Ubuntu machine with Rust (rustup.rs): `make demo` and `make test`.
# Missing system packages are installed, after saying so; what is there is left alone.

SHELL := /bin/bash
.DEFAULT_GOAL := help

# One optimised profile for all suites and the demo: quick code, checked arithmetic, no link-time optimisation.
CARGO_FLAGS := --locked --profile ci

# PROBE=PACKAGE: the package is needed when neither a command nor a file of the probe's name is there.
BUILD_PACKAGES := cc=gcc pkg-config=pkg-config /usr/include/stdio.h=libc6-dev /usr/include/pcap/pcap.h=libpcap-dev
TEST_PACKAGES := $(BUILD_PACKAGES) ip=iproute2 nginx=nginx curl=curl wrk=wrk python3=python3 \
  /usr/share/doc/python3-venv=python3-venv npm=npm setcap=libcap2-bin setpriv=util-linux mount=mount

.PHONY: help demo test build

help: ## say what can be made
	@sed -n 's/^\([a-z]*\):.*## /make \1	/p' $(firstword $(MAKEFILE_LIST)) | expand -t 16

# Where the demo keeps its history.
DEMO_STATE := target/demo

demo: ## build apitap, and see it at work: a shop on loopback, its customers, its attackers, and the alerts as they come
	@.ci/packages $(BUILD_PACKAGES) npm=npm
	@deploy/libchdb/install
	cargo build $(CARGO_FLAGS) --bin apitap
	@rm -rf $(DEMO_STATE)
	target/ci/apitap demo --once --state $(DEMO_STATE)

test: ## format, lints, all suites; licences and advisories where cargo-deny is installed
	@.ci/packages $(TEST_PACKAGES)
	@deploy/libchdb/install
	@cargo fmt --version >/dev/null 2>&1 || rustup component add rustfmt
	@cargo clippy --version >/dev/null 2>&1 || rustup component add clippy
	cargo fmt --all --check
	cargo clippy --workspace --all-targets $(CARGO_FLAGS) -- -D warnings
	@if command -v cargo-deny >/dev/null; then set -x; cargo deny check; \
	  else echo "cargo deny check: left out, cargo-deny is not installed (cargo install cargo-deny)"; fi
	cargo test --workspace $(CARGO_FLAGS)

build: ## build the program to be installed: target/release/apitap
	@.ci/packages $(BUILD_PACKAGES)
	cargo build --locked --release --bin apitap
