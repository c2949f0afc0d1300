/* Between the two files of these boards. */
#ifndef MPS2_H
#define MPS2_H

#include <stdint.h>

#define REG8(address) (*(volatile uint8_t *)(address))
#define REG32(address) (*(volatile uint32_t *)(address))

#define NVIC_ON(irq) REG32(0xe000e100u + 4 * ((irq) / 32))
#define NVIC_OFF(irq) REG32(0xe000e180u + 4 * ((irq) / 32))
#define NVIC_BIT(irq) (1u << ((irq) % 32))

#define RESET_CONTROL REG32(0xe000ed0cu)
#define RESET_NOW 0x05fa0004u

/* At once: also where nothing else works any more. */
_Noreturn static inline void mps2_reset(void) {
  for (;;) RESET_CONTROL = RESET_NOW;
}

/* Interrupt. */
void board_received(void);

#endif
