#include "work.h"

#include "../boards/board.h"
#include "../tensority/tensority.h"
#include "bytes.h"
#include "crc32.h"
#include "heat.h"
#include "link.h"
#include "tsp.h"

#define CHECKPOINT_BYTES (TEN_CHECKPOINTS * TEN_CHECKPOINT_BYTES)
#define GOLDEN_EPOCH 0xffffffffu
#define PROGRESS_MS 250
#define BYTES_PER_POLL 1024
/* Of the entry hash's prefix. */
#define PREFIX_BYTES 20

static struct {
  enum seed_state state;
  uint32_t epoch;
  uint8_t seed[32];
  bool is_golden; /* not the host's: it is gone after one row */
  uint32_t received[TEN_CHECKPOINTS / 32];
  uint32_t asked_at;
  uint32_t ms;
  uint32_t crc;
} seed;

static struct job queue[QUEUE_LENGTH];
static unsigned queue_length;

static struct {
  bool is_wanted;
  bool is_running;
  uint16_t id;
  uint8_t row0;
  uint8_t n;
  uint8_t header_hash[32];
} rows;
static uint8_t row_bytes[TEN_MAX_ROWS * TEN_DIM];

/* What the core is doing must end, because a request has taken it away. Cleared when it begins anew. */
static bool stop_derive, stop_hash, stop_rows;

/* Of the hash under way. Not in the job: the queue may change under it. */
static uint8_t header_hash[32];
static bool is_hashing;
static unsigned product;

static uint32_t hashes;
static bool has_fault;
static bool has_progress;
static uint32_t progress_at;
/* Since when the time is not accounted for yet; rest that the duty still owes, in ms · %. */
static uint32_t rested_at;
static uint32_t owed;

void work_init(void) {
  seed.state = NO_CHECKPOINTS;
  seed.epoch = 0;
  seed.is_golden = false;
  queue_length = 0;
  rows.is_wanted = false;
  rows.is_running = false;
  is_hashing = false;
  hashes = 0;
  has_fault = false;
  has_progress = false;
  owed = 0;
}

void work_say_fault(enum fault code) {
  uint8_t payload[8] = {(uint8_t)code, 0};
  put16(payload + 2, (uint16_t)heat_temperature());
  put32(payload + 4, 0);
  link_event(FAULT, payload, sizeof payload, 0, 0);
}

/* The seed. */

enum seed_state work_seed_state(void) {
  return seed.is_golden && seed.state == READY ? NO_CHECKPOINTS : seed.state;
}

uint32_t work_epoch(void) { return seed.epoch; }

bool work_has_seed(uint32_t epoch, const uint8_t wanted[32]) {
  return seed.state != NO_CHECKPOINTS && !seed.is_golden && seed.epoch == epoch &&
         same_bytes(seed.seed, wanted, 32);
}

static void forget_seed(void) {
  seed.state = NO_CHECKPOINTS;
  seed.epoch = 0;
  seed.is_golden = false;
  stop_derive = true;
}

void work_set_seed(uint32_t epoch, const uint8_t wanted[32], bool derive) {
  work_end_jobs(NO_JOB, OTHER_SEED);
  work_end_rows(NO_JOB);
  forget_seed();
  has_fault = false;
  seed.epoch = epoch;
  copy_bytes(seed.seed, wanted, 32);
  seed.state = derive ? DERIVING : WAITING;
  for (unsigned i = 0; i < TEN_CHECKPOINTS / 32; i++) seed.received[i] = 0;
  seed.asked_at = board_millis();
}

void work_say_ready(void) {
  uint8_t payload[12];
  put32(payload, seed.epoch);
  put32(payload + 4, seed.crc);
  put32(payload + 8, seed.ms);
  link_event(SEED_READY, payload, sizeof payload, 0, 0);
}

/* Of the checkpoints, with a look at the line each KiB. False if *stop has ended it. */
static bool make_crc(const bool *stop, uint32_t *crc) {
  uint32_t state = CRC32_START;
  for (unsigned at = 0; at < CHECKPOINT_BYTES; at += BYTES_PER_POLL) {
    if (tsp_poll(stop)) return false;
    state = crc32_add(state, ten_checkpoints() + at, BYTES_PER_POLL);
  }
  *crc = crc32_end(state);
  return true;
}

static void complete_checkpoints(void) {
  uint32_t crc;
  if (!make_crc(&stop_derive, &crc)) return;
  seed.ms = board_millis() - seed.asked_at;
  seed.crc = crc;
  seed.state = READY;
  if (!seed.is_golden) work_say_ready();
}

static unsigned received(void) {
  unsigned count = 0;
  for (unsigned i = 0; i < TEN_CHECKPOINTS; i++) count += seed.received[i / 32] >> i % 32 & 1;
  return count;
}

unsigned work_take_checkpoints(unsigned index, unsigned n, const uint8_t *data) {
  copy_bytes(ten_checkpoints() + index * TEN_CHECKPOINT_BYTES, data, n * TEN_CHECKPOINT_BYTES);
  for (unsigned i = index; i < index + n; i++) seed.received[i / 32] |= 1u << i % 32;
  stop_derive = true; /* a CRC that is being made is not of these */
  return received();
}

static bool poll_derive(void *context) {
  (void)context;
  return tsp_poll(&stop_derive);
}

static void run_seed(void) {
  static const struct ten_hooks hooks = {.poll = poll_derive};
  stop_derive = false;
  if (seed.state == DERIVING && (!ten_derive(seed.seed, &hooks) || stop_derive)) return;
  complete_checkpoints();
}

/* Also before each hash and row, not only when they are made: memory that decays would waste days. False too if
 * *stop is set meanwhile. The jobs end under their epoch, so before the seed is gone. */
static bool has_checkpoints(const bool *stop) {
  uint32_t crc;
  if (seed.state != READY || !make_crc(stop, &crc)) return false;
  if (crc == seed.crc) return true;
  work_end_jobs(NO_JOB, FAULTY);
  work_end_rows(NO_JOB);
  forget_seed();
  has_fault = true;
  work_say_fault(FAULT_CHECKPOINTS);
  return false;
}

/* The jobs. */

unsigned work_jobs(void) { return queue_length; }

struct job *work_new_job(void) { return &queue[queue_length]; }

void work_add_job(void) { queue_length++; }

const struct job *work_running_job(void) { return queue_length > 0 ? &queue[0] : 0; }

uint32_t work_hashes(void) { return hashes; }

unsigned work_product(void) { return is_hashing ? product : 0; }

static bool is_meant(uint16_t id, uint16_t wanted) { return wanted == NO_JOB || id == wanted; }

unsigned work_count_jobs(uint16_t id) {
  unsigned count = 0;
  for (unsigned i = 0; i < queue_length; i++) count += is_meant(queue[i].id, id);
  return count;
}

/* PROGRESS or DONE. */
static void say_progress(enum message type, const struct job *job, enum reason reason) {
  uint8_t payload[56] = {0};
  put32(payload, seed.epoch);
  put16(payload + 4, job->id);
  put16(payload + 6, job->shares);
  put64(payload + 8, job->next);
  put32(payload + 16, job->hashes);
  payload[20] = (uint8_t)reason;
  copy_bytes(payload + 24, job->digest, 32);
  link_event(type, payload, sizeof payload, 0, 0);
}

void work_end_jobs(uint16_t id, enum reason reason) {
  unsigned kept = 0;
  for (unsigned i = 0; i < queue_length; i++) {
    if (!is_meant(queue[i].id, id)) {
      if (kept != i) queue[kept] = queue[i];
      kept++;
      continue;
    }
    if (i == 0) stop_hash = true;
    say_progress(DONE, &queue[i], reason);
  }
  queue_length = kept;
}

static bool meets_target(const uint8_t digest[32], const uint8_t target[32]) {
  for (int i = 31; i >= 0; i--) {
    if (digest[i] != target[i]) return digest[i] < target[i];
  }
  return true;
}

static void say_share(struct job *job) {
  uint8_t payload[48];
  put32(payload, seed.epoch);
  put16(payload + 4, job->id);
  put16(payload + 6, job->shares++);
  put64(payload + 8, job->next);
  copy_bytes(payload + 16, job->digest, 32);
  link_event(SHARE, payload, sizeof payload, 0, 0);
}

/* The digest is the one of the job's next nonce. */
static void take_hash(struct job *job) {
  hashes++;
  job->hashes++;
  job->left--;
  if (meets_target(job->digest, job->target)) say_share(job);
  job->next++;
  if (job->left == 0) {
    say_progress(DONE, job, COMPLETE);
    queue_length--;
    for (unsigned i = 0; i < queue_length; i++) queue[i] = queue[i + 1];
    return;
  }
  uint32_t now = board_millis();
  if (has_progress && now - progress_at < PROGRESS_MS) return;
  has_progress = true;
  progress_at = now;
  say_progress(PROGRESS, job, RUNNING);
}

static void run_rows(void);

/* Time that passed without work. */
static void pay(uint32_t ms, unsigned duty) {
  owed = ms <= owed / duty ? owed - ms * duty : 0;
}

/* Time that passed in work: t ms of it owe t · (100 − duty) / duty ms of rest. */
static void account(void) {
  uint32_t now = board_millis();
  owed += (now - rested_at) * (100 - heat_duty());
  rested_at = now;
}

/* Before a product: waits as long as the work before it owes, and listens. What is left when the hash is to end is
 * owed by the next one. True if it is to end. */
static bool rest(void) {
  account();
  unsigned duty = heat_duty();
  uint32_t start = rested_at, ms = owed / duty;
  while (rested_at - start < ms && heat_duty() == duty && !tsp_poll(&stop_hash)) {
    if (rows.is_wanted && seed.state == READY) run_rows();
    else board_idle();
    rested_at = board_millis();
  }
  pay(rested_at - start, duty);
  return stop_hash;
}

static bool poll_hash(void *context) {
  (void)context;
  return tsp_poll(&stop_hash);
}

static bool next_product(void *context, unsigned number) {
  (void)context;
  product = number;
  if (rest()) return true;
  if (rows.is_wanted && seed.state == READY) run_rows();
  return stop_hash;
}

/* Of the job's next nonce: Bytom's hash of a block. */
static void make_header_hash(struct job *job) {
  if (job->is_header_hash) {
    copy_bytes(header_hash, job->preimage, 32);
    return;
  }
  uint8_t entry[PREFIX_BYTES + 32];
  copy_bytes(entry, (const uint8_t *)"entryid:blockheader:", PREFIX_BYTES);
  put64(job->preimage + job->nonce_offset, job->next);
  ten_sha3(job->preimage, job->length, entry + PREFIX_BYTES);
  ten_sha3(entry, sizeof entry, header_hash);
}

static void run_hash(void) {
  static const struct ten_hooks hooks = {.poll = poll_hash, .product = next_product};
  stop_hash = false;
  if (!has_checkpoints(&stop_hash)) return;
  struct job *job = &queue[0];
  make_header_hash(job);
  uint8_t digest[32];
  is_hashing = true;
  uint32_t idle_since = rested_at;
  rested_at = board_millis();
  pay(rested_at - idle_since, heat_duty());
  bool is_whole = ten_hash(header_hash, digest, &hooks);
  is_hashing = false;
  account();
  if (!is_whole || stop_hash) return;
  copy_bytes(job->digest, digest, 32);
  take_hash(job);
}

/* The rows. */

bool work_has_rows(void) { return rows.is_wanted; }

void work_set_rows(uint16_t id, unsigned row0, unsigned n, const uint8_t hash[32]) {
  rows.is_wanted = true;
  rows.id = id;
  rows.row0 = (uint8_t)row0;
  rows.n = (uint8_t)n;
  copy_bytes(rows.header_hash, hash, 32);
}

void work_end_rows(uint16_t id) {
  if (!rows.is_wanted || !is_meant(rows.id, id)) return;
  rows.is_wanted = false;
  stop_rows = true;
  if (seed.is_golden) forget_seed();
}

void work_set_golden_row(uint16_t id, unsigned row) {
  static const uint8_t zeros[32];
  work_set_seed(0, zeros, true);
  seed.is_golden = true;
  work_set_rows(id, row, 1, zeros);
}

static bool poll_rows(void *context) {
  (void)context;
  return tsp_poll(&stop_rows);
}

static void run_rows(void) {
  static const struct ten_hooks hooks = {.poll = poll_rows};
  stop_rows = false;
  if (!has_checkpoints(&stop_rows)) return;
  rows.is_running = true;
  bool is_whole = ten_rows(rows.header_hash, rows.row0, rows.n, row_bytes, &hooks);
  rows.is_running = false;
  if (!is_whole || stop_rows) return;
  rows.is_wanted = false;
  uint8_t head[8];
  put32(head, seed.is_golden ? GOLDEN_EPOCH : seed.epoch);
  put16(head + 4, rows.id);
  head[6] = rows.row0;
  head[7] = rows.n;
  link_event(ROWDATA, head, sizeof head, row_bytes, rows.n * TEN_DIM);
  if (seed.is_golden) forget_seed();
}

enum state work_state(void) {
  if (heat_is_hot()) return IS_HOT;
  if (seed.state == DERIVING) return DERIVES;
  if (seed.state == WAITING) return WAITS;
  if (rows.is_running) return MAKES_ROWS;
  if (queue_length > 0) return HASHES;
  return has_fault ? HAS_FAULT : IDLE;
}

bool work_is_idle(void) {
  enum state state = work_state();
  return (state == IDLE || state == HAS_FAULT) && !rows.is_wanted;
}

bool work_run(void) {
  bool is_sent = seed.state == WAITING && received() == TEN_CHECKPOINTS;
  if (seed.state == DERIVING || is_sent) run_seed();
  else if (rows.is_wanted) run_rows();
  else if (queue_length > 0) run_hash();
  else return false;
  return true;
}
