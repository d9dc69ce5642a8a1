#!/usr/bin/env bash
# compare.sh [REVISION]: packets a second of this tree beside those of another revision, each with its own
# benchmark. Both are built first; then pairs of short runs alternate, so that what the machine does meanwhile
# meets both, and who comes first alternates, too. Prints medians of ratios within a pair.
# Environment: PAIRS=15, FLOWS=1k,1M, ONLY=dnat, LEAST=0.97 (the exit code says whether it was reached),
# BASE=PROGRAM (the revision's benchmark, built before).
set -euo pipefail
cd "$(dirname "$0")/.."

revision=${1:-a2a076d}
pairs=${PAIRS:-15}
results=target/compare
tree=$results/tree
work=
as_root() { if [ "$(id -u)" = 0 ]; then "$@"; else sudo -E "$@"; fi; }

clean_up() {
	[ -z "$work" ] || rm -rf "$work"
	[ ! -e "$tree" ] || git worktree remove --force "$tree"
}
trap clean_up EXIT

# Builds a revision where nothing of this tree's build is touched, and keeps what came of it.
build_base() {
	local commit program
	commit=$(git rev-parse --short=12 --verify "$revision^{commit}")
	program=$results/$commit
	if [ ! -x "$program" ]; then
		mkdir -p "$results"
		git worktree add --quiet --detach "$tree" "$commit"
		(cd "$tree" && cargo build --release --locked -p lb-benchmarks --target-dir "$OLDPWD/$results/build")
		cp "$results/build/release/lb-benchmarks" "$program"
	fi
	echo "$program"
}

base=${BASE:-$(build_base)}
cargo build --release -p lb-benchmarks
ours=${CARGO_TARGET_DIR:-target}/release/lb-benchmarks
work=$(mktemp -d)

# Three rounds in a process of its own: tables lie elsewhere in memory each time.
measure() {
	as_root "$1" wire --only "limit,${ONLY:-dnat}" --flows "${FLOWS:-1k,1M}" --rounds 3 --seconds 0.2 \
		--output "$work/$2" >/dev/null 2>"$work/said" || { cat "$work/said" >&2; return 1; }
}

for pair in $(seq "$pairs"); do
	echo -ne "\rpair $pair/$pairs " >&2
	order=("$base base" "$ours ours")
	[ $((pair % 2)) = 0 ] || order=("$ours ours" "$base base")
	for turn in "${order[@]}"; do
		read -r program side <<<"$turn"
		measure "$program" "$side-$pair"
	done
done
echo >&2
echo "this tree / $revision:"
python3 benchmarks/compare.py "$work" "$pairs" "${LEAST:-0.97}"
