fn main() {
    println!("Hello from {}, made for {}", std::env::consts::ARCH, env!("MADE_FOR"));
}
