/**
 * Boards are not believed: each minute one row and one hash of those that a board claims are computed
 * again, on the host. A row costs the board 1/256 of a hash and the host some 40 ms, a hash some 70 ms:
 * together a fifth of a percent of one core.
 *
 * Only a hash whose digest the board has told can be checked: the last one before each PROGRESS, and the
 * shares. They take turns, since the shares are what the board's hashes are counted by.
 */

import { DIM } from '../../src/tensority/params.ts';
import type { MatrixTable } from '../../src/tensority/table.ts';
import { bytesEqual, bytesToHex } from '../../src/util/bytes.ts';
import type { Clock } from '../../src/util/clock.ts';
import { errorText } from '../../src/util/errors.ts';
import type { Wrong } from './job-ledger.ts';
import type { Rehash } from './rehash.ts';

/** A hash that a board says it made. */
export interface ClaimedHash {
  readonly headerHash: Uint8Array;
  readonly digest: Uint8Array;
}

/** Rows as `summedRows` has them. */
export type RowMaker = (
  headerHash: Uint8Array,
  table: MatrixTable,
  row0: number,
  n: number,
) => Uint8Array;

export interface AuditParts {
  readonly clock: Clock;
  /** In [0, 1). */
  readonly random: () => number;
  readonly rehash: Rehash;
  /** Rows as `summedRows` makes them. */
  readonly makeRows: RowMaker;
  /**
   * The board's row; undefined where it need not have one now. Rejects if it should have one, and says
   * or shows that it has none.
   */
  readonly row: (
    epoch: number,
    headerHash: Uint8Array,
    row: number,
  ) => Promise<Uint8Array | undefined>;
  readonly onWrong: (wrong: Wrong) => void;
  /** The board's hashes so far. */
  readonly hashes: () => number;
  /** The first so many hashes stood an audit. */
  readonly onGood: (hashes: number) => void;
}

/** So many more hashes that a board claims under a seed. */
export interface Claimed {
  readonly epoch: number;
  readonly table: MatrixTable;
  readonly count: number;
  /** The last of them. */
  readonly last: ClaimedHash;
  /** One of its shares, if there was one among them. */
  readonly share: ClaimedHash | undefined;
  /** The header hash of the i-th. */
  readonly headerHashAt: (index: number) => Uint8Array;
  /** Nothing is to be believed before this one was checked. */
  readonly isProbe: boolean;
}

interface Claims {
  readonly epoch: number;
  readonly table: MatrixTable;
  count: number;
  /** A random one of those whose digest is known. */
  sample: ClaimedHash;
  /** A random one of its shares. */
  share: ClaimedHash | undefined;
  /** The header hash of a random one of all. */
  rowOf: Uint8Array;
}

const AUDIT_MS = 60_000;
/** A board that has no row for so many audits in a row is taken for one that is wrong. */
const MAX_REFUSALS = 3;

export class Auditor {
  readonly #parts: AuditParts;
  #claims: Claims | undefined;
  #samples = 0;
  #shares = 0;
  #audits = 0;
  #refusals = 0;
  #isChecking = false;
  #isProven = false;

  constructor(parts: AuditParts) {
    this.#parts = parts;
  }

  /** A whole hash of the board was computed again, and right. Until then it is not known to be able to. */
  get isProven(): boolean {
    return this.#isProven;
  }

  /** Audits each minute until the signal aborts. Never rejects. */
  async run(signal: AbortSignal): Promise<void> {
    while (!signal.aborted) {
      await this.#parts.clock.sleep(AUDIT_MS, signal);
      if (!signal.aborted) await this.#audit();
    }
  }

  /** Takes in what the board claims. Claims are checked at once until one was right. */
  claim(claimed: Claimed): void {
    const { epoch, table, count, last, share, headerHashAt, isProbe } = claimed;
    const { random } = this.#parts;
    if (this.#claims?.epoch !== epoch) this.#claims = undefined;
    if (this.#claims === undefined) {
      this.#samples = 0;
      this.#shares = 0;
    }
    this.#claims ??= { epoch, table, count: 0, sample: last, share, rowOf: last.headerHash };
    const claims = this.#claims;
    // Each one so far is the sample with the same probability, whenever the audit comes.
    claims.count += count;
    this.#samples++;
    if (random() * this.#samples < 1) claims.sample = last;
    if (share !== undefined) {
      this.#shares++;
      if (random() * this.#shares < 1) claims.share = share;
    }
    if (random() * claims.count < count) {
      claims.rowOf = headerHashAt(Math.floor(random() * count));
    }
    if (isProbe) this.#isProven = false;
    if (!this.#isProven) void this.#prove(table, last);
  }

  async #prove(table: MatrixTable, hash: ClaimedHash): Promise<void> {
    if (this.#isChecking) return;
    this.#isChecking = true;
    if (await this.#checkHash(table, hash)) this.#isProven = true;
    this.#isChecking = false;
  }

  async #audit(): Promise<void> {
    const claims = this.#claims;
    if (claims === undefined) return;
    this.#claims = undefined;
    const { sample, share = sample } = claims;
    const hashes = this.#parts.hashes();
    const isShareTurn = this.#audits++ % 2 === 1;
    const isHashRight = await this.#checkHash(claims.table, isShareTurn ? share : sample);
    const isRowRight = await this.#checkRow(claims);
    if (isHashRight && isRowRight) this.#parts.onGood(hashes);
  }

  async #checkHash(table: MatrixTable, { headerHash, digest }: ClaimedHash): Promise<boolean> {
    let expected: Uint8Array;
    try {
      expected = await this.#parts.rehash(table, headerHash);
    } catch {
      // The host's own failure, or the end: no verdict.
      return false;
    }
    if (bytesEqual(expected, digest)) return true;
    this.#parts.onWrong({ expected: bytesToHex(expected), actual: bytesToHex(digest) });
    return false;
  }

  async #checkRow({ epoch, table, rowOf }: Claims): Promise<boolean> {
    const row = Math.floor(this.#parts.random() * DIM);
    let actual: Uint8Array | undefined;
    try {
      actual = await this.#parts.row(epoch, rowOf, row);
    } catch (error) {
      // Once may have been bad luck.
      if (++this.#refusals % MAX_REFUSALS === 0) {
        this.#parts.onWrong({ expected: 'a row to audit', actual: errorText(error) });
      }
      return false;
    }
    if (actual === undefined) return false;
    this.#refusals = 0;
    const expected = this.#parts.makeRows(rowOf, table, row, 1);
    const got = actual;
    const at = expected.findIndex((byte, i) => byte !== got[i]);
    if (at < 0 && got.length === expected.length) return true;
    const { onWrong } = this.#parts;
    onWrong({ expected: `${expected[at]} at ${at} of row ${row}`, actual: `${got[at]}` });
    return false;
  }
}
