/* The loop of the firmware. */
#include "tsp.h"

#include "../boards/board.h"
#include "../tensority/tensority.h"
#include "heat.h"
#include "link.h"
#include "work.h"

/* 64 bits: the board's own milliseconds wrap after 49 days. */
static uint64_t uptime_ms;
static uint32_t last_millis;

void tsp_init(void) {
  uptime_ms = 0;
  last_millis = board_millis();
  link_init();
  heat_init();
  work_init();
  board_led(false);
  tsp_log("bytom-tensority board firmware, TSP/1");
  tsp_log(board_info.name);
  tsp_log(ten_kernel_name);
  work_say_fault(STARTED);
}

uint32_t tsp_uptime(void) { return (uint32_t)(uptime_ms / 1000); }

bool tsp_poll(const bool *stop) {
  uint32_t now = board_millis();
  uptime_ms += (uint32_t)(now - last_millis);
  last_millis = now;
  link_check_baud(now);
  if (heat_check(now)) {
    work_end_jobs(NO_JOB, TOO_HOT);
    work_say_fault(FAULT_HOT);
  }
  link_pump(stop);
  return *stop;
}

void tsp_run(void) {
  static const bool never = false;
  tsp_poll(&never);
  if (!work_run()) board_idle();
}
