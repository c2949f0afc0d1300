/* Bytes and frames: SLIP in both directions, and what comes in while we send. */
#ifndef WIRE_H
#define WIRE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Bytes of header and CRC. */
#define FRAME_OVERHEAD 12
#define FRAME_HEADER 8

/* Forgets the stretch under way and what was received but not yet read, and sets the counts to 0. */
void wire_init(void);

/* Forgets the stretch under way, as after a change of the rate. */
void wire_restart(void);

/*
 * Takes at most *budget received bytes (and lowers it by so many), up to the end of a stretch that may be
 * a frame: at least one byte and at most TSP_MAX_FRAME, not text, rightly escaped. True if there is one:
 * it is valid until the next call.
 */
bool wire_receive(unsigned *budget, const uint8_t **stretch, unsigned *length);

/* Stretches that were dropped because they cannot be a frame. */
uint32_t wire_spoiled(void);

/* Keeps what has been received for later, without acting on it: for who may not be interrupted. */
void wire_keep(void);

/* Sends a frame; the payload comes in two pieces so that none needs a copy. Waits while the line is full,
 * and keeps what is received meanwhile. A line that stays full loses the rest of the frame. */
void wire_send(uint8_t type, uint16_t seq, const uint8_t *head, unsigned head_length,
               const uint8_t *tail, unsigned tail_length);

#endif
