/*
 * QEMU's RISC-V machine `virt`: 16550 UART, CLINT for time, PLIC to be woken by a byte, the test device for
 * restarts. There is no LED, no sensor and no boot loader.
 */
#include "board.h"

#define REG8(address) (*(volatile uint8_t *)(uintptr_t)(address))
#define REG32(address) (*(volatile uint32_t *)(uintptr_t)(address))
#define REG64(address) (*(volatile uint64_t *)(uintptr_t)(address))

#define UART 0x10000000u
#define UART_DATA REG8(UART + 0)
#define UART_DIVISOR_LOW REG8(UART + 0)
#define UART_INTERRUPTS REG8(UART + 1)
#define UART_DIVISOR_HIGH REG8(UART + 1)
#define UART_FIFO REG8(UART + 2)
#define UART_LINE REG8(UART + 3)
#define UART_STATUS REG8(UART + 5)
#define LINE_8N1 0x03u
#define LINE_DIVISOR 0x80u
#define STATUS_RECEIVED 0x01u
#define STATUS_ROOM 0x20u
#define STATUS_EMPTY 0x40u
/* On, emptied, and an interrupt at 14 bytes or when no more come. */
#define FIFO_14 0xc7u
#define UART_CLOCK 3686400u

#define TIMER_NOW REG64(0x0200bff8u)
#define TIMER_COMPARE REG64(0x02004000u)
#define TICKS_PER_MS 10000u

#define UART_SOURCE 10u
#define PLIC 0x0c000000u
#define PLIC_PRIORITY REG32(PLIC + 4 * UART_SOURCE)
#define PLIC_ENABLE REG32(PLIC + 0x2000)
#define PLIC_THRESHOLD REG32(PLIC + 0x200000)
#define PLIC_CLAIM REG32(PLIC + 0x200004)

#define MIE_TIMER (1u << 7)
#define MIE_EXTERNAL (1u << 11)

#define TEST_DEVICE REG32(0x00100000u)
#define TEST_RESET 0x7777u

/* Behind the image: 12 bytes that whoever starts the machine may put there (README.md, "Emulated boards"), and
 * the count of restarts, which a word before it proves. */
#define UID 0x80100000u
#define RESTART_MARK REG32(0x80100010u)
#define RESTARTS REG32(0x80100014u)
#define MARK 0x54535031u

static const uint32_t bauds[] = {115200, 57600, 230400};

const struct board_info board_info = {
    .id = 1,
    .name = "QEMU virt (rv64)",
    .ram_bytes = 1024 * 1024,
    .bauds = bauds,
    .baud_count = sizeof bauds / sizeof bauds[0],
    .has_temperature = false,
    .has_boot_loader = false,
};

void board_init(void) {
  if (RESTART_MARK == MARK) {
    RESTARTS = RESTARTS + 1;
  } else {
    RESTART_MARK = MARK;
    RESTARTS = 0;
  }
  UART_INTERRUPTS = 0;
  UART_FIFO = FIFO_14;
  board_set_baud(bauds[0]);
  UART_INTERRUPTS = 1;
  PLIC_PRIORITY = 1;
  PLIC_THRESHOLD = 0;
  PLIC_ENABLE = 1u << UART_SOURCE;
  /* Interrupts stay off in mstatus: these two only end a wfi. */
  __asm__ volatile("csrw mie, %0" : : "r"(MIE_TIMER | MIE_EXTERNAL));
}

int board_read(void) { return UART_STATUS & STATUS_RECEIVED ? UART_DATA : -1; }

static bool becomes(uint8_t state) {
  const uint32_t since = board_millis();
  while (!(UART_STATUS & state)) {
    if (board_millis() - since >= BOARD_STUCK_MS) return false;
  }
  return true;
}

bool board_write(uint8_t byte) {
  if (!becomes(STATUS_ROOM)) return false;
  UART_DATA = byte;
  return true;
}

void board_flush(void) { becomes(STATUS_EMPTY); }

void board_set_baud(uint32_t rate) {
  const uint32_t divisor = UART_CLOCK / 16 / rate;
  UART_LINE = LINE_8N1 | LINE_DIVISOR;
  UART_DIVISOR_LOW = (uint8_t)divisor;
  UART_DIVISOR_HIGH = (uint8_t)(divisor >> 8);
  UART_LINE = LINE_8N1;
}

uint32_t board_millis(void) { return (uint32_t)(TIMER_NOW / TICKS_PER_MS); }

void board_uid(uint8_t uid[12]) {
  for (unsigned i = 0; i < 12; i++) uid[i] = REG8(UID + i);
}

int16_t board_temperature(void) { return BOARD_NO_TEMPERATURE; }

uint32_t board_clock_khz(void) { return 0; }

uint32_t board_restarts(void) { return RESTARTS; }

void board_led(bool on) { (void)on; }

_Noreturn void board_reboot(bool boot_loader) {
  (void)boot_loader;
  board_flush();
  for (;;) TEST_DEVICE = TEST_RESET;
}

void board_idle(void) {
  TIMER_COMPARE = TIMER_NOW + TICKS_PER_MS;
  __asm__ volatile("wfi" : : : "memory");
  const uint32_t source = PLIC_CLAIM;
  if (source != 0) PLIC_CLAIM = source;
}
