/*
 * The board's work: the seed's checkpoints, the jobs, the rows. Requests change it, at any time, also from
 * within a hash; what they take away from under the core is ended by its hooks before anything else is read.
 */
#ifndef WORK_H
#define WORK_H

#include <stdbool.h>
#include <stdint.h>

/* Jobs that a board holds, the running one included. */
#define QUEUE_LENGTH 2
#define MAX_PREIMAGE 256
#define NO_JOB 0xffff

enum seed_state { NO_CHECKPOINTS, DERIVING, WAITING, READY };

/* Reasons of DONE. */
enum reason {
  COMPLETE = 0,
  ABORTED = 1,
  REPLACED = 2,
  OTHER_SEED = 3,
  TOO_HOT = 4,
  FAULTY = 5,
  RUNNING = 0xff,
};

/* Codes of FAULT. */
enum fault { STARTED = 1, FAULT_HOT = 2, FAULT_CHECKPOINTS = 3 };

struct job {
  uint16_t id;
  uint16_t shares;
  uint16_t nonce_offset;
  uint16_t length;
  bool is_header_hash;
  uint32_t left; /* nonces */
  uint32_t hashes;
  uint64_t next;
  uint8_t target[32];
  uint8_t digest[32]; /* of the last nonce before next */
  uint8_t preimage[MAX_PREIMAGE];
};

void work_init(void);

/* Does a piece of what there is to do; false if there is nothing. */
bool work_run(void);

/* The seed. */
enum seed_state work_seed_state(void);
uint32_t work_epoch(void);
bool work_has_seed(uint32_t epoch, const uint8_t seed[32]);
/* Takes a seed; every job, row and checkpoint is dropped. */
void work_set_seed(uint32_t epoch, const uint8_t seed[32], bool derive);
/* Says once more that the checkpoints are ready. */
void work_say_ready(void);
/* Takes checkpoints while WAITING. Says how many are there; with all of them the seed becomes READY by itself. */
unsigned work_take_checkpoints(unsigned index, unsigned n, const uint8_t *data);

/* The jobs. */
unsigned work_jobs(void);
/* The place of a new job, to be filled in; then work_add_job takes it. The queue must not be full. */
struct job *work_new_job(void);
void work_add_job(void);
unsigned work_count_jobs(uint16_t id);
/* Ends the jobs of this id, or with NO_JOB all, and says DONE. */
void work_end_jobs(uint16_t id, enum reason reason);
/* The running job, or NULL. */
const struct job *work_running_job(void);
uint32_t work_hashes(void);
/* Of the hash under way; 0 if there is none. */
unsigned work_product(void);

/* The rows. */
bool work_has_rows(void);
void work_set_rows(uint16_t id, unsigned row0, unsigned n, const uint8_t header_hash[32]);
/* Ends the rows of this id, or with NO_JOB any, without ROWDATA. */
void work_end_rows(uint16_t id);
/* Takes the board's seed and jobs away for the golden row. */
void work_set_golden_row(uint16_t id, unsigned row);

/* STATUS's number. */
enum state { IDLE = 0, DERIVES = 1, HASHES = 2, MAKES_ROWS = 3, IS_HOT = 4, HAS_FAULT = 5, WAITS = 6 };
enum state work_state(void);

/* Whether there is nothing to do, and nothing that it waits for. */
bool work_is_idle(void);

void work_say_fault(enum fault code);

#endif
