/* Salsa20/8 with its sixteen words in locals: all of a board's time at a seed, a twentieth of that of a hash. */
#include "smix.h"

#include "tensority.h"

static inline uint32_t rotate(uint32_t v, unsigned by) { return v << by | v >> (32 - by); }

#define QUARTER(a, b, c, d)    \
  do {                         \
    b ^= rotate(a + d, 7);     \
    c ^= rotate(b + a, 9);     \
    d ^= rotate(c + b, 13);    \
    a ^= rotate(d + c, 18);    \
  } while (0)

/* to = Salsa20/8(to ^ other), 16 words. */
static void mix_half(uint32_t *to, const uint32_t *other) {
  for (unsigned i = 0; i < 16; i++) to[i] ^= other[i];
  uint32_t s0 = to[0], s1 = to[1], s2 = to[2], s3 = to[3];
  uint32_t s4 = to[4], s5 = to[5], s6 = to[6], s7 = to[7];
  uint32_t s8 = to[8], s9 = to[9], s10 = to[10], s11 = to[11];
  uint32_t s12 = to[12], s13 = to[13], s14 = to[14], s15 = to[15];
  for (unsigned round = 0; round < 4; round++) {
    QUARTER(s0, s4, s8, s12);
    QUARTER(s5, s9, s13, s1);
    QUARTER(s10, s14, s2, s6);
    QUARTER(s15, s3, s7, s11);
    QUARTER(s0, s1, s2, s3);
    QUARTER(s5, s6, s7, s4);
    QUARTER(s10, s11, s8, s9);
    QUARTER(s15, s12, s13, s14);
  }
  to[0] += s0, to[1] += s1, to[2] += s2, to[3] += s3;
  to[4] += s4, to[5] += s5, to[6] += s6, to[7] += s7;
  to[8] += s8, to[9] += s9, to[10] += s10, to[11] += s11;
  to[12] += s12, to[13] += s13, to[14] += s14, to[15] += s15;
}

void smix_block_mix(uint32_t x[SMIX_WORDS]) {
  mix_half(x, x + 16);
  mix_half(x + 16, x);
}

void smix_extend(const uint8_t seed[32], uint32_t x[SMIX_WORDS]) {
  uint8_t *bytes = (uint8_t *)x;
  for (unsigned i = 0; i < 32; i++) bytes[i] = seed[i];
  for (unsigned part = 0; part < 3; part++) ten_sha3(bytes + 32 * part, 32, bytes + 32 * part + 32);
}
