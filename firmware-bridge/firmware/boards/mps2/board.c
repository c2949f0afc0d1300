/*
 * The emulated MPS2 boards: CMSDK UART, CMSDK timer, SysTick only to be woken. What differs between them is in the
 * map.h of each. The UART holds a single byte, so an interrupt moves it to a ring. There is no LED that anybody
 * sees, no sensor and no boot loader.
 */
#include "board.h"

#include "map.h"
#include "mps2.h"

#define UART_DATA REG32(UART + 0x00)
#define UART_STATE REG32(UART + 0x04)
#define UART_CONTROL REG32(UART + 0x08)
#define UART_INTERRUPT REG32(UART + 0x0c)
#define UART_DIVISOR REG32(UART + 0x10)
#define STATE_FULL 1u
#define STATE_RECEIVED 2u
#define CONTROL_ON 0x0bu /* both directions, interrupt at a received byte */
#define INTERRUPT_RECEIVED 2u

/* Counts down from 2^32 - 1, once a clock. */
#define TIMER_CONTROL REG32(TIMER + 0x00)
#define TIMER_VALUE REG32(TIMER + 0x04)
#define TIMER_RELOAD REG32(TIMER + 0x08)

#define SYSTICK_CONTROL REG32(0xe000e010u)
#define SYSTICK_RELOAD REG32(0xe000e014u)
#define SYSTICK_VALUE REG32(0xe000e018u)

/* Behind the image: 12 bytes that whoever starts the machine may put there (README.md, "Emulated boards"), and
 * the count of restarts, which a word before it proves. */
#define RESTART_MARK REG32(KEPT + 0x10)
#define RESTARTS REG32(KEPT + 0x14)
#define MARK 0x54535031u

#define RING 1024u

static volatile uint8_t ring[RING];
static volatile uint32_t ring_in, ring_out;

static uint32_t bit_clocks, last_ticks, millis;

static const uint32_t bauds[] = {115200, 57600, 230400, 460800, 921600};

const struct board_info board_info = {
    .id = BOARD_ID,
    .name = BOARD_NAME,
    .ram_bytes = 1024 * 1024,
    .bauds = bauds,
    .baud_count = sizeof bauds / sizeof bauds[0],
    .has_temperature = false,
    .has_boot_loader = false,
};

static uint32_t ticks(void) { return ~TIMER_VALUE; }

void board_init(void) {
  if (RESTART_MARK == MARK) {
    RESTARTS = RESTARTS + 1;
  } else {
    RESTART_MARK = MARK;
    RESTARTS = 0;
  }
  TIMER_RELOAD = 0xffffffff;
  TIMER_VALUE = 0xffffffff;
  TIMER_CONTROL = 1;
  last_ticks = ticks();
  board_set_baud(bauds[0]);
  UART_CONTROL = CONTROL_ON;
  NVIC_ON(UART_RX_IRQ) = NVIC_BIT(UART_RX_IRQ);
}

/* A full ring leaves the byte where it is and the interrupt off, until board_read has made room. */
void board_received(void) {
  UART_INTERRUPT = INTERRUPT_RECEIVED;
  while (UART_STATE & STATE_RECEIVED) {
    const uint32_t next = (ring_in + 1) % RING;
    if (next == ring_out) {
      NVIC_OFF(UART_RX_IRQ) = NVIC_BIT(UART_RX_IRQ);
      return;
    }
    ring[ring_in] = (uint8_t)UART_DATA;
    ring_in = next;
  }
}

int board_read(void) {
  if (ring_out == ring_in) return -1;
  const uint8_t byte = ring[ring_out];
  ring_out = (ring_out + 1) % RING;
  if (!(NVIC_ON(UART_RX_IRQ) & NVIC_BIT(UART_RX_IRQ))) {
    /* Its flag was cleared with the byte still there: move it by hand, then go on by interrupt. */
    board_received();
    if ((ring_in + 1) % RING != ring_out) NVIC_ON(UART_RX_IRQ) = NVIC_BIT(UART_RX_IRQ);
  }
  return byte;
}

static bool becomes_free(void) {
  const uint32_t since = board_millis();
  while (UART_STATE & STATE_FULL) {
    if (board_millis() - since >= BOARD_STUCK_MS) return false;
  }
  return true;
}

bool board_write(uint8_t byte) {
  if (!becomes_free()) return false;
  UART_DATA = byte;
  return true;
}

/* The UART tells when its buffer is free, not when its last bit has left. */
void board_flush(void) {
  becomes_free();
  const uint32_t since = ticks();
  while (ticks() - since < 10 * bit_clocks) continue;
}

void board_set_baud(uint32_t rate) {
  bit_clocks = CLOCK_HZ / rate;
  UART_DIVISOR = bit_clocks;
}

/* Has to be called once in 170 s at least, before the timer has gone round; the main loop does. */
uint32_t board_millis(void) {
  const uint32_t now = ticks();
  const uint32_t passed = now - last_ticks;
  const uint32_t whole = passed / (CLOCK_HZ / 1000);
  last_ticks += whole * (CLOCK_HZ / 1000);
  millis += whole;
  return millis;
}

void board_uid(uint8_t uid[12]) {
  for (unsigned i = 0; i < 12; i++) uid[i] = REG8(KEPT + i);
}

int16_t board_temperature(void) { return BOARD_NO_TEMPERATURE; }

uint32_t board_clock_khz(void) { return CLOCK_HZ / 1000; }

uint32_t board_restarts(void) { return RESTARTS; }

void board_led(bool on) { (void)on; }

_Noreturn void board_reboot(bool boot_loader) {
  (void)boot_loader;
  board_flush();
  mps2_reset();
}

/* With interrupts masked a byte that comes between the look and the wfi still ends it. */
void board_idle(void) {
  SYSTICK_RELOAD = CLOCK_HZ / 1000 - 1;
  SYSTICK_VALUE = 0;
  SYSTICK_CONTROL = 7;
  __asm__ volatile("cpsid i" : : : "memory");
  if (ring_out == ring_in) __asm__ volatile("wfi" : : : "memory");
  __asm__ volatile("cpsie i" : : : "memory");
  SYSTICK_CONTROL = 0;
}
