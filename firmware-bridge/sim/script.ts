/** How a simulated board behaves: every field may be changed while it runs. */
import type { NakName } from '../errors.ts';
import type { RequestName } from '../messages.ts';

/**
 * What it says that is not so. `rows`: one byte of every row. `digests`: the PoW hash in SHARE,
 * PROGRESS and DONE. `nonce`: the first nonce of each job, and a hash of nothing but zeros for it.
 * `progress`: nine more hashes for each that it made. `skip`: the same, with the right hash of the last of
 * them, which is the only one that it makes. `crc`: the CRC of its checkpoints. `dot`,
 * `finish`, `header`: the answers of its self-test. `no-shares`: it finds none.
 */
export type SimulatedLie =
  | 'rows'
  | 'digests'
  | 'nonce'
  | 'progress'
  | 'skip'
  | 'no-shares'
  | 'crc'
  | 'dot'
  | 'finish'
  | 'header';

/** `until-restart` ends with a restart by whatever means; `always` does not. */
export type Trouble = 'no' | 'until-restart' | 'always';

export interface Refusal {
  readonly nak: NakName;
  readonly detail: number;
  /** How many requests it refuses so. */
  times: number;
}

export interface SimulatedScript {
  readonly lies: Set<SimulatedLie>;
  /** Hears nothing, says nothing. */
  silent: Trouble;
  /** Answers, but its work stands still: the product of the hash does not change. */
  stuck: Trouble;
  /** Protocol versions that it says it speaks; it is deaf to other requests than of those. */
  versions: readonly [lowest: number, highest: number];
  readonly refusals: Map<RequestName, Refusal>;
  /** False: it wants its checkpoints sent. */
  derives: boolean;
  /** At full duty. */
  msPerHash: number;
  msPerRow: number;
  deriveMs: number;
  /** Undefined: the sensor gives nothing. */
  temperatureC: number | undefined;
  /** Rates, in baud, at which nothing arrives right. */
  readonly badRates: Set<number>;
}

export function honestScript(): SimulatedScript {
  return {
    lies: new Set(),
    silent: 'no',
    stuck: 'no',
    versions: [1, 1],
    refusals: new Map(),
    derives: true,
    msPerHash: 100,
    msPerRow: 10,
    deriveMs: 50,
    temperatureC: 40,
    badRates: new Set(),
  };
}
