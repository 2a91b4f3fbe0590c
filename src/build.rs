/*! Compiles what runs before main; what to ask of the linker is for `make build`, which knows it.
*/

use std::env;

fn main() {
    println!("cargo::rerun-if-changed=src/start.c");
    println!("cargo::rerun-if-changed=src/no_unwinder.c");
    let is = |name: &str, value: &str| {
        env::var(name).is_ok_and(|found| found.split(',').any(|item| item == value))
    };
    if !is("CARGO_CFG_TARGET_FAMILY", "unix") {
        return;
    }
    let mut build = cc::Build::new();
    // Told here, since musl is built for by compilers that have the headers of glibc, too.
    if is("CARGO_CFG_TARGET_ENV", "gnu") {
        build.define("GLIBC", None);
        if is("CARGO_CFG_TARGET_FEATURE", "crt-static") {
            build.define("STATIC_GLIBC", None);
        }
    }
    // Tests unwind; a release aborts.
    if is("CARGO_CFG_TARGET_ENV", "musl") && is("PROFILE", "release") {
        build.file("src/no_unwinder.c");
    }
    // Whole, since nothing calls what is in it.
    build
        .file("src/start.c")
        .link_lib_modifier("+whole-archive")
        .compile("start");
}
