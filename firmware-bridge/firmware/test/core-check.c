/*
 * The core behind lines of text, for tests on the host: a command and its operands in hex on a line of stdin, the
 * answer in hex, or "error …", on a line of stdout. Numbers are hex too. Nothing is judged here.
 *
 *   kernel                       its name, in text, and the rows of a pass
 *   sha3 <bytes>                 "-" is no byte
 *   blockmix <128>               <128>
 *   derive <seed>                CRC-32 of the checkpoints; they stay for the next commands
 *   checkpoints                  the 16 KiB
 *   matrix <name>                <65536>
 *   dot <256> <256>              the low 16 bits
 *   products <n × 256> <65536>   n rows by a matrix
 *   rows <header hash> <row0> <n>
 *   finish <65536>
 *   hash <header hash>
 *   stop <header hash> <polls> <products>   a hash that its hooks end after so many calls: "stopped <polls> <products>"
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "matrix.h"
#include "smix.h"
#include "tensority.h"

#define MAX_OPERANDS 3

static uint8_t operand[MAX_OPERANDS][TEN_MATRIX_BYTES] __attribute__((aligned(8)));
static size_t length[MAX_OPERANDS];
static char line[8 * TEN_MATRIX_BYTES];

struct calls {
  unsigned long polls, products, max_polls, max_products;
};

static bool poll(void *context) {
  struct calls *calls = context;
  return ++calls->polls >= calls->max_polls;
}

static bool product(void *context, unsigned number) {
  struct calls *calls = context;
  if (number != calls->products) abort();
  return ++calls->products >= calls->max_products;
}

static struct calls endless = {0, 0, -1ul, -1ul};
static const struct ten_hooks hooks = {&endless, poll, product};

static void print(const uint8_t *bytes, size_t n) {
  for (size_t i = 0; i < n; i++) printf("%02x", bytes[i]);
  putchar('\n');
}

static uint32_t crc32(const uint8_t *bytes, size_t n) {
  uint32_t crc = 0xffffffff;
  for (size_t i = 0; i < n; i++) {
    crc ^= bytes[i];
    for (unsigned bit = 0; bit < 8; bit++) crc = crc >> 1 ^ (crc & 1 ? 0xedb88320 : 0);
  }
  return ~crc;
}

static int digit(char c) {
  if (c >= '0' && c <= '9') return c - '0';
  if (c >= 'a' && c <= 'f') return c - 'a' + 10;
  return -1;
}

/* False if it is not hex or too long. */
static bool read_bytes(const char *text, unsigned index) {
  length[index] = 0;
  if (strcmp(text, "-") == 0) return true;
  for (; text[0] != '\0'; text += 2) {
    int high = digit(text[0]), low = high < 0 ? -1 : digit(text[1]);
    if (low < 0 || length[index] == sizeof operand[index]) return false;
    operand[index][length[index]++] = (uint8_t)(high << 4 | low);
  }
  return true;
}

static unsigned long number(unsigned index) {
  unsigned long value = 0;
  for (size_t i = 0; i < length[index]; i++) value = value << 8 | operand[index][i];
  return value;
}

static bool lengths(size_t a, size_t b) { return length[0] == a && length[1] == b; }

static void answer_hash(void) {
  uint8_t digest[32];
  endless.products = 0;
  if (!ten_hash(operand[0], digest, &hooks)) abort();
  print(digest, sizeof digest);
}

static void answer_rows(void) {
  static uint8_t rows[TEN_MAX_ROWS * TEN_DIM];
  unsigned long row0 = number(1), n = number(2);
  if (n < 1 || n > TEN_MAX_ROWS || row0 + n > TEN_DIM) {
    printf("error rows %lu + %lu\n", row0, n);
    return;
  }
  if (!ten_rows(operand[0], (unsigned)row0, (unsigned)n, rows, &hooks)) abort();
  print(rows, n * TEN_DIM);
}

static void answer_stop(void) {
  uint8_t digest[32];
  struct calls calls = {0, 0, number(1), number(2)};
  const struct ten_hooks stopping = {&calls, poll, product};
  bool done = ten_hash(operand[0], digest, &stopping);
  printf("%s %lx %lx\n", done ? "done" : "stopped", calls.polls, calls.products);
}

static void answer(const char *command) {
  if (strcmp(command, "kernel") == 0) {
    printf("%s %u\n", ten_kernel_name, ten_pass_rows);
  } else if (strcmp(command, "sha3") == 0 && length[1] == 0) {
    uint8_t digest[32];
    ten_sha3(operand[0], length[0], digest);
    print(digest, sizeof digest);
  } else if (strcmp(command, "blockmix") == 0 && lengths(128, 0)) {
    uint32_t x[SMIX_WORDS];
    memcpy(x, operand[0], sizeof x);
    smix_block_mix(x);
    print((const uint8_t *)x, sizeof x);
  } else if (strcmp(command, "derive") == 0 && lengths(32, 0)) {
    if (!ten_derive(operand[0], &hooks)) abort();
    printf("%08x\n", (unsigned)crc32(ten_checkpoints(), TEN_CHECKPOINTS * TEN_CHECKPOINT_BYTES));
  } else if (strcmp(command, "checkpoints") == 0) {
    print(ten_checkpoints(), TEN_CHECKPOINTS * TEN_CHECKPOINT_BYTES);
  } else if (strcmp(command, "matrix") == 0 && lengths(1, 0)) {
    if (!ten_make_matrix(operand[0][0], &hooks)) abort();
    print((const uint8_t *)ten_matrix(), TEN_MATRIX_BYTES);
  } else if (strcmp(command, "dot") == 0 && lengths(TEN_DIM, TEN_DIM)) {
    printf("%04x\n", (unsigned)ten_dot((const int8_t *)operand[0], (const int8_t *)operand[1]) & 0xffff);
  } else if (strcmp(command, "products") == 0 && length[0] >= TEN_DIM && length[0] % TEN_DIM == 0 &&
             length[0] / TEN_DIM <= ten_pass_rows && length[1] == TEN_MATRIX_BYTES) {
    ten_row_products((int8_t *)operand[0], (unsigned)(length[0] / TEN_DIM), (const int8_t *)operand[1]);
    print(operand[0], length[0]);
  } else if (strcmp(command, "rows") == 0 && length[0] == 32) {
    answer_rows();
  } else if (strcmp(command, "finish") == 0 && lengths(TEN_MATRIX_BYTES, 0)) {
    uint8_t digest[32];
    memcpy(ten_sum(), operand[0], TEN_MATRIX_BYTES);
    if (!ten_finish(digest, &hooks)) abort();
    print(digest, sizeof digest);
  } else if (strcmp(command, "hash") == 0 && lengths(32, 0)) {
    answer_hash();
  } else if (strcmp(command, "stop") == 0 && length[0] == 32) {
    answer_stop();
  } else {
    printf("error %.20s with %zu, %zu, %zu bytes\n", command, length[0], length[1], length[2]);
  }
}

int main(void) {
  while (fgets(line, sizeof line, stdin) != NULL) {
    const char *command = strtok(line, " \n");
    bool good = command != NULL;
    for (unsigned i = 0; i < MAX_OPERANDS; i++) {
      const char *text = strtok(NULL, " \n");
      good = read_bytes(text == NULL ? "-" : text, i) && good;
    }
    if (good) {
      answer(command);
    } else {
      puts("error not a command with hex operands");
    }
    fflush(stdout);
  }
  return 0;
}
