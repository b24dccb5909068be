//! The shipped runbooks are in the binary: it is built anew when one of them changes, comes or goes.

fn main() {
    println!("cargo:rerun-if-changed=../../runbooks");
}
