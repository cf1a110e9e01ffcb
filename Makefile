# cratedigger. `make` alone lists what can be made.
.DEFAULT_GOAL := help
.PHONY: help demo torture test fmt lint doc build install uninstall audit check-readers check-browser check-schedules check-units clean

CARGO  ?= cargo
# Where `make install` puts the binary, its manual page and the completions.
PREFIX ?= $(HOME)/.local
# The same for packagers, who collect files below DESTDIR.
TO := $(DESTDIR)$(PREFIX)
PROGRAM := $(or $(CARGO_TARGET_DIR),target)/release/cratedigger
# rustdoc of a binary is read by those who work on it: private items are in it, and may be linked to.
RUSTDOC := -D warnings -A rustdoc::private-intra-doc-links
READERS := target/readers

help: ## list what can be made
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/:.*## /|/' \
	  | while IFS='|' read -r name what; do printf 'make %-14s %s\n' "$$name" "$$what"; done

demo: ## the example jobs against a sandbox on this machine, in output/demo: no credentials, no network
	$(CARGO) run --locked --quiet -- demo

test: fmt lint doc ## what CI runs: format, clippy, docs, tests, demo
	@command -v strace >/dev/null || echo 'note: strace is missing (apt-get install strace), so no system call is made to fail' >&2
	$(CARGO) test --locked --quiet --workspace
	$(CARGO) run --locked --quiet -- --quiet demo --dir target/demo

fmt: ## check the format (`cargo fmt` mends it)
	$(CARGO) fmt --all --check

lint: ## clippy, warnings denied
	$(CARGO) clippy --locked --quiet --workspace --all-targets -- -D warnings

doc: ## the docs of the code, warnings denied; in target/doc
	RUSTDOCFLAGS="$(RUSTDOC)" $(CARGO) doc --locked --quiet --workspace --no-deps --document-private-items

build: $(PROGRAM) ## the program, built for speed

$(PROGRAM): Cargo.toml Cargo.lock $(shell find src crates jobs contrib -type f)
	$(CARGO) build --locked --release
	touch $@

# As root too, who need not have cargo: what is built already is only copied.
install: $(PROGRAM) ## install below PREFIX (~/.local): program, manual page, completions; `sudo make install PREFIX=/usr/local` after `make build`
	install -d "$(TO)/bin" "$(TO)/share/man/man1" "$(TO)/share/bash-completion/completions" \
	  "$(TO)/share/zsh/site-functions" "$(TO)/share/fish/vendor_completions.d"
	install -m 755 $(PROGRAM) "$(TO)/bin/cratedigger"
	$(PROGRAM) man > "$(TO)/share/man/man1/cratedigger.1"
	$(PROGRAM) completions bash > "$(TO)/share/bash-completion/completions/cratedigger"
	$(PROGRAM) completions zsh > "$(TO)/share/zsh/site-functions/_cratedigger"
	$(PROGRAM) completions fish > "$(TO)/share/fish/vendor_completions.d/cratedigger.fish"
	@case ":$$PATH:" in *":$(PREFIX)/bin:"*) ;; *) echo 'note: $(PREFIX)/bin is not in your PATH' ;; esac

uninstall: ## take away what `make install` put there
	rm -f "$(TO)/bin/cratedigger" "$(TO)/share/man/man1/cratedigger.1" \
	  "$(TO)/share/bash-completion/completions/cratedigger" \
	  "$(TO)/share/zsh/site-functions/_cratedigger" \
	  "$(TO)/share/fish/vendor_completions.d/cratedigger.fish"

torture: ## kill and starve the program at thousands of moments (an hour; needs strace; KILLS, STRIDE, POINTS, DISKS, SEED): nothing may be lost
	@command -v strace >/dev/null || { echo 'strace is missing: apt-get install strace' >&2; exit 1; }
	$(CARGO) test --locked --quiet --test torture -- --ignored --nocapture --test-threads=1
	CRATEDIGGER_SEEDS=3000 $(CARGO) test --locked --quiet --test it edited_playlists:: -- --nocapture

audit: ## licences, sources and advisories of all crates (needs cargo-deny: `cargo install cargo-deny --locked`)
	@$(CARGO) deny --version >/dev/null 2>&1 || { echo 'cargo-deny is missing: cargo install cargo-deny --locked' >&2; exit 1; }
	$(CARGO) deny --locked check

check-readers: ## read a demo's files with pandas, DuckDB, Datasette, frictionless and taplo (needs Python 3.10, pip)
	$(CARGO) build --locked --quiet
	test -x $(READERS)/bin/python || python3 -m venv $(READERS)
	$(READERS)/bin/pip install --quiet --disable-pip-version-check -r tests/readers/requirements.txt
	$(READERS)/bin/python tests/readers/check.py target/debug/cratedigger $(READERS)

check-schedules: ## 5,000 random crontab lines beside another cron, on every day of a year (a minute)
	CRATEDIGGER_EVERY_DAY=1 $(CARGO) test --release --locked --quiet --lib five_thousand_random_lines -- --nocapture

check-units: ## what systemd says to the units of `init --systemd`, and how tight it rates their sandbox (needs systemd-analyze)
	@command -v systemd-analyze >/dev/null || { echo 'systemd-analyze is missing: apt-get install systemd' >&2; exit 1; }
	$(CARGO) build --locked --quiet
	rm -rf target/units && target/debug/cratedigger --quiet init --systemd target/units >/dev/null
	systemd-analyze verify --man=no target/units/systemd/*.service target/units/systemd/*.timer
	for unit in cratedigger cratedigger-schedule; do \
	  said=$$(systemd-analyze security --offline=true --no-pager --threshold=15 target/units/systemd/$$unit.service) \
	    || { echo "$$said"; exit 1; }; echo "$$said" | tail -n 1; done

check-browser: ## sign users in with a real Chromium (needs chromium, chromium-driver, Python 3)
	@command -v chromedriver >/dev/null && { command -v chromium || command -v chromium-browser || command -v google-chrome; } >/dev/null \
	  || { echo 'chromium or chromedriver is missing: apt-get install chromium chromium-driver' >&2; exit 1; }
	$(CARGO) build --locked --quiet
	python3 tests/browser/sign_in.py target/debug/cratedigger target/browser

clean: ## remove what was built
	$(CARGO) clean

# `make bench`, `make bench-peers`
-include benches/bench.mk
