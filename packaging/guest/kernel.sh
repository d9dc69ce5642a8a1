#!/usr/bin/env bash
# kernel.sh SERIES: prints the directory that holds Debian's newest cloud kernel of a series (6.1):
# `vmlinuz`, `modules`, and `release`. Downloads it once, with apt-get but beside the machine's own apt
# (no root, nothing installed); remove the directory to have a newer one.
set -euo pipefail

series=$1
cache=${LOXID_CACHE:-${XDG_CACHE_HOME:-$HOME/.cache}/loxid}/guest
# Where this machine's own packages come from, so that a mirror or a proxy of its own is used.
site=$(apt-get indextargets --format '$(SITE)' 'Created-By: Packages' | grep -m 1 -E '/debian/?$' || true)
mirror=${DEBIAN_MIRROR:-${site%/debian*}}
keyring=/usr/share/keyrings/debian-archive-keyring.gpg
directory=$cache/linux-$series
work=

say() { echo "guest: $*" >&2; }

[ -n "$mirror" ] || { say "apt knows no Debian mirror: give one, DEBIAN_MIRROR=URL (without /debian)"; exit 1; }

if [ -e "$directory/release" ]; then
	echo "$directory"
	exit
fi

mkdir -p "$cache"
trap 'rm -rf "$work"' EXIT
work=$(mktemp -d "$cache/fetch.XXXXXX")

# apt-get with lists and archives of its own. APT::Sandbox: root has no need of another user to read them.
apt_options=(
	-o "Dir::Etc::SourceList=$work/sources.list" -o Dir::Etc::SourceParts=/dev/null
	-o "Dir::State=$work/state" -o "Dir::State::status=/var/lib/dpkg/status" -o "Dir::Cache=$work/cache"
	-o "APT::Sandbox::User=$(id -un)" -o Acquire::Languages=none -o Acquire::Retries=3
)
mkdir -p "$work"/{state/lists/partial,cache/archives/partial,root}
for suite in debian:bookworm debian-security:bookworm-security debian:bookworm-backports; do
	echo "deb [signed-by=$keyring] $mirror/${suite%%:*} ${suite#*:} main"
done >"$work/sources.list"

say "looking for Debian's cloud kernel of Linux $series"
apt-get "${apt_options[@]}" update -qq
package=$(apt-cache "${apt_options[@]}" pkgnames "linux-image-$series." |
	grep -E -- '-cloud-amd64$' | sort -V | tail -n 1)
[ -n "$package" ] || { say "no package linux-image-$series.*-cloud-amd64 at $mirror"; exit 1; }
say "downloading $package"
(cd "$work/root" && apt-get "${apt_options[@]}" download -qq "$package")
dpkg-deb -x "$work"/root/linux-image-*.deb "$work/root"

# The directory appears whole or not at all.
made=$work/linux
mkdir "$made"
release=$(ls "$work/root/lib/modules")
mv "$work/root/boot/vmlinuz-$release" "$made/vmlinuz"
mv "$work/root/lib/modules/$release" "$made/modules"
echo "$release" >"$made/release"
mv -T "$made" "$directory" 2>/dev/null || [ -e "$directory/release" ]
echo "$directory"
