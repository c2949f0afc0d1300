/*
 * Kernel for 64-bit multipliers: three rows in one factor, 24 bits apart, so that each multiplication makes
 * three products and each addition adds three sums. A sum of 256 products is within ±2^22, so the two low
 * lanes are exact in 24 bits; the uppermost has 16, which is all that the fold looks at. A negative lane
 * borrows from the next: unpacking begins at the lowest and takes each away from the rest.
 */
#include "tensority.h"

#define GROUPS 2              /* factors at work at once */
#define LANES 3
#define ROWS (GROUPS * LANES)
#define COLUMNS 4             /* rows of the matrix at once */

const char ten_kernel_name[] = "wide";
const unsigned ten_pass_rows = ROWS;
_Static_assert(ROWS <= TEN_MAX_PASS, "a pass");

typedef uint64_t __attribute__((may_alias)) eight;

/* [k][group]: what one step of the inner loop reads lies together. */
static uint64_t factors[TEN_DIM][GROUPS];

static uint64_t widen(int8_t v) { return (uint64_t)(int64_t)v; }

static void pack(const int8_t *rows, unsigned n) {
  for (unsigned k = 0; k < TEN_DIM; k++) {
    for (unsigned g = 0; g < GROUPS; g++) {
      uint64_t f = 0;
      for (unsigned lane = LANES; lane-- > 0;) {
        unsigned row = g * LANES + lane;
        f = (f << 24) + (row < n ? widen(rows[row * TEN_DIM + k]) : 0);
      }
      factors[k][g] = f;
    }
  }
}

/* Byte `at` of eight, sign-extended. */
#define BYTE(w, at) ((uint64_t)((int64_t)((w) << (56 - 8 * (at))) >> 56))

#define STEP(at)                                               \
  do {                                                         \
    const uint64_t f0 = f[at][0], f1 = f[at][1];               \
    uint64_t b = BYTE(w0, at);                                 \
    s00 += f0 * b, s01 += f1 * b;                              \
    b = BYTE(w1, at);                                          \
    s10 += f0 * b, s11 += f1 * b;                              \
    b = BYTE(w2, at);                                          \
    s20 += f0 * b, s21 += f1 * b;                              \
    b = BYTE(w3, at);                                          \
    s30 += f0 * b, s31 += f1 * b;                              \
  } while (0)

/* The packed sums of all factors with four rows of the matrix. */
static void multiply(const int8_t *const from[COLUMNS], uint64_t sums[COLUMNS][GROUPS]) {
  const eight *b0 = (const eight *)(const void *)from[0], *b1 = (const eight *)(const void *)from[1];
  const eight *b2 = (const eight *)(const void *)from[2], *b3 = (const eight *)(const void *)from[3];
  uint64_t s00 = 0, s01 = 0, s10 = 0, s11 = 0, s20 = 0, s21 = 0, s30 = 0, s31 = 0;
  for (unsigned k = 0; k < TEN_DIM / 8; k++) {
    const uint64_t(*f)[GROUPS] = factors + 8 * k;
    const uint64_t w0 = b0[k], w1 = b1[k], w2 = b2[k], w3 = b3[k];
    STEP(0);
    STEP(1);
    STEP(2);
    STEP(3);
    STEP(4);
    STEP(5);
    STEP(6);
    STEP(7);
  }
  sums[0][0] = s00, sums[0][1] = s01, sums[1][0] = s10, sums[1][1] = s11;
  sums[2][0] = s20, sums[2][1] = s21, sums[3][0] = s30, sums[3][1] = s31;
}

/* Lane by lane; `sum` goes on to the next. */
static int32_t next_lane(uint64_t *sum) {
  int64_t lane = (int64_t)(*sum << 40) >> 40;
  *sum = (uint64_t)((int64_t)(*sum - (uint64_t)lane) >> 24);
  return (int32_t)lane;
}

void ten_row_products(int8_t *rows, unsigned n, const int8_t matrix[TEN_MATRIX_BYTES]) {
  pack(rows, n);
  for (unsigned j = 0; j < TEN_DIM; j += COLUMNS) {
    const int8_t *const b[COLUMNS] = {matrix + j * TEN_DIM, matrix + (j + 1) * TEN_DIM,
                                      matrix + (j + 2) * TEN_DIM, matrix + (j + 3) * TEN_DIM};
    uint64_t sums[COLUMNS][GROUPS];
    multiply(b, sums);
    for (unsigned c = 0; c < COLUMNS; c++) {
      for (unsigned row = 0; row < n; row++) {
        rows[row * TEN_DIM + j + c] = ten_fold(next_lane(&sums[c][row / LANES]));
      }
    }
  }
}

/* All lanes do the same sum here; one that disagrees spoils the answer. */
int32_t ten_dot(const int8_t a[TEN_DIM], const int8_t b[TEN_DIM]) {
  const int8_t *const same[COLUMNS] = {b, b, b, b};
  uint64_t sums[COLUMNS][GROUPS];
  for (unsigned k = 0; k < TEN_DIM; k++) {
    uint64_t f = widen(a[k]);
    for (unsigned g = 0; g < GROUPS; g++) factors[k][g] = f + (f << 24) + (f << 48);
  }
  multiply(same, sums);
  const uint64_t first = sums[0][0];
  uint64_t differs = 0, rest = first;
  int32_t value = next_lane(&rest);
  for (unsigned lane = 1; lane < LANES; lane++) differs |= (uint16_t)(next_lane(&rest) ^ value);
  for (unsigned c = 0; c < COLUMNS; c++) {
    for (unsigned g = 0; g < GROUPS; g++) differs |= sums[c][g] ^ first;
  }
  return differs == 0 ? value : ~value;
}
