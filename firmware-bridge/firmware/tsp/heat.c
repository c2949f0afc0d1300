/* Two limits with 5 °C of hysteresis each: above the soft one half the duty, above the hard one no job. A sensor that
 * fails cools nothing: what it said last holds until it works again. */
#include "heat.h"

#include "../boards/board.h"

#define HYSTERESIS 50
#define SENSOR_MS 1000
/* A sensor that gives nothing for so long is taken for a warm one. */
#define MISSING_MS 10000

struct settings settings;

static int16_t temperature;
static bool is_throttled;
static bool is_hot;
static bool has_looked;
static uint32_t looked_at;
static bool limits_changed;
static bool is_missing;
static uint32_t missing_since;

void heat_init(void) {
  settings = (struct settings){.duty = 100, .identify = false, .soft = 800, .hard = 950};
  temperature = BOARD_NO_TEMPERATURE;
  is_throttled = false;
  is_hot = false;
  has_looked = false;
  limits_changed = false;
  is_missing = false;
}

void heat_limits_changed(void) { limits_changed = true; }

/* Above the limit, or not yet 5 °C below it. */
static bool is_above(bool before, int16_t limit) {
  return temperature > (before ? limit - HYSTERESIS : limit);
}

static bool check_limits(uint32_t now) {
  bool was_hot = is_hot, was_missing = is_missing;
  is_missing = temperature == BOARD_NO_TEMPERATURE;
  if (is_missing) {
    if (!was_missing) missing_since = now;
    if (now - missing_since >= MISSING_MS) is_throttled = true;
    return false;
  }
  is_throttled = is_above(is_throttled, settings.soft);
  is_hot = is_above(is_hot, settings.hard);
  return is_hot && !was_hot;
}

bool heat_check(uint32_t now) {
  if (!board_info.has_temperature) return false;
  bool is_due = !has_looked || now - looked_at >= SENSOR_MS;
  if (!is_due && !limits_changed) return false;
  limits_changed = false;
  if (is_due) {
    has_looked = true;
    looked_at = now;
    temperature = board_temperature();
  }
  return check_limits(now);
}

int16_t heat_temperature(void) { return temperature; }

bool heat_is_hot(void) { return is_hot; }

unsigned heat_duty(void) {
  unsigned half = settings.duty / 2u;
  if (!is_throttled) return settings.duty;
  return half > 0 ? half : 1;
}
