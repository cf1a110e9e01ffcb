# `make` without a target lists the targets.
.DEFAULT_GOAL := help
.PHONY: help demo torture test fmt lint doc build install uninstall audit audit-offline sbom fuzz check-readers check-browser check-reach check-report check-minimal check-schedules check-units check-orchestrators clean

CARGO  ?= cargo
# Where `make install` puts the binary, its manual page and the completions.
PREFIX ?= $(HOME)/.local
# Packagers set DESTDIR to collect the files below another root.
TO := $(DESTDIR)$(PREFIX)
TARGET_DIR := $(or $(CARGO_TARGET_DIR),target)
PROGRAM := $(TARGET_DIR)/release/cratedigger
# The docs of the code are for people who work on it, so private items are included and may be linked to.
RUSTDOC := -D warnings -A rustdoc::private-intra-doc-links
READERS := target/readers
ORCHESTRATORS := target/orchestrators
REACH := target/reach
# Servers with the interface of a cloud, and the programs that read a lake.
LAKE := target/lake
# The browser and the packages with which `make check-report` looks at pages.
PAGES := target/report
CHROMIUM ?= /usr/bin/chromium
# Where cargo-deny keeps the advisories that it fetched.
ADVISORIES := $(or $(CARGO_HOME),$(HOME)/.cargo)/advisory-dbs
# Random inputs for each property in `make fuzz`.
FUZZ_CASES ?= 50000
# Where they start.
FUZZ_SEED := $(or $(FUZZ_SEED),$(shell od -An -N4 -tu4 /dev/urandom | tr -d ' '))
FUZZED := arbitrary_input:: arbitrary_job_files:: random_input:: functions_give any_header any_id schedule::tests render::tests scan::tests guard::tests page::tests

help: ## list the targets
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/:.*## /|/' \
	  | while IFS='|' read -r name about; do printf 'make %-15s %s\n' "$$name" "$$about"; done

demo: ## run the example jobs against a sandbox on this machine, in output/demo: no credentials, no network
	$(CARGO) run --locked --quiet -- demo

# The demo uses the binary that the tests have built. `cargo run` selects other features of the dependencies and would
# compile forty of them again.
test: fmt lint doc ## everything that CI runs: format, clippy, docs, tests, demo
	@command -v strace >/dev/null || echo 'note: strace is missing (apt-get install strace), so the tests that make system calls fail are skipped' >&2
	$(CARGO) test --locked --quiet --workspace --no-fail-fast
	$(TARGET_DIR)/debug/cratedigger --quiet demo --dir target/demo

fmt: ## check the format (`cargo fmt` corrects it)
	$(CARGO) fmt --all --check

lint: ## run clippy; warnings are errors
	$(CARGO) clippy --locked --quiet --workspace --all-targets -- -D warnings

check-minimal: ## build everything without the features `lake` and `postgres`, and run the demo
	$(CARGO) clippy --locked --quiet --no-default-features --all-targets -- -D warnings
	$(CARGO) run --locked --quiet --no-default-features -- --quiet demo --dir target/demo-minimal

# There are no examples. `--examples` makes cargo select the features that clippy and the tests use; without it, forty
# dependencies are compiled again.
doc: ## build the docs of the code in target/doc; warnings are errors
	RUSTDOCFLAGS="$(RUSTDOC)" $(CARGO) doc --locked --quiet --workspace --no-deps --document-private-items --lib --examples

build: $(PROGRAM) ## build the optimized program

$(PROGRAM): Cargo.toml Cargo.lock $(shell find src crates jobs contrib -type f)
	$(CARGO) build --locked --release
	touch $@

# Root does not need cargo: a program that is up to date is only copied.
install: $(PROGRAM) ## install below PREFIX (~/.local): program, manual page, completions; `sudo make install PREFIX=/usr/local` after `make build`
	install -d "$(TO)/bin" "$(TO)/share/man/man1" "$(TO)/share/bash-completion/completions" \
	  "$(TO)/share/zsh/site-functions" "$(TO)/share/fish/vendor_completions.d"
	install -m 755 $(PROGRAM) "$(TO)/bin/cratedigger"
	ln -sf cratedigger "$(TO)/bin/tap-cratedigger"
	$(PROGRAM) man > "$(TO)/share/man/man1/cratedigger.1"
	$(PROGRAM) completions bash > "$(TO)/share/bash-completion/completions/cratedigger"
	$(PROGRAM) completions zsh > "$(TO)/share/zsh/site-functions/_cratedigger"
	$(PROGRAM) completions fish > "$(TO)/share/fish/vendor_completions.d/cratedigger.fish"
	@case ":$$PATH:" in *":$(PREFIX)/bin:"*) ;; *) echo 'note: $(PREFIX)/bin is not in your PATH' ;; esac

uninstall: ## remove the files that `make install` installed
	rm -f "$(TO)/bin/cratedigger" "$(TO)/bin/tap-cratedigger" "$(TO)/share/man/man1/cratedigger.1" \
	  "$(TO)/share/bash-completion/completions/cratedigger" \
	  "$(TO)/share/zsh/site-functions/_cratedigger" \
	  "$(TO)/share/fish/vendor_completions.d/cratedigger.fish"

torture: ## kill the program and fail its system calls at thousands of moments, and check that nothing is lost (two hours; needs strace; SEED, KILLS, STRIDE, POINTS, DISKS; WORLDS, STEPS, MINUTES for random worlds)
	@command -v strace >/dev/null || { echo 'strace is missing: apt-get install strace' >&2; exit 1; }
	$(CARGO) test --locked --quiet --test torture -- --ignored --nocapture --test-threads=1
	CRATEDIGGER_SEEDS=3000 $(CARGO) test --locked --quiet --test it edited_playlists:: -- --nocapture

audit: ## check licenses, sources and advisories of all crates (needs cargo-deny: `cargo install cargo-deny --locked`)
	@$(CARGO) deny --version >/dev/null 2>&1 || { echo 'cargo-deny is missing: cargo install cargo-deny --locked' >&2; exit 1; }
	$(CARGO) deny --locked check $(AUDIT)

audit-offline: ## the same without network: advisories only if they were fetched within the last 30 days
	@$(CARGO) deny --version >/dev/null 2>&1 || { echo 'cargo-deny is missing: cargo install cargo-deny --locked' >&2; exit 1; }
	$(CARGO) deny --locked --offline check bans licenses sources
	@if ls -d "$(ADVISORIES)"/*/.git >/dev/null 2>&1; then $(CARGO) deny --locked --offline check advisories; \
	  else echo 'note: advisories are not checked, since $(ADVISORIES) is empty: run `make audit` once with network' >&2; fi

sbom: ## write the bill of materials of the program (CycloneDX) to target/cratedigger.cdx.json (needs Python 3.11)
	@mkdir -p $(TARGET_DIR)
	python3 contrib/sbom/cyclonedx.py > $(TARGET_DIR)/cratedigger.cdx.json

fuzz: ## play far more and other random input to the property tests than `make test` does (half an hour; FUZZ_CASES, FUZZ_SEED)
	@echo 'FUZZ_SEED=$(FUZZ_SEED) plays the same input again'
	PROPTEST_RNG_SEED=$(FUZZ_SEED) PROPTEST_CASES=$(FUZZ_CASES) $(CARGO) test --release --locked --quiet --workspace -- $(FUZZED)

check-readers: ## read the files of a demo with pandas, DuckDB, Datasette, frictionless, taplo, pyarrow, polars, openpyxl and LibreOffice (needs Python 3.11, pip)
	$(CARGO) build --locked --quiet
	test -x $(READERS)/bin/python || python3 -m venv $(READERS)
	$(READERS)/bin/pip install --quiet --disable-pip-version-check -r tests/readers/requirements.txt
	test -x $(READERS)/excel/bin/python || python3 -m venv $(READERS)/excel
	$(READERS)/excel/bin/pip install --quiet --disable-pip-version-check -r tests/readers/requirements-excel.txt
	$(READERS)/bin/python tests/readers/check.py $(TARGET_DIR)/debug/cratedigger $(READERS)

check-reach: $(REACH)/.ready ## push to a real PostgreSQL and to S3 and Azure on this machine, end connections and servers at every statement, send to real Singer targets, run the recipes, and read lakes with pyarrow, DuckDB and Spark (needs postgresql, pgbouncer, openssl, sqlite3, Python 3.11, pip, npm, java)
	test -x $(LAKE)/bin/python || python3 -m venv $(LAKE)
	$(LAKE)/bin/pip install --quiet --disable-pip-version-check -r tests/lake/requirements.txt
	test -d $(LAKE)/azurite/node_modules/azurite || ! command -v npm >/dev/null || npm install --silent --no-audit --no-fund --ignore-scripts --prefix $(LAKE)/azurite azurite@3.37.0
	$(CARGO) test --locked --quiet --test it reach:: -- --ignored --test-threads=2
	CRATEDIGGER_SEEDS=2000 $(CARGO) test --locked --quiet --lib feed::tests::replica -- --nocapture
	$(CARGO) build --locked --quiet
	$(REACH)/tools/bin/python tests/reach/check.py $(TARGET_DIR)/debug/cratedigger $(REACH)

# The packages need different versions of the same others.
$(REACH)/.ready: tests/reach/requirements.txt
	for name in tools singer jsonl; do test -x $(REACH)/$$name/bin/python || python3 -m venv $(REACH)/$$name; done
	$(REACH)/tools/bin/pip install --quiet --disable-pip-version-check -r $<
	$(REACH)/singer/bin/pip install --quiet --disable-pip-version-check meltanolabs-target-postgres==0.8.1
	$(REACH)/jsonl/bin/pip install --quiet --disable-pip-version-check target-jsonl==0.1.4
	touch $@

check-schedules: ## compare 5,000 random crontab lines with another cron implementation, on every day of a year (a minute)
	CRATEDIGGER_EVERY_DAY=1 $(CARGO) test --release --locked --quiet --lib job::schedule:: -- --nocapture

check-units: ## check the units of `init --systemd` and their sandboxing with systemd-analyze
	@command -v systemd-analyze >/dev/null || { echo 'systemd-analyze is missing: apt-get install systemd' >&2; exit 1; }
	$(CARGO) build --locked --quiet
	rm -rf target/units && $(TARGET_DIR)/debug/cratedigger --quiet init --systemd target/units >/dev/null
	systemd-analyze verify --man=no target/units/systemd/*.service target/units/systemd/*.timer
	for unit in cratedigger cratedigger-schedule; do \
	  report=$$(systemd-analyze security --offline=true --no-pager --threshold=15 target/units/systemd/$$unit.service) \
	    || { echo "$$report"; exit 1; }; echo "$$report" | tail -n 1; done

check-report: ## look at the pages of a demo with a real Chromium and axe, in light and dark, on phone and desktop, and print them (needs chromium, npm)
	@command -v npm >/dev/null || { echo 'npm is missing: apt-get install npm' >&2; exit 1; }
	@command -v $(CHROMIUM) >/dev/null || { echo 'chromium is missing: apt-get install chromium' >&2; exit 1; }
	$(CARGO) build --locked --quiet
	test -d $(PAGES)/node_modules/axe-core || npm install --silent --no-audit --no-fund --ignore-scripts --prefix $(PAGES) puppeteer-core@24.43.1 axe-core@4.14.1
	$(TARGET_DIR)/debug/cratedigger --quiet demo --dir $(PAGES)/demo >/dev/null
	node tests/pages/check.mjs $(CHROMIUM) $(PAGES) $(PAGES)/pictures $$(ls $(PAGES)/demo/output/csv/index.html $(PAGES)/demo/output/csv/*/report*.html)

check-orchestrators: ## load the examples for Airflow and Dagster with these programs, and run them against a sandbox (needs Python 3.11, pip; 1 GB)
	$(CARGO) build --locked --quiet
	test -x $(ORCHESTRATORS)/bin/python || python3 -m venv $(ORCHESTRATORS)
	$(ORCHESTRATORS)/bin/pip install --quiet --disable-pip-version-check -r tests/orchestrators/requirements.txt
	$(ORCHESTRATORS)/bin/python tests/orchestrators/check.py $(TARGET_DIR)/debug/cratedigger

check-browser: ## sign in with a real Chromium (needs chromium, chromium-driver, Python 3)
	@command -v chromedriver >/dev/null && { command -v chromium || command -v chromium-browser || command -v google-chrome; } >/dev/null \
	  || { echo 'chromium or chromedriver is missing: apt-get install chromium chromium-driver' >&2; exit 1; }
	$(CARGO) build --locked --quiet
	python3 tests/browser/sign_in.py $(TARGET_DIR)/debug/cratedigger target/browser

clean: ## remove all build output
	$(CARGO) clean

# `make bench`, `make bench-peers`
-include benches/bench.mk
