/* Vector table and what comes before main: access to the backup registers, and memory. A fault restarts the board. */
#include "board.h"
#include "nucleo.h"
#include "registers.h"

#define IRQS 150

extern uint32_t stack_top[], data_start[], data_end[], bss_start[], bss_end[], buffers_start[],
    buffers_end[];
extern const uint32_t data_load[];

int main(void);
_Noreturn void board_start(void);

_Noreturn static void fault(void) {
  SCB_AIRCR = SCB_AIRCR_RESET;
  for (;;) continue;
}

static const struct {
  uint32_t *stack;
  void (*system[15])(void);
  void (*irq[IRQS])(void);
} vectors __attribute__((section(".vectors"), aligned(1024), used)) = {
    .stack = stack_top,
    .system = {board_start, fault, fault, fault, fault, fault, fault, fault,
               fault, fault, fault, fault, fault, fault, board_tick},
    .irq = {[0 ... USART3_IRQ - 1] = fault,
            [USART3_IRQ] = board_received,
            [USART3_IRQ + 1 ... IRQS - 1] = fault},
};

static void clear(uint32_t *from, const uint32_t *end) {
  while (from < end) *from++ = 0;
}

_Noreturn void board_start(void) {
  RCC_APB4ENR |= RCC_APB4ENR_RTCAPB;
  (void)RCC_APB4ENR;
  PWR_CR1 |= PWR_CR1_DBP;
  while (!(PWR_CR1 & PWR_CR1_DBP)) continue;
  /* A boot loader may have left some of them on. */
  for (unsigned irq = 0; irq < IRQS; irq += 32) NVIC_ICER(irq) = 0xffffffff;
  const uint32_t *from = data_load;
  for (uint32_t *to = data_start; to < data_end; to++) *to = *from++;
  clear(bss_start, bss_end);
  clear(buffers_start, buffers_end);
  SCB_VTOR = (uint32_t)&vectors;
  BARRIER();
  __asm__ volatile("cpsie i" : : : "memory");
  main();
  fault();
}
