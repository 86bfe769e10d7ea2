//! `#[sqlx::test]` reads the migrations when it is compiled, and cargo does not see that.

fn main() {
    println!("cargo:rerun-if-changed=../migrations");
}
