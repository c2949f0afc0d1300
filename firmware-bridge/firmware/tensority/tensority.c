/*
 * The hash. Buffers: checkpoints 16 KiB, matrix and state 64 KiB each (a seed's derivation has both for its
 * scratchpad), sum 64 KiB.
 */
#include "tensority.h"

#include "matrix.h"
#include "smix.h"

#define MIXES_PER_POLL 32
#define SUMS_PER_POLL 4096
#define ROUNDS TEN_CHECKPOINTS

static union {
  struct {
    int8_t matrix[TEN_MATRIX_BYTES];
    int8_t state[TEN_MATRIX_BYTES];
  } hash;
  uint32_t pad[SMIX_ENTRIES][SMIX_WORDS];
} work __attribute__((aligned(8), section(".bss.buffers")));

static uint8_t sum[TEN_MATRIX_BYTES] __attribute__((aligned(8), section(".bss.buffers")));
static uint32_t checkpoints[TEN_CHECKPOINTS][SMIX_WORDS] __attribute__((section(".bss.buffers")));

_Static_assert(sizeof work == 131072, "the scratchpad is matrix and state");
_Static_assert(sizeof checkpoints == TEN_CHECKPOINTS * TEN_CHECKPOINT_BYTES, "32 words each");

uint8_t *ten_checkpoints(void) { return (uint8_t *)checkpoints; }
uint8_t *ten_sum(void) { return sum; }
const int8_t *ten_matrix(void) { return work.hash.matrix; }

static bool polled(const struct ten_hooks *hooks) { return hooks->poll(hooks->context); }

/* By words, and by words of what may be bytes. */
typedef uint32_t __attribute__((may_alias)) word;

static void copy_words(void *to, const void *from) {
  word *t = to;
  const word *f = from;
  for (unsigned w = 0; w < SMIX_WORDS; w++) t[w] = f[w];
}

bool ten_derive(const uint8_t seed[32], const struct ten_hooks *hooks) {
  uint32_t x[SMIX_WORDS];
  smix_extend(seed, x);
  for (unsigned round = 0; round < ROUNDS; round++) {
    copy_words(checkpoints[round], x);
    for (unsigned i = 0; i < SMIX_ENTRIES; i++) {
      if (i % MIXES_PER_POLL == 0 && polled(hooks)) return false;
      copy_words(work.pad[i], x);
      smix_block_mix(x);
    }
    for (unsigned i = 0; i < SMIX_ENTRIES; i++) {
      if (i % MIXES_PER_POLL == 0 && polled(hooks)) return false;
      const uint32_t *entry = work.pad[x[16] % SMIX_ENTRIES];
      for (unsigned w = 0; w < SMIX_WORDS; w++) x[w] ^= entry[w];
      smix_block_mix(x);
    }
  }
  return true;
}

bool ten_make_matrix(uint8_t name, const struct ten_hooks *hooks) {
  uint32_t x[SMIX_WORDS];
  int8_t *to = work.hash.matrix;
  copy_words(x, checkpoints[name / 2]);
  if (name % 2 == 1) smix_block_mix(x);
  for (unsigned i = 0;; i++) {
    if (i % (MIXES_PER_POLL / 2) == 0 && polled(hooks)) return false;
    copy_words(to, x);
    to += 4 * SMIX_WORDS;
    if (i == SMIX_ENTRIES / 2 - 1) return true;
    smix_block_mix(x);
    smix_block_mix(x);
  }
}

/* The 32 names of the matrices that slice 0 … 3 goes through, twice. */
static void slice_names(const uint8_t header_hash[32], unsigned slice, uint8_t names[32]) {
  ten_sha3(header_hash + 8 * slice, 8, names);
}

/* The first product of a slice, identity · mᵀ, for rows row0 … row0 + n − 1: column i of m becomes row i.
 * It folds like every other: −1 becomes −2. */
static void first_rows(int8_t *rows, unsigned row0, unsigned n) {
  for (unsigned i = 0; i < n; i++) {
    for (unsigned j = 0; j < TEN_DIM; j++) {
      rows[i * TEN_DIM + j] = ten_fold(work.hash.matrix[j * TEN_DIM + row0 + i]);
    }
  }
}

/* `step` of a slice for n rows, with the matrix buffer. */
static bool step_rows(int8_t *rows, unsigned row0, unsigned n, unsigned step, const struct ten_hooks *hooks) {
  for (unsigned i = 0; i < n; i += ten_pass_rows) {
    unsigned pass = n - i < ten_pass_rows ? n - i : ten_pass_rows;
    if (polled(hooks)) return false;
    if (step == 0) {
      first_rows(rows + i * TEN_DIM, row0 + i, pass);
    } else {
      ten_row_products(rows + i * TEN_DIM, pass, work.hash.matrix);
    }
  }
  return true;
}

static void add_up(uint8_t *to, const int8_t *from, size_t length, bool first) {
  for (size_t i = 0; i < length; i++) to[i] = (uint8_t)((first ? 0 : to[i]) + (uint8_t)from[i]);
}

bool ten_hash(const uint8_t header_hash[32], uint8_t digest[32], const struct ten_hooks *hooks) {
  for (unsigned slice = 0; slice < TEN_SLICES; slice++) {
    uint8_t names[32];
    slice_names(header_hash, slice, names);
    for (unsigned step = 0; step < TEN_STEPS; step++) {
      if (hooks->product(hooks->context, slice * TEN_STEPS + step)) return false;
      if (!ten_make_matrix(names[step % 32], hooks)) return false;
      if (!step_rows(work.hash.state, 0, TEN_DIM, step, hooks)) return false;
    }
    for (unsigned at = 0; at < TEN_MATRIX_BYTES; at += SUMS_PER_POLL) {
      if (polled(hooks)) return false;
      add_up(sum + at, work.hash.state + at, SUMS_PER_POLL, slice == 0);
    }
  }
  return ten_finish(digest, hooks);
}

bool ten_rows(const uint8_t header_hash[32], unsigned row0, unsigned n, uint8_t *rows,
              const struct ten_hooks *hooks) {
  static int8_t state[TEN_MAX_ROWS * TEN_DIM] __attribute__((aligned(8)));
  for (unsigned slice = 0; slice < TEN_SLICES; slice++) {
    uint8_t names[32];
    slice_names(header_hash, slice, names);
    for (unsigned step = 0; step < TEN_STEPS; step++) {
      if (!ten_make_matrix(names[step % 32], hooks)) return false;
      if (!step_rows(state, row0, n, step, hooks)) return false;
    }
    add_up(rows, state, n * TEN_DIM, slice == 0);
  }
  return true;
}

/* Word j of a row: one byte of each quarter of it. */
static uint32_t row_word(unsigned row, unsigned j) {
  const uint8_t *at = sum + row * TEN_DIM + j;
  return at[0] | (uint32_t)at[64] << 8 | (uint32_t)at[128] << 16 | (uint32_t)at[192] << 24;
}

/*
 * FNV halves the rows, i with i + half, down to one. Column by column and depth first, it needs eight words
 * instead of a copy: with the rows in bit-reversed order, neighbours of every level follow each other.
 */
static uint32_t column_word(unsigned j) {
  uint32_t waiting[8];
  for (unsigned n = 0;; n++) {
    unsigned row = 0;
    for (unsigned bit = 0; bit < 8; bit++) row |= (n >> bit & 1) << (7 - bit);
    uint32_t word_now = row_word(row, j);
    unsigned level = 0;
    for (; n >> level & 1; level++) word_now = waiting[level] * 0x01000193u ^ word_now;
    if (level == 8) return word_now;
    waiting[level] = word_now;
  }
}

bool ten_finish(uint8_t digest[32], const struct ten_hooks *hooks) {
  uint8_t bytes[TEN_DIM];
  for (unsigned j = 0; j < 64; j++) {
    if (polled(hooks)) return false;
    uint32_t w = column_word(j);
    for (unsigned i = 0; i < 4; i++) bytes[4 * j + i] = (uint8_t)(w >> (8 * i));
  }
  ten_sha3(bytes, sizeof bytes, digest);
  return true;
}
