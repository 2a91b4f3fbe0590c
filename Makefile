# relevance-run: `make help` lists what can be made.

PREFIX ?= /usr/local
TARGET_DIR = $(or $(CARGO_TARGET_DIR),target)

# Static on any Linux: the musl target where its standard library is installed, else glibc linked in.
ARCH := $(shell uname -m)
MUSL := $(ARCH)-unknown-linux-musl
TARGET ?= $(if $(wildcard $(shell rustc --print target-libdir --target $(MUSL) 2>/dev/null)),$(MUSL),$(ARCH)-unknown-linux-gnu)
BINARY = $(TARGET_DIR)/$(TARGET)/release/relevance-run
RUSTFLAGS_STATIC = -C target-feature=+crt-static -C relocation-model=static

.PHONY: help build demo test check fake-api bench install

help: ## list what can be made
	@sed -n 's/^\([a-z-]*\):.*## /\1: /p' Makefile | column -t -s: 2>/dev/null || sed -n 's/^\([a-z-]*\):.*## /\1: /p' Makefile

build: ## build the static binary
	RUSTFLAGS="$(RUSTFLAGS_STATIC) $(RUSTFLAGS)" cargo build --release --locked --bin relevance-run --target $(TARGET)
	@echo "static for $(TARGET): $(BINARY), $$(wc -c < $(BINARY)) bytes"

demo: build ## run the program against an embedded fake API; no account is needed
	@cargo build --quiet --locked --example fake-api
	@$(TARGET_DIR)/debug/examples/fake-api -- sh -c '$(BINARY) --verbose "Hello, who is there?"; echo "exit code: $$?"'

test: build ## run the whole suite, against the static binary
	RELEVANCE_RUN=$(abspath $(BINARY)) RUST_TEST_THREADS=16 cargo test --locked

check: ## formatting and lints, warnings denied
	cargo fmt --check
	cargo clippy --locked --all-targets -- -D warnings

fake-api: ## serve the fake API for any HTTP client; prints its base URL and a token
	@cargo run --quiet --locked --example fake-api

install: build ## install into DESTDIR and PREFIX (/usr/local)
	install -D -m 755 $(BINARY) $(DESTDIR)$(PREFIX)/bin/relevance-run
