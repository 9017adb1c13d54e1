# `make demo` and `make test` need a Debian 12, root, git, make, curl and Rust (README.md says how to install it).

CARGO ?= cargo
RUSTC ?= rustc
SECONDS ?= 600
SEED ?= 1
COUNT ?= 60

# What the guest of the conformance runs is made of: a kernel, and the tools that ask it.
GUEST = linux.uml=user-mode-linux ipvsadm iptables-legacy=iptables modprobe=kmod

# Whatever needs Rust says so at once where it is missing or older than Cargo.toml wants.
wanted := $(shell sed -n 's/^rust-version = "\(.*\)"/\1/p' Cargo.toml)
found = $(word 2,$(shell $(1) --version 2>/dev/null))
newer = $(shell printf '%s\n' $(wanted) $(call found,$(1)) | sort -V | tail -n 1)
install = run "curl --proto '=https' --tlsv1.2 -sSf https://sh.rustup.rs | sh", or "rustup update"
check = $(if $(filter $(call found,$(1)),$(call newer,$(1))),,$(error \
    Rust $(wanted) or newer is needed, $(1) is $(or $(call found,$(1)),missing): $(install)))
ifneq ($(filter-out setup,$(or $(MAKECMDGOALS),demo)),)
$(call check,$(RUSTC))
$(call check,$(CARGO))
endif

# What two of the tests run through a director, and what `make torture` does beside it.
DATABASES = redis-server redis-cli=redis-tools pg_ctlcluster=postgresql
APPLICATIONS = iperf3 openssl ssh=openssh-client sshd=openssh-server rsync sipp=sip-tester

.PHONY: demo test torture lint conformance bench bench-quick bench-scale bench-attack rig fuzz setup clean

# A client, a director and three web servers in network namespaces.
demo: setup
	conf/lab/demo.sh

# Everything. The golden cases once more at the end, for their last lines to be the last.
test: setup lint
	@conf/lab/setup.sh $(GUEST) $(DATABASES)
	$(CARGO) build --workspace --bins
	$(CARGO) test --workspace --no-fail-fast
	$(CARGO) test --no-default-features --no-run
	$(CARGO) test --quiet --workspace --test golden

# Real applications through a director beside a plain router, in ten minutes at most; APP=redis,http1 chooses. gRPC and SMTP
# need python3-grpcio and python3-aiosmtpd, QUIC a python3 with aioquic: what is missing is said, and left out.
torture: setup
	@conf/lab/setup.sh $(DATABASES) $(APPLICATIONS)
	$(CARGO) build --release --workspace --bins
	APP=$(APP) $(CARGO) test --release --quiet --test torture

# What needs no running: format, clippy with DPDK and without, documentation.
lint: setup
	$(CARGO) fmt --all --check
	$(CARGO) clippy --workspace --all-targets -- -D warnings
	$(CARGO) clippy --no-default-features --all-targets -- -D warnings
	RUSTDOCFLAGS='-D warnings' $(CARGO) doc --no-deps --workspace
	$(CARGO) fmt --manifest-path tests/fuzz/Cargo.toml --all --check
	$(CARGO) clippy --manifest-path tests/fuzz/Cargo.toml -- -D warnings

# COUNT random scenarios of a SEED, recorded from a real kernel and compared; what differs is made small and kept.
#   KIND=schedulers|states|packets|persistence|commands|settings   FIRST=n   SCENARIO=file   KERNEL=binary
conformance:
	@conf/lab/setup.sh $(GUEST)
	SLUICE_MUST_RUN=1 SEED=$(SEED) COUNT=$(COUNT) $(CARGO) test --quiet --no-default-features --test conformance

# What packets and connections cost: times, then instructions.
bench bench-quick:
	@conf/lab/setup.sh valgrind
	bench/quick.sh

# Large tables under traffic: loads, edits, listings, mass endings.
bench-scale:
	@conf/lab/setup.sh valgrind
	bench/scale.sh

# What an outsider can make dear: instructions as usual and under attack, at most twice as many.
bench-attack:
	@conf/lab/setup.sh valgrind
	bench/attack.sh

# A whole director beside testpmd, with real rings in between; results are kept in bench/runs.
rig:
	bench/rig/vhost.sh
	bench/rig/memif.sh

# Hostile bytes: SECONDS for each target; what they find is kept in tests/fuzz/corpus.
fuzz: setup
	tests/fuzz/run.sh $(SECONDS)

# The packages that a fresh Debian lacks.
setup:
	@conf/lab/setup.sh

clean:
	$(CARGO) clean
	rm -rf tests/fuzz/target
