//! Compiles the reference programs to BPF objects, `OUT_DIR/NAME.bpf.o`.

use std::env;
use std::path::{Path, PathBuf};

use libbpf_cargo::SkeletonBuilder;

const PROGRAMS: [&str; 5] = ["driver", "sink", "limit", "lru", "lru_ipip"];

fn main() {
    let out = PathBuf::from(env::var_os("OUT_DIR").expect("cargo sets OUT_DIR"));
    let clang = env::var_os("CLANG").unwrap_or_else(|| "clang-19".into());
    println!("cargo:rerun-if-env-changed=CLANG");
    println!("cargo:rerun-if-changed=reference");
    for program in PROGRAMS {
        let source = Path::new("reference").join(format!("{program}.bpf.c"));
        SkeletonBuilder::new()
            .source(&source)
            .clang(&clang)
            .clang_args(arguments())
            .obj(out.join(format!("{program}.bpf.o")))
            .build()
            .unwrap_or_else(|error| panic!("{}: {error:?}", source.display()));
    }
}

fn arguments() -> Vec<String> {
    let mut arguments: Vec<String> = ["-O2", "-mcpu=v3", "-Wall", "-Werror"]
        .map(String::from)
        .into();
    // Debian keeps asm/ where clang looks for it only when it compiles for the machine.
    let multiarch = format!("/usr/include/{}-linux-gnu", env::consts::ARCH);
    arguments.push(format!("-I{multiarch}"));
    arguments
}
