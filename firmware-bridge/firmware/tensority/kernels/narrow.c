/*
 * Kernel for 32-bit multipliers without DSP instructions (Cortex-M3, rv32): two products by one
 * multiplication. Of (p + q·2¹⁶)·(r + s·2¹⁶) the upper half is q·r + p·s modulo 2¹⁶, if half a unit is added
 * for the rounding of p·r. Matrix bytes are taken with an offset of 128, so that two masks unpack four of them; the
 * offset costs −128·Σa, once a row.
 */
#include "tensority.h"

#define ROWS 4

const char ten_kernel_name[] = "narrow";
const unsigned ten_pass_rows = ROWS;
_Static_assert(ROWS <= TEN_MAX_PASS, "a pass");

typedef uint32_t __attribute__((may_alias)) four;

/* [k / 4][row]: the factors of bytes 0 and 2, and of 1 and 3. */
static struct {
  uint32_t even, odd;
} factors[TEN_DIM / 4][ROWS];
/* −128·Σa of each row. */
static uint32_t offsets[ROWS];

static uint32_t widen(int8_t v) { return (uint32_t)(int32_t)v; }

static void pack(const int8_t *rows, unsigned n) {
  for (unsigned row = 0; row < ROWS; row++) {
    const int8_t *a = rows + (row < n ? row : 0) * TEN_DIM;
    uint32_t total = 0;
    for (unsigned k = 0; k < TEN_DIM / 4; k++, a += 4) {
      factors[k][row].even = widen(a[2]) + (widen(a[0]) << 16);
      factors[k][row].odd = widen(a[3]) + (widen(a[1]) << 16);
      total += widen(a[0]) + widen(a[1]) + widen(a[2]) + widen(a[3]);
    }
    offsets[row] = 0u - 128u * total;
  }
}

#define PAIR(sum, f, b) sum += ((f) * (b) + 0x8000u) >> 16
#define ROW(sum, row)                \
  do {                               \
    PAIR(sum, f[row].even, even);    \
    PAIR(sum, f[row].odd, odd);      \
  } while (0)

/* The sums of all rows with one row of the matrix. */
static void multiply(const int8_t *b, uint32_t sums[ROWS]) {
  const four *word = (const four *)(const void *)b;
  uint32_t s0 = offsets[0], s1 = offsets[1], s2 = offsets[2], s3 = offsets[3];
  for (unsigned k = 0; k < TEN_DIM / 4; k++) {
    const uint32_t w = word[k] ^ 0x80808080u;
    const uint32_t even = w & 0x00ff00ffu, odd = w >> 8 & 0x00ff00ffu;
    const __typeof__(factors[0][0]) *f = factors[k];
    ROW(s0, 0);
    ROW(s1, 1);
    ROW(s2, 2);
    ROW(s3, 3);
  }
  sums[0] = s0, sums[1] = s1, sums[2] = s2, sums[3] = s3;
}

#include "four-rows.h"
