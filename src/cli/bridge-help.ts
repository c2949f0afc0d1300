/** The last lines of `bytom-bridge --help`. */

export const BRIDGE_FOOTER = `
Options with a value may also come from the environment, as BYTOM_BRIDGE_PORT=/dev/ttyUSB0 stands
for --port /dev/ttyUSB0.

A port is open in one program at a time: stop the miner before you look at its board. Opening a port
may reset what is behind it: without --port that is done only where a single port says by its USB
descriptor that it is a board of ours.

The emulated boards run the real firmware in QEMU and need qemu-system-riscv64 or qemu-system-arm,
make, and the compiler for their processor; "native" is the same firmware as a program of this
machine and needs make and cc; "simulated" needs nothing. The firmware and the protocol are
protocol-verified on an emulated CPU; not run on physical silicon.

Examples:
  npx bytom-bridge list
  npx bytom-bridge attach --port /dev/ttyACM0
  npx bytom-bridge simulate --socket /tmp/board.sock
  npx bytom-miner --device serial:unix:/tmp/board.sock     mines on it
  npx bytom-bridge monitor --port tcp://10.0.0.7:7000

Exit codes: 0 done, 1 failed, 2 wrong options, 3 no such port, or it cannot be used, 5 the board is
silent or wrong, 130 interrupted.`;
