/*
 * The two functions of a kernel that takes four rows at once, on top of two of its own: `pack` makes its
 * factors of up to four rows, `multiply` the sums of all of them with one row of the matrix. To be included
 * behind those.
 */
void ten_row_products(int8_t *rows, unsigned n, const int8_t matrix[TEN_MATRIX_BYTES]) {
  pack(rows, n);
  for (unsigned j = 0; j < TEN_DIM; j++) {
    uint32_t sums[ROWS];
    multiply(matrix + j * TEN_DIM, sums);
    for (unsigned row = 0; row < n; row++) rows[row * TEN_DIM + j] = ten_fold((int32_t)sums[row]);
  }
}

/* All rows do the same sum here; one that disagrees spoils the answer. */
int32_t ten_dot(const int8_t a[TEN_DIM], const int8_t b[TEN_DIM]) {
  uint32_t sums[ROWS];
  pack(a, 1);
  multiply(b, sums);
  const uint32_t differs = (sums[0] ^ sums[1]) | (sums[0] ^ sums[2]) | (sums[0] ^ sums[3]);
  return (int32_t)(differs == 0 ? sums[0] : ~sums[0]);
}
