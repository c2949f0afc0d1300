/** What `bytom-bridge monitor` shows, as records for `--json` and as lines for people. */
import type { BoardIdentity, BoardStatus } from '../../firmware-bridge/board.ts';
import type { BoardEvent } from '../../firmware-bridge/events.ts';
import { bytesToHex } from '../util/bytes.ts';
import { identityLines } from './bridge-attach.ts';
import { plainText, rateText } from './bridge-text.ts';
import { rounded } from './output.ts';

/** Longest line of a log that is shown. */
const MAX_LOG = 400;

export type MonitorRecord =
  | { readonly kind: 'board'; readonly port: string; readonly board: BoardIdentity }
  | ({ readonly kind: 'status' } & StatusFields)
  | { readonly kind: 'log'; readonly line: string }
  /** An event's own fields; bytes as hex. */
  | { readonly kind: 'event'; readonly event: string; readonly [field: string]: unknown }
  /** Lines that nobody was there to read. */
  | { readonly kind: 'left-out'; readonly lines: number };

interface StatusFields {
  readonly state: string;
  readonly hashes: number;
  /** Null until a hash was seen to end. */
  readonly hashesPerSecond: number | null;
  readonly duty: number;
  readonly temperatureC: number | null;
  readonly clockMhz: number | null;
  readonly uptimeS: number;
  readonly wrongFrames: number;
  readonly jobId: number | null;
  readonly product: number | null;
  readonly nextNonce: bigint | null;
}

export function statusRecord(status: BoardStatus, rate: number | undefined): MonitorRecord {
  return {
    kind: 'status',
    state: stateText(status.state),
    hashes: status.hashes,
    hashesPerSecond: rate === undefined ? null : rounded(rate, 4),
    duty: status.duty,
    temperatureC: status.temperatureC ?? null,
    clockMhz: status.clockMhz ?? null,
    uptimeS: status.uptimeS,
    wrongFrames: status.crcErrors + status.otherErrors,
    jobId: status.job?.jobId ?? null,
    product: status.job?.product ?? null,
    nextNonce: status.job?.nextNonce ?? null,
  };
}

export function eventRecord(event: BoardEvent): MonitorRecord {
  const fields = Object.entries(event).map(([name, value]: [string, unknown]) => [
    name,
    value instanceof Uint8Array ? bytesToHex(value) : value,
  ]);
  return { kind: 'event', event: event.event, ...Object.fromEntries(fields) };
}

export function logRecord(line: string): MonitorRecord {
  return { kind: 'log', line: plainText(line, MAX_LOG) };
}

/** As people read it; `time` is that of the record. */
export function recordLines(record: MonitorRecord, time: string): readonly string[] {
  switch (record.kind) {
    case 'board':
      return identityLines(record.board, record.port);
    case 'status':
      return [`${time}  ${statusText(record)}`];
    case 'log':
      return [`${time}  log    ${record.line}`];
    case 'event':
      return [`${time}  event  ${eventText(record)}`];
    case 'left-out':
      return [`${time}  ${record.lines} lines left out: they came faster than they were read`];
  }
}

function stateText(state: BoardStatus['state']): string {
  return typeof state === 'number' ? `state ${state}` : state.toLowerCase().replaceAll('_', ' ');
}

/** Words for fields of events; the others are for machines. */
const FIELDS: Readonly<Record<string, string>> = {
  jobId: 'job',
  nonce: 'nonce',
  digest: 'hash',
  row0: 'from row',
  n: 'rows',
  hashes: 'hashes',
  shares: 'shares',
  fault: 'code',
  info: 'info',
  ms: 'ms',
};

function eventText({
  event,
  kind: _,
  ...fields
}: Extract<MonitorRecord, { kind: 'event' }>): string {
  const parts = Object.entries(FIELDS).flatMap(([field, word]) =>
    field in fields && (field !== 'digest' || event === 'SHARE')
      ? [`${word} ${String(fields[field])}`]
      : [],
  );
  return `${event} ${parts.join(', ')}`;
}

function statusText(status: StatusFields): string {
  const { product, hashesPerSecond: rate, temperatureC, clockMhz } = status;
  // What a board says may be more than all of it.
  const percent = product === null ? '' : ` ${Math.min(100, Math.floor((100 * product) / 256))} %`;
  const parts = [
    status.state + percent,
    `${status.hashes} hashes`,
    ...(rate === null ? [] : [rateText(rate)]),
    ...(temperatureC === null ? [] : [`${temperatureC.toFixed(1)} °C`]),
    ...(clockMhz === null ? [] : [`${Math.round(clockMhz)} MHz`]),
    ...(status.duty === 100 ? [] : [`duty ${status.duty} %`]),
    ...(status.wrongFrames === 0 ? [] : [`${status.wrongFrames} wrong frames`]),
    `up ${status.uptimeS} s`,
  ];
  return parts.join(', ');
}

interface Reading {
  readonly hashes: number;
  readonly uptimeS: number;
  readonly at: number;
}

/** Hashes per second from one STATUS to another: a hash may take longer than the pause between two. */
export class RateMeter {
  #before: Reading | undefined;

  /** Undefined until a hash was seen to end. `at`: ms of a clock that never goes back. */
  rate(
    { hashes, uptimeS }: Pick<BoardStatus, 'hashes' | 'uptimeS'>,
    at: number,
  ): number | undefined {
    const now = { hashes, uptimeS, at };
    const before = this.#before;
    if (before === undefined || uptimeS < before.uptimeS) {
      this.#before = now;
      return undefined;
    }
    const made = (hashes - before.hashes) >>> 0;
    if (made === 0) return undefined;
    this.#before = now;
    // A count that goes back is that of a board that has started anew.
    return made < 2 ** 31 && at > before.at ? (1000 * made) / (at - before.at) : undefined;
  }

  /** The board has started anew. */
  reset(): void {
    this.#before = undefined;
  }
}
