/* QEMU `mps2-an505`: Cortex-M33, addresses (those of the secure world) and clock of ARM's FPGA image AN505. */
#ifndef MAP_H
#define MAP_H

#define BOARD_ID 3
#define BOARD_NAME "QEMU mps2-an505 (Cortex-M33)"
#define CLOCK_HZ 20000000u
#define UART 0x50200000u
#define UART_RX_IRQ 32
#define IRQS 64
#define TIMER 0x50000000u
/* The beginning of the 16 MiB PSRAM, which the image does not use. */
#define KEPT 0x80000000u

#endif
