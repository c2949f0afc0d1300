/** What the tests of the logs share: directories of their own, and logs in them that get closed. */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { LogFiles } from '../../../pool/ledger/log-files.ts';
import { readRecords } from '../../../pool/ledger/read-records.ts';
import { RecordLog, type RecordLogOptions } from '../../../pool/ledger/record-log.ts';
import { ShareLogError, type ShareLogErrorDetail } from '../../../pool/ledger/share-log-error.ts';
import { createSilentMeter } from '../../../pool/meter.ts';
import { RecordingLog } from '../../support/recording-log.ts';

export class LogRig {
  readonly log: RecordingLog = new RecordingLog('pool');
  readonly #folder = mkdtempSync(join(tmpdir(), 'pool-ledger-'));
  #directories = 0;

  /** A new directory, which is there. */
  directory(): string {
    return mkdtempSync(join(this.#folder, `${this.#directories++}-`));
  }

  open(
    directory: string,
    files?: LogFiles,
    options: Partial<RecordLogOptions> = {},
  ): Promise<RecordLog> {
    return RecordLog.open(
      { directory, kind: 'numbers', network: 'solonet', ...options },
      { log: this.log, meter: createSilentMeter(), ...(files === undefined ? {} : { files }) },
    );
  }

  remove(): void {
    rmSync(this.#folder, { recursive: true });
  }
}

/** A payload that says its number, of a length that depends on it. */
export function numbered(number: number): Uint8Array {
  return Buffer.from(`${number} ${'x'.repeat((number * 7) % 40)}`);
}

/** The numbers in a log, in order. Throws if a payload is not as `numbered` makes it. */
export async function numbersIn(directory: string, files?: LogFiles): Promise<number[]> {
  const numbers: number[] = [];
  for await (const { records } of readRecords(directory, { kind: 'numbers' }, files)) {
    for (const { payload } of records) {
      const number = Number.parseInt(Buffer.from(payload).toString(), 10);
      if (!Buffer.from(payload).equals(numbered(number))) {
        throw new Error(`a wrong record: ${Buffer.from(payload).toString('hex')}`);
      }
      numbers.push(number);
    }
  }
  return numbers;
}

/** What it was refused for. Throws if it was not, or by something else. */
export async function refusal(work: Promise<unknown>): Promise<ShareLogErrorDetail> {
  try {
    await work;
  } catch (error) {
    if (error instanceof ShareLogError) return error.detail;
    throw error;
  }
  throw new Error('it was not refused');
}

export function range(from: number, to: number): number[] {
  return Array.from({ length: to - from + 1 }, (_, i) => from + i);
}
