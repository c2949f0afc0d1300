/* The registers of the STM32H743 that this board uses, by the names of its reference manual (RM0433). */
#ifndef REGISTERS_H
#define REGISTERS_H

#include <stdint.h>

#define REG8(address) (*(volatile uint8_t *)(address))
#define REG32(address) (*(volatile uint32_t *)(address))

#define RCC(offset) REG32(0x58024400u + (offset))
#define RCC_CR RCC(0x00)
#define RCC_CR_HSION (1u << 0)
#define RCC_CR_HSIRDY (1u << 2)
#define RCC_CR_HSIDIV (3u << 3)
#define RCC_CR_PLL1ON (1u << 24)
#define RCC_CR_PLL1RDY (1u << 25)
#define RCC_CFGR RCC(0x10)
#define RCC_CFGR_SW 7u
#define RCC_CFGR_SW_PLL1 3u
#define RCC_CFGR_SWS (7u << 3)
#define RCC_CFGR_SWS_PLL1 (3u << 3)
/* Halves of a clock. */
#define RCC_D1CFGR RCC(0x18)
#define RCC_D1CFGR_HPRE_2 (8u << 0)
#define RCC_D1CFGR_D1PPRE_2 (4u << 4)
#define RCC_D2CFGR RCC(0x1c)
#define RCC_D2CFGR_D2PPRE1_2 (4u << 4)
#define RCC_D2CFGR_D2PPRE2_2 (4u << 8)
#define RCC_D3CFGR RCC(0x20)
#define RCC_D3CFGR_D3PPRE_2 (4u << 4)
#define RCC_PLLCKSELR RCC(0x28)
#define RCC_PLLCKSELR_PLLSRC 3u /* 0: the internal oscillator */
#define RCC_PLLCKSELR_DIVM1(by) ((by) << 4)
#define RCC_PLLCFGR RCC(0x2c)
#define RCC_PLLCFGR_PLL1 (7u << 16 | 0xfu) /* its outputs, ranges and fraction */
#define RCC_PLLCFGR_PLL1RGE_8_16 (3u << 2) /* MHz of its input; the wide oscillator goes with it */
#define RCC_PLLCFGR_DIVP1EN (1u << 16)
#define RCC_PLL1DIVR RCC(0x30)
#define RCC_PLL1DIVR_N(times) ((times) - 1)
#define RCC_PLL1DIVR_P(by) (((by) - 1) << 9)
#define RCC_PLL1DIVR_Q(by) (((by) - 1) << 16)
#define RCC_PLL1DIVR_R(by) (((by) - 1) << 24)
#define RCC_D2CCIP2R RCC(0x54)
#define RCC_D2CCIP2R_USART28SEL (7u << 0)
#define RCC_D2CCIP2R_USART28SEL_HSI (3u << 0)
#define RCC_RSR RCC(0xd0)
#define RCC_RSR_RMVF (1u << 16)
#define RCC_RSR_BORRSTF (1u << 21)
#define RCC_RSR_PORRSTF (1u << 23)
#define RCC_AHB4ENR RCC(0xe0)
#define RCC_AHB4ENR_GPIOB (1u << 1)
#define RCC_AHB4ENR_GPIOD (1u << 3)
#define RCC_APB1LENR RCC(0xe8)
#define RCC_APB1LENR_USART3 (1u << 18)
#define RCC_APB4ENR RCC(0xf4)
#define RCC_APB4ENR_RTCAPB (1u << 16)

#define PWR_CR1 REG32(0x58024800u)
#define PWR_CR1_DBP (1u << 8)
#define PWR_CSR1 REG32(0x58024804u)
#define PWR_CSR1_ACTVOSRDY (1u << 13)
#define PWR_CR3 REG32(0x5802480cu)
#define PWR_CR3_BYPASS (1u << 0)
#define PWR_CR3_LDOEN (1u << 1)
#define PWR_CR3_SCUEN (1u << 2)
#define PWR_D3CR REG32(0x58024818u)
#define PWR_D3CR_VOSRDY (1u << 13)
#define PWR_D3CR_VOS (3u << 14)
#define PWR_D3CR_VOS1 (3u << 14)

#define FLASH_ACR REG32(0x52002000u)
#define FLASH_ACR_LATENCY_2 (2u << 0)
#define FLASH_ACR_WRHIGHFREQ_2 (2u << 4)
#define FLASH_ACR_MASK 0x3fu

#define GPIO_B 0x58020400u
#define GPIO_D 0x58020c00u
#define GPIO_MODER(port) REG32((port) + 0x00)
#define GPIO_PUPDR(port) REG32((port) + 0x0c)
#define GPIO_BSRR(port) REG32((port) + 0x18)
#define GPIO_AFRH(port) REG32((port) + 0x24)
/* Registers with two bits a pin, and the one with four. */
#define GPIO_2_BITS(pin, value) ((uint32_t)(value) << 2 * (pin))
#define GPIO_AFRH_PIN(pin, function) ((uint32_t)(function) << 4 * ((pin)-8))
#define GPIO_MODER_OUTPUT 1
#define GPIO_MODER_ALTERNATE 2
#define GPIO_PUPDR_UP 1

#define USART3(offset) REG32(0x40004800u + (offset))
#define USART3_CR1 USART3(0x00)
#define USART_CR1_UE (1u << 0)
#define USART_CR1_RE (1u << 2)
#define USART_CR1_TE (1u << 3)
#define USART_CR1_RXFNEIE (1u << 5)
#define USART_CR1_FIFOEN (1u << 29)
#define USART3_CR2 USART3(0x04)
#define USART3_CR3 USART3(0x08)
#define USART3_BRR USART3(0x0c)
#define USART3_ISR USART3(0x1c)
#define USART_ISR_RXFNE (1u << 5)
#define USART_ISR_TC (1u << 6)
#define USART_ISR_TXFNF (1u << 7)
#define USART3_ICR USART3(0x20)
#define USART_ICR_ERRORS 0x0fu /* parity, framing, noise, overrun */
#define USART3_RDR USART3(0x24)
#define USART3_TDR USART3(0x28)
#define USART3_IRQ 39

/* The independent watchdog. */
#define IWDG_KR REG32(0x58004800u)
#define IWDG_KR_START 0xccccu
#define IWDG_KR_ACCESS 0x5555u
#define IWDG_KR_RELOAD 0xaaaau
#define IWDG_PR REG32(0x58004804u)
#define IWDG_PR_64 4u
#define IWDG_RLR REG32(0x58004808u)
#define IWDG_SR REG32(0x5800480cu)
#define IWDG_SR_BUSY 7u /* prescaler, reload and window values on their way */

/* Backup registers: they keep their values as long as there is power. */
#define RTC_BKP0R REG32(0x58004050u)
#define RTC_BKP1R REG32(0x58004054u)

#define UID 0x1ff1e800u

/* Of the Cortex-M7. */
#define SYST_CSR REG32(0xe000e010u)
#define SYST_RVR REG32(0xe000e014u)
#define SYST_CVR REG32(0xe000e018u)
#define NVIC_ISER(irq) REG32(0xe000e100u + 4 * ((irq) / 32))
#define NVIC_ICER(irq) REG32(0xe000e180u + 4 * ((irq) / 32))
#define SCB_VTOR REG32(0xe000ed08u)
#define SCB_AIRCR REG32(0xe000ed0cu)
#define SCB_AIRCR_RESET 0x05fa0004u
#define SCB_CCR REG32(0xe000ed14u)
#define SCB_CCR_DC (1u << 16)
#define SCB_CCR_IC (1u << 17)
#define SCB_CCSIDR REG32(0xe000ed80u)
#define SCB_CSSELR REG32(0xe000ed84u)
#define SCB_ICIALLU REG32(0xe000ef50u)
#define SCB_DCISW REG32(0xe000ef60u)

#define BARRIER() __asm__ volatile("dsb\n\tisb" : : : "memory")

#endif
