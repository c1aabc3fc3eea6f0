fn main() {
    println!("cargo:rustc-env=MADE_FOR={}", std::env::var("TARGET").unwrap());
}
