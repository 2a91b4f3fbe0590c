# relevance-run: `make help` lists what can be made.

PREFIX ?= /usr/local
TARGET_DIR = $(or $(CARGO_TARGET_DIR),target)

# On Linux a static executable for any Linux: for the host's musl target where Rust's standard library for it is
# installed, else with the host's own libc linked in. Elsewhere what `cargo build` makes.
HOST := $(shell rustc -vV 2>/dev/null | sed -n 's/^host: //p')
MUSL := $(subst -gnu,-musl,$(HOST))
TARGET ?= $(if $(wildcard $(shell rustc --print target-libdir --target $(MUSL) 2>/dev/null)),$(MUSL),$(HOST))
BINARY = $(TARGET_DIR)/$(TARGET)/release/relevance-run
# What is tested with `make test BINARY=path` is there already.
BUILT = $(if $(filter command,$(origin BINARY)),,build)

comma := ,
# The same bytes from the same source, lock file, Rust (printed) and linker, whoever builds: no path of theirs is kept.
SYSROOT := $(shell rustc --print sysroot 2>/dev/null)
COMMIT := $(shell rustc -vV 2>/dev/null | sed -n 's/^commit-hash: //p')
FLAGS = "--remap-path-prefix=$(CURDIR)=." \
	"--remap-path-prefix=$(or $(CARGO_HOME),$(HOME)/.cargo)/registry/src=" \
	"--remap-path-prefix=$(SYSROOT)/lib/rustlib/src/rust=/rustc/$(COMMIT)"
ifneq (,$(findstring -linux-,$(TARGET)))
FLAGS += -Ctarget-feature=+crt-static
# At a fixed address with musl: a position-independent executable is 0.1 MB larger.
FLAGS += $(if $(findstring -musl,$(TARGET)),-Crelocation-model=static)
# GNU ld, where there is one, whatever else is set: told so, it leaves out a tenth of the file.
GNU_LD = -Clink-arg=-fuse-ld=bfd -Clink-arg=-Wl,--no-eh-frame-hdr,-T,src/static.ld
FLAGS += $(if $(shell command -v ld.bfd 2>/dev/null),$(GNU_LD))
# And packs the relocations, where the libc that is linked in can read them (glibc 2.36): another 0.1 MB.
CAN_UNPACK = printf '2.36\n%s\n' "$$(getconf GNU_LIBC_VERSION 2>/dev/null | cut -d' ' -f2)" | sort -VC && echo yes
FLAGS += $(if $(findstring -gnu,$(TARGET)),$(if $(shell $(CAN_UNPACK)),-Clink-arg=-Wl$(comma)-z$(comma)pack-relative-relocs))
endif
ENCODED_FLAGS = CARGO_ENCODED_RUSTFLAGS="$$(printf '%s\037' $(RUSTFLAGS) $(FLAGS) | sed 's/.$$//')"

.PHONY: help build where demo test isolated slow recipes check fake-api fuzz bench bloat install

help: ## list what can be made
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "%-10s %s\n", $$1, $$2 }' Makefile

build: ## build the binary that is handed out: static on Linux
	$(ENCODED_FLAGS) cargo build --release --locked --bin relevance-run --target $(TARGET)
	@echo "$(BINARY): $$(wc -c < $(BINARY)) bytes, for $(TARGET), by $$(rustc -V)"

where:
	@echo $(BINARY)

demo: build ## run the program against an embedded fake API; no account is needed
	@cargo build --quiet --locked --example fake-api
	@$(TARGET_DIR)/debug/examples/fake-api -- sh -c '$(BINARY) --verbose "Hello, who is there?"; echo "exit code: $$?"'

test: $(BUILT) ## run the whole suite, against the static binary or BINARY=path
	RELEVANCE_RUN=$(abspath $(BINARY)) RUST_TEST_THREADS=16 cargo test --locked

isolated: $(BUILT) ## as root, with strace: what needs a network and a root of its own, and to be killed (BINARY=path)
	cargo test --locked --no-run
	mkdir -p $(TARGET_DIR)/isolated && echo 'nameserver 127.0.0.1' > $(TARGET_DIR)/isolated/resolv.conf
	RELEVANCE_RUN=$(abspath $(BINARY)) unshare --net --mount sh -c 'ip link set lo up && \
		mount --bind $(TARGET_DIR)/isolated/resolv.conf /etc/resolv.conf && \
		cargo test --locked --offline --test it -- --ignored $(or $(ONLY),isolated:: killed::)'

slow: $(BUILT) ## the limits of one request, which are minutes (BINARY=path)
	RELEVANCE_RUN=$(abspath $(BINARY)) cargo test --locked --test it -- --ignored slow::

recipes: build ## run the recipes, each in its habitat as far as a machine allows
	.ci/recipes $(abspath $(BINARY)) $(TARGET_DIR)/recipes

check: ## formatting and lints, warnings denied
	cargo fmt --check
	cargo clippy --locked --all-targets -- -D warnings

fake-api: ## serve the fake API; prints what to paste into another shell, and what can be rehearsed
	@cargo run --quiet --locked --example fake-api

bench: build ## compare CPU, memory, requests and pace with what people use today (PYTHON=python3)
	@cargo build --quiet --locked --example bench
	@$(TARGET_DIR)/debug/examples/bench $(abspath $(BINARY))

bloat: ## what each crate costs in the binary; needs cargo-bloat (cargo install cargo-bloat)
	$(ENCODED_FLAGS) cargo bloat --release --locked --bin relevance-run --target $(TARGET) \
		--target-dir $(TARGET_DIR)/bloat --crates -n 12

# The coverage instrumentation that libFuzzer needs, by stable flags.
FUZZ_SECONDS ?= 120
FUZZ_DIR = $(TARGET_DIR)/fuzz
FUZZ_FLAGS = --cfg fuzzing -C debug-assertions -C codegen-units=1 -C passes=sancov-module \
	-C llvm-args=-sanitizer-coverage-level=4 -C llvm-args=-sanitizer-coverage-inline-8bit-counters \
	-C llvm-args=-sanitizer-coverage-pc-table -C llvm-args=-sanitizer-coverage-trace-compares

fuzz: ## fuzz the response handling for FUZZ_SECONDS (120); needs a C++ compiler
	RUSTFLAGS="$(FUZZ_FLAGS)" cargo build --locked --example fuzz --target $(HOST) --target-dir $(FUZZ_DIR)
	@mkdir -p $(FUZZ_DIR)/corpus
	@cd $(FUZZ_DIR) && if $(HOST)/debug/examples/fuzz corpus $(abspath tests/fuzz-seeds) \
		-max_total_time=$(FUZZ_SECONDS) -max_len=4096 -print_final_stats=1 > log 2>&1; \
		then grep '^stat::' log; else tail -n 40 log; exit 1; fi

# Root often has no rustc in PATH, and so no way to ask for the target: what was built last is meant.
LAST_BUILT = $(if $(filter file,$(origin TARGET)),$(shell ls -t $(TARGET_DIR)/*/release/relevance-run \
	2> /dev/null | head -n 1),$(wildcard $(BINARY)))

install: ## install into DESTDIR and PREFIX (/usr/local) what make build built, with man page and completions
	@test -n "$(LAST_BUILT)" || { echo "no binary is there to install: run make build first" >&2; exit 1; }
	@DESTDIR="$(DESTDIR)" PREFIX="$(PREFIX)" ./.install.sh install $(LAST_BUILT)

uninstall: ## take away exactly what make install laid there
	@DESTDIR="$(DESTDIR)" PREFIX="$(PREFIX)" ./.install.sh uninstall

# What is shipped is built apart, with the list of its crates inside for the scanners of containers, where
# cargo-auditable is installed. From every clone of a commit it is the same.
DIST = $(TARGET_DIR)/dist
VERSION := $(shell sed -n 's/^version = "\(.*\)"/\1/p' Cargo.toml)
SHIPPED = $(DIST)/build/$(TARGET)/release/relevance-run
TREE = $(DIST)/relevance-run-$(VERSION)-$(TARGET)
SOURCE = $(DIST)/relevance-run-$(VERSION)-source
IMAGE = $(DIST)/relevance-run-$(VERSION).oci.tar
dist deb image: export SOURCE_DATE_EPOCH ?= $(shell git log -1 --format=%ct)

.PHONY: uninstall shipped dist deb image

shipped:
	$(ENCODED_FLAGS) cargo $(if $(shell cargo auditable --version 2> /dev/null),auditable) build --release --locked \
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
