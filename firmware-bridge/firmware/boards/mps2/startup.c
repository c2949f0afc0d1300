/* Vector table and what comes before main. A fault restarts the board. */
#include <stdint.h>

#include "map.h"
#include "mps2.h"

extern uint32_t stack_top[], data_start[], data_end[], bss_start[], bss_end[];
extern const uint32_t data_load[];

int main(void);
_Noreturn void board_start(void);

_Noreturn static void fault(void) { mps2_reset(); }
static void tick(void) {}

_Noreturn void board_start(void) {
  for (unsigned irq = 0; irq < IRQS; irq += 32) NVIC_OFF(irq) = 0xffffffff;
  const uint32_t *from = data_load;
  for (uint32_t *to = data_start; to < data_end; to++) *to = *from++;
  for (uint32_t *to = bss_start; to < bss_end; to++) *to = 0;
  main();
  fault();
}

static const struct {
  uint32_t *stack;
  void (*system[15])(void);
  void (*irq[IRQS])(void);
} vectors __attribute__((section(".vectors"), used)) = {
    .stack = stack_top,
    .system = {board_start, fault, fault, fault, fault, fault, fault, fault,
               fault, fault, fault, fault, fault, fault, tick},
    .irq = {
#if UART_RX_IRQ > 0
        [0 ... UART_RX_IRQ - 1] = fault,
#endif
        [UART_RX_IRQ] = board_received,
        [UART_RX_IRQ + 1 ... IRQS - 1] = fault,
    },
};
