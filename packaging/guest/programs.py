#!/usr/bin/env python3
"""Reads what `cargo test --no-run --message-format=json` says, and prints of each test program that is to run in
a guest: name, its package's directory, where the package's build script writes (- if it has none), path, and
arguments. Tests in modules called `guest` run nowhere else: there are real VLAN devices (image.sh: modules)."""

import json
import os
import sys

# An emulated CPU is slow: what asks the same of the kernel again, thousands of times, is left to `make test`.
PROGRAMS = {
    "packet_cases": "--ignored --skip every_prefix",
    "kernel": "--ignored",
    "lb_plane": "--ignored",
    "torture": "--ignored",
}


def main() -> int:
    found, written = {}, {}
    for line in sys.stdin:
        message = json.loads(line) if line.startswith("{") else {}
        if message.get("reason") == "build-script-executed":
            written[message["package_id"]] = message["out_dir"]
        if message.get("executable") and message["profile"]["test"]:
            directory = os.path.dirname(message["manifest_path"])
            out = written.get(message["package_id"], "-")
            found[message["target"]["name"]] = f"{directory} {out} {message['executable']}"
    missing = [name for name in PROGRAMS if name not in found]
    if missing:
        print(f"no test program {', '.join(missing)}", file=sys.stderr)
        return 1
    for name, arguments in PROGRAMS.items():
        print(f"{name} {found[name]} {arguments}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
