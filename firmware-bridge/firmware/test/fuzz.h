/* What the two halves of the fuzzer share: fuzz.c makes input, fuzz-board.c is the board and the judge. */
#ifndef FUZZ_H
#define FUZZ_H

#include <stdbool.h>
#include <stdint.h>

#define MAX_FRAME 1100
/* Reads between two frames of a feed, at most. */
#define MAX_PAUSE 1000

struct message {
  uint8_t type;
  uint16_t seq;
  unsigned length;
  uint32_t at; /* by the board's clock */
  uint8_t payload[MAX_FRAME];
};

/* The last answer or NAK, and the last event of each type; `count` of both together grows with each. */
struct heard {
  struct message answer;
  unsigned answers;
  struct message event[6];
  unsigned events[6];
};
extern struct heard heard;

/* The generator. 0 … below − 1. */
void random_seed(uint64_t seed);
uint32_t random_below(uint32_t below);

/* Ends the program with this message, the seed and the round. */
_Noreturn void fail(const char *what);
extern uint64_t fuzz_seed;
extern unsigned fuzz_round;

/* The board. A pause: how often it is asked for a byte in vain before these come. */
void board_start(bool needs_checkpoints);
void board_feed(const uint8_t *bytes, unsigned length, unsigned pause);
bool board_has_input(void);
/* Some pieces of work, and a look at what it says. */
void board_run(unsigned pieces);
/* A calm world, whose clock makes no leaps; and the real core in it. */
void board_calm(void);
void board_real(void);
/* 0.1 °C, in the calm world. */
void board_sensor(int16_t temperature);
/* The line takes so many bytes and not the next one; then it works again. */
void board_stick(unsigned bytes);
/* ms. */
uint32_t board_clock(void);
/* ms between the products of the hashes so far, and within them. */
struct load {
  uint32_t worked, rested;
};
extern struct load load;
/* A bit of its checkpoints flips. */
void board_decay(void);

/* CRC-32, bit by bit: not the firmware's. */
uint32_t plain_crc32(const uint8_t *data, unsigned length);

#endif
