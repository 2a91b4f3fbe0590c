/*! What the linker is told beside the usual; no product code is made here. */

use std::env;

fn main() {
    println!("cargo::rerun-if-changed=src/static_glibc.c");
    println!("cargo::rerun-if-changed=src/no_unwind_tables.ld");
    let is = |name: &str, value: &str| env::var(name).is_ok_and(|found| found.split(',').any(|item| item == value));
    if is("CARGO_CFG_TARGET_ENV", "gnu") && is("CARGO_CFG_TARGET_FEATURE", "crt-static") {
        let mut build = cc::Build::new();
        for object in build.file("src/static_glibc.c").compile_intermediates() {
            println!("cargo::rustc-link-arg-bins={}", object.display());
        }
    }
    // On this target Rust links with LLD, which can leave out what is only there to unwind: a tenth of the file.
    if is("PROFILE", "release") && is("TARGET", "x86_64-unknown-linux-gnu") {
        let folder = env::var("CARGO_MANIFEST_DIR").unwrap_or_default();
        println!("cargo::rustc-link-arg-bins=-Wl,--no-eh-frame-hdr");
        println!("cargo::rustc-link-arg-bins=-Wl,-T,{folder}/src/no_unwind_tables.ld");
    }
}
