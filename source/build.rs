//! Links what `src/allocator.c` says about it into the binary.

fn main() {
    println!("cargo::rerun-if-changed=src/allocator.c");
    for object in cc::Build::new().file("src/allocator.c").compile_intermediates() {
        println!("cargo::rustc-link-arg-bins={}", object.display());
    }
}
