# Benchmarks. The figures are in docs/benchmarks.md.
.PHONY: bench bench-calls bench-idle bench-load bench-pages bench-pace bench-peers bench-reader bench-shards

PEERS := target/peers

bench: bench-calls bench-pace ## measure exports against a sandbox (minutes)
	$(CARGO) build --release --locked --quiet --bin cratedigger
	python3 benches/bench.py

bench-calls: ## count the API calls of exports: sent, the fewest possible, and those of a simple client; and a sweep of 10,000 ids at 1,000 a day
	$(CARGO) bench --locked --quiet --profile dev --bench calls
	CRATEDIGGER_SWEEP=10000 $(CARGO) test --locked --quiet --test it -- sweep:: --nocapture

bench-peers: $(PEERS)/venv/.ready $(PEERS)/dlt/.ready ## compare with programs that use rspotify, spotipy and dlt
	$(CARGO) build --release --locked --quiet --bin cratedigger
	CARGO_TARGET_DIR=$(CURDIR)/$(PEERS) $(CARGO) build --release --locked --quiet --manifest-path benches/peers/rspotify/Cargo.toml
	python3 benches/bench.py --peers --runs 3 --playlists 25 --items 2000
	python3 benches/bench.py --peers --runs 3 --playlists 10 --items 10000
	python3 benches/bench.py --peers --dlt --runs 3 --saved 10000

$(PEERS)/dlt/.ready: benches/peers/dlt/requirements.txt
	test -x $(PEERS)/dlt/bin/python || python3 -m venv $(PEERS)/dlt
	$(PEERS)/dlt/bin/pip install --quiet --disable-pip-version-check -r $<
	touch $@

$(PEERS)/venv/.ready: benches/peers/spotipy/requirements.txt
	test -x $(PEERS)/venv/bin/python || python3 -m venv $(PEERS)/venv
	$(PEERS)/venv/bin/pip install --quiet --disable-pip-version-check -r $<
	touch $@

bench-idle: ## CPU and memory of `run --due` and of `schedule` with 200 jobs when none is due (four minutes)
	$(CARGO) build --release --locked --quiet --bin cratedigger
	python3 benches/idle.py

bench-load: ## CPU and memory with a store of 5 million playlist items, compared with 1 million (half an hour)
	$(CARGO) build --release --locked --quiet --bin cratedigger
	python3 benches/load.py

bench-pace: ## how the pace adapts to an unknown limit (simulated time), and how four processes share it (real processes)
	$(CARGO) test --locked --quiet --test it -- pace:: --nocapture --test-threads 1
	$(CARGO) bench --locked --quiet --profile dev --bench pace

bench-pages: ## report pages of the demo and of 5 million items, a workbook of a million cells, and Parquet against CSV (ten minutes)
	$(CARGO) build --release --locked --quiet --bin cratedigger
	python3 benches/pages.py

bench-shards: ## run eight shards as processes over 2,000 made-up users: calls, fairness, kills, a ban; and the ledger with five million calls (half an hour)
	$(CARGO) build --release --locked --quiet --bin cratedigger
	python3 benches/shards.py

bench-reader: ## keep a reader open for an hour while a job runs every minute: sizes and exit codes
	$(CARGO) build --release --locked --quiet --bin cratedigger
	python3 benches/reader.py
