# The habits of the house. `make demo` and `make test` need a Debian 12, root, git, make and the Rust toolchain.

CARGO ?= cargo
SECONDS ?= 600

.PHONY: demo test lint bench bench-quick bench-scale bench-attack rig fuzz setup clean

# A client, a director and three web servers in network namespaces.
demo: setup
	conf/lab/demo.sh

# Everything. The golden cases once more at the end, for their last lines to be the last.
test: setup lint
	$(CARGO) build --workspace --bins
	$(CARGO) test --workspace --no-fail-fast
	$(CARGO) test --no-default-features --no-run
	$(CARGO) test --quiet --workspace --test golden

# What needs no running: format, clippy with DPDK and without, documentation.
lint: setup
	$(CARGO) fmt --all --check
	$(CARGO) clippy --workspace --all-targets -- -D warnings
	$(CARGO) clippy --no-default-features --all-targets -- -D warnings
	RUSTDOCFLAGS='-D warnings' $(CARGO) doc --no-deps --workspace
	$(CARGO) fmt --manifest-path tests/fuzz/Cargo.toml --all --check
	$(CARGO) clippy --manifest-path tests/fuzz/Cargo.toml -- -D warnings

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
