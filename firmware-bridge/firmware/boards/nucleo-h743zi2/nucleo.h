/* Between the two files of this board. */
#ifndef NUCLEO_H
#define NUCLEO_H

/* Value of backup register 0; anything else is a board that has lost its power. */
#define RESTARTED 0x54535031u

/* Interrupts. */
void board_received(void);
void board_tick(void);

#endif
