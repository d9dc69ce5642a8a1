#!/usr/bin/env bash
# run.sh [SERIES...]: the tests of the kernel host on Debian's cloud kernels, each in a virtual machine of
# its own (qemu, without KVM and without a network): the verifier takes the object, the packet cases come
# out as written, the plane works, and the connection table stands the torture.
set -uo pipefail
cd "$(dirname "$0")/../.."

timeout_s=${GUEST_TIMEOUT:-1500}
output=${CARGO_TARGET_DIR:-target}/guest
[ $# -gt 0 ] || set -- 6.1 6.12
[ "$(uname -m)" = x86_64 ] || { echo "test-guest: guests are made on x86_64 only, so far" >&2; exit 1; }

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
mkdir -p "$output"

# Builds as `make test` does, so that nothing is built twice.
test_programs() {
	cargo test --workspace --tests --no-run --message-format=json >"$work/build.json" || return 1
	python3 packaging/guest/programs.py <"$work/build.json"
}

# Boots a kernel with the tests and shows what they say; fails unless each program has run to its end.
boot() {
	local series=$1 kernel=$2 said=$work/said-$1 console=$output/console-$1.log status
	rm -f "$said"
	timeout --foreground -k 10 "$timeout_s" qemu-system-x86_64 -M q35 -accel tcg,thread=multi -cpu max -smp 2 -m 2048 \
		-nodefaults -display none -no-reboot -nic none -serial "file:$console" -serial stdio \
		-kernel "$kernel/vmlinuz" -initrd "$work/initramfs-$series" \
		-append "console=ttyS0 panic=-1 oops=panic" </dev/null 2>&1 | tee "$said"
	status=${PIPESTATUS[0]}
	if [ "$status" = 124 ]; then
		echo "test-guest: the guest was stopped after $timeout_s s"
	fi
	if [ "$status" != 0 ] || ! grep -qx 'guest: done' "$said"; then
		echo "test-guest: Linux $series: the guest did not get to the end; its console ($console):"
		tail -n 40 "$console"
		return 1
	fi
	complete "$said"
}

# Every program has said that it passed at least one test, and has ended well.
complete() {
	local said=$1 name
	while read -r name _; do
		grep -qx "guest: exit $name 0" "$said" || { echo "test-guest: $name failed"; return 1; }
	done <"$work/programs"
	[ "$(grep -c '^test result: ok\. [1-9]' "$said")" = "$(wc -l <"$work/programs")" ] ||
		{ echo "test-guest: a program ran no test"; return 1; }
}

test_programs >"$work/programs" || { echo "test-guest: building the tests failed" >&2; exit 1; }
failed=0
summary=()
for series; do
	echo
	echo "==== Linux $series in a guest [$((SECONDS / 60)) min $((SECONDS % 60)) s]"
	began=$SECONDS
	status=failed
	if kernel=$(packaging/guest/kernel.sh "$series") &&
		packaging/guest/image.sh "$kernel" "$work/programs" "$work/initramfs-$series" &&
		boot "$series" "$kernel"; then
		status=ok
	else
		failed=1
	fi
	summary+=("Linux $(cat "${kernel:-/nowhere}/release" 2>/dev/null || echo "$series"): $status, $(awk '
		/^test result: / { passed += $4; failed += $6 }
		END { printf "%d passed, %d failed", passed, failed }' "$work/said-$series" 2>/dev/null), $((SECONDS - began)) s")
	rm -f "$work/initramfs-$series"
done
echo
printf 'test-guest: %s\n' "${summary[@]}"
exit "$failed"
