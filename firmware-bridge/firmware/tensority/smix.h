/* smix, the part of scrypt that a seed expands by: 32 words of state, Salsa20/8 between them. */
#ifndef SMIX_H
#define SMIX_H

#include <stdint.h>

#define SMIX_WORDS 32
#define SMIX_ENTRIES 1024

#if __BYTE_ORDER__ != __ORDER_LITTLE_ENDIAN__
#error "words and bytes share memory here: the processor has to be little-endian"
#endif

/* BlockMix for r = 1, in place: B0 = Salsa(B0 ^ B1), then B1 = Salsa(B1 ^ B0). */
void smix_block_mix(uint32_t x[SMIX_WORDS]);

/* seed, sha3(seed), sha3(sha3(seed)) and once more. */
void smix_extend(const uint8_t seed[32], uint32_t x[SMIX_WORDS]);

#endif
