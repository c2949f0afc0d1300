/*
 * The board's end of TSP/1 (../../PROTOCOL.md): frames, requests, jobs. Needs board.h and tensority.h.
 *
 * 4.3 KiB of static memory. Nothing recurses; the deepest way is a hash, between two of whose products rows are made,
 * within which a request is answered: a test adds up its frames for each board.
 */
#ifndef TSP_H
#define TSP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define TSP_MAX_FRAME 1100

/* The CRC-32 of the firmware's sources: the Makefile gives it. */
#ifndef TSP_BUILD_ID
#define TSP_BUILD_ID 0u
#endif

/* Resets the protocol's state, says hello in the log and sends FAULT 1 (started). After board_init. */
void tsp_init(void);

/* Does what there is to do: reads, answers, derives, hashes. Returns after a piece of it; main calls it for ever. */
void tsp_run(void);

/* What long work calls between two pieces: reads, answers, looks at clock and sensor. True if *stop is set. */
bool tsp_poll(const bool *stop);

/* Seconds since tsp_init. */
uint32_t tsp_uptime(void);

/* A line of the log. Printable ASCII, without a line feed. */
void tsp_log(const char *text);

#endif
