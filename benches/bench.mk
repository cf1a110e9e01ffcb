# Figures: how fast, how lean. See docs/benchmarks.md.

.PHONY: bench bench-peers

bench: ## Measure exports against a sandbox (about 3 minutes)
	cargo build --release --quiet --bin cratedigger
	python3 benches/bench.py

bench-peers: target/peers/venv/.ready ## The same, beside rspotify and spotipy (about 6 minutes)
	cargo build --release --quiet --bin cratedigger
	CARGO_TARGET_DIR=$(CURDIR)/target/peers cargo build --release --quiet --locked --manifest-path benches/peers/rspotify/Cargo.toml
	python3 benches/bench.py --peers

target/peers/venv/.ready: benches/peers/spotipy/requirements.txt
	python3 -m venv target/peers/venv
	target/peers/venv/bin/pip install --quiet --requirement $<
	touch $@
