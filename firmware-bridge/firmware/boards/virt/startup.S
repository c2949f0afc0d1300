/*
 * One hart in machine mode; another that arrives here sleeps. A trap is a fault of the firmware: it restarts. The first
 * region of memory protection, locked, holds for machine mode too: code and constants cannot be written, and the stack
 * that lies on them faults when it overflows.
 */
  .section .text.start, "ax", @progbits
  .globl start
start:
  csrr t0, mhartid
  bnez t0, 3f
  .option push
  .option norelax
  la gp, __global_pointer$
  .option pop
  la sp, stack_top
  la t0, trap
  csrw mtvec, t0
  csrw mie, zero
  la t0, start
  srli t0, t0, 2
  csrw pmpaddr0, t0
  la t0, stack_bottom
  srli t0, t0, 2
  csrw pmpaddr1, t0
  li t0, 0x8d00 /* region 1: from address 0 to address 1; locked, read, execute */
  csrw pmpcfg0, t0
  la t0, bss_start
  la t1, bss_end
1:
  bgeu t0, t1, 2f
  sd zero, 0(t0)
  addi t0, t0, 8
  j 1b
2:
  call main
3:
  wfi
  j 3b

  .balign 4
trap:
  li t0, 0x100000
  li t1, 0x7777
  sw t1, 0(t0)
  j trap
