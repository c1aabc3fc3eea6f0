# Start code for a RISC-V machine without an operating system: the stack, the data
# that is to be zero, then main, whose result is the exit status.
#if __riscv_xlen == 64
#define STORE sd
#define WORD .dword
#else
#define STORE sw
#define WORD .word
#endif
#define WORD_SIZE (__riscv_xlen / 8)

  .section .start, "ax"
  .globl _start
_start:
  .option push
  .option norelax
  la gp, __global_pointer$
  .option pop
  la sp, stack_end
  la a0, zero_begin
  la a1, zero_end
1:
  bgeu a0, a1, 2f
  sb zero, 0(a0)
  addi a0, a0, 1
  j 1b
2:
  call main
  # SYS_EXIT_EXTENDED of the semihosting interface, with the reason "ended".
  la a1, exit_block
  STORE a0, WORD_SIZE(a1)
  li a0, 0x20
  call semihost

# semihost(operation, block): what the debugger or emulator does for the program.
# It recognises these three instructions, which have to lie in one page.
  .globl semihost
  .balign 16
semihost:
  .option push
  .option norvc
  slli zero, zero, 0x1f
  ebreak
  srai zero, zero, 7
  .option pop
  ret

  .data
  .balign 8
exit_block:
  WORD 0x20026, 0
