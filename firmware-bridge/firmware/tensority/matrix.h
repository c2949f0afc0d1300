/* A single matrix, for the hash itself and for its tests. */
#ifndef MATRIX_H
#define MATRIX_H

#include "tensority.h"

/* Matrix `name` into the matrix buffer: the entries of round name / 2, the even or the odd ones. False if a hook
 * ended it. */
bool ten_make_matrix(uint8_t name, const struct ten_hooks *hooks);

/* The matrix buffer, 65,536 bytes. */
const int8_t *ten_matrix(void);

#endif
