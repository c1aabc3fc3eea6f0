//! A program for another machine; the tests of `saltire` use it too.

/// A static program for riscv64 that prints `riscv` and ends with code 7.
pub fn program() -> Vec<u8> {
    let code: [u32; 9] = [
        0x0010_0513, // li a0, 1
        0x0000_0597, // auipc a1, 0
        0x0205_8593, // addi a1, a1, 32
        0x0060_0613, // li a2, 6
        0x0400_0893, // li a7, 64 (write)
        0x0000_0073, // ecall
        0x0070_0513, // li a0, 7
        0x05d0_0893, // li a7, 93 (exit)
        0x0000_0073, // ecall
    ];
    let mut bytes = b"\x7fELF\x02\x01\x01".to_vec();
    bytes.resize(16, 0);
    let text = 64 + 56_u64;
    let base = 0x1_0000_u64;
    let size = text + 36 + 6;
    bytes.extend([2, 0, 243, 0, 1, 0, 0, 0]);
    for word in [base + text, 64, 0] {
        bytes.extend(word.to_le_bytes());
    }
    bytes.extend(4_u32.to_le_bytes());
    for half in [64_u16, 56, 1, 0, 0, 0] {
        bytes.extend(half.to_le_bytes());
    }
    bytes.extend([1, 0, 0, 0, 5, 0, 0, 0]);
    for word in [0, base, base, size, size, 0x1000] {
        bytes.extend(word.to_le_bytes());
    }
    bytes.extend(code.iter().flat_map(|word| word.to_le_bytes()));
    bytes.extend(b"riscv\n");
    bytes
}
