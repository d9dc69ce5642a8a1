#!/usr/bin/env bash
# test.sh: every test that `make test` promises. Cargo runs as the user who called; the tests marked
# `#[ignore = "needs root: run make test"]` and only they run as root. Those in modules called `guest`, marked
# `#[ignore = "needs a guest: run make test-guest"]`, need more than this kernel may have. Ends with the sum of all.
set -uo pipefail
cd "$(dirname "$0")/../.."

fuzz_seconds=30
log=$(mktemp)
trap 'rm -f "$log"' EXIT
failed=0

step() {
	echo
	echo "==== $1 [$((SECONDS / 60)) min $((SECONDS % 60)) s]"
	shift
	"$@" 2>&1 | tee -a "$log"
	local status=${PIPESTATUS[0]}
	[ "$status" = 0 ] || failed=1
	return "$status"
}

root_runner=()
if [ "$(id -u)" != 0 ]; then
	echo "test: asking for root (sudo): the tests make network namespaces and load BPF programs"
	sudo -v || exit 1
	root_runner=(--config "target.'cfg(unix)'.runner='sudo -E'")
fi

# Programs too: the end-to-end tests start loxid and loxictl, as built here.
step "build" cargo build --workspace --bins --tests || exit 1
step "tests that need nothing" cargo test --workspace --no-fail-fast
RUST_TEST_THREADS=2 step "tests that need root" \
	cargo test --workspace --lib --bins --tests --no-fail-fast "${root_runner[@]}" -- --ignored --skip guest::
step "fuzzing, $fuzz_seconds s a target" bpf/fuzz/run.sh "$fuzz_seconds"

echo
awk '/^test result: / { passed += $4; failed += $6 }
	END { printf "%d passed, %d failed\n", passed, failed }' "$log"
[ "$failed" = 0 ] || echo "test: something above failed" >&2
exit "$failed"
