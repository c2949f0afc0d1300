/*
 * Kernel for processors whose compiler makes vectors of plain loops, as those of hosts do: products of 16-bit
 * numbers, added in pairs to 32 bits. A row of the matrix is widened once for all rows of a pass.
 */
#include "tensority.h"

#define ROWS 8

const char ten_kernel_name[] = "plain";
const unsigned ten_pass_rows = ROWS;
_Static_assert(ROWS <= TEN_MAX_PASS, "a pass");

static void widen(int16_t to[TEN_DIM], const int8_t from[TEN_DIM]) {
  for (unsigned k = 0; k < TEN_DIM; k++) to[k] = from[k];
}

static int32_t multiply(const int16_t a[TEN_DIM], const int16_t b[TEN_DIM]) {
  int32_t sum = 0;
  for (unsigned k = 0; k < TEN_DIM; k++) sum += a[k] * b[k];
  return sum;
}

int32_t ten_dot(const int8_t a[TEN_DIM], const int8_t b[TEN_DIM]) {
  int16_t wide[2][TEN_DIM];
  widen(wide[0], a);
  widen(wide[1], b);
  return multiply(wide[0], wide[1]);
}

void ten_row_products(int8_t *rows, unsigned n, const int8_t matrix[TEN_MATRIX_BYTES]) {
  static int16_t wide[ROWS][TEN_DIM];
  for (unsigned row = 0; row < n; row++) widen(wide[row], rows + row * TEN_DIM);
  for (unsigned j = 0; j < TEN_DIM; j++) {
    int16_t column[TEN_DIM];
    widen(column, matrix + j * TEN_DIM);
    for (unsigned row = 0; row < n; row++) {
      rows[row * TEN_DIM + j] = ten_fold(multiply(wide[row], column));
    }
  }
}
