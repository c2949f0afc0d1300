/** The last lines of `bytom-miner --help`. */

/** Stands below the help of the program itself. */
export const HELP_FOOTER = `
Options with a value may also come from the environment, as BYTOM_MINER_LOG_CYCLE=60 stands for
--log-cycle 60, and every option, by its long name, from the file of --config: {"log-cycle": 60}.
Flags win over the environment, the environment over the file; the file is never written to.

Examples:
  npx bytom-miner                                                  try this machine
  npx bytom-miner --benchmark                                      how fast is it?
  npx bytom-miner -o stratum+tcp://pool.example:9119 -u bm1q….rig1 mine at a pool
  npx bytom-miner --solo http://127.0.0.1:9888                     mine for a node of your own
  npx bytom-miner verify --block header.hex --seed 9e62…           is this work valid?
  npx bytom-miner export-onnx tensority.onnx                       the hash as an ONNX network

Exit codes: 0 done, 1 failed, 2 wrong options, 3 no such device, 4 login refused, 5 self-test or
hardware failed, 130 interrupted.`;
