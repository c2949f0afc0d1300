/* ../../PROTOCOL.md, from HELLO to REBOOT. A request is refused for its length first, then for its values, then
 * for the state of the board. The answer goes out before the events that follow from it. */
#include "requests.h"

#include "../boards/board.h"
#include "../tensority/tensority.h"
#include "bytes.h"
#include "heat.h"
#include "link.h"
#include "tsp.h"
#include "wire.h"
#include "work.h"

#define VERSION_MAJOR 0
#define VERSION_MINOR 1
#define VERSION_PATCH 0

/* Retry-after of BUSY, ms. */
#define RETRY_MS 100

/* TLVs of HELLO. */
enum { RAM = 1, MODES = 2, MAX_FRAME = 3, QUEUE = 4, BAUDS = 5, SENSORS = 6, NAME = 7 };
enum { MODE_HASH = 1, MODE_ROWS = 2, MODE_CKPT = 4 };
enum { SENSOR_TEMPERATURE = 1, SENSOR_CLOCK = 2 };

enum { SEED_FLAG_CHECKPOINTS = 1 };
enum { JOB_REPLACE = 1, JOB_UPDATE = 2, JOB_HEADER_HASH = 4 };
enum { SET_DUTY = 1, SET_LIMITS = 2, SET_IDENTIFY = 4 };
enum { GOLDEN_ROW = 0, DOT = 1, FINISH = 2, HEADER = 3 };

#define MAX_NAME 63
#define MAX_BAUDS 8
#define MAX_PING 64
/* Of the preimage in JOB. */
#define JOB_BYTES 56

/* What a handler returns: a NAK to be sent, or code 0: it has answered. */
struct refusal {
  uint8_t code;
  uint32_t detail;
};
static const struct refusal accepted = {0, 0};

static struct refusal refuse(enum nak code, uint32_t detail) {
  return (struct refusal){(uint8_t)code, detail};
}

static uint8_t *tlv(uint8_t *at, uint8_t type, unsigned length) {
  at[0] = type;
  at[1] = (uint8_t)length;
  return at + 2;
}

static uint8_t *tlv_number(uint8_t *at, uint8_t type, unsigned length, uint32_t value) {
  at = tlv(at, type, length);
  for (unsigned i = 0; i < length; i++) at[i] = (uint8_t)(value >> 8 * i);
  return at + length;
}

static struct refusal hello(const uint8_t *p, unsigned length) {
  (void)length;
  uint8_t answer[MAX_ANSWER] = {0};
  copy_bytes(answer, p, 8);
  answer[8] = TSP_VERSION;
  answer[9] = TSP_VERSION;
  answer[10] = VERSION_MAJOR;
  answer[11] = VERSION_MINOR;
  put16(answer + 12, VERSION_PATCH);
  put32(answer + 16, TSP_BUILD_ID);
  put16(answer + 20, board_info.id);
  board_uid(answer + 24);
  uint8_t *at = answer + 36;
  at = tlv_number(at, RAM, 4, board_info.ram_bytes);
  at = tlv_number(at, MODES, 4, MODE_HASH | MODE_ROWS | MODE_CKPT);
  at = tlv_number(at, MAX_FRAME, 2, TSP_MAX_FRAME);
  at = tlv_number(at, QUEUE, 1, QUEUE_LENGTH);
  unsigned bauds = board_info.baud_count < MAX_BAUDS ? board_info.baud_count : MAX_BAUDS;
  if (bauds > 0) {
    at = tlv(at, BAUDS, 4 * bauds);
    for (unsigned i = 0; i < bauds; i++, at += 4) put32(at, board_info.bauds[i]);
  }
  uint32_t sensors = board_info.has_temperature ? SENSOR_TEMPERATURE : 0;
  if (board_clock_khz() != 0) sensors |= SENSOR_CLOCK;
  at = tlv_number(at, SENSORS, 1, sensors);
  unsigned name = 0;
  while (name < MAX_NAME && board_info.name[name] != '\0') name++;
  at = tlv(at, NAME, name);
  copy_bytes(at, (const uint8_t *)board_info.name, name);
  link_answer(answer, (unsigned)(at + name - answer));
  return accepted;
}

static struct refusal seed(const uint8_t *p, unsigned length) {
  (void)length;
  uint32_t epoch = get32(p);
  uint8_t flags = p[4];
  if (epoch == 0) return refuse(RANGE, 0);
  if ((flags & ~SEED_FLAG_CHECKPOINTS) != 0) return refuse(RANGE, 4);
  bool derive = !board_info.needs_checkpoints && flags == 0;
  bool is_known = work_has_seed(epoch, p + 8);
  enum seed_state state = work_seed_state();
  bool is_ready = is_known && state == READY;
  bool goes_on = is_known && state == (derive ? DERIVING : WAITING);
  uint8_t answer[8] = {0};
  put32(answer, epoch);
  answer[4] = is_ready ? 2 : derive ? 0 : 1;
  link_answer(answer, sizeof answer);
  if (is_ready) {
    work_end_jobs(NO_JOB, OTHER_SEED);
    work_say_ready();
  } else if (!goes_on) {
    work_set_seed(epoch, p + 8, derive);
  }
  return accepted;
}

static struct refusal ckpt(const uint8_t *p, unsigned length) {
  unsigned index = p[4], n = p[5];
  unsigned wanted = 8 + n * TEN_CHECKPOINT_BYTES;
  if (length != wanted) return refuse(BAD_LEN, wanted);
  if (index >= TEN_CHECKPOINTS) return refuse(RANGE, 4);
  if (n == 0 || index + n > TEN_CHECKPOINTS) return refuse(RANGE, 5);
  if (work_epoch() == 0) return refuse(NO_SEED, 0);
  if (get32(p) != work_epoch()) return refuse(WRONG_EPOCH, work_epoch());
  if (work_seed_state() != WAITING) return refuse(BUSY, RETRY_MS);
  unsigned received = work_take_checkpoints(index, n, p + 8);
  uint8_t answer[8] = {0};
  put32(answer, work_epoch());
  put16(answer + 4, (uint16_t)received);
  link_answer(answer, sizeof answer);
  return accepted;
}

/* Whether work of this epoch can be done now. */
static struct refusal check_work(uint32_t epoch) {
  if (work_epoch() == 0) return refuse(NO_SEED, 0);
  if (epoch != work_epoch()) return refuse(WRONG_EPOCH, work_epoch());
  if (work_seed_state() != READY) return refuse(NO_SEED, 0);
  return heat_is_hot() ? refuse(HOT, (uint16_t)heat_temperature()) : accepted;
}

/* The offset of what is wrong in a JOB, or 0. */
static unsigned wrong_in_job(const uint8_t *p) {
  uint8_t flags = p[6];
  unsigned offset = get16(p + 8), length = get16(p + 10);
  uint32_t count = get32(p + 12);
  if (get16(p + 4) == NO_JOB) return 4;
  unsigned place = flags & ~(unsigned)JOB_HEADER_HASH;
  if (place != JOB_REPLACE && place != JOB_UPDATE) return 6;
  if ((flags & JOB_HEADER_HASH) != 0) {
    if (length != 32) return 10;
    return count != 1 ? 12 : 0;
  }
  if (length > MAX_PREIMAGE) return 10;
  if (offset + 8 > length) return 8;
  if (count == 0) return 12;
  return get64(p + 16) > UINT64_MAX - (count - 1) ? 16 : 0;
}

static struct refusal job(const uint8_t *p, unsigned length) {
  unsigned wanted = JOB_BYTES + get16(p + 10);
  unsigned wrong = wrong_in_job(p);
  /* A preimage of more than MAX_PREIMAGE bytes is refused as such, even where a frame could not hold it. */
  if (wrong != 10 && length != wanted) return refuse(BAD_LEN, wanted);
  if (wrong != 0) return refuse(RANGE, wrong);
  struct refusal refusal = check_work(get32(p));
  if (refusal.code != 0) return refusal;
  bool replace = (p[6] & JOB_REPLACE) != 0;
  if (!replace && work_jobs() == QUEUE_LENGTH) return refuse(BUSY, RETRY_MS);
  uint8_t answer[8] = {0};
  copy_bytes(answer, p, 6);
  answer[6] = replace ? 0 : (uint8_t)work_jobs();
  link_answer(answer, sizeof answer);
  if (replace) work_end_jobs(NO_JOB, REPLACED);

  struct job *job = work_new_job();
  job->id = get16(p + 4);
  job->shares = 0;
  job->nonce_offset = get16(p + 8);
  job->length = get16(p + 10);
  job->is_header_hash = (p[6] & JOB_HEADER_HASH) != 0;
  job->left = get32(p + 12);
  job->hashes = 0;
  job->next = get64(p + 16);
  copy_bytes(job->target, p + 24, 32);
  zero_bytes(job->digest, 32);
  copy_bytes(job->preimage, p + JOB_BYTES, job->length);
  work_add_job();
  return accepted;
}

static struct refusal rows(const uint8_t *p, unsigned length) {
  (void)length;
  unsigned row0 = p[6], n = p[7];
  if (n == 0 || n > TEN_MAX_ROWS || row0 + n > TEN_DIM) return refuse(RANGE, 7);
  struct refusal refusal = check_work(get32(p));
  if (refusal.code != 0) return refusal;
  if (work_has_rows()) return refuse(BUSY, RETRY_MS);
  uint8_t answer[8] = {0};
  copy_bytes(answer, p, 6);
  link_answer(answer, sizeof answer);
  work_set_rows(get16(p + 4), row0, n, p + 8);
  return accepted;
}

static struct refusal abort_jobs(const uint8_t *p, unsigned length) {
  (void)length;
  uint16_t id = get16(p);
  uint8_t answer[4] = {0};
  put16(answer, id);
  answer[2] = (uint8_t)work_count_jobs(id);
  link_answer(answer, sizeof answer);
  work_end_jobs(id, ABORTED);
  work_end_rows(id);
  return accepted;
}

static struct refusal status(const uint8_t *p, unsigned length) {
  (void)p;
  (void)length;
  const struct job *running = work_running_job();
  uint8_t answer[48] = {0};
  answer[0] = (uint8_t)work_state();
  answer[1] = (uint8_t)heat_duty();
  put16(answer + 2, (uint16_t)heat_temperature());
  put32(answer + 4, board_clock_khz());
  put32(answer + 8, tsp_uptime());
  put32(answer + 12, work_hashes());
  put32(answer + 16, link_crc_errors());
  put32(answer + 20, link_other_errors());
  put32(answer + 24, board_restarts());
  put32(answer + 28, work_epoch());
  put16(answer + 32, running ? running->id : NO_JOB);
  put16(answer + 34, running ? running->shares : 0);
  put64(answer + 36, running ? running->next : 0);
  put16(answer + 44, (uint16_t)work_product());
  answer[46] = running ? (uint8_t)(work_jobs() - 1) : 0;
  link_answer(answer, sizeof answer);
  return accepted;
}

static struct refusal set(const uint8_t *p, unsigned length) {
  (void)length;
  uint8_t mask = p[0];
  int16_t soft = (int16_t)get16(p + 4), hard = (int16_t)get16(p + 6);
  if ((mask & ~(SET_DUTY | SET_LIMITS | SET_IDENTIFY)) != 0) return refuse(RANGE, 0);
  if ((mask & SET_DUTY) != 0 && (p[1] < 1 || p[1] > 100)) return refuse(RANGE, 1);
  if ((mask & SET_IDENTIFY) != 0 && p[2] > 1) return refuse(RANGE, 2);
  if ((mask & SET_LIMITS) != 0 && soft >= hard) return refuse(RANGE, 4);
  if ((mask & SET_DUTY) != 0) settings.duty = p[1];
  if ((mask & SET_IDENTIFY) != 0) {
    settings.identify = p[2] == 1;
    board_led(settings.identify);
  }
  if ((mask & SET_LIMITS) != 0) {
    settings.soft = soft;
    settings.hard = hard;
    heat_limits_changed();
  }
  uint8_t answer[8] = {mask, settings.duty, settings.identify, 0};
  put16(answer + 4, (uint16_t)settings.soft);
  put16(answer + 6, (uint16_t)settings.hard);
  link_answer(answer, sizeof answer);
  return accepted;
}

static struct refusal baud(const uint8_t *p, unsigned length) {
  (void)length;
  uint32_t rate = get32(p);
  bool is_offered = false;
  for (unsigned i = 0; i < board_info.baud_count; i++) is_offered |= board_info.bauds[i] == rate;
  if (!is_offered) return refuse(RANGE, 0);
  if (get16(p + 4) == 0) return refuse(RANGE, 4);
  uint8_t answer[8] = {0};
  put32(answer, rate);
  link_answer_baud(answer, sizeof answer, rate, get16(p + 4));
  return accepted;
}

static struct refusal ping(const uint8_t *p, unsigned length) {
  if (length > MAX_PING) return refuse(BAD_LEN, MAX_PING);
  link_answer(p, length);
  return accepted;
}

/* Within a request no other one can be looked at. */
static bool poll_finish(void *context) {
  (void)context;
  wire_keep();
  return false;
}

/* FNV and SHA3-256 over a sum buffer that the host can make as well. */
static void finish(uint32_t x, uint8_t digest[32]) {
  static const struct ten_hooks hooks = {.poll = poll_finish};
  uint8_t *sum = ten_sum();
  for (unsigned i = 0; i < TEN_MATRIX_BYTES; i++) {
    if (i % 4096 == 0) wire_keep();
    sum[i] = (uint8_t)x;
    x ^= x << 13;
    x ^= x >> 17;
    x ^= x << 5;
  }
  ten_finish(digest, &hooks);
}

static struct refusal selftest(const uint8_t *p, unsigned length) {
  uint8_t answer[4 + 32] = {p[0]};
  const uint8_t *data = p + 4;
  switch (p[0]) {
    case GOLDEN_ROW:
      if (board_info.needs_checkpoints) return refuse(RANGE, 0);
      if (length < 8) return refuse(BAD_LEN, 8);
      if (heat_is_hot()) return refuse(HOT, (uint16_t)heat_temperature());
      if (work_has_rows()) return refuse(BUSY, RETRY_MS);
      link_answer(answer, 4);
      work_set_golden_row(get16(data), data[2]);
      return accepted;
    case DOT:
      if (length < 4 + 2 * TEN_DIM) return refuse(BAD_LEN, 4 + 2 * TEN_DIM);
      put16(answer + 4, (uint16_t)ten_dot((const int8_t *)data, (const int8_t *)data + TEN_DIM));
      link_answer(answer, 8);
      return accepted;
    case FINISH:
      if (length < 8) return refuse(BAD_LEN, 8);
      if (get32(data) == 0) return refuse(RANGE, 4);
      if (!work_is_idle()) return refuse(BUSY, RETRY_MS);
      finish(get32(data), answer + 4);
      link_answer(answer, sizeof answer);
      return accepted;
    case HEADER:
      if (length > 4 + MAX_PREIMAGE) return refuse(BAD_LEN, 4 + MAX_PREIMAGE);
      ten_sha3(data, length - 4, answer + 4);
      link_answer(answer, sizeof answer);
      return accepted;
    default:
      return refuse(RANGE, 0);
  }
}

static struct refusal reboot(const uint8_t *p, unsigned length) {
  (void)length;
  bool boot_loader = p[0] == 1;
  if (p[0] > 1 || (boot_loader && !board_info.has_boot_loader)) return refuse(RANGE, 0);
  uint8_t answer[4] = {p[0]};
  link_answer(answer, sizeof answer);
  board_flush();
  board_reboot(boot_loader);
  return accepted;
}

static const struct {
  uint8_t type;
  uint8_t shortest; /* payload */
  struct refusal (*handle)(const uint8_t *payload, unsigned length);
} requests[] = {
    {HELLO, 8, hello},       {SEED, 40, seed},    {CKPT, 8, ckpt},
    {JOB, JOB_BYTES, job},   {ROWS, 40, rows},    {ABORT, 4, abort_jobs},
    {STATUS, 0, status},     {SET, 8, set},       {BAUD, 8, baud},
    {PING, 0, ping},         {SELFTEST, 4, selftest}, {REBOOT, 4, reboot},
};

void requests_handle(uint8_t type, const uint8_t *payload, unsigned length) {
  struct refusal refusal = refuse(UNKNOWN_TYPE, 0);
  for (unsigned i = 0; i < sizeof requests / sizeof requests[0]; i++) {
    if (requests[i].type != type) continue;
    bool is_short = length < requests[i].shortest;
    refusal = is_short ? refuse(BAD_LEN, requests[i].shortest) : requests[i].handle(payload, length);
  }
  if (refusal.code != 0) link_refuse((enum nak)refusal.code, refusal.detail);
}
