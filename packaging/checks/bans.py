#!/usr/bin/env python3
"""bans.py: the things that must not be in this project, as ARCHITECTURE.md's invariants have them.

A ban reads the project's files (path -> text) and yields what breaks it (path, line, what to do).
Each ban brings an example that breaks it and one that does not, and is tried on both before it is
believed: a ban that cannot fail is a defect.
"""

import json
import re
import subprocess
import sys

MAY_BE_UNSAFE = ("lb/plane/", "bpf/")
MAY_SPAWN = ("lb/daemon/", "lb/tests/", "benchmarks/")
MAY_DERIVE_SERDE = ("api/", "lb/daemon/", "lb/tests/", "benchmarks/")
CORE_MAY_LINK = {"lb-core", "thiserror", "thiserror-impl", "proc-macro2", "quote", "syn", "unicode-ident"}

# What a crate may not depend on, directly. The first five are what the crates exist for.
LIBBPF = {"libbpf-rs", "libbpf-sys", "libbpf-cargo", "lb-bpf", "xsk-rs", "libxdp-sys"}
SERDE = {"serde", "serde_json", "serde-saphyr", "serde_derive"}
OURS = {"lb-core", "lb-bpf", "lb-plane", "lb-api", "lb-kube", "loxid", "loxictl", "lb-tests", "lb-benchmarks"}
NOT_FOR = {
    "lb-core": OURS | LIBBPF | SERDE | {"tokio", "anyhow", "nix", "libc"},
    "lb-bpf": OURS | SERDE | {"tokio"},
    "lb-plane": (OURS - {"lb-core", "lb-bpf"}) | SERDE | {"anyhow"},
    "lb-api": (OURS - {"lb-core"}) | LIBBPF | {"anyhow"},
    "lb-kube": (OURS - {"lb-core", "lb-api"}) | LIBBPF | {"anyhow"},
    "loxid": {"loxictl", "lb-tests", "lb-benchmarks"} | LIBBPF,
    "loxictl": (OURS - {"lb-core", "lb-api"}) | LIBBPF,
}

LITERAL = r"""r(#*)".*?"\1|"(?:\\.|[^"\\])*"|'(?:\\.|[^'\\])'"""
COMMENT = r"//[^\n]*|/\*.*?\*/"


def blank(pattern, text):
    """The text with what matches made blank; lines stay where they are."""
    return re.sub(pattern, lambda m: re.sub(r"[^\n]", " ", m.group()), text, flags=re.DOTALL)


def without_comments(text):
    keep = lambda m: re.sub(r"[^\n]", " ", m.group()) if m.group().startswith(("//", "/*")) else m.group()
    return re.sub(f"{LITERAL}|{COMMENT}", keep, text, flags=re.DOTALL)


def code(text):
    return blank(f"{LITERAL}|{COMMENT}", text)


def find(pattern, text):
    """The numbers of the lines where a match starts."""
    return [text.count("\n", 0, m.start()) + 1 for m in re.finditer(pattern, text, re.MULTILINE)]


def is_test(path):
    return "/tests/" in path or path.endswith("/tests.rs")


def rust(files, outside=(), tests=True):
    for path, text in files.items():
        if path.endswith(".rs") and not path.startswith(outside) and (tests or not is_test(path)):
            yield path, text


def core_c(files):
    return ((path, text) for path, text in files.items() if re.match(r"bpf/core/.*\.[ch]$", path))


BANS = []


def ban(rule, bad, good):
    def register(check):
        BANS.append((rule, check, bad, good))
        return check

    return register


@ban(
    "unsafe code is in lb/plane and bpf only",
    bad={"api/src/a.rs": "fn f() {\n unsafe { g() }\n}"},
    good={"api/src/a.rs": '// unsafe\n#![forbid(unsafe_code)]\nconst A: &str = "unsafe";', "bpf/src/a.rs": "unsafe {}"},
)
def unsafe_code(files):
    for path, text in rust(files, outside=MAY_BE_UNSAFE):
        for line in find(r"\bunsafe\b", code(text)):
            yield path, line, "give lb-plane a safe function and call that"


@ban(
    "every other crate forbids unsafe code",
    bad={"api/src/lib.rs": "//! #![forbid(unsafe_code)]"},
    good={"api/src/lib.rs": "//! Wire.\n#![forbid(unsafe_code)]", "bpf/src/lib.rs": "", "api/src/other.rs": ""},
)
def forbid_attribute(files):
    for path, text in rust(files, outside=MAY_BE_UNSAFE):
        if re.search(r"(^|/)src/(lib|main|bin/[^/]+)\.rs$", path) and "#![forbid(unsafe_code)]" not in code(text):
            yield path, 1, "add #![forbid(unsafe_code)] under the crate's docs"


@ban(
    "only the daemon spawns tasks",
    bad={"lb/plane/src/a.rs": "tokio::spawn(f());", "api/src/b.rs": "use tokio::task::{JoinSet};"},
    good={"lb/daemon/src/a.rs": "tokio::spawn(f());", "api/src/tests.rs": "tokio::spawn(f())", "api/src/c.rs": "// JoinSet"},
)
def spawned_tasks(files):
    for path, text in rust(files, outside=MAY_SPAWN, tests=False):
        for line in find(r"\btokio::(task::)?spawn\w*|\btask::spawn\w*|\bspawn_(local|blocking)\b|\bJoinSet\b", code(text)):
            yield path, line, "return the future, and let lb/daemon spawn it"


@ban(
    "lb-core does no I/O and reads no clock",
    bad={"lb/core/src/a.rs": "use std::time::Instant;", "lb/core/src/b.rs": 'println!("x");'},
    good={"lb/core/src/a.rs": "use std::time::Duration;\nuse std::net::IpAddr;", "lb/core/src/tests.rs": "std::fs::read(x)"},
)
def impure_core(files):
    impure = (
        r"\bstd::(fs|env|process|thread|io|os)\b|\b(Instant|SystemTime)\b"
        r"|\b(Tcp(Stream|Listener)|UdpSocket|ToSocketAddrs)\b|\be?print(ln)?!"
    )
    for path, text in rust(files, tests=False):
        if path.startswith("lb/core/src/"):
            for line in find(impure, code(text)):
                yield path, line, "make it an argument: the caller reads the clock, the file or the socket"


@ban(
    "types of the wire, and so serde's derives, are in lb-api",
    bad={"loxictl/src/a.rs": "#[derive(Debug,\n Serialize)]", "lb/plane/src/a.rs": "#[derive(serde::Deserialize)]"},
    good={"api/src/a.rs": "#[derive(Serialize)]", "lb/core/src/a.rs": "#[derive(Debug)]\nstruct S; // Serialize"},
)
def serde_derives(files):
    for path, text in rust(files, outside=MAY_DERIVE_SERDE):
        for line in find(r"derive\([^)]*\b(Serialize|Deserialize)\b", code(text)):
            yield path, line, "put the type into lb-api, and convert with TryFrom"


@ban(
    "the forwarding core calls no BPF helper and declares no map or program",
    bad={"bpf/core/a.h": "x = bpf_ktime_get_ns();", "bpf/core/b.h": '} m SEC(".maps");'},
    good={"bpf/core/a.h": "/* bpf_redirect() is the host's */", "bpf/host_bpf.h": "bpf_redirect(1, 0);"},
)
def helpers_in_core(files):
    for path, text in core_c(files):
        for line in find(r"\bbpf_\w+\s*\(|\bSEC\s*\(", code(text)):
            yield path, line, "put it behind a host_* function, in both hosts"


@ban(
    "the forwarding core includes kernel UAPI headers and its own, nothing else",
    bad={"bpf/core/a.h": "#include <string.h>", "bpf/core/b.h": "#include <linux/bpf.h>", "bpf/core/c.h": '#include "../host_bpf.h"'},
    good={"bpf/core/a.h": '#include <linux/types.h>\n#include <stddef.h>\n#include "abi.h"'},
)
def includes_of_core(files):
    allowed = r"\s*(<linux/(?!bpf)[\w/]+\.h>|<std(bool|def)\.h>|\"(?!host_(bpf|user))\w+\.h\")"
    for path, text in core_c(files):
        for line in find(rf"^[ \t]*#[ \t]*include(?!{allowed})", without_comments(text)):
            yield path, line, "what needs libc or BPF belongs to a host"


@ban(
    "the forwarding core calls nothing of libc",
    bad={"bpf/core/a.h": "memcpy(a, b, 6);"},
    good={"bpf/core/a.h": "__builtin_memcpy(a, b, 6);"},
)
def libc_in_core(files):
    names = "mem(cpy|set|cmp|move)|str(len|cmp|ncmp|cpy)|malloc|calloc|free|abort|exit|assert|s?n?printf|hton[sl]|ntoh[sl]"
    for path, text in core_c(files):
        for line in find(rf"\b({names})\s*\(", code(text)):
            yield path, line, "use the compiler's __builtin_*, or the core's own"


def declarations(text):
    """The declarations at the top of a C file as (offset, text), bodies cut out; and the offsets of local statics."""
    text = blank(r"(?m:^[ \t]*#(?:\\\n|[^\n])*)", code(text))
    top, statics, depth, start = [], [], 0, None
    collected = ""
    for offset, char in enumerate(text):
        if depth == 0 and start is None and not char.isspace():
            start = offset
        if char == "{":
            depth += 1
            continue
        if char == "}":
            depth -= 1
            if depth == 0:
                is_function = collected.rstrip().endswith(")")
                collected += " {} "
                if is_function:
                    start, collected = None, ""
            continue
        if depth:
            if text.startswith("static ", offset) and not (text[offset - 1].isalnum() or text[offset - 1] == "_"):
                statics.append(offset)
            continue
        if char == ";":
            top.append((start, collected.strip()))
            start, collected = None, ""
        elif start is not None:
            collected += char
    return top, statics


def is_variable(declaration):
    plain = re.sub(r"__attribute__\s*\(\(.*?\)\)|__\w+\s*\([^)]*\)|\[[^]]*\]", " ", declaration, flags=re.DOTALL)
    plain = plain.split("=")[0].strip()
    if not plain or plain.startswith("typedef") or "(" in plain:
        return False
    return not re.fullmatch(r"(struct|union|enum)\s*\w*\s*(\{\})?(\s*__\w+)*", plain)


@ban(
    "the forwarding core has no global variable",
    bad={
        "bpf/core/a.h": "static const __u8 table[4] = { 1, 2 };",
        "bpf/core/b.h": "struct a { int b; } c;",
        "bpf/core/c.h": "static int f(void)\n{\n\tstatic int n;\n\treturn n;\n}",
        "bpf/core/d.h": "extern int x;",
        "bpf/core/e.h": "const volatile __u32 flags __attribute__((aligned(64)));",
    },
    good={
        "bpf/core/a.h": "#define A(x) \\\n\tint x;\nstruct a {\n\tint b[4];\n} __attribute__((packed));\nenum { X };\nstruct b;\n"
        "typedef int t;\nint g(int x);\n_Static_assert(sizeof(int) == 4, \"int\");\n"
        "static inline int f(int x)\n{\n\tint y = x;\n\treturn y;\n}\n",
        "bpf/main.c": "int global;",
    },
)
def globals_in_core(files):
    advice = "pass it as an argument, or keep it in a region; a constant is a #define or an enum"
    for path, text in core_c(files):
        top, statics = declarations(text)
        for offset in [start for start, declaration in top if is_variable(declaration)] + statics:
            yield path, text.count("\n", 0, offset) + 1, advice


@ban(
    "there is one libbpf-sys",
    bad={"Cargo.lock": 'name = "libbpf-sys"\nversion = "1"\n\nname = "libbpf-sys"\n'},
    good={"Cargo.lock": 'name = "libbpf-sys"\nversion = "1"\n'},
)
def libbpf_sys_versions(files):
    lines = find(r'^name = "libbpf-sys"$', files.get("Cargo.lock", ""))
    for line in lines[1:]:
        yield "Cargo.lock", line, "libbpf-rs and xsk-rs must pin one version: see ARCHITECTURE.md"


@ban(
    "no file names a registry's host or a path of one machine",
    bad={"a.md": "https://static.crate" + "s.io/x", "b.sh": "cd /wor" + "k/main", "c": "see /home/" + "me/x", "d": "/.librar" + "y/env"},
    good={"a.md": "work/main is at home", "Cargo.lock": "https://github.com/rust-lang/crate" + "s.io-index"},
)
def local_words(files):
    hosts = r"\b([\w-]+\.)?crates\.io\b|\bpypi\.org|\bregistry\.npmjs|\bproxy\.golang|\bdeb\.debian|\bsecurity\.debian|\brepo\d*\.maven"
    paths = r"(?<![\w.])/(work|home/\w+|Users/\w+)/|(?<![\w)])\.librar[y]\b"
    for path, text in files.items():
        if path != "Cargo.lock" and not path.startswith("cargo "):
            for line in find(f"{hosts}|{paths}", text):
                yield path, line, "name the tool that finds it, or a path in the project"


@ban(
    "lb-core links nothing that does I/O",
    bad={"cargo tree -p lb-core": "lb-core v0.1.0 (x)\nthiserror v2\ntokio v1\n"},
    good={"cargo tree -p lb-core": "lb-core v0.1.0 (x)\nthiserror v2\nsyn v3 (*)\n"},
)
def dependencies_of_core(files):
    tree = files.get("cargo tree -p lb-core", "")
    for number, line in enumerate(tree.splitlines(), 1):
        if line.split()[0] not in CORE_MAY_LINK:
            yield "lb/core/Cargo.toml", 1, f"take {line.split()[0]} out of lb-core's dependencies"


def metadata(*edges):
    packages = {}
    for crate, kind, name in edges:
        packages.setdefault(crate, []).append({"name": name, "kind": kind})
    return json.dumps({"packages": [{"name": c, "dependencies": d} for c, d in packages.items()]})


@ban(
    "a crate depends on no crate that it exists to keep away (only lb-plane touches maps)",
    bad={"cargo metadata": metadata(("lb-api", None, "lb-plane"))},
    good={"cargo metadata": metadata(("lb-api", None, "lb-core"), ("lb-api", "dev", "lb-plane"), ("lb-bpf", "build", "anyhow"))},
)
def crate_edges(files):
    where = {"lb-core": "lb/core", "lb-plane": "lb/plane", "lb-kube": "lb/kube", "loxid": "lb/daemon",
             "lb-bpf": "bpf", "lb-api": "api", "loxictl": "loxictl"}
    for package in json.loads(files.get("cargo metadata", '{"packages": []}'))["packages"]:
        for dependency in package["dependencies"]:
            name, path = dependency["name"], where.get(package["name"], "") + "/Cargo.toml"
            if dependency["kind"] != "dev" and name in NOT_FOR.get(package["name"], ()):
                lines = find(rf"^{re.escape(name)}\b", files.get(path, ""))
                yield path, (lines or [1])[0], f"{package['name']} must do without {name}: design the seam, see ARCHITECTURE.md"


def run(*command):
    done = subprocess.run(command, stdout=subprocess.PIPE, text=True)
    return done.stdout if done.returncode == 0 else sys.exit(f"bans.py: {' '.join(command)} failed")


def project():
    """The project's text files, committed or about to be, and what cargo says of it."""
    files = {}
    for path in run("git", "ls-files", "-z", "--cached", "--others", "--exclude-standard").split("\0")[:-1]:
        try:
            with open(path, encoding="utf-8") as file:
                files[path] = file.read()
        except (UnicodeDecodeError, FileNotFoundError, IsADirectoryError):
            continue
    files["cargo tree -p lb-core"] = run("cargo", "tree", "--locked", "-p", "lb-core", "-e", "normal", "--prefix", "none")
    files["cargo metadata"] = run("cargo", "metadata", "--locked", "--format-version", "1", "--no-deps")
    return files


def prove(rule, check, bad, good):
    for path, text in bad.items():
        if not list(check({path: text})):
            sys.exit(f"bans.py: the ban '{rule}' does not see its bad example {path}")
    if found := list(check(good)):
        sys.exit(f"bans.py: the ban '{rule}' is broken by its good example: {found}")


def main():
    for entry in BANS:
        prove(*entry)
    files, broken = project(), 0
    for rule, check, _, _ in BANS:
        for path, line, advice in check(files):
            print(f"{path}:{line}: {rule}; {advice}")
            broken += 1
    print(f"{len(BANS)} bans, {broken} broken" if broken else f"{len(BANS)} bans kept")
    return 1 if broken else 0


if __name__ == "__main__":
    sys.exit(main())
