/*
 * SLIP without a state "inside a frame": each stretch between two ENDs stands for itself
 * (../../PROTOCOL.md, "Framing"). The host's slip.ts does the same.
 */
#include "wire.h"

#include "../boards/board.h"
#include "bytes.h"
#include "crc32.h"
#include "tsp.h"

#define END 0xc0
#define ESC 0xdb
#define ESC_END 0xdc
#define ESC_ESC 0xdd

/* A power of two. What is received while an answer or an event is sent: the host sends one request and waits. */
#ifndef WIRE_RING_BYTES
#define WIRE_RING_BYTES 1024
#endif

enum mode { START, FRAME, TEXT, SPOILED };

/* Four bytes before the frame bring the payload of SELFTEST's dot product, at 8 + 4, to a multiple of 16:
 * a kernel may load words. */
#define SHIFT 4
static _Alignas(16) uint8_t store[SHIFT + TSP_MAX_FRAME];
static uint8_t *const stretch_bytes = store + SHIFT;
static unsigned stretch_length;
static enum mode mode;
static bool escaped;
static uint32_t spoiled;

static uint8_t ring[WIRE_RING_BYTES];
static unsigned ring_in, ring_out;

/* The line took no byte: the rest of this frame or text is dropped. */
static bool is_stuck;

void wire_init(void) {
  ring_in = ring_out = 0;
  spoiled = 0;
  wire_restart();
}

void wire_restart(void) {
  mode = START;
  stretch_length = 0;
  escaped = false;
}

uint32_t wire_spoiled(void) { return spoiled; }

static int next_byte(void) {
  if (ring_in == ring_out) return board_read();
  return ring[ring_out++ % WIRE_RING_BYTES];
}

/* Printable ASCII and the tab. */
static bool is_printable(uint8_t byte) { return (byte >= 0x20 && byte <= 0x7e) || byte == 0x09; }

static bool is_line_end(uint8_t byte) { return byte == '\n' || byte == '\r'; }

static void take_frame(uint8_t byte) {
  if (escaped) {
    escaped = false;
    if (byte == ESC_END) byte = END;
    else if (byte == ESC_ESC) byte = ESC;
    else mode = SPOILED;
  } else if (byte == ESC) {
    escaped = true;
    return;
  }
  if (stretch_length == TSP_MAX_FRAME) mode = SPOILED;
  if (mode == FRAME) stretch_bytes[stretch_length++] = byte;
}

/* True if this byte ends a stretch that may be a frame. */
static bool take(uint8_t byte) {
  if (byte == END) {
    if (mode == FRAME && !escaped) return true;
    if (mode != START) spoiled++;
    wire_restart();
    return false;
  }
  if (mode == START) {
    if (is_line_end(byte)) return false;
    mode = is_printable(byte) ? TEXT : FRAME;
  }
  if (mode == FRAME) {
    take_frame(byte);
  } else if (mode == TEXT) {
    /* A host sends none: our own log, from a line that echoes. */
    if (byte == '\n') {
      spoiled++;
      wire_restart();
    } else if (!is_printable(byte) && byte != '\r') {
      mode = SPOILED;
    }
  }
  return false;
}

bool wire_receive(unsigned *budget, const uint8_t **stretch, unsigned *length) {
  while (*budget > 0) {
    int byte = next_byte();
    if (byte < 0) return false;
    *budget -= 1;
    if (!take((uint8_t)byte)) continue;
    *stretch = stretch_bytes;
    *length = stretch_length;
    wire_restart();
    return true;
  }
  return false;
}

void wire_keep(void) {
  while (ring_in - ring_out < WIRE_RING_BYTES) {
    int received = board_read();
    if (received < 0) return;
    ring[ring_in++ % WIRE_RING_BYTES] = (uint8_t)received;
  }
}

/* A frame of a thousand bytes takes longer than a UART's FIFO lasts. */
static void write_byte(uint8_t byte) {
  if (!is_stuck && !board_write(byte)) is_stuck = true;
  wire_keep();
}

static void write_escaped(const uint8_t *data, unsigned length) {
  for (unsigned i = 0; i < length; i++) {
    if (data[i] == END || data[i] == ESC) {
      write_byte(ESC);
      write_byte(data[i] == END ? ESC_END : ESC_ESC);
    } else {
      write_byte(data[i]);
    }
  }
}

void wire_send(uint8_t type, uint16_t seq, const uint8_t *head, unsigned head_length,
               const uint8_t *tail, unsigned tail_length) {
  uint8_t header[FRAME_HEADER] = {1, type, 0, 0};
  put16(header + 4, seq);
  put16(header + 6, (uint16_t)(head_length + tail_length));
  uint32_t crc = crc32_add(CRC32_START, header, FRAME_HEADER);
  crc = crc32_add(crc, head, head_length);
  crc = crc32_add(crc, tail, tail_length);
  uint8_t trailer[4];
  put32(trailer, crc32_end(crc));

  is_stuck = false;
  write_byte(END);
  write_escaped(header, FRAME_HEADER);
  write_escaped(head, head_length);
  write_escaped(tail, tail_length);
  write_escaped(trailer, sizeof trailer);
  write_byte(END);
}

void tsp_log(const char *text) {
  is_stuck = false;
  for (; *text != '\0'; text++) write_byte((uint8_t)*text);
  write_byte('\n');
}
