/** Rows of the board: for tests, which wait until the board can give them, and for audits, which do not. */
import { LinkError, type NakName, PortError } from '../../firmware-bridge/errors.ts';
import { DIM } from '../../src/tensority/params.ts';
import { concatBytes } from '../../src/util/bytes.ts';
import type { Clock } from '../../src/util/clock.ts';
import { lostBy } from './driver-errors.ts';
import type { HotWait } from './hot-wait.ts';
import { isNoSuchWork } from './jobs.ts';
import type { Station } from './station.ts';

export interface RowReaderParts {
  readonly station: Station;
  readonly clock: Clock;
  readonly hot: HotWait;
  /** The host keeps work from the board. */
  readonly isCut: () => boolean;
  readonly newId: () => number;
  /** Of the device. */
  readonly end: AbortSignal;
}

export interface RowsOf {
  readonly epoch: number;
  readonly headerHash: Uint8Array;
  readonly row0: number;
  readonly n: number;
}

/** After a refusal that passes by itself. */
const RETRY_MS = 1000;
/** Refusals in a row, whatever the board is told. */
const MAX_REFUSALS = 6;
/** A row of an audit that shows no movement for so long will not come. */
const ROW_PATIENCE_MS = 600_000;

/** Throws a `RangeError` that names what is wrong. */
export function checkRows(headerHash: Uint8Array, row0: number, n: number): void {
  if (headerHash.length !== 32) {
    throw new RangeError(`"headerHash" expected 32 bytes, got ${headerHash.length}`);
  }
  const areWhole = Number.isInteger(row0) && Number.isInteger(n);
  if (areWhole && row0 >= 0 && n >= 1 && row0 + n <= DIM) return;
  throw new RangeError(`"rows" expected some of ${DIM}, got ${n} from ${row0}`);
}

export class RowReader {
  readonly #parts: RowReaderParts;

  constructor(parts: RowReaderParts) {
    this.#parts = parts;
  }

  /**
   * Waits for a line that is put in order, and for a board that is too hot. Rejects `DriverError` `lost` if
   * the board has no rows, and the reason of the signal or of the device's end.
   */
  async read(rows: RowsOf, signal: AbortSignal | undefined): Promise<Uint8Array> {
    const most = this.#parts.station.board.maxRows;
    const parts: Uint8Array[] = [];
    for (let at = 0; at < rows.n; at += most) {
      const piece = { row0: rows.row0 + at, n: Math.min(most, rows.n - at) };
      parts.push(await this.#readPiece({ ...rows, ...piece }, signal));
    }
    return concatBytes(...parts);
  }

  /** As many as fit a frame. */
  async #readPiece(rows: RowsOf, signal: AbortSignal | undefined): Promise<Uint8Array> {
    const { station, hot, clock, end, newId } = this.#parts;
    const until = signal === undefined ? end : AbortSignal.any([signal, end]);
    for (let refusals = 0; ; ) {
      await station.ready(until);
      until.throwIfAborted();
      try {
        const result = await station.board.rows({ ...rows, jobId: newId() }, { signal: until });
        hot.end();
        return result;
      } catch (error) {
        until.throwIfAborted();
        if (!(error instanceof LinkError || error instanceof PortError)) throw error;
        const nak = nakOf(error);
        if (nak === 'HOT') {
          await hot.pause(until);
          continue;
        }
        if (nak !== undefined && (isNoSuchWork(nak) || ++refusals >= MAX_REFUSALS)) {
          throw lostBy(error);
        }
        if (nak === 'BUSY') await clock.sleep(RETRY_MS, until);
        else station.failed(error);
      }
    }
  }

  /**
   * Undefined where the board need not have one: it is hot, was told anew, or has another seed. Rejects if
   * it should have one and refuses it, or never sends it though it answers to all else.
   */
  async audit(epoch: number, headerHash: Uint8Array, row: number): Promise<Uint8Array | undefined> {
    const { station, isCut, end, newId } = this.#parts;
    const { generation } = station;
    const mayHave = (): boolean =>
      station.isReady && station.epoch === epoch && station.generation === generation && !isCut();
    if (!mayHave()) return undefined;
    const rows = { epoch, headerHash, row0: row, n: 1, jobId: newId() };
    try {
      return await station.board.rows(rows, { signal: end, patienceMs: ROW_PATIENCE_MS });
    } catch (error) {
      if (mayHave() && (await this.#isOwed(error)) && mayHave()) throw error;
      return undefined;
    }
  }

  async #isOwed(error: unknown): Promise<boolean> {
    if (!(error instanceof LinkError)) return false;
    const nak = nakOf(error);
    if (nak !== undefined) return nak === 'BUSY' || nak === 'FAULT' || isNoSuchWork(nak);
    const { code } = error.detail;
    if (code === 'malformed') return true;
    if (code !== 'silent' && code !== 'stuck') return false;
    // The whole line may be silent, which is others' concern.
    const { station, end } = this.#parts;
    return station.board.status(end).then(
      () => true,
      () => false,
    );
  }
}

function nakOf(error: LinkError | PortError): NakName | number | undefined {
  return error.detail.code === 'refused' ? error.detail.nak : undefined;
}
