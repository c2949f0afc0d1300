/**
 * The programs whose outputs v1.1.2 of the reference does not let into its pool, while blocks with such
 * spends are valid. Bytom 1.x consensus: "Mempool", 12.3. A policy of theirs, which ours follows only
 * where it is asked to: option `blockedPrograms`.
 */
import { hexToBytes } from '../../util/bytes.ts';

export const CLASSIC_BLOCKED_PROGRAMS: readonly Uint8Array[] = [
  '00205ed7a7a4b2eefa30918e5643fbee1c10ec9c6cc18fa05aa44c417e40a26c823c',
  '00207261ab30edd9b1b5e60c7c173dc43ea8945af8d5784f82c7950a832b2016add1',
  '00206119cb7ddbcd222970e0d7390e67e9e9fe557cf954185c8671857470e594cf09',
  '002055a48737d18ad264e3e7992b76a428cbff4fdc3eeb6e8c2424a7e46c2b8b659e',
  '0014e0035362db772a9410dc4918652b050ed6f99f7b',
].map((hex) => hexToBytes(hex, 'program'));
