//! A model added to the folder must be in the next build.

fn main() {
    println!("cargo:rerun-if-changed=models");
    println!("cargo:rerun-if-changed=reference");
}
