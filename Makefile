# cratedigger. `make` alone lists what can be made.
.DEFAULT_GOAL := help
.PHONY: help demo test fmt lint doc install uninstall audit check-readers check-browser clean

CARGO  ?= cargo
# Where `make install` puts the binary, its manual page and the completions.
PREFIX ?= $(HOME)/.local
# rustdoc of a binary is read by those who work on it: private items are in it, and may be linked to.
RUSTDOC := -D warnings -A rustdoc::private-intra-doc-links
READERS := target/readers

help: ## list what can be made
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/:.*## /|/' \
	  | while IFS='|' read -r name what; do printf 'make %-14s %s\n' "$$name" "$$what"; done

demo: ## the example jobs against a sandbox on this machine, in output/demo: no credentials, no network
	$(CARGO) run --locked --quiet -- demo

test: fmt lint doc ## what CI runs: format, clippy, docs, tests, demo
	$(CARGO) test --locked --quiet
	$(CARGO) run --locked --quiet -- --quiet demo --dir target/demo

fmt: ## check the format (`cargo fmt` mends it)
	$(CARGO) fmt --check

lint: ## clippy, warnings denied
	$(CARGO) clippy --locked --quiet --all-targets -- -D warnings

doc: ## the docs of the code, warnings denied; in target/doc
	RUSTDOCFLAGS="$(RUSTDOC)" $(CARGO) doc --locked --quiet --no-deps --document-private-items

install: ## build for speed and install below PREFIX (~/.local): binary, manual page, completions
	$(CARGO) install --path . --locked --force --root "$(PREFIX)"
	install -d "$(PREFIX)/share/man/man1" "$(PREFIX)/share/bash-completion/completions" \
	  "$(PREFIX)/share/zsh/site-functions" "$(PREFIX)/share/fish/vendor_completions.d"
	"$(PREFIX)/bin/cratedigger" man > "$(PREFIX)/share/man/man1/cratedigger.1"
	"$(PREFIX)/bin/cratedigger" completions bash > "$(PREFIX)/share/bash-completion/completions/cratedigger"
	"$(PREFIX)/bin/cratedigger" completions zsh > "$(PREFIX)/share/zsh/site-functions/_cratedigger"
	"$(PREFIX)/bin/cratedigger" completions fish > "$(PREFIX)/share/fish/vendor_completions.d/cratedigger.fish"

uninstall: ## take away what `make install` put there
	$(CARGO) uninstall --root "$(PREFIX)" cratedigger
	rm -f "$(PREFIX)/share/man/man1/cratedigger.1" \
	  "$(PREFIX)/share/bash-completion/completions/cratedigger" \
	  "$(PREFIX)/share/zsh/site-functions/_cratedigger" \
	  "$(PREFIX)/share/fish/vendor_completions.d/cratedigger.fish"

audit: ## licences, sources and advisories of all crates (needs cargo-deny: `cargo install cargo-deny --locked`)
	@$(CARGO) deny --version >/dev/null 2>&1 || { echo 'cargo-deny is missing: cargo install cargo-deny --locked' >&2; exit 1; }
	$(CARGO) deny --locked check

check-readers: ## read a demo's files with pandas, DuckDB, Datasette, frictionless and taplo (needs Python 3.10, pip)
	$(CARGO) build --locked --quiet
	test -x $(READERS)/bin/python || python3 -m venv $(READERS)
	$(READERS)/bin/pip install --quiet --disable-pip-version-check -r tests/readers/requirements.txt
	$(READERS)/bin/python tests/readers/check.py target/debug/cratedigger $(READERS)

check-browser: ## sign users in with a real Chromium (needs chromium, chromium-driver, Python 3)
	@command -v chromedriver >/dev/null && { command -v chromium || command -v chromium-browser || command -v google-chrome; } >/dev/null \
	  || { echo 'chromium or chromedriver is missing: apt-get install chromium chromium-driver' >&2; exit 1; }
	$(CARGO) build --locked --quiet
	python3 tests/browser/sign_in.py target/debug/cratedigger target/browser

clean: ## remove what was built
	$(CARGO) clean

# `make bench`, `make bench-peers`
-include benches/bench.mk
