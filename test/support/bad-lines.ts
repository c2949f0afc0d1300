/** Plans of bad lines: each seed makes its own. */
import type { LineFaults } from '../../firmware-bridge/sim/line-faults.ts';

/** Half of all kinds of faults, each from rare to so frequent that most longer frames are hit. */
export function badLine(random: () => number): LineFaults {
  const ofBytes = (): number => (random() < 0.5 ? 0 : 10 ** (-4 + 2 * random()));
  const ofChunks = (): number => (random() < 0.5 ? 0 : 0.3 * random());
  return {
    dropByte: ofBytes(),
    flipBit: ofBytes(),
    repeatByte: ofBytes(),
    insertByte: ofBytes(),
    dropRun: ofChunks(),
    repeatChunk: ofChunks(),
    split: ofChunks(),
    delay: ofChunks(),
  };
}
