/* Duty and temperature. */
#ifndef HEAT_H
#define HEAT_H

#include <stdbool.h>
#include <stdint.h>

/* As SET has them; temperatures in 0.1 °C. */
struct settings {
  uint8_t duty; /* % */
  bool identify;
  int16_t soft;
  int16_t hard;
};
extern struct settings settings;

void heat_init(void);

/* Looks at the sensor, at most once a second. True if it is now too hot to go on and was not before. */
bool heat_check(uint32_t now);

/* The next heat_check judges what was last seen by other limits. */
void heat_limits_changed(void);

/* 0.1 °C or BOARD_NO_TEMPERATURE, as last seen. */
int16_t heat_temperature(void);

bool heat_is_hot(void);

/* Duty now, in %, throttled or not. */
unsigned heat_duty(void);

#endif
