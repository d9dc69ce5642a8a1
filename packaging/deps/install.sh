#!/usr/bin/env bash
# install.sh: makes sure that everything the project is built, tested and shown with is there.
# Quick and silent when it is. Installs Debian's packages; Rust only where Debian packages rustup.
# `install.sh guest` sees to the virtual machines of `make test-guest`, too.
set -euo pipefail
cd "$(dirname "$0")/../.."

packages=(
	# to build
	ca-certificates gcc libc6-dev make pkg-config m4 libelf-dev zlib1g-dev clang-19
	# to test and show: namespaces, nftables as a reference, HTTP backends and clients, the fuzzer's runtime
	iproute2 ethtool nftables procps curl python3 libclang-rt-19-dev
	# to check
	git clang-format-19
)
guest_packages=(
	# to boot a kernel with what it is tested with
	qemu-system-x86 busybox-static binutils xz-utils debian-archive-keyring
)
case ${1:-} in
'') ;;
guest) packages+=("${guest_packages[@]}") ;;
*) echo "deps: no group $1: leave it out, or say guest" >&2; exit 2 ;;
esac
rust_needed=$(sed -n 's/^rust-version = "\(.*\)"$/\1/p' Cargo.toml)

say() { echo "deps: $*" >&2; }
as_root() { if [ "$(id -u)" = 0 ]; then "$@"; else sudo "$@"; fi; }
at_least() { [ "$(printf '%s\n' "$1" "$2" | sort -V | head -n 1)" = "$1" ]; }

rust_version() { { rustc --version 2>/dev/null || true; } | awk '{ print $2 }'; }
rust_is_there() {
	command -v cargo >/dev/null && [ -n "$(rust_version)" ] && at_least "$rust_needed" "$(rust_version)"
}

missing_packages() {
	local installed name
	installed=$(dpkg-query -W -f '${db:Status-Status} ${Package}\n' "${packages[@]}" 2>/dev/null |
		sed -n 's/^installed //p' || true)
	for name in "${packages[@]}"; do
		grep -qxF "$name" <<<"$installed" || echo "$name"
	done
}

apt_update_once() {
	[ -n "${apt_updated:-}" ] || as_root apt-get update -qq
	apt_updated=1
}
candidate() { apt-cache policy "$1" | awk '$1 == "Candidate:" && $2 != "(none)" { print $2 }'; }

install_packages() {
	local missing
	mapfile -t missing < <(missing_packages)
	[ ${#missing[@]} -gt 0 ] || return 0
	[ "$(id -u)" = 0 ] || say "asking for root (sudo) to install packages with apt-get"
	say "installing ${missing[*]}"
	apt_update_once
	as_root env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends \
		-o Dpkg::Use-Pty=0 "${missing[@]}" >/dev/null
}

# Leaves the choice of where Rust comes from to the person, unless the distribution has made it.
install_rust() {
	local found web
	found=$(rust_version)
	say "Rust $rust_needed or later is needed, ${found:-none} was found"
	if command -v rustup >/dev/null; then
		say "run: rustup default stable && rustup update stable"
		return 1
	fi
	apt_update_once
	if [ -n "$(candidate rustup)" ]; then
		say "installing the distribution's rustup and with it the stable toolchain"
		as_root env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends rustup >/dev/null
		rustup default stable
		rust_is_there && return 0
		say "cargo and rustc are still not found, or too old: is another Rust earlier in PATH?"
		return 1
	fi
	web=$(candidate rustc-web)
	if [ -n "$web" ] && at_least "$rust_needed" "$web"; then
		say "run: apt-get install cargo-web rustfmt-web rust-web-clippy (as root; or install rustup, see https://rustup.rs)"
	else
		say "run: curl --proto '=https' --tlsv1.2 -sSf https://sh.rustup.rs | sh"
	fi
	return 1
}

if command -v dpkg-query >/dev/null && command -v apt-get >/dev/null; then
	install_packages
else
	say "this is no Debian: see that you have what these packages hold: ${packages[*]}"
fi
rust_is_there || install_rust
