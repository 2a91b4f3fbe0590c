/*! Compiles what runs before main; what to ask of the linker is for `make build`, which knows it. */

use std::env;

fn main() {
    println!("cargo::rerun-if-changed=src/start.c");
    let is = |name: &str, value: &str| {
        env::var(name).is_ok_and(|found| found.split(',').any(|item| item == value))
    };
    if !is("CARGO_CFG_TARGET_FAMILY", "unix") {
        return;
    }
    let mut build = cc::Build::new();
    if is("CARGO_CFG_TARGET_ENV", "gnu") && is("CARGO_CFG_TARGET_FEATURE", "crt-static") {
        build.define("STATIC_GLIBC", None);
    }
    // Whole, since nothing calls what is in it.
    build
        .file("src/start.c")
        .link_lib_modifier("+whole-archive")
        .compile("start");
}
