/*
 * What a board brings: the whole of a port. One folder per board implements this; nothing else in
 * the firmware knows a register.
 */
#ifndef BOARD_H
#define BOARD_H

#include <stdbool.h>
#include <stdint.h>

#define BOARD_NO_TEMPERATURE INT16_MIN

struct board_info {
  uint16_t id;          /* PROTOCOL.md, "HELLO" */
  const char *name;     /* at most 63 characters */
  uint32_t ram_bytes;
  const uint32_t *bauds; /* the first is the one it starts with; NULL where rates mean nothing */
  unsigned baud_count;  /* at most 8 */
  bool has_temperature;
  bool has_boot_loader; /* board_reboot(true) works */
  bool needs_checkpoints; /* it cannot derive: the host must send those of every seed */
};

/* Constant on a chip. The programs of the host, whose arguments decide, are built with -DBOARD_INFO_CONST= . */
#ifndef BOARD_INFO_CONST
#define BOARD_INFO_CONST const
#endif
extern BOARD_INFO_CONST struct board_info board_info;

/* A board's start-up code calls main() of main.c. The board of boards/native is a program with arguments
 * and has a main() of its own: main.c is not linked into it. */

/* Clocks, UART at the first rate, LED off. Called once, first of all. */
void board_init(void);

/* The next received byte, or -1. Never waits. Called all the time, but not within a piece of work (tensority.h,
 * `poll`): bytes that come meanwhile must not be lost for at least 1 ms: by a FIFO, or by an interrupt that fills a
 * ring. */
int board_read(void);

/* No wait for the line is longer, in ms: what is at its other end may have ceased to read. */
#define BOARD_STUCK_MS 2000

/* Sends a byte; waits while the UART is full, BOARD_STUCK_MS at most. False if the byte could not be sent: then the
 * rest of its frame or line is not written either, and the next byte begins another. */
bool board_write(uint8_t byte);

/* Waits until all that was written has left, so that the rate can change or the board restart; BOARD_STUCK_MS at
 * most. */
void board_flush(void);

/* Another rate out of board_info.bauds. */
void board_set_baud(uint32_t rate);

/* Milliseconds since start, wraps at 2^32. */
uint32_t board_millis(void);

/* The chip's unique number. */
void board_uid(uint8_t uid[12]);

/* 0.1 °C, or BOARD_NO_TEMPERATURE. */
int16_t board_temperature(void);

/* kHz of the core, 0 if unknown. */
uint32_t board_clock_khz(void);

/* Restarts since power came, or 0. */
uint32_t board_restarts(void);

void board_led(bool on);

/* Starts anew, into the boot loader if it is wanted and there. Does not return. */
_Noreturn void board_reboot(bool boot_loader);

/* Called where there is nothing to do: may sleep up to a millisecond or until a byte comes. */
void board_idle(void);

#endif
