/* CRC-32/ISO-HDLC, the one of zip and Ethernet, in pieces of any size. */
#ifndef CRC32_H
#define CRC32_H

#include <stddef.h>
#include <stdint.h>

#define CRC32_START 0xffffffffu

/* The state after these bytes; begin with CRC32_START. */
uint32_t crc32_add(uint32_t state, const uint8_t *data, size_t length);

static inline uint32_t crc32_end(uint32_t state) { return ~state; }

static inline uint32_t crc32(const uint8_t *data, size_t length) {
  return crc32_end(crc32_add(CRC32_START, data, length));
}

#endif
