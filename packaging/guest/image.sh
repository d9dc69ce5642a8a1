#!/usr/bin/env bash
# image.sh KERNEL PROGRAMS IMAGE: makes a guest's initramfs of a kernel's directory (kernel.sh), the machine's
# own tools with their libraries, and test programs. PROGRAMS is what programs.py prints. What a program expects at an absolute path is there at the same path.
set -euo pipefail
cd "$(dirname "$0")/../.."

kernel=$1 programs=$2 image=$3
# What tests call: namespaces, links, and their offloads.
tools=(ip nsenter ethtool)
modules=(veth bridge macvlan 8021q)

root=$(mktemp -d)
trap 'rm -rf "$root"' EXIT
mkdir -p "$root"/{bin,usr/bin,usr/sbin,guest}
ln -s usr/sbin "$root/sbin"

# A program and the libraries that it is loaded with, at the paths where the loader looks for them.
add_program() {
	local from=$1 to=$2 library
	mkdir -p "$root/$(dirname "$to")"
	strip --strip-debug -o "$root/$to" "$from"
	{ ldd "$from" 2>/dev/null || true; } | grep -o '/[^ ]*' | while read -r library; do
		[ -e "$root/$library" ] || install -D -m 755 "$(readlink -f "$library")" "$root/$library"
	done
}

# Module after module, each after those that it needs, uncompressed.
add_module() {
	local name=$1 found target needed
	target=guest/$name.ko
	[ ! -e "$root/$target" ] || return 0
	found=$(find "$kernel/modules" -name "$name.ko*" -print -quit)
	# What the kernel has built in, or not at all: the tests will say.
	[ -n "$found" ] || { echo "guest: $(cat "$kernel/release") has no module $name" >&2; return 0; }
	case $found in
	*.xz) xz -dc "$found" ;;
	*.zst) zstd -dcq "$found" ;;
	*) cat "$found" ;;
	esac >"$root/$target"
	needed=$(objcopy -O binary --only-section=.modinfo "$root/$target" /dev/stdout |
		tr '\0' '\n' | sed -n 's/^depends=//p' | tr ',' ' ')
	for name in $needed; do
		add_module "${name//_/-}" || return 1
	done
	echo "/$target" >>"$root/guest/modules"
}

cp packaging/guest/init "$root/init"
install -m 755 /bin/busybox "$root/bin/busybox"
for tool in "${tools[@]}"; do
	add_program "$(command -v "$tool")" "usr/bin/$tool"
done
for module in "${modules[@]}"; do
	add_module "$module"
done
cp "$programs" "$root/guest/tests"
while read -r _name directory out program _arguments; do
	mkdir -p "$root/$directory" "$root/${out#-}"
	add_program "$program" "$program"
	find "$out" -maxdepth 1 -name '*.bpf.o' -exec cp {} "$root/$out/" \; 2>/dev/null || true
done <"$programs"

# The guest has no compiler. What the torture compiles there was compiled here, of the same sources.
cc -O2 -w -fno-strict-aliasing -pthread -I bpf/core -I bpf/src bpf/tests/torture/torture.c -o "$root/guest/torture.native"
add_program "$root/guest/torture.native" guest/torture
rm "$root/guest/torture.native"
cp packaging/guest/cc "$root/guest/cc"
mkdir -p "$root/$PWD/target/tmp" "$root/$PWD/bpf"
cp -r bpf/cases "$root/$PWD/bpf/"

(cd "$root" && find . | busybox cpio -o -H newc 2>/dev/null) >"$image"
