/* QEMU `mps2-an385`: Cortex-M3, addresses and clock of ARM's FPGA image AN385. */
#ifndef MAP_H
#define MAP_H

#define BOARD_ID 2
#define BOARD_NAME "QEMU mps2-an385 (Cortex-M3)"
#define CLOCK_HZ 25000000u
#define UART 0x40004000u
#define UART_RX_IRQ 0
#define IRQS 32
#define TIMER 0x40000000u
/* The beginning of the 16 MiB PSRAM, which the image does not use. */
#define KEPT 0x21000000u

#endif
