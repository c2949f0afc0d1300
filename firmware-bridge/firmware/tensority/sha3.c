/* SHA3-256, small before fast: a hash takes it five times. */
#include "tensority.h"

#define RATE 136
#define ROUNDS 24

static inline uint64_t rotate(uint64_t v, unsigned by) { return v << by | v >> (64 - by); }

static void permute(uint64_t a[25]) {
  /* Rho's turns and pi's places, in the order in which pi visits the lanes. */
  static const uint8_t turns[24] = {1,  3,  6,  10, 15, 21, 28, 36, 45, 55, 2,  14,
                                    27, 41, 56, 8,  25, 43, 62, 18, 39, 61, 20, 44};
  static const uint8_t places[24] = {10, 7,  11, 17, 18, 3, 5,  16, 8,  21, 24, 4,
                                     15, 23, 19, 13, 12, 2, 20, 14, 22, 9,  6,  1};
  uint8_t shift = 1; /* iota's constants come out of this register, a bit at a time */
  for (unsigned round = 0; round < ROUNDS; round++) {
    uint64_t column[5];
    for (unsigned x = 0; x < 5; x++) {
      column[x] = a[x] ^ a[x + 5] ^ a[x + 10] ^ a[x + 15] ^ a[x + 20];
    }
    for (unsigned x = 0; x < 5; x++) {
      uint64_t d = column[(x + 4) % 5] ^ rotate(column[(x + 1) % 5], 1);
      for (unsigned y = 0; y < 25; y += 5) a[x + y] ^= d;
    }
    uint64_t carried = a[1];
    for (unsigned i = 0; i < 24; i++) {
      uint64_t next = a[places[i]];
      a[places[i]] = rotate(carried, turns[i]);
      carried = next;
    }
    for (unsigned y = 0; y < 25; y += 5) {
      uint64_t row[5];
      for (unsigned x = 0; x < 5; x++) row[x] = a[y + x];
      for (unsigned x = 0; x < 5; x++) a[y + x] = row[x] ^ (~row[(x + 1) % 5] & row[(x + 2) % 5]);
    }
    for (unsigned bit = 0; bit < 7; bit++) {
      if (shift & 1) a[0] ^= (uint64_t)1 << ((1u << bit) - 1);
      shift = (uint8_t)(shift << 1 ^ (shift & 0x80 ? 0x71 : 0));
    }
  }
}

static void absorb(uint64_t a[25], const uint8_t *data, size_t length) {
  for (size_t i = 0; i < length; i++) a[i / 8] ^= (uint64_t)data[i] << (8 * (i % 8));
}

void ten_sha3(const uint8_t *data, size_t length, uint8_t digest[32]) {
  uint64_t a[25] = {0};
  while (length >= RATE) {
    absorb(a, data, RATE);
    permute(a);
    data += RATE;
    length -= RATE;
  }
  absorb(a, data, length);
  a[length / 8] ^= (uint64_t)0x06 << (8 * (length % 8));
  a[RATE / 8 - 1] ^= (uint64_t)1 << 63;
  permute(a);
  for (unsigned i = 0; i < 32; i++) digest[i] = (uint8_t)(a[i / 8] >> (8 * (i % 8)));
}
