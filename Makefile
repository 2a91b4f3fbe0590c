# relevance-run: `make help` lists what can be made.

PREFIX ?= /usr/local
TARGET_DIR = $(or $(CARGO_TARGET_DIR),target)

# Static on any Linux: the musl target where its standard library is installed, else glibc linked in.
ARCH := $(shell uname -m)
MUSL := $(ARCH)-unknown-linux-musl
TARGET ?= $(if $(wildcard $(shell rustc --print target-libdir --target $(MUSL) 2>/dev/null)),$(MUSL),$(ARCH)-unknown-linux-gnu)
BINARY = $(TARGET_DIR)/$(TARGET)/release/relevance-run
RUSTFLAGS_STATIC = -C target-feature=+crt-static

.PHONY: help build where demo test isolated recipes check fake-api fuzz bench bloat install

help: ## list what can be made
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "%-10s %s\n", $$1, $$2 }' Makefile

build: ## build the static binary
	RUSTFLAGS="$(RUSTFLAGS_STATIC) $(RUSTFLAGS)" cargo build --release --locked --bin relevance-run --target $(TARGET)
	@echo "static for $(TARGET): $(BINARY), $$(wc -c < $(BINARY)) bytes"

where:
	@echo $(BINARY)

demo: build ## run the program against an embedded fake API; no account is needed
	@cargo build --quiet --locked --example fake-api
	@$(TARGET_DIR)/debug/examples/fake-api -- sh -c '$(BINARY) --verbose "Hello, who is there?"; echo "exit code: $$?"'

test: build ## run the whole suite, against the static binary
	RELEVANCE_RUN=$(abspath $(BINARY)) RUST_TEST_THREADS=16 cargo test --locked

isolated: build ## as root: the tests that need a network and a root folder of their own
	cargo test --locked --no-run
	mkdir -p $(TARGET_DIR)/isolated && echo 'nameserver 127.0.0.1' > $(TARGET_DIR)/isolated/resolv.conf
	RELEVANCE_RUN=$(abspath $(BINARY)) unshare --net --mount sh -c 'ip link set lo up && \
		mount --bind $(TARGET_DIR)/isolated/resolv.conf /etc/resolv.conf && \
		cargo test --locked --offline --test it -- --ignored isolated::$(ONLY)'

recipes: build ## check the files in the README with real validators, and run its shell recipes
	.ci/recipes $(abspath $(BINARY)) $(TARGET_DIR)/recipes

check: ## formatting and lints, warnings denied
	cargo fmt --check
	cargo clippy --locked --all-targets -- -D warnings

fake-api: ## serve the fake API for any HTTP client; prints its base URL and a token
	@cargo run --quiet --locked --example fake-api

bench: build ## compare CPU, memory, requests and pace with what people use today (PYTHON=python3)
	@cargo build --quiet --locked --example bench
	@$(TARGET_DIR)/debug/examples/bench $(abspath $(BINARY))

bloat: ## what each crate costs in the binary; needs cargo-bloat (cargo install cargo-bloat)
	RUSTFLAGS="$(RUSTFLAGS_STATIC) $(RUSTFLAGS)" cargo bloat --release --locked --bin relevance-run --target $(TARGET) \
		--target-dir $(TARGET_DIR)/bloat --crates -n 12

# The coverage instrumentation that libFuzzer needs, by stable flags.
FUZZ_SECONDS ?= 120
FUZZ_DIR = $(TARGET_DIR)/fuzz
FUZZ_FLAGS = --cfg fuzzing -C debug-assertions -C codegen-units=1 -C passes=sancov-module \
	-C llvm-args=-sanitizer-coverage-level=4 -C llvm-args=-sanitizer-coverage-inline-8bit-counters \
	-C llvm-args=-sanitizer-coverage-pc-table -C llvm-args=-sanitizer-coverage-trace-compares

fuzz: ## fuzz the response handling for FUZZ_SECONDS (120); needs a C++ compiler
	RUSTFLAGS="$(FUZZ_FLAGS)" cargo build --locked --example fuzz --target $(ARCH)-unknown-linux-gnu --target-dir $(FUZZ_DIR)
	@mkdir -p $(FUZZ_DIR)/corpus
	@cd $(FUZZ_DIR) && if $(ARCH)-unknown-linux-gnu/debug/examples/fuzz corpus $(abspath tests/fuzz-seeds) \
		-max_total_time=$(FUZZ_SECONDS) -max_len=4096 -print_final_stats=1 > log 2>&1; \
		then grep '^stat::' log; else tail -n 40 log; exit 1; fi

# Root often has no rustc in PATH, and so no way to ask for the target: what was built last is meant.
BUILT = $(if $(filter file,$(origin TARGET)),$(shell ls -t $(TARGET_DIR)/$(ARCH)-unknown-linux-*/release/relevance-run \
	2> /dev/null | head -n 1),$(wildcard $(BINARY)))

install: ## install into DESTDIR and PREFIX (/usr/local) what make build built, with man page and completions
	@test -n "$(BUILT)" || { echo "no binary is there to install: run make build first" >&2; exit 1; }
	@DESTDIR="$(DESTDIR)" PREFIX="$(PREFIX)" ./.install.sh install $(BUILT)

uninstall: ## take away exactly what make install laid there
	@DESTDIR="$(DESTDIR)" PREFIX="$(PREFIX)" ./.install.sh uninstall

# What is shipped is built apart: without the paths of this machine, and with the list of its crates inside, for the
# scanners of containers, where cargo-auditable is installed. From every clone of a commit it is the same.
DIST = $(TARGET_DIR)/dist
VERSION := $(shell sed -n 's/^version = "\(.*\)"/\1/p' Cargo.toml)
SHIPPED = $(DIST)/build/$(TARGET)/release/relevance-run
TREE = $(DIST)/relevance-run-$(VERSION)-$(TARGET)
SOURCE = $(DIST)/relevance-run-$(VERSION)-source
IMAGE = $(DIST)/relevance-run-$(VERSION).oci.tar
dist deb image: export SOURCE_DATE_EPOCH ?= $(shell git log -1 --format=%ct)

.PHONY: uninstall shipped dist deb image

shipped:
	RUSTFLAGS="$(RUSTFLAGS_STATIC) --remap-path-prefix=$(or $(CARGO_HOME),$(HOME)/.cargo)=cargo $(RUSTFLAGS)" \
		cargo $(if $(shell cargo auditable --version 2> /dev/null),auditable) build --release --locked \
		--bin relevance-run --target $(TARGET) --target-dir $(DIST)/build
	@rm -rf $(TREE) && mkdir -p $(TREE)/bin && cp $(SHIPPED) $(TREE)/bin && cp -R README.md src/share $(TREE)
	@.ci/notices $(TARGET) $(TREE)/share/doc/relevance-run

dist: shipped ## pack binary, man page, completions, examples and notices, and the source, into target/dist
	@tar --sort=name --format=ustar --mtime=@$$SOURCE_DATE_EPOCH --owner=0 --group=0 --numeric-owner \
		--mode=u=rwX,go=rX -C $(DIST) -cf $(TREE).tar $(notdir $(TREE))
	@git archive --prefix=relevance-run-$(VERSION)/ -o $(SOURCE).tar HEAD
	@gzip -9nf $(TREE).tar $(SOURCE).tar
	@cd $(DIST) && for name in $(notdir $(TREE) $(SOURCE)); do \
		sha256sum $$name.tar.gz > $$name.tar.gz.sha256; wc -c $$name.tar.gz; done

deb: shipped ## build a Debian package; needs cargo-deb
	@.ci/debian/stage $(TREE) $(DIST)/build/$(TARGET)/release/debian $(VERSION)
	@CARGO_TARGET_DIR=$(DIST)/build cargo deb --quiet --no-build --no-strip --target $(TARGET) --output $(DIST)/
	@wc -c $(DIST)/*.deb

image: shipped ## make an OCI archive of the binary alone, FROM scratch; needs buildah or docker buildx
	@.ci/image $(SHIPPED) $(VERSION) $(IMAGE)
	@wc -c $(IMAGE)
