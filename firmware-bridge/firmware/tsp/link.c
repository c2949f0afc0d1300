/* ../../PROTOCOL.md, "Requests, answers, events". Every answer is kept until the next request, so that a
 * repetition gets the same one. */
#include "link.h"

#include "../boards/board.h"
#include "bytes.h"
#include "crc32.h"
#include "requests.h"
#include "tsp.h"
#include "wire.h"

/* The last request; the host counts from it. */
static struct {
  bool any;
  bool answered;
  uint16_t seq;
  uint8_t type;
  uint8_t answer_type;
  uint8_t answer[MAX_ANSWER];
  unsigned answer_length;
} last;

/* The nonces of the last two HELLOs that were new: a late copy of the one before must not turn the seq back. */
#define NONCE_BYTES 8
static uint8_t nonces[2][NONCE_BYTES];
static unsigned nonce_count;

static uint16_t event_seq;
static uint32_t crc_errors;
static uint32_t other_errors;

/* A rate on trial. */
static uint32_t rate;
static struct {
  bool running;
  uint32_t old_rate;
  uint32_t since;
  uint16_t ms;
} trial;

void link_init(void) {
  wire_init();
  last.any = false;
  nonce_count = 0;
  event_seq = 0;
  crc_errors = 0;
  other_errors = 0;
  trial.running = false;
  rate = board_info.baud_count > 0 ? board_info.bauds[0] : 0;
}

uint32_t link_crc_errors(void) { return crc_errors; }

uint32_t link_other_errors(void) { return other_errors + wire_spoiled(); }

void link_event(enum message type, const uint8_t *head, unsigned head_length, const uint8_t *tail,
                unsigned tail_length) {
  wire_send((uint8_t)type, event_seq++, head, head_length, tail, tail_length);
}

static void send_nak(uint16_t seq, uint8_t type, enum nak code, uint32_t detail) {
  uint8_t payload[8];
  put16(payload, seq);
  payload[2] = (uint8_t)code;
  payload[3] = type;
  put32(payload + 4, detail);
  wire_send(NAK, seq, payload, sizeof payload, 0, 0);
}

static void send_answer(void) {
  wire_send(last.answer_type, last.seq, last.answer, last.answer_length, 0, 0);
}

static void keep_answer(uint8_t type, const uint8_t *payload, unsigned length) {
  last.answer_type = type;
  last.answer_length = length;
  copy_bytes(last.answer, payload, length);
  last.answered = true;
  send_answer();
}

void link_answer(const uint8_t *payload, unsigned length) {
  keep_answer(last.type | ANSWER, payload, length);
}

void link_refuse(enum nak code, uint32_t detail) {
  uint8_t payload[8];
  put16(payload, last.seq);
  payload[2] = (uint8_t)code;
  payload[3] = last.type;
  put32(payload + 4, detail);
  keep_answer(NAK, payload, sizeof payload);
}

static void set_rate(uint32_t wanted) {
  board_flush();
  board_set_baud(wanted);
  wire_restart();
  rate = wanted;
}

void link_answer_baud(const uint8_t *payload, unsigned length, uint32_t wanted,
                      uint16_t fallback_ms) {
  link_answer(payload, length);
  if (wanted == rate) return;
  trial.old_rate = rate;
  trial.ms = fallback_ms;
  set_rate(wanted);
  trial.since = board_millis();
  trial.running = true;
}

void link_check_baud(uint32_t now) {
  if (!trial.running || now - trial.since < trial.ms) return;
  trial.running = false;
  set_rate(trial.old_rate);
  /* Our answer may have been lost: its repetition must change the rate again. */
  last.answered = false;
}

/* And keeps it. */
static bool is_new_nonce(const uint8_t *nonce) {
  for (unsigned i = 0; i < nonce_count; i++) {
    if (same_bytes(nonces[i], nonce, NONCE_BYTES)) return false;
  }
  copy_bytes(nonces[1], nonces[0], NONCE_BYTES);
  copy_bytes(nonces[0], nonce, NONCE_BYTES);
  if (nonce_count < 2) nonce_count++;
  return true;
}

/* Whether to act on a request, which is whole and of our version. Resends the answer of a repetition. */
static bool is_new(uint16_t seq, uint8_t type, const uint8_t *payload, unsigned length) {
  if (type == HELLO && length >= NONCE_BYTES && is_new_nonce(payload)) return true;
  if (!last.any) return true;
  uint16_t ahead = (uint16_t)(seq - last.seq);
  if (ahead > 0) return ahead <= 0x8000;
  if (type != last.type) return false;
  if (last.answered) send_answer();
  return !last.answered;
}

static void take_frame(const uint8_t *frame, unsigned length) {
  if (length < FRAME_OVERHEAD) {
    other_errors++;
    return;
  }
  uint8_t type = frame[1];
  uint16_t seq = get16(frame + 4);
  uint16_t payload_length = get16(frame + 6);
  const uint8_t *payload = frame + FRAME_HEADER;
  if (get32(frame + length - 4) != crc32(frame, length - 4)) {
    crc_errors++;
    send_nak(seq, type, BAD_CRC, 0);
    return;
  }
  if (payload_length != length - FRAME_OVERHEAD) {
    other_errors++;
    send_nak(seq, type, BAD_LEN, payload_length);
    return;
  }
  trial.running = false;
  /* No request: perhaps our own words, from a line that echoes. To answer would never end. */
  if (type >= ANSWER) {
    other_errors++;
    return;
  }
  if (frame[0] != TSP_VERSION) {
    other_errors++;
    send_nak(seq, type, BAD_VERSION, TSP_VERSION | TSP_VERSION << 8);
    return;
  }
  if (!is_new(seq, type, payload, payload_length)) return;
  last.any = true;
  last.seq = seq;
  last.type = type;
  requests_handle(type, payload, payload_length);
}

void link_pump(const bool *stop) {
  unsigned budget = TSP_MAX_FRAME;
  const uint8_t *stretch;
  unsigned length;
  while (!*stop && wire_receive(&budget, &stretch, &length)) take_frame(stretch, length);
}
