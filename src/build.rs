/*! Adds `static_glibc.c` where glibc is linked in; any other build needs no C of ours. */

use std::env;

fn main() {
    println!("cargo::rerun-if-changed=src/static_glibc.c");
    let is = |name: &str, value: &str| {
        env::var(name).is_ok_and(|found| found.split(',').any(|item| item == value))
    };
    if is("CARGO_CFG_TARGET_ENV", "gnu") && is("CARGO_CFG_TARGET_FEATURE", "crt-static") {
        let objects = cc::Build::new()
            .file("src/static_glibc.c")
            .compile_intermediates();
        for object in objects {
            println!("cargo::rustc-link-arg-bins={}", object.display());
        }
    }
}
