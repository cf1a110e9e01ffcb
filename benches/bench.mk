# How fast, how lean: see docs/benchmarks.md.
.PHONY: bench bench-calls bench-idle bench-load bench-pace bench-peers bench-reader

PEERS := target/peers

bench: bench-calls bench-pace ## measure exports against a sandbox (minutes; figures in docs/benchmarks.md)
	$(CARGO) build --release --locked --quiet --bin cratedigger
	python3 benches/bench.py

bench-calls: ## what exports cost in calls: sent, the fewest possible, and those of a plain client; a sweep of 10,000 by 1,000 a day (counts, no timing)
	$(CARGO) bench --locked --quiet --profile dev --bench calls
	CRATEDIGGER_SWEEP=10000 $(CARGO) test --locked --quiet --test it -- sweep:: --nocapture

bench-peers: $(PEERS)/venv/.ready ## the same beside programs written with rspotify and spotipy
	$(CARGO) build --release --locked --quiet --bin cratedigger
	CARGO_TARGET_DIR=$(CURDIR)/$(PEERS) $(CARGO) build --release --locked --quiet --manifest-path benches/peers/rspotify/Cargo.toml
	python3 benches/bench.py --peers

$(PEERS)/venv/.ready: benches/peers/spotipy/requirements.txt
	test -x $(PEERS)/venv/bin/python || python3 -m venv $(PEERS)/venv
	$(PEERS)/venv/bin/pip install --quiet --disable-pip-version-check -r $<
	touch $@

bench-idle: ## two hundred jobs of which none is due: CPU and memory of `run --due` and of `schedule` at rest (four minutes)
	$(CARGO) build --release --locked --quiet --bin cratedigger
	python3 benches/idle.py

bench-load: ## a store of 5 million playlist items beside one of 1 million: CPU and memory (half an hour)
	$(CARGO) build --release --locked --quiet --bin cratedigger
	python3 benches/load.py

bench-pace: ## what the pace makes of a limit nobody told it, and what four processes make of one pace (made-up time; then real processes)
	$(CARGO) test --locked --quiet --test it -- pace:: --nocapture --test-threads 1
	$(CARGO) bench --locked --quiet --profile dev --bench pace

bench-reader: ## a reader that holds the store open for an hour, a run every minute meanwhile: sizes and exit codes
	$(CARGO) build --release --locked --quiet --bin cratedigger
	python3 benches/reader.py
