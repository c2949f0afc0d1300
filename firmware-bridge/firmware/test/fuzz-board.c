/*
 * The board of the fuzzer, in memory, and the judge of everything that it sends. The core is replaced at link time
 * (--wrap) by one that calls its hooks as the real one does but is quick; board_calm brings the real one
 * back.
 */
#include <setjmp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "../boards/board.h"
#include "../tensority/tensority.h"
#include "../tsp/tsp.h"
#include "fuzz.h"

#define QUEUE_LENGTH 2
#define MAX_LINE 256
#define INPUT_LENGTH (1u << 16)

struct heard heard;
struct load load;

static const uint32_t bauds[] = {115200, 921600};
struct board_info board_info = {.id = 0xffff, .name = "fuzz", .bauds = bauds, .baud_count = 2,
                                .has_temperature = true, .has_boot_loader = true};

/* Bytes, and pauses as 256 + how often. */
static uint16_t input[INPUT_LENGTH];
static unsigned input_in, input_out;
static unsigned ends_fed;

static bool is_calm, is_real;
static int16_t calm_temperature = 300;
/* Bytes until the line takes no more; UINT32_MAX: it takes all. */
static uint32_t stuck_in = UINT32_MAX;
static uint32_t now = 0xffff0000u; /* wraps soon */
static int16_t temperature = 400;
static uint32_t rate = 115200;
static jmp_buf restarted;

/* What the core is doing: its hooks must not begin what it cannot do meanwhile. */
static bool derives, hashes, makes_rows;

/* What it says. */
static enum { BETWEEN, IN_FRAME, IN_TEXT } mode;
static bool is_escaped;
static uint8_t said[MAX_FRAME + 1];
static unsigned said_length;
static unsigned answers;
static uint16_t next_event;

/* The epoch of the seed that it has taken; 0 none, or that of the golden row. */
static uint32_t epoch;

/* Jobs that were taken and are not done, the running one first. */
static struct {
  uint16_t id;
  uint16_t shares;
  uint32_t epoch;
} jobs[QUEUE_LENGTH + 1];
static unsigned job_count;
/* Jobs that a REPLACE has ended: their DONE comes next. */
static unsigned replaced;
static bool has_rows;
/* NO_ID for the golden row: the answer does not tell it. */
static unsigned rows_id;
static uint32_t rows_epoch;
#define NO_ID 0x10000u
#define GOLDEN_EPOCH 0xffffffffu
/* Flips of its checkpoints that it has not found yet, at least. */
static bool has_decayed;
/* Of the checkpoints, as SEED_READY said; the golden row's are not told. */
static uint32_t ready_crc;
/* A job has ended by a fault: that is to be told. */
static bool wants_fault;
static bool is_ready;
/* When PROGRESS came last. */
static bool has_progress;
static uint32_t progress_at;
/* The last answer that the board keeps: that of a JOB comes twice, but the job does not. */
static struct message kept;

static unsigned u16(const uint8_t *p) { return p[0] | (unsigned)p[1] << 8; }
static uint32_t u32(const uint8_t *p) { return u16(p) | (uint32_t)u16(p + 2) << 16; }

uint32_t plain_crc32(const uint8_t *data, unsigned length) {
  uint32_t crc = 0xffffffffu;
  for (unsigned i = 0; i < length; i++) {
    crc ^= data[i];
    for (int bit = 0; bit < 8; bit++) crc = (crc & 1) != 0 ? crc >> 1 ^ 0xedb88320u : crc >> 1;
  }
  return ~crc;
}

/* The judge. */

static void check_length(const struct message *message) {
  static const struct {
    uint8_t type;
    unsigned least, most;
  } lengths[] = {
      {0x81, 36, 157}, {0x82, 8, 8},   {0x83, 8, 8},   {0x90, 8, 8},    {0x91, 8, 8},
      {0x92, 4, 4},    {0xa0, 48, 48}, {0xa1, 8, 8},   {0xa2, 8, 8},    {0xa3, 0, 64},
      {0xa4, 4, 36},   {0xb0, 4, 4},   {0xff, 8, 8},   {0xc0, 48, 48},  {0xc1, 264, 1032},
      {0xc2, 56, 56},  {0xc3, 56, 56}, {0xc4, 8, 8},   {0xc5, 12, 12},
  };
  for (unsigned i = 0; i < sizeof lengths / sizeof lengths[0]; i++) {
    if (lengths[i].type != message->type) continue;
    if (message->length < lengths[i].least || message->length > lengths[i].most) {
      fail("a payload of a wrong length");
    }
    return;
  }
  fail("a frame of an unknown type");
}

static void check_job_answer(const uint8_t *p) {
  if (p[6] >= QUEUE_LENGTH) fail("more jobs ahead than the queue holds");
  if (p[6] != 0 && p[6] != job_count) fail("another number of jobs ahead");
  if (job_count > QUEUE_LENGTH) fail("more jobs than the queue holds");
  if (p[6] == 0) replaced = job_count;
  if (u32(p) != epoch || epoch == 0) fail("a job of another epoch");
  jobs[job_count].id = (uint16_t)u16(p + 4);
  jobs[job_count].epoch = epoch;
  jobs[job_count++].shares = 0;
}

/* What the answer to a request, which is done now, changes. */
static void check_new_answer(const struct message *message) {
  const uint8_t *p = message->payload;
  unsigned id = u16(p);
  switch (message->type) {
    case 0x82:
      if (p[4] == 2) {
        if (u32(p) != epoch) fail("another seed is ready");
        break;
      }
      has_rows = is_ready = false;
      epoch = u32(p);
      break;
    case 0x90:
      check_job_answer(p);
      break;
    case 0x91:
      if (has_rows) fail("rows while there are rows");
      if (u32(p) != epoch || epoch == 0) fail("rows of another epoch");
      has_rows = true;
      rows_epoch = epoch;
      rows_id = u16(p + 4);
      break;
    case 0x92:
      if (id == 0xffff || id == rows_id) has_rows = false;
      break;
    case 0xa4:
      if (p[0] != 0) break;
      has_rows = true;
      is_ready = false;
      epoch = 0;
      rows_epoch = GOLDEN_EPOCH;
      rows_id = NO_ID;
      break;
  }
}

static void check_answer(const struct message *message) {
  const uint8_t *p = message->payload;
  if (replaced > 0) fail("an answer before the replaced jobs are done");
  if (++answers > ends_fed) fail("more answers than requests");
  if (message->type == 0xff) {
    if (u16(p) != message->seq) fail("a NAK of two seqs");
    if (p[2] < 1 || p[2] > 10) fail("a NAK of an unknown code");
    /* Those that are sent without keeping them; BAD_LEN may be either, and changes no job. */
    if (p[2] == 1 || p[2] == 2 || p[2] == 4) return;
  }
  bool is_again = kept.type == message->type && kept.seq == message->seq;
  if (is_again && message->type == 0x90 && memcmp(kept.payload, p, 8) != 0) {
    fail("another answer to the same request");
  }
  kept = *message;
  if (!is_again) check_new_answer(message);
}

static void check_event(const struct message *message) {
  const uint8_t *p = message->payload;
  if (message->seq != next_event++) fail("a gap between events");
  if (replaced > 0 && (message->type != 0xc3 || p[20] != 2)) fail("a replaced job goes on");
  bool is_its = (message->type == 0xc3 && p[20] == 5) || (message->type == 0xc4 && p[0] == 3);
  if (wants_fault && !is_its) fail("jobs that end by a fault, and no fault");
  switch (message->type) {
    case 0xc0:
      if (job_count == 0 || jobs[0].id != u16(p + 4)) fail("a share of no running job");
      if (u32(p) != jobs[0].epoch) fail("a share of another epoch");
      if (u16(p + 6) != jobs[0].shares++) fail("a share of a wrong index");
      break;
    case 0xc1:
      if (message->length != 8 + 256u * p[7]) fail("rows of a wrong length");
      if (!has_rows || (rows_id != NO_ID && u16(p + 4) != rows_id)) fail("rows that are not wanted");
      if (u32(p) != rows_epoch) fail("rows of another epoch");
      has_rows = false;
      break;
    case 0xc2:
      if (job_count == 0 || jobs[0].id != u16(p + 4)) fail("progress of no running job");
      if (u32(p) != jobs[0].epoch) fail("progress of another epoch");
      if (p[20] != 0xff) fail("progress with a reason");
      if (has_progress && now - progress_at < 250) fail("progress too often");
      has_progress = true;
      progress_at = now;
      if (u16(p + 6) != jobs[0].shares) fail("progress with other shares");
      break;
    case 0xc3: {
      unsigned i = 0;
      while (i < job_count && jobs[i].id != u16(p + 4)) i++;
      if (i == job_count) fail("a job done that is not there");
      if (u32(p) != jobs[i].epoch) fail("a job of another epoch done");
      if (p[20] > 5) fail("a job done for an unknown reason");
      if (p[20] == 5) wants_fault = true;
      if (u16(p + 6) != jobs[i].shares) fail("a job done with other shares");
      if (replaced > 0) replaced--;
      for (job_count--; i < job_count; i++) jobs[i] = jobs[i + 1];
      break;
    }
    case 0xc4:
      if (p[0] < 1 || p[0] > 3) fail("an unknown fault");
      if (p[0] == 3 && !has_decayed) fail("a fault that nobody made");
      if (p[0] != 1 && job_count != 0) fail("a fault, and its jobs go on");
      if (p[0] != 3) break;
      has_decayed = has_rows = is_ready = wants_fault = false;
      epoch = 0;
      break;
    default:
      if (u32(p) == 0 || u32(p) != epoch) fail("a seed of another epoch is ready");
      is_ready = true;
      ready_crc = u32(p + 4);
  }
}

static void check_frame(void) {
  static struct message message;
  if (said_length < 12) fail("a frame without a header");
  if (said_length > MAX_FRAME) fail("a frame that is too long");
  if (said[0] != 1 || said[2] != 0 || said[3] != 0) fail("a header that is wrong");
  if (u16(said + 6) + 12 != said_length) fail("a frame of another length than it says");
  if (u32(said + said_length - 4) != plain_crc32(said, said_length - 4)) fail("a wrong CRC");
  message.type = said[1];
  message.seq = (uint16_t)u16(said + 4);
  message.length = said_length - 12;
  message.at = now;
  memcpy(message.payload, said + 8, message.length);
  check_length(&message);
  if (message.type < 0xc0 || message.type == 0xff) {
    check_answer(&message);
    heard.answer = message;
    heard.answers++;
  } else {
    check_event(&message);
    heard.event[message.type - 0xc0] = message;
    heard.events[message.type - 0xc0]++;
  }
}

static void hear_frame(uint8_t byte) {
  if (byte == 0xc0) {
    if (is_escaped) fail("an escape before the end");
    check_frame();
    mode = BETWEEN;
    return;
  }
  if (is_escaped) {
    if (byte != 0xdc && byte != 0xdd) fail("a wrong escape");
    byte = byte == 0xdc ? 0xc0 : 0xdb;
    is_escaped = false;
  } else if (byte == 0xdb) {
    is_escaped = true;
    return;
  }
  if (said_length == sizeof said) fail("a frame without an end");
  said[said_length++] = byte;
}

static void hear(uint8_t byte) {
  if (mode == IN_FRAME) {
    hear_frame(byte);
  } else if (mode == IN_TEXT) {
    if (byte == '\n') mode = BETWEEN;
    else if (byte < 0x20 || byte > 0x7e || ++said_length > MAX_LINE) fail("a wrong line of text");
  } else if (byte != 0xc0) {
    if (byte != 1 && (byte < 0x20 || byte > 0x7e)) fail("neither frame nor text");
    mode = byte == 1 ? IN_FRAME : IN_TEXT;
    said[0] = byte;
    said_length = 1;
  }
}

bool board_write(uint8_t byte) {
  if (stuck_in != UINT32_MAX && stuck_in-- == 0) {
    stuck_in = UINT32_MAX;
    mode = BETWEEN;
    is_escaped = false;
    return false;
  }
  hear(byte);
  return true;
}

/* The board. */

void board_feed(const uint8_t *bytes, unsigned length, unsigned pause) {
  if (length + 1 > INPUT_LENGTH - (input_in - input_out)) fail("the fuzzer feeds too much");
  input[input_in++ % INPUT_LENGTH] = (uint16_t)(256 + pause);
  for (unsigned i = 0; i < length; i++) {
    if (bytes[i] == 0xc0) ends_fed++;
    input[input_in++ % INPUT_LENGTH] = bytes[i];
  }
}

bool board_has_input(void) { return input_in != input_out; }

int board_read(void) {
  if (input_in == input_out) return -1;
  uint16_t *next = &input[input_out % INPUT_LENGTH];
  if (*next > 256) {
    *next -= 1;
    return -1;
  }
  input_out++;
  return *next < 256 ? *next : -1;
}

void board_flush(void) {}

void board_set_baud(uint32_t wanted) {
  if (wanted != bauds[0] && wanted != bauds[1]) fail("a rate that was not offered");
  if (mode != BETWEEN) fail("another rate within a frame");
  rate = wanted;
}

uint32_t board_millis(void) {
  now += random_below(4) == 0;
  if (!is_calm && random_below(4096) == 0) now += random_below(1200);
  return now;
}

void board_uid(uint8_t uid[12]) { memset(uid, 0xc0, 12); }

int16_t board_temperature(void) {
  if (is_calm) return calm_temperature;
  temperature = (int16_t)(temperature + (int)random_below(120) - 60);
  if (temperature < 200 || temperature > 1050) temperature = 500;
  return random_below(50) == 0 ? BOARD_NO_TEMPERATURE : temperature;
}

uint32_t board_clock_khz(void) { return 480000; }
uint32_t board_restarts(void) { return 0; }
void board_led(bool on) { (void)on; }
void board_idle(void) { now += 1 + (is_calm ? 0 : random_below(16)); }
void board_init(void) {}
_Noreturn void board_reboot(bool boot_loader) {
  (void)boot_loader;
  longjmp(restarted, 1);
}

static void start(void) {
  if (mode != BETWEEN) fail("a restart within a frame");
  job_count = 0;
  next_event = 0;
  kept.type = 0;
  replaced = 0;
  has_rows = is_ready = has_progress = wants_fault = false;
  epoch = 0;
  derives = hashes = makes_rows = false;
  tsp_init();
}

void board_start(bool needs_checkpoints) {
  board_info.needs_checkpoints = needs_checkpoints;
  start();
}

void board_run(unsigned pieces) {
  static volatile unsigned left;
  left = pieces;
  if (setjmp(restarted) != 0) start();
  for (; left > 0; left--) {
    tsp_run();
    if (mode != BETWEEN) fail("a frame that was left off");
    if (wants_fault) fail("jobs that end by a fault, and no fault");
    if (job_count > QUEUE_LENGTH) fail("more jobs than the queue holds");
  }
}

void board_decay(void) {
  has_decayed = true;
  ten_checkpoints()[random_below(16384)] ^= 1u << random_below(8);
}

void board_calm(void) { is_calm = true; }
void board_real(void) { is_real = true; }
void board_sensor(int16_t value) { calm_temperature = value; }
void board_stick(unsigned bytes) { stuck_in = bytes; }
uint32_t board_clock(void) { return now; }

/* The core. */

bool __real_ten_derive(const uint8_t *seed, const struct ten_hooks *hooks);
bool __real_ten_hash(const uint8_t *hash, uint8_t *digest, const struct ten_hooks *hooks);
bool __real_ten_rows(const uint8_t *hash, unsigned row0, unsigned n, uint8_t *rows,
                     const struct ten_hooks *hooks);
bool __wrap_ten_derive(const uint8_t *seed, const struct ten_hooks *hooks);
bool __wrap_ten_hash(const uint8_t *hash, uint8_t *digest, const struct ten_hooks *hooks);
bool __wrap_ten_rows(const uint8_t *hash, unsigned row0, unsigned n, uint8_t *rows,
                     const struct ten_hooks *hooks);

static bool poll(const struct ten_hooks *hooks, unsigned times) {
  for (; times > 0; times--) {
    if (hooks->poll(hooks->context)) return true;
  }
  return false;
}

static void check_memory(void) {
  if (!has_decayed || !is_ready) return;
  if (plain_crc32(ten_checkpoints(), 16384) != ready_crc) fail("computes with checkpoints that have decayed");
}

/* Of the last hash: what its last product was not followed by a rest for. */
static uint32_t tail;

static bool timed_product(const struct ten_hooks *hooks, unsigned number, uint32_t *since) {
  uint32_t before = now;
  load.worked += before - *since + tail;
  tail = 0;
  bool is_ended = hooks->product(hooks->context, number);
  load.rested += now - before;
  *since = now;
  return is_ended;
}

bool __wrap_ten_derive(const uint8_t *seed, const struct ten_hooks *hooks) {
  if (is_real) return __real_ten_derive(seed, hooks);
  if (derives || hashes || makes_rows) fail("derives within other work");
  uint8_t before[32];
  memcpy(before, seed, sizeof before);
  derives = true;
  bool is_ended = poll(hooks, 100);
  derives = false;
  if (is_ended) return false;
  if (memcmp(before, seed, sizeof before) != 0) fail("derives a seed that has been replaced");
  for (unsigned i = 0; i < 16384; i++) ten_checkpoints()[i] = (uint8_t)(seed[i % 32] + i);
  return true;
}

bool __wrap_ten_hash(const uint8_t *hash, uint8_t *digest, const struct ten_hooks *hooks) {
  check_memory();
  if (is_real) return __real_ten_hash(hash, digest, hooks);
  if (derives || hashes || makes_rows) fail("hashes within other work");
  hashes = true;
  bool is_ended = false;
  uint32_t since = now;
  for (unsigned number = 0; number < 256 && !is_ended; number += 16) {
    is_ended = timed_product(hooks, number, &since) || poll(hooks, is_calm ? 200 : 2);
  }
  tail = now - since;
  hashes = false;
  if (!is_ended) ten_sha3(hash, 32, digest);
  return !is_ended;
}

bool __wrap_ten_rows(const uint8_t *hash, unsigned row0, unsigned n, uint8_t *rows,
                     const struct ten_hooks *hooks) {
  if (n == 0 || n > TEN_MAX_ROWS || row0 + n > 256) fail("rows that are not there");
  check_memory();
  if (is_real) return __real_ten_rows(hash, row0, n, rows, hooks);
  if (derives || makes_rows) fail("makes rows within other work");
  makes_rows = true;
  bool is_ended = poll(hooks, 8);
  makes_rows = false;
  memset(rows, hash[0], n * 256);
  return !is_ended;
}
