/*
 * NUCLEO-H743ZI2, written from ST's manuals and untested on silicon. USART3 on PD8 and PD9 is the serial port of
 * the board's own ST-Link. The core runs at 400 MHz from the internal oscillator and PLL1, or, if a step towards
 * that is not confirmed in time, at the 64 MHz it starts with: slow, but it answers. The UART takes its clock from
 * the oscillator in both cases. A watchdog restarts it if it has not asked for a byte for 8 s. No temperature (ADC3 would
 * need a calibration that nobody has checked), and no way into the boot loader: that one does not listen on this line.
 */
#include "board.h"

#include "nucleo.h"
#include "registers.h"

#define OSCILLATOR_HZ 64000000u
#define FULL_HZ 400000000u
#define PATIENCE 1000000u /* turns of a loop */
#define LED 0u            /* LD1, PB0 */
#define TX 8u             /* PD8 */
#define RX 9u             /* PD9 */
#define RING 2048u

static volatile uint8_t ring[RING];
static volatile uint32_t ring_in, ring_out;
static volatile uint32_t millis;
static uint32_t core_hz = OSCILLATOR_HZ;

/* What the oscillator's percent of error leaves room for. */
static const uint32_t bauds[] = {115200, 230400, 460800};

const struct board_info board_info = {
    .id = 16,
    .name = "NUCLEO-H743ZI2 (untested on silicon)",
    .ram_bytes = (512 + 128) * 1024,
    .bauds = bauds,
    .baud_count = sizeof bauds / sizeof bauds[0],
    .has_temperature = false,
    .has_boot_loader = false,
};

static bool becomes(volatile uint32_t *address, uint32_t mask, uint32_t value) {
  for (uint32_t i = 0; i < PATIENCE; i++) {
    if ((*address & mask) == value) return true;
  }
  return false;
}

/* 64 MHz / 4 · 50 / 2; buses at 200 and 100 MHz; flash with two wait states, as VOS1 wants them at 200 MHz. */
static bool full_speed(void) {
  PWR_CR3 = (PWR_CR3 & ~(PWR_CR3_BYPASS | PWR_CR3_SCUEN)) | PWR_CR3_LDOEN;
  if (!becomes(&PWR_CSR1, PWR_CSR1_ACTVOSRDY, PWR_CSR1_ACTVOSRDY)) return false;
  PWR_D3CR = (PWR_D3CR & ~PWR_D3CR_VOS) | PWR_D3CR_VOS1;
  if (!becomes(&PWR_D3CR, PWR_D3CR_VOSRDY, PWR_D3CR_VOSRDY)) return false;

  RCC_PLLCKSELR = (RCC_PLLCKSELR & ~(RCC_PLLCKSELR_DIVM1(0x3f) | RCC_PLLCKSELR_PLLSRC)) | RCC_PLLCKSELR_DIVM1(4);
  /* Only output P. */
  RCC_PLLCFGR = (RCC_PLLCFGR & ~RCC_PLLCFGR_PLL1) | RCC_PLLCFGR_PLL1RGE_8_16 | RCC_PLLCFGR_DIVP1EN;
  RCC_PLL1DIVR = RCC_PLL1DIVR_R(2) | RCC_PLL1DIVR_Q(2) | RCC_PLL1DIVR_P(2) | RCC_PLL1DIVR_N(50);
  RCC_CR |= RCC_CR_PLL1ON;
  if (!becomes(&RCC_CR, RCC_CR_PLL1RDY, RCC_CR_PLL1RDY)) return false;

  FLASH_ACR = FLASH_ACR_WRHIGHFREQ_2 | FLASH_ACR_LATENCY_2;
  if (!becomes(&FLASH_ACR, FLASH_ACR_MASK, FLASH_ACR_WRHIGHFREQ_2 | FLASH_ACR_LATENCY_2)) return false;
  RCC_D1CFGR = RCC_D1CFGR_D1PPRE_2 | RCC_D1CFGR_HPRE_2;
  RCC_D2CFGR = RCC_D2CFGR_D2PPRE2_2 | RCC_D2CFGR_D2PPRE1_2;
  RCC_D3CFGR = RCC_D3CFGR_D3PPRE_2;
  RCC_CFGR = (RCC_CFGR & ~RCC_CFGR_SW) | RCC_CFGR_SW_PLL1;
  return becomes(&RCC_CFGR, RCC_CFGR_SWS, RCC_CFGR_SWS_PLL1);
}

/* A boot loader may have left the PLL on. */
static void start_clocks(void) {
  RCC_CR |= RCC_CR_HSION;
  while (!(RCC_CR & RCC_CR_HSIRDY)) continue;
  RCC_CR &= ~RCC_CR_HSIDIV;
  RCC_CFGR &= ~RCC_CFGR_SW;
  while (RCC_CFGR & RCC_CFGR_SWS) continue;
  RCC_CR &= ~RCC_CR_PLL1ON;
  while (RCC_CR & RCC_CR_PLL1RDY) continue;
  if (full_speed()) core_hz = FULL_HZ;
}

/* The data cache has arbitrary contents after a reset: each line is declared void first. */
static void start_caches(void) {
  SCB_ICIALLU = 0;
  BARRIER();
  SCB_CCR |= SCB_CCR_IC;
  BARRIER();
  if (SCB_CCR & SCB_CCR_DC) return;
  SCB_CSSELR = 0;
  BARRIER();
  const uint32_t size = SCB_CCSIDR;
  const uint32_t sets = (size >> 13 & 0x7fff) + 1, ways = (size >> 3 & 0x3ff) + 1;
  for (uint32_t set = 0; set < sets; set++) {
    for (uint32_t way = 0; way < ways; way++) SCB_DCISW = way << 30 | set << 5;
  }
  BARRIER();
  SCB_CCR |= SCB_CCR_DC;
  BARRIER();
}

static void start_pins(void) {
  RCC_AHB4ENR |= RCC_AHB4ENR_GPIOB | RCC_AHB4ENR_GPIOD;
  (void)RCC_AHB4ENR;
  board_led(false);
  GPIO_MODER(GPIO_B) = (GPIO_MODER(GPIO_B) & ~GPIO_2_BITS(LED, 3)) | GPIO_2_BITS(LED, GPIO_MODER_OUTPUT);
  /* PD8 and PD9: alternate function 7; the receiver is pulled up, so that a loose wire is a quiet one. */
  GPIO_AFRH(GPIO_D) = (GPIO_AFRH(GPIO_D) & ~(GPIO_AFRH_PIN(TX, 15) | GPIO_AFRH_PIN(RX, 15))) |
                      GPIO_AFRH_PIN(TX, 7) | GPIO_AFRH_PIN(RX, 7);
  GPIO_PUPDR(GPIO_D) = (GPIO_PUPDR(GPIO_D) & ~GPIO_2_BITS(RX, 3)) | GPIO_2_BITS(RX, GPIO_PUPDR_UP);
  GPIO_MODER(GPIO_D) = (GPIO_MODER(GPIO_D) & ~(GPIO_2_BITS(TX, 3) | GPIO_2_BITS(RX, 3))) |
                       GPIO_2_BITS(TX, GPIO_MODER_ALTERNATE) | GPIO_2_BITS(RX, GPIO_MODER_ALTERNATE);
}

static void count_restarts(void) {
  const bool power = (RCC_RSR & (RCC_RSR_PORRSTF | RCC_RSR_BORRSTF)) != 0;
  RCC_RSR |= RCC_RSR_RMVF;
  RTC_BKP1R = power || RTC_BKP0R != RESTARTED ? 0 : RTC_BKP1R + 1;
  RTC_BKP0R = RESTARTED;
}

/* 4,000 periods of 64 clocks of the 32 kHz oscillator, which it turns on by itself: 8 s. */
static void start_watchdog(void) {
  IWDG_KR = IWDG_KR_START;
  IWDG_KR = IWDG_KR_ACCESS;
  IWDG_PR = IWDG_PR_64;
  IWDG_RLR = 4000;
  becomes(&IWDG_SR, IWDG_SR_BUSY, 0);
  IWDG_KR = IWDG_KR_RELOAD;
}

void board_init(void) {
  start_clocks();
  start_caches();
  start_pins();
  count_restarts();
  start_watchdog();
  SYST_RVR = core_hz / 1000 - 1;
  SYST_CVR = 0;
  SYST_CSR = 7;
  RCC_D2CCIP2R = (RCC_D2CCIP2R & ~RCC_D2CCIP2R_USART28SEL) | RCC_D2CCIP2R_USART28SEL_HSI;
  RCC_APB1LENR |= RCC_APB1LENR_USART3;
  (void)RCC_APB1LENR;
  board_set_baud(bauds[0]);
  NVIC_ISER(USART3_IRQ) = 1u << USART3_IRQ % 32;
}

void board_tick(void) { millis = millis + 1; }

/* A full ring loses bytes, which the protocol takes for a disturbed line. */
void board_received(void) {
  USART3_ICR = USART_ICR_ERRORS;
  while (USART3_ISR & USART_ISR_RXFNE) {
    const uint8_t byte = (uint8_t)USART3_RDR;
    const uint32_t next = (ring_in + 1) % RING;
    if (next == ring_out) continue;
    ring[ring_in] = byte;
    ring_in = next;
  }
}

/* Whoever asks for bytes is alive. */
int board_read(void) {
  IWDG_KR = IWDG_KR_RELOAD;
  if (ring_out == ring_in) return -1;
  const uint8_t byte = ring[ring_out];
  ring_out = (ring_out + 1) % RING;
  return byte;
}

static bool becomes_in_time(uint32_t state) {
  const uint32_t since = millis;
  while (!(USART3_ISR & state)) {
    if (millis - since >= BOARD_STUCK_MS) return false;
  }
  return true;
}

bool board_write(uint8_t byte) {
  if (!becomes_in_time(USART_ISR_TXFNF)) return false;
  USART3_TDR = byte;
  return true;
}

void board_flush(void) { becomes_in_time(USART_ISR_TC); }

/* The divider may change only while the UART is off. */
void board_set_baud(uint32_t rate) {
  USART3_CR1 = 0;
  USART3_CR2 = 0;
  USART3_CR3 = 0;
  USART3_BRR = (OSCILLATOR_HZ + rate / 2) / rate;
  USART3_CR1 = USART_CR1_FIFOEN;
  USART3_CR1 = USART_CR1_FIFOEN | USART_CR1_UE;
  USART3_CR1 = USART_CR1_FIFOEN | USART_CR1_UE | USART_CR1_TE | USART_CR1_RE | USART_CR1_RXFNEIE;
}

uint32_t board_millis(void) { return millis; }

void board_uid(uint8_t uid[12]) {
  for (unsigned i = 0; i < 12; i++) uid[i] = REG8(UID + i);
}

int16_t board_temperature(void) { return BOARD_NO_TEMPERATURE; }

uint32_t board_clock_khz(void) { return core_hz / 1000; }

uint32_t board_restarts(void) { return RTC_BKP1R; }

void board_led(bool on) { GPIO_BSRR(GPIO_B) = on ? 1u << LED : 1u << (LED + 16); }

_Noreturn void board_reboot(bool boot_loader) {
  (void)boot_loader;
  board_flush();
  BARRIER();
  SCB_AIRCR = SCB_AIRCR_RESET;
  for (;;) continue;
}

/* With interrupts masked a byte that comes between the look and the wfi still ends it. */
void board_idle(void) {
  __asm__ volatile("cpsid i" : : : "memory");
  if (ring_out == ring_in) __asm__ volatile("dsb\n\twfi" : : : "memory");
  __asm__ volatile("cpsie i" : : : "memory");
}
