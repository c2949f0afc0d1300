/*
 * Tensority on a board that cannot keep the 16 MiB table of a seed: 128 checkpoints of 128 bytes make
 * any matrix again with 1,024 block mixes. 208 KiB in all, static; the seed's derivation borrows
 * the buffers of matrix and state.
 *
 * Long functions call back between small pieces of work, so that a single-threaded board goes on
 * listening.
 */
#ifndef TENSORITY_H
#define TENSORITY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define TEN_DIM 256
#define TEN_MATRIX_BYTES 65536
#define TEN_CHECKPOINTS 128
#define TEN_CHECKPOINT_BYTES 128
#define TEN_SLICES 4
#define TEN_STEPS 64
/* Most rows of one ten_rows call. */
#define TEN_MAX_ROWS 4

/* What long functions do between two pieces of work. */
struct ten_hooks {
  void *context;
  /* Called after at most one pass of the kernel (ten_pass_rows rows of one product), 32 block mixes, 4 KiB of sums
   * or a column of the finish. True ends the work at once. */
  bool (*poll)(void *context);
  /* Called by ten_hash before each of its 256 products (0 … 255), when the matrix buffer is free: ten_rows
   * may be called from here. True ends the work. */
  bool (*product)(void *context, unsigned number);
};

/* Makes the checkpoints of a seed. False if a hook ended it: there are no valid checkpoints then. */
bool ten_derive(const uint8_t seed[32], const struct ten_hooks *hooks);

/* The 16 KiB of checkpoints, for CKPT and for their CRC. */
uint8_t *ten_checkpoints(void);

/* The PoW hash of a header hash. False if a hook ended it. */
bool ten_hash(const uint8_t header_hash[32], uint8_t digest[32], const struct ten_hooks *hooks);

/* Rows row0 … row0 + n − 1 (n <= TEN_MAX_ROWS) of the four slices' last matrices, summed; n × 256 bytes.
 * Uses the matrix buffer and small ones of its own, so it may run between two products of ten_hash.
 * Only `poll` of the hooks is called. False if it ended the work. */
bool ten_rows(const uint8_t header_hash[32], unsigned row0, unsigned n, uint8_t *rows,
              const struct ten_hooks *hooks);

/* The finish of a hash over the sum buffer: FNV over rows, then SHA3-256. Only `poll` of the hooks is called. False
 * if it ended the work. */
bool ten_finish(uint8_t digest[32], const struct ten_hooks *hooks);

/* The sum buffer, 65,536 bytes. */
uint8_t *ten_sum(void);

/* SHA3-256. */
void ten_sha3(const uint8_t *data, size_t length, uint8_t digest[32]);

/* The kernel: replaceable, one file per kind of processor. Rows and matrices lie at multiples of 8 bytes. */

/* Sum of a[k] · b[k] over 256 k; only its lowest 16 bits need be right. */
int32_t ten_dot(const int8_t a[TEN_DIM], const int8_t b[TEN_DIM]);

/* How many rows one pass of the kernel takes, at most TEN_MAX_PASS; fewer cost as much. A pass is to be over
 * within a millisecond or so: `poll` is called between passes. */
#define TEN_MAX_PASS 16
extern const unsigned ten_pass_rows;

/* Each of the n rows at `rows` (1 <= n <= ten_pass_rows), in place: row[j] becomes fold(row · row j of matrix)
 * for all 256 j. */
void ten_row_products(int8_t *rows, unsigned n, const int8_t matrix[TEN_MATRIX_BYTES]);

/* Name of the kernel, for the log. */
extern const char ten_kernel_name[];

/* Low byte plus second byte, wrapped to int8. */
static inline int8_t ten_fold(int32_t v) {
  return (int8_t)(uint8_t)((uint32_t)v + ((uint32_t)v >> 8));
}

#endif
