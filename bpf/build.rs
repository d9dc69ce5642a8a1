//! Compiles the C core for its two hosts and turns its ABI into Rust.

use std::collections::HashSet;
use std::env;
use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};

use bindgen::callbacks::{DeriveInfo, IntKind, ParseCallbacks};
use libbpf_cargo::SkeletonBuilder;

/// The BPF instruction set: 32-bit jumps and atomics, in every kernel since 5.12.
const BPF_CPU: &str = "-mcpu=v3";

fn main() {
    let out = PathBuf::from(env::var_os("OUT_DIR").expect("cargo sets OUT_DIR"));
    let clang = env::var("CLANG").unwrap_or_else(|_| "clang-19".into());
    rerun_when_sources_change();
    generate_bindings(&out);
    generate_names(&out);
    build_programs(&out, &clang);
    build_user_host();
}

fn rerun_when_sources_change() {
    println!("cargo:rerun-if-env-changed=CLANG");
    println!("cargo:rerun-if-env-changed=LIBCLANG_PATH");
    for directory in ["core", "src", "tests/torture"] {
        println!("cargo:rerun-if-changed={directory}");
        for entry in fs::read_dir(directory).expect("sources are beside build.rs") {
            let path = entry.expect("sources are readable").path();
            if matches!(path.extension().and_then(|e| e.to_str()), Some("h" | "c")) {
                println!("cargo:rerun-if-changed={}", path.display());
            }
        }
    }
}

/// Gives ABI structs the derives that make padding a compile error, and macros of bit 63 a sign.
#[derive(Debug)]
struct AbiCallbacks {
    derive_bytes: bool,
}

impl ParseCallbacks for AbiCallbacks {
    fn add_derives(&self, _info: &DeriveInfo<'_>) -> Vec<String> {
        if !self.derive_bytes {
            return Vec::new();
        }
        ["FromBytes", "IntoBytes", "Immutable", "KnownLayout"]
            .iter()
            .map(|name| format!("zerocopy::{name}"))
            .collect()
    }

    fn int_macro(&self, _name: &str, value: i64) -> Option<IntKind> {
        (value < 0 || value > i64::from(u32::MAX)).then_some(IntKind::U64)
    }
}

fn generate_bindings(out: &Path) {
    let builder = |header: &str, derive_bytes: bool| {
        bindgen::builder()
            .header(header)
            .clang_args(["-Icore", "-Isrc"])
            .use_core()
            .default_enum_style(bindgen::EnumVariation::ModuleConsts)
            .prepend_enum_name(false)
            .generate_comments(false)
            .parse_callbacks(Box::new(AbiCallbacks { derive_bytes }))
    };
    builder("core/abi.h", true)
        .allowlist_item("(lb|LB)_.*")
        .generate()
        .expect("bindgen reads core/abi.h (is libclang there? see LIBCLANG_PATH)")
        .write_to_file(out.join("abi.rs"))
        .expect("OUT_DIR is writable");
    builder("src/user.h", false)
        .allowlist_item("(lb_user|LB_USER)_?.*")
        .allowlist_recursively(false)
        .raw_line("use crate::abi::*;")
        .generate()
        .expect("bindgen reads src/user.h")
        .write_to_file(out.join("user.rs"))
        .expect("OUT_DIR is writable");
}

/// Writes the names that abi.h gives reasons, answers and events.
fn generate_names(out: &Path) {
    let abi = fs::read_to_string("core/abi.h").expect("core/abi.h is readable");
    let mut rust = String::from("pub const REASONS: &[Reason] = &[\n");
    for (code, line) in enumerators(&abi, "lb_reason").iter().enumerate() {
        let (name, comment) = line
            .split_once(", /* ")
            .unwrap_or_else(|| panic!("abi.h: `{line}`: a reason has a comment on its line"));
        let (class, meaning) = comment
            .trim_end_matches("*/")
            .trim()
            .split_once(": ")
            .unwrap_or_else(|| panic!("abi.h: `{line}`: a reason's comment is `class: meaning`"));
        let class = match class {
            "tx" => "Tx",
            "pass" => "Pass",
            "drop" => "Drop",
            other => panic!("abi.h: `{line}`: `{other}` is no class; tx, pass or drop"),
        };
        let name = lower(name, "LB_REASON_");
        writeln!(rust, "Reason {{ code: {code}, name: {name:?}, class: Class::{class}, meaning: {meaning:?} }},")
            .expect("a String takes all");
    }
    rust.push_str("];\n");
    for (constant, item, prefix) in [
        ("ANSWERS", "lb_answer", "LB_ANSWER_"),
        ("CONN_EVENTS", "lb_conn_event", "LB_CONN_"),
    ] {
        let names: Vec<String> = enumerators(&abi, item)
            .iter()
            .map(|line| lower(line.split(',').next().unwrap_or(line), prefix))
            .collect();
        writeln!(rust, "pub const {constant}: &[&str] = &{names:?};").expect("a String takes all");
    }
    fs::write(out.join("names.rs"), rust).expect("OUT_DIR is writable");
}

/// The lines of an enum without its closing *_COUNT.
fn enumerators<'a>(header: &'a str, name: &str) -> Vec<&'a str> {
    let start = format!("enum {name} {{\n");
    let body = header
        .split_once(&start)
        .unwrap_or_else(|| panic!("abi.h has enum {name}"))
        .1;
    let body = body.split_once("};").expect("an enum ends").0;
    let lines: Vec<&str> = body
        .lines()
        .map(str::trim)
        .filter(|line| line.starts_with("LB_"))
        .collect();
    let (last, rest) = lines.split_last().expect("an enum has lines");
    assert!(
        last.ends_with("_COUNT,"),
        "abi.h: enum {name} ends with its count"
    );
    let unique: HashSet<&&str> = rest.iter().collect();
    assert_eq!(
        unique.len(),
        rest.len(),
        "abi.h: enum {name} names each item once"
    );
    rest.to_vec()
}

fn lower(name: &str, prefix: &str) -> String {
    name.strip_prefix(prefix)
        .unwrap_or_else(|| panic!("abi.h: {name} starts with {prefix}"))
        .to_lowercase()
}

fn build_programs(out: &Path, clang: &str) {
    let arch = env::var("CARGO_CFG_TARGET_ARCH").expect("cargo sets it");
    // Where Debian keeps asm/types.h.
    let multiarch = format!("-I/usr/include/{arch}-linux-gnu");
    let args = [
        BPF_CPU,
        "-Wall",
        "-Wextra",
        "-Werror",
        "-fno-strict-aliasing",
        "-Icore",
        "-Isrc",
        multiarch.as_str(),
    ];
    for name in ["loxid", "redirect", "torture"] {
        SkeletonBuilder::new()
            .source(format!("src/{name}.bpf.c"))
            .obj(out.join(format!("{name}.bpf.o")))
            .clang(clang)
            .clang_args(args)
            .build_and_generate(out.join(format!("{name}.skel.rs")))
            .unwrap_or_else(|error| panic!("src/{name}.bpf.c: {error:?}"));
    }
}

fn build_user_host() {
    cc::Build::new()
        .file("src/host_user.c")
        .include("core")
        .include("src")
        .opt_level(2)
        .flag("-fno-strict-aliasing")
        .warnings(true)
        .extra_warnings(true)
        .warnings_into_errors(true)
        .compile("lb_host_user");
}
