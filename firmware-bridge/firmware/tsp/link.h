/* Requests and answers: which frame is a request to act on, and what the host gets for it. */
#ifndef LINK_H
#define LINK_H

#include <stdbool.h>
#include <stdint.h>

enum message {
  HELLO = 0x01,
  SEED = 0x02,
  CKPT = 0x03,
  JOB = 0x10,
  ROWS = 0x11,
  ABORT = 0x12,
  STATUS = 0x20,
  SET = 0x21,
  BAUD = 0x22,
  PING = 0x23,
  SELFTEST = 0x24,
  REBOOT = 0x30,
  ANSWER = 0x80,
  SHARE = 0xc0,
  ROWDATA = 0xc1,
  PROGRESS = 0xc2,
  DONE = 0xc3,
  FAULT = 0xc4,
  SEED_READY = 0xc5,
  NAK = 0xff,
};

enum nak {
  BAD_CRC = 1,
  BAD_LEN = 2,
  UNKNOWN_TYPE = 3,
  BAD_VERSION = 4,
  BUSY = 5,
  NO_SEED = 6,
  WRONG_EPOCH = 7,
  RANGE = 8,
  HOT = 9,
};

#define TSP_VERSION 1

/* Longest payload of an answer: HELLO with a name of 63 characters and 8 rates has 157 bytes. */
#define MAX_ANSWER 160

void link_init(void);

/* Reads what has come and acts on it, at most as many bytes as a frame has, or until *stop. */
void link_pump(const bool *stop);

/* Back to the old rate if no frame came at the new one. */
void link_check_baud(uint32_t now);

/* To be called once by the handler of a request; what belongs behind the answer is sent after it. */
void link_answer(const uint8_t *payload, unsigned length);
void link_refuse(enum nak code, uint32_t detail);

/* Answers BAUD, changes the rate, and goes back to the old one unless a frame comes within so many ms. */
void link_answer_baud(const uint8_t *payload, unsigned length, uint32_t rate, uint16_t fallback_ms);

void link_event(enum message type, const uint8_t *head, unsigned head_length, const uint8_t *tail,
                unsigned tail_length);

/* Frames with a wrong CRC, and those that were wrong otherwise. */
uint32_t link_crc_errors(void);
uint32_t link_other_errors(void);

#endif
