/*
 * Kernel for the DSP instructions of Cortex-M4, M7 and M33: SMLAD multiplies two pairs of 16 bits and adds
 * both products to 32; SXTB16 makes a pair out of bytes 0 and 2. Elsewhere C stands in for both, so that the
 * host tests the same arrangement.
 */
#include "tensority.h"

#define ROWS 4

const char ten_kernel_name[] = "dsp";
const unsigned ten_pass_rows = ROWS;
_Static_assert(ROWS <= TEN_MAX_PASS, "a pass");

typedef uint32_t __attribute__((may_alias)) four;

#ifdef __ARM_FEATURE_DSP

static inline uint32_t even_pair(uint32_t bytes) {
  uint32_t pair;
  __asm__("sxtb16 %0, %1" : "=r"(pair) : "r"(bytes));
  return pair;
}

static inline uint32_t odd_pair(uint32_t bytes) {
  uint32_t pair;
  __asm__("sxtb16 %0, %1, ror #8" : "=r"(pair) : "r"(bytes));
  return pair;
}

/* Sets Q when the sum overflows, which 256 products do not. */
static inline uint32_t add_products(uint32_t a, uint32_t b, uint32_t sum) {
  __asm__("smlad %0, %1, %2, %0" : "+r"(sum) : "r"(a), "r"(b));
  return sum;
}

#else

static inline uint32_t even_pair(uint32_t bytes) {
  return (uint16_t)(int8_t)bytes | (uint32_t)(int32_t)(int8_t)(bytes >> 16) << 16;
}

static inline uint32_t odd_pair(uint32_t bytes) { return even_pair(bytes >> 8); }

static inline uint32_t add_products(uint32_t a, uint32_t b, uint32_t sum) {
  int32_t low = (int32_t)(int16_t)a * (int16_t)b;
  int32_t high = (int32_t)(int16_t)(a >> 16) * (int16_t)(b >> 16);
  return sum + (uint32_t)low + (uint32_t)high;
}

#endif

/* [k / 4][row]: the pairs of bytes 0 and 2, and of 1 and 3. */
static struct {
  uint32_t even, odd;
} factors[TEN_DIM / 4][ROWS];

static void pack(const int8_t *rows, unsigned n) {
  for (unsigned row = 0; row < ROWS; row++) {
    const four *a = (const four *)(const void *)(rows + (row < n ? row : 0) * TEN_DIM);
    for (unsigned k = 0; k < TEN_DIM / 4; k++) {
      factors[k][row].even = even_pair(a[k]);
      factors[k][row].odd = odd_pair(a[k]);
    }
  }
}

#define ROW(sum, row)                                   \
  do {                                                  \
    sum = add_products(f[row].even, even, sum);         \
    sum = add_products(f[row].odd, odd, sum);           \
  } while (0)

/* The sums of all rows with one row of the matrix. */
static void multiply(const int8_t *b, uint32_t sums[ROWS]) {
  const four *word = (const four *)(const void *)b;
  uint32_t s0 = 0, s1 = 0, s2 = 0, s3 = 0;
  for (unsigned k = 0; k < TEN_DIM / 4; k++) {
    const uint32_t even = even_pair(word[k]), odd = odd_pair(word[k]);
    const __typeof__(factors[0][0]) *f = factors[k];
    ROW(s0, 0);
    ROW(s1, 1);
    ROW(s2, 2);
    ROW(s3, 3);
  }
  sums[0] = s0, sums[1] = s1, sums[2] = s2, sums[3] = s3;
}

#include "four-rows.h"
