#!/usr/bin/env bash
# run.sh SECONDS: fuzzes the forwarding core natively, SECONDS a target, under the address and the
# undefined behaviour sanitizer. Exits with 1 if anything is found; what was found and the corpus
# are in target/fuzz/TARGET.
set -euo pipefail
seconds=${1:-30}
here=$(cd "$(dirname "$0")" && pwd)
bpf=$(dirname "$here")
target=${CARGO_TARGET_DIR:-$(dirname "$bpf")/target}/fuzz
# .cargo/config.toml names the compiler for cargo's children; this is none.
clang=${CLANG:-$(sed -n 's/^CLANG = "\(.*\)"/\1/p' "$(dirname "$bpf")/.cargo/config.toml")}

build() { # SOURCE PROGRAM SANITIZERS
	"$clang" -g -O1 -fno-omit-frame-pointer -fno-strict-aliasing -Wall -Wextra -Werror \
		-fsanitize="$3" -fno-sanitize=alignment -fno-sanitize-recover=undefined \
		-I"$bpf/core" -I"$bpf/src" "$here/$1.c" -o "$2"
}

mkdir -p "$target"/{forward,sequence}/{seeds,corpus,findings}
build seeds "$target/seeds" address,undefined
"$target/seeds" "$target/forward/seeds" "$target/sequence/seeds"

failed=0
for name in forward sequence; do
	build "$name" "$target/$name/fuzz" fuzzer,address,undefined
	log="$target/$name/log"
	if "$target/$name/fuzz" -max_total_time="$seconds" -max_len=4096 -timeout=5 \
		-print_final_stats=1 -artifact_prefix="$target/$name/findings/" \
		"$target/$name/corpus" "$target/$name/seeds" &>"$log"; then
		awk -v name="$name" -v seconds="$seconds" '/number_of_executed_units/ {
			printf "fuzz: %s: %d inputs in %d s, nothing found\n", name, $2, seconds }' "$log"
	else
		failed=1
		tail -n 60 "$log"
	fi
done
if [ "$failed" != 0 ]; then
	echo "fuzz: something was found, see $target/*/findings" >&2
	exit 1
fi
