/* The firmware of a board: what its start-up code calls. */
#include "boards/board.h"
#include "tsp/tsp.h"

int main(void) {
  board_init();
  tsp_init();
  for (;;) tsp_run();
}
