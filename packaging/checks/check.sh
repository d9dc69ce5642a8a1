#!/usr/bin/env bash
# check.sh: everything `make check` promises. All checks run; the exit code says whether one failed.
set -uo pipefail
cd "$(dirname "$0")/../.."

deny_version=0.20.2
failures=()

step() {
	local name=$1
	shift
	echo "==== $name"
	"$@" || failures+=("$name")
}

rust_format() {
	cargo fmt --version >/dev/null 2>&1 || { echo "rustfmt is missing; run: rustup component add rustfmt"; return 1; }
	cargo fmt --all --check || { echo "to repair: cargo fmt --all"; return 1; }
}

c_format() {
	local files
	mapfile -t files < <(git ls-files --cached --others --exclude-standard 'bpf/*.c' 'bpf/*.h')
	[ ${#files[@]} -gt 0 ] || return 0
	clang-format-19 --dry-run -Werror "${files[@]}" ||
		{ echo "to repair: clang-format-19 -i FILE"; return 1; }
}

lints() {
	cargo clippy --version >/dev/null 2>&1 || { echo "clippy is missing; run: rustup component add clippy"; return 1; }
	cargo clippy --workspace --all-targets -- -D warnings
}

# Not optimised: it builds in a minute or two, and has seconds of work to do.
install_deny() {
	[ "$(cargo deny --version 2>/dev/null)" != "cargo-deny $deny_version" ] || return 0
	echo "installing cargo-deny $deny_version into cargo's own bin directory, once"
	CARGO_PROFILE_DEV_DEBUG=0 cargo install -q --locked --debug --target-dir target/cargo-deny \
		cargo-deny --version "=$deny_version" || return 1
	rm -rf target/cargo-deny
}

deny() {
	install_deny || return 1
	cargo deny --locked check bans licenses sources || return 1
	if GIT_TERMINAL_PROMPT=0 timeout 60 cargo deny --locked fetch db >/dev/null 2>&1; then
		cargo deny --locked check --disable-fetch advisories
	else
		echo "advisories NOT checked: the advisory database can't be reached from here"
	fi
}

step "dependency bans" python3 packaging/checks/bans.py
step "C format" c_format
step "Rust format" rust_format
step "cargo-deny" deny
step "lints" lints

[ ${#failures[@]} -eq 0 ] || { (IFS=,; echo "check: failed: ${failures[*]}") >&2; exit 1; }
echo "check: all is well"
