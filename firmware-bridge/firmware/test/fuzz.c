/*
 * fuzz <seed> <rounds>: feeds the protocol core with conversations that are valid, damaged, or valid in form and
 * nonsense in content, while fuzz-board.c judges every byte that it sends. After the storm the board must
 * hold a clean conversation with the real core and give the right row. Built with sanitizers.
 *
 * The same seed gives the same run. Ends with status 0 and a line of counts, or with 1 and what is wrong.
 */
#include "fuzz.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "../tensority/tensority.h"

#define REBOOT 0x30
/* Of the reference in TypeScript: row 100 and the checkpoints of the seed and header hash 0. */
#define GOLDEN_ROW 100
#define GOLDEN_ROW_CRC 0xc27a3a8du
#define GOLDEN_CHECKPOINTS_CRC 0x5b0a1e27u

uint64_t fuzz_seed;
unsigned fuzz_round;
static uint64_t random_state;
static uint16_t seq;

_Noreturn void fail(const char *what) {
  fprintf(stderr, "fuzz: %s (seed %llu, round %u)\n", what, (unsigned long long)fuzz_seed, fuzz_round);
  exit(1);
}

void random_seed(uint64_t seed) { random_state = seed * 0x9e3779b97f4a7c15u + 1; }

/* xorshift64*. */
uint32_t random_below(uint32_t below) {
  random_state ^= random_state >> 12;
  random_state ^= random_state << 25;
  random_state ^= random_state >> 27;
  return (uint32_t)((random_state * 0x2545f4914f6cdd1du >> 32) % below);
}

static bool one_in(uint32_t n) { return random_below(n) == 0; }

static void put(uint8_t *p, uint64_t value, unsigned bytes) {
  for (unsigned i = 0; i < bytes; i++) p[i] = (uint8_t)(value >> 8 * i);
}

static void put_random(uint8_t *p, unsigned n) {
  for (unsigned i = 0; i < n; i++) p[i] = (uint8_t)random_below(256);
}

static unsigned random_id(void) { return one_in(20) ? 0xffff : random_below(3); }

static unsigned make_job(uint8_t *p) {
  static const uint8_t flags[] = {1, 1, 2, 2, 2, 5, 6, 0, 3, 9};
  uint8_t flag = flags[random_below(sizeof flags)];
  unsigned length = (flag & 4) != 0 ? 32 : 136;
  if (one_in(10)) length = random_below(300);
  unsigned offset = one_in(10) ? random_below(length + 8) : length - 8;
  put(p + 4, random_id(), 2);
  p[6] = flag;
  put(p + 8, offset, 2);
  put(p + 10, length, 2);
  put(p + 12, (flag & 4) != 0 ? 1 : random_below(6), 4);
  put(p + 16, one_in(4) ? UINT64_MAX - random_below(6) : random_below(1000), 8);
  memset(p + 24, one_in(2) ? 0xff : 0, 32);
  if (one_in(2)) p[55] = 0x80;
  put_random(p + 56, length);
  return 56 + length;
}

static unsigned make_selftest(uint8_t *p) {
  p[0] = (uint8_t)random_below(one_in(10) ? 256 : 4);
  put_random(p + 4, 512);
  static const unsigned lengths[] = {8, 516, 8, 140};
  return one_in(8) || p[0] > 3 ? 4 + random_below(520) : lengths[p[0]];
}

/* A payload that is mostly right. */
static unsigned make_payload(uint8_t type, uint8_t *p) {
  memset(p, 0, MAX_FRAME - 12);
  put(p, one_in(8) ? random_below(3) : 1, 4);
  switch (type) {
    case 0x01:
      p[7] = (uint8_t)random_below(4);
      return 8;
    case 0x02:
      p[4] = one_in(2) ? 0 : (uint8_t)random_below(3);
      memset(p + 8, one_in(3) ? 0xc0 : 0xdb, 32);
      return 40;
    case 0x03:
      p[4] = (uint8_t)random_below(132);
      p[5] = (uint8_t)random_below(8);
      put_random(p + 8, 128u * p[5]);
      return 8 + 128u * p[5];
    case 0x10:
      return make_job(p);
    case 0x11:
      put(p + 4, random_id(), 2);
      p[6] = (uint8_t)(one_in(3) ? 250 + random_below(6) : random_below(256));
      p[7] = (uint8_t)random_below(6);
      put_random(p + 8, 32);
      return 40;
    case 0x12:
      put(p, random_id(), 2);
      return 4;
    case 0x21:
      p[0] = (uint8_t)random_below(9);
      p[1] = (uint8_t)(one_in(4) ? random_below(110) : 50 + random_below(51));
      p[2] = (uint8_t)random_below(3);
      put(p + 4, 500 + random_below(300), 2);
      put(p + 6, 700 + random_below(300), 2);
      return 8;
    case 0x22:
      put(p, one_in(2) ? 115200 : one_in(4) ? 1200 : 921600, 4);
      put(p + 4, random_below(200), 2);
      return 8;
    case 0x23: {
      unsigned length = random_below(68);
      put_random(p, length);
      return length;
    }
    case 0x24:
      return make_selftest(p);
    case REBOOT:
      put(p, random_below(3), 1);
      return 4;
    default:
      return random_below(20);
  }
}

static uint8_t random_type(void) {
  static const uint8_t types[] = {0x01, 0x02, 0x03, 0x10, 0x11, 0x12, 0x20, 0x21, 0x22, 0x23, 0x24};
  if (one_in(60)) return REBOOT;
  if (one_in(30)) return (uint8_t)random_below(256);
  if (one_in(4)) return 0x10;
  return types[random_below(sizeof types)];
}

/* A frame around a payload that is there already; its CRC is right. */
static unsigned close_frame(uint8_t *frame, uint8_t type, uint16_t number, unsigned length) {
  frame[0] = 1;
  frame[1] = type;
  frame[2] = (uint8_t)random_below(2);
  frame[3] = 0;
  put(frame + 4, number, 2);
  put(frame + 6, length, 2);
  put(frame + 8 + length, plain_crc32(frame, 8 + length), 4);
  return 12 + length;
}

static uint16_t random_seq(void) {
  if (one_in(20)) return (uint16_t)random_below(65536);
  if (one_in(10)) return (uint16_t)(seq - random_below(4));
  return ++seq;
}

static unsigned slip(const uint8_t *frame, unsigned length, uint8_t *out) {
  unsigned n = 0;
  out[n++] = 0xc0;
  for (unsigned i = 0; i < length; i++) {
    bool is_special = frame[i] == 0xc0 || frame[i] == 0xdb;
    if (is_special) out[n++] = 0xdb;
    out[n++] = !is_special ? frame[i] : frame[i] == 0xc0 ? 0xdc : 0xdd;
  }
  out[n++] = 0xc0;
  return n;
}

/* Wrong before SLIP, with a right CRC. */
static unsigned distort(uint8_t *frame, unsigned length) {
  switch (random_below(4)) {
    case 0:
      frame[0] = (uint8_t)random_below(4);
      break;
    case 1:
      put(frame + 6, random_below(65536), 2);
      break;
    case 2:
      put_random(frame + 8, length - 12);
      break;
    default:
      length = close_frame(frame, frame[1], (uint16_t)(frame[4] | frame[5] << 8),
                           random_below(MAX_FRAME - 11));
      return length;
  }
  put(frame + length - 4, plain_crc32(frame, length - 4), 4);
  return length;
}

/* Wrong on the line. */
static unsigned damage(uint8_t *bytes, unsigned length) {
  unsigned at = random_below(length), n = 1 + random_below(length - at);
  switch (random_below(6)) {
    case 0:
      bytes[at] ^= (uint8_t)(1u << random_below(8));
      return length;
    case 1:
      memmove(bytes + at, bytes + at + 1, length - at - 1);
      return length - 1;
    case 2:
      memmove(bytes + at + n, bytes + at, length - at);
      return length + n;
    case 3:
      put_random(bytes + at, n);
      return length;
    case 4:
      return at;
    default:
      memmove(bytes + at + 1, bytes + at, length - at);
      bytes[at] = 0xc0;
      return length + 1;
  }
}

/* Room for a frame all of whose bytes are escaped, twice. */
static uint8_t line[2 * (2 * MAX_FRAME + 4)];

static void feed_random(void) {
  static uint8_t frame[MAX_FRAME];
  if (one_in(30)) {
    unsigned length = 1 + random_below(one_in(10) ? 3000 : 40);
    bool is_text = one_in(2);
    for (unsigned i = 0; i < length; i++) line[i] = (uint8_t)(is_text ? 0x20 + i % 95 : random_below(256));
    board_feed(line, length, random_below(MAX_PAUSE));
    return;
  }
  uint8_t type = random_type();
  unsigned length = make_payload(type, frame + 8);
  length = close_frame(frame, type, random_seq(), length);
  if (one_in(12)) length = distort(frame, length);
  length = slip(frame, length, line);
  if (one_in(10)) length = damage(line, length);
  unsigned times = one_in(12) ? 2 : 1;
  for (; times > 0; times--) {
    unsigned cut = one_in(4) ? random_below(length + 1) : length;
    board_feed(line, cut, random_below(one_in(2) ? 4 : MAX_PAUSE));
    board_feed(line + cut, length - cut, random_below(one_in(2) ? 4 : MAX_PAUSE));
  }
}

/* n checkpoints of epoch 1. */
static void feed_piece(unsigned index, unsigned n, const uint8_t *checkpoints) {
  static uint8_t frame[MAX_FRAME];
  memset(frame + 8, 0, 8);
  frame[8] = 1;
  frame[12] = (uint8_t)index;
  frame[13] = (uint8_t)n;
  memcpy(frame + 16, checkpoints, 128 * n);
  unsigned length = close_frame(frame, 0x03, ++seq, 8 + 128 * n);
  board_feed(line, slip(frame, length, line), 0);
}

/* All of the checkpoints of epoch 1, in order. */
static void feed_checkpoints(const uint8_t *checkpoints) {
  for (unsigned i = 0; i < 128; i += 8) feed_piece(i, 8, checkpoints + 128 * i);
}

/* A seed of epoch 1 whose checkpoints will be sent. */
static void feed_sent_seed(void) {
  static uint8_t frame[MAX_FRAME];
  make_payload(0x02, frame + 8);
  put(frame + 8, 1, 4);
  frame[12] = 1;
  board_feed(line, slip(frame, close_frame(frame, 0x02, ++seq, 40), line), 0);
}

static unsigned events_before[6];

/* A request of the clean conversation: what it is answered. */
static const uint8_t *ask(uint8_t type, const uint8_t *payload, unsigned length) {
  static uint8_t frame[MAX_FRAME];
  unsigned before = heard.answers;
  memcpy(events_before, heard.events, sizeof events_before);
  if (length > 0) memcpy(frame + 8, payload, length);
  board_feed(line, slip(frame, close_frame(frame, type, ++seq, length), line), 0);
  for (unsigned i = 0; i < 1000 && heard.answers == before; i++) board_run(1);
  if (heard.answers != before + 1) fail("a clean request without an answer");
  if (heard.answer.type != (type | 0x80) || heard.answer.seq != seq) fail("a clean request refused");
  return heard.answer.payload;
}

/* Waits for an event of a type that follows from the last request. */
static const uint8_t *event(uint8_t type) {
  unsigned before = events_before[type - 0xc0];
  for (unsigned i = 0; i < 1000 && heard.events[type - 0xc0] == before; i++) board_run(1);
  if (heard.events[type - 0xc0] == before) fail("an event that does not come");
  return heard.event[type - 0xc0].payload;
}

static bool go_on(void *context) {
  (void)context;
  return false;
}

/* A SEED of the core that is not the real one. */
static void seed_any(bool needs_checkpoints) {
  static const uint8_t zeros[16384];
  uint8_t p[40] = {1};
  memset(p + 8, 0xdb, 32);
  if (!needs_checkpoints) {
    ask(0x02, p, 40);
  } else {
    memcpy(events_before, heard.events, sizeof events_before);
    feed_sent_seed();
    feed_checkpoints(zeros);
    /* And others while it looks at them. */
    for (uint8_t i = 1; i < 40; i++) feed_piece(0, 1, (uint8_t[128]){i});
  }
  event(0xc5);
  while (board_has_input()) board_run(1);
}

static void set_duty(uint8_t duty) {
  uint8_t p[8] = {1, duty};
  if (ask(0x21, p, 8)[1] != duty) fail("SET with another duty");
}

/* A job of so many nonces from 7 on, none of which is a share. Returns its DONE. */
static const uint8_t *do_job(uint32_t count) {
  uint8_t p[56 + 136] = {1};
  p[4] = 2;
  p[6] = 1;
  put(p + 8, 128, 2);
  put(p + 10, 136, 2);
  put(p + 12, count, 4);
  put(p + 16, 7, 8);
  ask(0x10, p, sizeof p);
  return event(0xc3);
}

/* With a calm clock: the share of its time that it rests, and that it tells how far it is. */
static void check_duty(void) {
  set_duty(20);
  struct load before = load;
  unsigned told = heard.events[2];
  const uint8_t *done = do_job(3);
  if (done[20] != 0 || done[8] != 10 || done[16] != 3) fail("a job that ends otherwise");
  if (heard.events[2] != told + 2) fail("progress that is not told");
  const uint8_t *progress = heard.event[2].payload;
  if (progress[8] != 9 || progress[16] != 2) fail("progress with other numbers");
  uint32_t worked = load.worked - before.worked, rested = load.rested - before.rested;
  if (worked < 1000 || rested < worked * 39 / 10 || rested > worked * 42 / 10) fail("another duty than was set");

  /* 50 ms of work owe 5 s: the next job's, not ours. */
  set_duty(1);
  do_job(1);
  if (board_clock() - heard.event[3].at > 1000) fail("rests with nothing to do");
  set_duty(100);
}

static uint8_t duty_now(void) { return ask(0x20, 0, 0)[1]; }

/* A sensor that fails cools nothing. */
static void check_sensor(void) {
  board_sensor(910);
  while (ask(0x20, 0, 0)[0] != 4) board_run(20);
  board_sensor(INT16_MIN);
  uint32_t start = board_clock();
  while (board_clock() - start < 5000) board_run(20);
  if (ask(0x20, 0, 0)[0] != 4 || heard.answer.payload[3] != 0x80) fail("cooled by a sensor that fails");
  board_sensor(300);
  while (ask(0x20, 0, 0)[0] == 4) board_run(20);
  if (duty_now() != 100) fail("throttled for nothing");
  board_sensor(INT16_MIN);
  start = board_clock();
  while (board_clock() - start < 8000) board_run(20);
  if (duty_now() != 100) fail("throttled too early");
  while (board_clock() - start < 13000) board_run(20);
  if (duty_now() != 50) fail("not throttled without its sensor");
  board_sensor(300);
  start = board_clock();
  while (board_clock() - start < 3000) board_run(20);
  if (duty_now() != 100) fail("throttled with its sensor");
}

/* A line that takes no byte of an answer at some time loses that answer, and no more. */
static void check_stuck(void) {
  for (unsigned bytes = 0; bytes < 60; bytes += 7) {
    static uint8_t frame[MAX_FRAME];
    unsigned before = heard.answers;
    board_stick(bytes);
    board_feed(line, slip(frame, close_frame(frame, 0x20, ++seq, 0), line), 0);
    while (board_has_input()) board_run(1);
    board_run(5);
    if (heard.answers != before) fail("an answer through a line that is stuck");
    duty_now();
  }
}

/* The memory decays under a job. */
static void check_decay(void) {
  board_decay();
  const uint8_t *done = do_job(2);
  if (done[20] != 5 || done[16] != 0) fail("hashes with checkpoints that have decayed");
  if (event(0xc4)[0] != 3) fail("checkpoints that have decayed, and another fault");
}

static void check_clean(bool needs_checkpoints) {
  static uint8_t checkpoints[16384];
  static const struct ten_hooks hooks = {.poll = go_on};
  uint8_t p[40] = {0};

  /* The storm's last frame may lack its end. */
  board_feed((const uint8_t *)"\xc0", 1, 0);
  while (board_has_input()) board_run(1);
  board_run(20);

  put_random(p, 8);
  if (memcmp(ask(0x01, p, 8), p, 8) != 0) fail("HELLO with another nonce");
  memcpy(p, "\x07\x64\x00\x00\x20\x03\x84\x03", 8); /* duty 100, 80 °C, 90 °C */
  ask(0x21, p, 8);
  memcpy(p, "\xff\xff\x00\x00", 4);
  ask(0x12, p, 4);
  /* Until it has looked at its sensor. */
  board_calm();
  board_run(500);
  seed_any(needs_checkpoints);
  check_duty();
  check_sensor();
  check_stuck();
  board_real();

  memset(p, 0, sizeof p);
  p[0] = 1;
  p[4] = needs_checkpoints;
  if (needs_checkpoints) {
    if (!ten_derive(p + 8, &hooks)) fail("derives not");
    memcpy(checkpoints, ten_checkpoints(), sizeof checkpoints);
  }
  unsigned state = ask(0x02, p, 40)[4];
  if (state != (needs_checkpoints ? 1 : 0) && state != 2) fail("SEED with a wrong state");
  if (needs_checkpoints) feed_checkpoints(checkpoints);
  const uint8_t *ready = event(0xc5);
  uint8_t crc[4];
  put(crc, GOLDEN_CHECKPOINTS_CRC, 4);
  if (memcmp(ready + 4, crc, 4) != 0) fail("wrong checkpoints");

  memset(p, 0, sizeof p);
  p[0] = 1;
  p[6] = GOLDEN_ROW;
  p[7] = 1;
  ask(0x11, p, 40);
  if (plain_crc32(event(0xc1) + 8, 256) != GOLDEN_ROW_CRC) fail("a wrong row");
  check_decay();
}

int main(int count, char **arguments) {
  if (count != 3) {
    fprintf(stderr, "usage: fuzz <seed> <rounds>\n");
    return 2;
  }
  fuzz_seed = strtoull(arguments[1], NULL, 10);
  unsigned rounds = (unsigned)strtoul(arguments[2], NULL, 10);
  random_seed(fuzz_seed);
  bool needs_checkpoints = fuzz_seed % 2 == 1;
  board_start(needs_checkpoints);
  for (fuzz_round = 1; fuzz_round <= rounds; fuzz_round++) {
    if (one_in(needs_checkpoints ? 30 : 200) && !board_has_input()) {
      static uint8_t zeros[16384];
      feed_sent_seed();
      feed_checkpoints(zeros);
    }
    unsigned frames = 1 + random_below(3);
    for (; frames > 0; frames--) feed_random();
    if (one_in(300)) board_decay();
    board_run(1 + random_below(4));
    /* Often before it has read all: then more comes while it works. */
    unsigned wait = one_in(3) ? random_below(MAX_PAUSE) : UINT32_MAX;
    for (; wait > 0 && board_has_input(); wait--) board_run(1);
  }
  check_clean(needs_checkpoints);
  printf("seed %llu, %u rounds: %u answers, %u shares, %u rows, %u progresses, %u jobs done, %u faults, %u seeds ready\n",
         (unsigned long long)fuzz_seed, rounds, heard.answers, heard.events[0], heard.events[1],
         heard.events[2], heard.events[3], heard.events[4], heard.events[5]);
  return 0;
}
