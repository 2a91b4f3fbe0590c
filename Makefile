# relevance-run: `make help` lists what can be made.

PREFIX ?= /usr/local
TARGET_DIR = $(or $(CARGO_TARGET_DIR),target)

# On Linux a static executable for any Linux: with musl where that can be built, else with glibc. Elsewhere what
# `cargo build` makes. Which compilers and flags that takes is in .ci/toolchain.
ifndef TARGET
TARGET := $(shell .ci/toolchain target)
endif
BINARY = $(TARGET_DIR)/$(TARGET)/release/relevance-run
# What is tested with `make test BINARY=path` is there already.
BUILT = $(if $(filter command,$(origin BINARY)),,build)
# The list of its crates goes into the binary, for scanners of containers, where cargo-auditable is installed.
AUDITABLE = $(if $(shell cargo auditable --version 2> /dev/null),auditable)

.PHONY: help build where demo test isolated slow recipes check fake-api fuzz bench bloat install uninstall

help: ## list the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "%-10s %s\n", $$1, $$2 }' Makefile

build: ## build the release binary for this machine, or TARGET (static on Linux)
	@.ci/toolchain run $(TARGET) cargo $(AUDITABLE) build --release --locked --bin relevance-run --target $(TARGET)
	@.ci/toolchain report $(TARGET) $(BINARY)

where:
	@echo $(BINARY)

demo: build ## run the program against an embedded fake API; no account is needed
	@cargo build --quiet --locked --package fake-api
	@$(TARGET_DIR)/debug/fake-api -- sh -c '$(BINARY) --verbose "Hello, who is there?"; echo "exit code: $$?"'

test: $(BUILT) ## run the test suite against the release binary, or BINARY=path
	@grep -qs '[[:space:]]localhost' /etc/hosts || { echo "the tests need a line for localhost in /etc/hosts" >&2; exit 1; }
	RELEVANCE_RUN=$(abspath $(BINARY)) RUST_TEST_THREADS=48 cargo test --locked --workspace

isolated: $(BUILT) ## run the isolation and crash tests (needs root and strace; BINARY=path)
	cargo test --locked --no-run
	mkdir -p $(TARGET_DIR)/isolated && echo 'nameserver 127.0.0.1' > $(TARGET_DIR)/isolated/resolv.conf
	RELEVANCE_RUN=$(abspath $(BINARY)) unshare --net --mount sh -c 'ip link set lo up && \
		mount --bind $(TARGET_DIR)/isolated/resolv.conf /etc/resolv.conf && \
		cargo test --locked --offline --test it -- --ignored $(or $(ONLY),isolated:: killed:: injected:: disk:: user::)'

slow: $(BUILT) ## test the time limits of a request (takes minutes; BINARY=path)
	RELEVANCE_RUN=$(abspath $(BINARY)) cargo test --locked --test it -- --ignored slow::

recipes: build ## run the example recipes with the real tools that this machine has
	.ci/recipes $(abspath $(BINARY)) $(TARGET_DIR)/recipes

check: ## check formatting and lints
	cargo fmt --all --check
	cargo clippy --locked --workspace --all-targets -- -D warnings

fake-api: ## serve the fake API; prints what to paste into another shell, and what can be rehearsed
	@test ! -x $(BINARY) || echo 'export PATH=$(dir $(abspath $(BINARY))):$$PATH'
	@cargo run --quiet --locked --package fake-api

bench: build ## benchmark against curl, Python requests and the vendor's SDK (PYTHON=python3)
	@cargo build --quiet --locked --example bench
	@$(TARGET_DIR)/debug/examples/bench $(abspath $(BINARY))

bloat: ## show how much each crate adds to the binary; needs cargo-bloat
	@.ci/toolchain run $(TARGET) cargo bloat --release --locked --bin relevance-run --target $(TARGET) \
		--target-dir $(TARGET_DIR)/bloat --crates -n 12

# The coverage instrumentation that libFuzzer needs, by stable flags.
FUZZ_SECONDS ?= 120
FUZZ_DIR = $(TARGET_DIR)/fuzz
HOST = $(shell rustc -vV | sed -n 's/^host: //p')
FUZZ_FLAGS = --cfg fuzzing -C debug-assertions -C codegen-units=1 -C passes=sancov-module \
	-C llvm-args=-sanitizer-coverage-level=4 -C llvm-args=-sanitizer-coverage-inline-8bit-counters \
	-C llvm-args=-sanitizer-coverage-pc-table -C llvm-args=-sanitizer-coverage-trace-compares

fuzz: ## fuzz the response handling for FUZZ_SECONDS (120); needs a C++ compiler
	RUSTFLAGS="$(FUZZ_FLAGS)" cargo build --locked --example fuzz --target $(HOST) --target-dir $(FUZZ_DIR)
	@mkdir -p $(FUZZ_DIR)/corpus
	@cd $(FUZZ_DIR) && if $(HOST)/debug/examples/fuzz corpus $(abspath tests/fuzz-seeds) \
		-max_total_time=$(FUZZ_SECONDS) -max_len=4096 -print_final_stats=1 > log 2>&1; \
		then grep '^stat::' log; else tail -n 40 log; exit 1; fi

# Root often has no rustc in PATH, and so no way to ask for the target: what was built last for this machine is meant.
MACHINE = $(subst arm64,aarch64,$(shell uname -m))
LAST_BUILT = $(or $(wildcard $(BINARY)),$(shell \
	ls -t $(TARGET_DIR)/$(MACHINE)-*/release/relevance-run 2> /dev/null | head -n 1))
BIN = $(DESTDIR)$(PREFIX)/bin
SHARE = $(DESTDIR)$(PREFIX)/share

install: ## install binary, man page, completions and examples (PREFIX=/usr/local, DESTDIR)
	$(if $(LAST_BUILT),,$(error no binary to install; run make build first))
	install -d -m 755 "$(BIN)" "$(SHARE)/man/man1" "$(SHARE)/bash-completion/completions" \
		"$(SHARE)/fish/vendor_completions.d" "$(SHARE)/zsh/site-functions" "$(SHARE)/doc"
	install -m 755 $(LAST_BUILT) "$(BIN)/relevance-run"
	install -m 644 src/share/man/man1/relevance-run.1 "$(SHARE)/man/man1"
	install -m 644 src/share/bash-completion/completions/relevance-run "$(SHARE)/bash-completion/completions"
	install -m 644 src/share/fish/vendor_completions.d/relevance-run.fish "$(SHARE)/fish/vendor_completions.d"
	install -m 644 src/share/zsh/site-functions/_relevance-run "$(SHARE)/zsh/site-functions"
	rm -rf "$(SHARE)/doc/relevance-run"
	cp -R src/share/doc/relevance-run "$(SHARE)/doc"
	chmod -R u=rwX,go=rX "$(SHARE)/doc/relevance-run"

uninstall: ## remove everything that make install installed
	rm -f "$(BIN)/relevance-run" "$(SHARE)/man/man1/relevance-run.1" \
		"$(SHARE)/bash-completion/completions/relevance-run" \
		"$(SHARE)/fish/vendor_completions.d/relevance-run.fish" "$(SHARE)/zsh/site-functions/_relevance-run"
	rm -rf "$(SHARE)/doc/relevance-run"

# What is shipped is the binary of `make build`, staged once for the archive and the packages. From every clone of a
# commit it is the same. Each of these says what it needs before anything is built.
VERSION := $(shell sed -n 's/^version = "\(.*\)"/\1/p' Cargo.toml)
RELEASE = $(TARGET_DIR)/$(TARGET)/release
DIST = $(TARGET_DIR)/dist
TREE = $(RELEASE)/relevance-run-$(VERSION)-$(TARGET)
SOURCE = $(DIST)/relevance-run-$(VERSION)-source
IMAGE = $(DIST)/relevance-run-$(VERSION)-$(firstword $(subst -, ,$(TARGET))).oci.tar
TARGETS ?= x86_64-unknown-linux-musl aarch64-unknown-linux-musl
dist deb rpm image: export SOURCE_DATE_EPOCH ?= $(shell git log -1 --format=%ct)

has = $(shell command -v $1 2> /dev/null)
needs = $(foreach tool,git jq $1,$(if $(call has,$(tool)),,$(error make $@ needs $(tool)))) \
	$(if $(shell tar --version 2> /dev/null | grep GNU),,$(error make $@ needs GNU tar))
NEEDS_BUILDER = $(if $(or $(call has,buildah),$(shell docker buildx version 2> /dev/null)),,$(error \
	make $@ needs buildah, or docker with buildx))

.PHONY: stage dist deb rpm image release

stage: build
	@rm -rf $(TREE) && mkdir -p $(TREE)/bin $(DIST)
	@cp $(BINARY) $(TREE)/bin && cp -R README.md src/share $(TREE)
	@.ci/notices $(TARGET) $(TREE)/share/doc/relevance-run

dist: ## pack the binary with what belongs to it, and the source, into target/dist; needs jq and GNU tar
	$(call needs)
	@$(MAKE) --no-print-directory stage
	@tar --sort=name --format=ustar --mtime=@$$SOURCE_DATE_EPOCH --owner=0 --group=0 --numeric-owner \
		--mode=u=rwX,go=rX -C $(RELEASE) -cf $(DIST)/$(notdir $(TREE)).tar $(notdir $(TREE))
	@git archive --prefix=relevance-run-$(VERSION)/ -o $(SOURCE).tar HEAD
	@gzip -9nf $(DIST)/$(notdir $(TREE)).tar $(SOURCE).tar
	@cd $(DIST) && for name in $(notdir $(TREE) $(SOURCE)); do \
		sha256sum $$name.tar.gz > $$name.tar.gz.sha256; wc -c $$name.tar.gz; done

deb: ## build a Debian package; needs cargo-deb
	$(call needs,cargo-deb)
	@$(MAKE) --no-print-directory stage
	@.ci/debian/stage $(TREE) $(RELEASE)/debian $(VERSION)
	@cargo deb --quiet --no-build --no-strip --target $(TARGET) --output $(DIST)/

rpm: ## build an RPM package; needs cargo-generate-rpm
	$(call needs,cargo-generate-rpm)
	@$(MAKE) --no-print-directory stage
	@rm -rf $(RELEASE)/rpm && cp -R $(TREE)/share $(RELEASE)/rpm && gzip -9n $(RELEASE)/rpm/man/man1/*
	@cargo generate-rpm --target $(TARGET) --output $(DIST)/

image: ## make an OCI archive of the binary alone, FROM scratch; needs buildah, or docker with buildx
	$(call needs)$(NEEDS_BUILDER)
	@$(MAKE) --no-print-directory stage
	@.ci/image $(BINARY) $(VERSION) $(TARGET) $(IMAGE)

release: ## make dist, deb, rpm and image for each of TARGETS, into an empty target/dist, with SHA256SUMS
	$(call needs,cargo-deb cargo-generate-rpm)$(NEEDS_BUILDER)
	@rm -rf $(DIST)
	@for target in $(TARGETS); do \
		$(MAKE) --no-print-directory dist deb rpm image TARGET=$$target || exit 1; done
	@cd $(DIST) && sha256sum *.gz *.deb *.rpm *.oci.tar > SHA256SUMS && cat SHA256SUMS
