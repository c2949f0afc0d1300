/**
 * One file of a log: a head, then records. All integers little-endian.
 *
 * Head: magic (8 bytes), version (u16), number of the segment (u64), sequence number of its first
 * record (u64), bytes of the segment before it that count (u64), kind and network (u8 length, UTF-8
 * each), CRC-32 of all that. Record: length of the payload (u32), CRC-32 of everything else (u32),
 * sequence number (u64), place in its group (u32), payload.
 *
 * The place in the group tells a torn tail from damage. A group is written at once and synced before
 * the next one is begun, but a power cut may keep any part of it, also a later record without an
 * earlier one. So a bad record with good ones of its own group behind it was never acknowledged; a bad
 * record with a later group behind it was.
 */
import { crc32 } from 'node:zlib';
import { bytesEqual } from '../../src/util/bytes.ts';
import { errorText } from '../../src/util/errors.ts';
import type { LogFile } from './log-files.ts';
import { ShareLogError } from './share-log-error.ts';

const MAGIC: Uint8Array = new TextEncoder().encode('BTMPOOL\n');
const VERSION = 1;
/** Up to the two texts. */
const HEAD_FIXED_BYTES = 34;
const MAX_HEAD_BYTES: number = HEAD_FIXED_BYTES + 2 * 256 + 4;
const RECORD_HEAD_BYTES = 20;
/** Longer than any block; a length above it is damage. */
export const MAX_PAYLOAD_BYTES: number = 16 << 20;
const READ_BYTES: number = 1 << 20;

export interface SegmentHead {
  readonly number: number;
  readonly firstSequence: number;
  /** Where the segment before this one ends. What is behind that there was never acknowledged. */
  readonly previousBytes: number;
  readonly kind: string;
  readonly network: string;
}

export interface LogRecord {
  readonly sequence: number;
  /** Where it begins in its file. */
  readonly offset: number;
  /** A view: it keeps up to 1 MiB of the file in memory. */
  readonly payload: Uint8Array;
}

/** `00000012.log`. */
export function segmentName(number: number): string {
  return `${String(number).padStart(8, '0')}.log`;
}

/** Numbers of the segments among `names`, in order. Throws `ShareLogError` if one is missing between. */
export function segmentNumbers(directory: string, names: readonly string[]): readonly number[] {
  const numbers = names
    .flatMap((name) => /^(\d{8,15})\.log$/.exec(name)?.[1] ?? [])
    .map(Number)
    .sort((a, b) => a - b);
  for (const [i, number] of numbers.entries()) {
    const expected = numbers[0]! + i;
    if (number === expected) continue;
    const file = `${directory}/${segmentName(expected)}`;
    const problem = `it is missing, though ${segmentName(number)} is there`;
    throw new ShareLogError({ code: 'damaged', file, offset: 0, problem });
  }
  return numbers;
}

export function encodeHead(head: SegmentHead): Uint8Array {
  const kind = shortText(head.kind, 'kind');
  const network = shortText(head.network, 'network');
  const bytes = Buffer.alloc(HEAD_FIXED_BYTES + 2 + kind.length + network.length + 4);
  bytes.set(MAGIC, 0);
  bytes.writeUInt16LE(VERSION, 8);
  bytes.writeBigUInt64LE(BigInt(head.number), 10);
  bytes.writeBigUInt64LE(BigInt(head.firstSequence), 18);
  bytes.writeBigUInt64LE(BigInt(head.previousBytes), 26);
  let at = HEAD_FIXED_BYTES;
  for (const text of [kind, network]) {
    bytes[at] = text.length;
    bytes.set(text, at + 1);
    at += 1 + text.length;
  }
  bytes.writeUInt32LE(crc32(bytes.subarray(0, at)), at);
  return bytes;
}

/** Throws `ShareLogError`: a head is on disk before its file has its name, so it is never torn. */
export async function readHead(
  file: LogFile,
  name: string,
): Promise<{ readonly head: SegmentHead; readonly bytes: number }> {
  const bytes = Buffer.alloc(MAX_HEAD_BYTES);
  const length = await file.read(bytes, 0);
  const damaged = (problem: string): ShareLogError =>
    new ShareLogError({ code: 'damaged', file: name, offset: 0, problem });
  if (length < HEAD_FIXED_BYTES || !bytesEqual(bytes.subarray(0, 8), MAGIC)) {
    throw damaged('expected the head of a log, got something else');
  }
  const version = bytes.readUInt16LE(8);
  if (version !== VERSION) {
    const expected = `version ${VERSION} of the format`;
    throw new ShareLogError({ code: 'other-log', file: name, expected, got: `version ${version}` });
  }
  let at = HEAD_FIXED_BYTES;
  const texts = [0, 1].map(() => {
    const end = at + 1 + bytes[at]!;
    const text = bytes.toString('utf8', at + 1, end);
    at = end;
    return text;
  });
  if (at + 4 > length || bytes.readUInt32LE(at) !== crc32(bytes.subarray(0, at))) {
    throw damaged('the checksum of its head is wrong');
  }
  return {
    head: {
      number: Number(bytes.readBigUInt64LE(10)),
      firstSequence: Number(bytes.readBigUInt64LE(18)),
      previousBytes: Number(bytes.readBigUInt64LE(26)),
      kind: texts[0]!,
      network: texts[1]!,
    },
    bytes: at + 4,
  };
}

/** The records of one group, in order, as they stand in the file. */
export function encodeGroup(payloads: readonly Uint8Array[], firstSequence: number): Uint8Array {
  const total = payloads.reduce((sum, each) => sum + RECORD_HEAD_BYTES + each.length, 0);
  const bytes = Buffer.allocUnsafe(total);
  let at = 0;
  for (const [place, payload] of payloads.entries()) {
    const end = at + RECORD_HEAD_BYTES + payload.length;
    bytes.writeUInt32LE(payload.length, at);
    bytes.writeBigUInt64LE(BigInt(firstSequence + place), at + 8);
    bytes.writeUInt32LE(place, at + 16);
    bytes.set(payload, at + RECORD_HEAD_BYTES);
    bytes.writeUInt32LE(checksum(bytes, at, end), at + 4);
    at = end;
  }
  return bytes;
}

/** Reads the records of one segment in order, as many at a time as one read of the file brings. */
export class SegmentReader {
  readonly #file: LogFile;
  #position: number;
  #sequence: number;

  /** Begins at `position`, where the record of this sequence number is expected. */
  constructor(file: LogFile, position: number, sequence: number) {
    this.#file = file;
    this.#position = position;
    this.#sequence = sequence;
  }

  /** End of the last whole record. */
  get position(): number {
    return this.#position;
  }

  /** Sequence number of the record that is expected there. */
  get sequence(): number {
    return this.#sequence;
  }

  /** The next records; none at the end, at `limit`, or where the next one is not whole. */
  async next(limit: number = Number.POSITIVE_INFINITY): Promise<readonly LogRecord[]> {
    const records: LogRecord[] = [];
    await this.#pass(limit, (bytes, at, end) => {
      const payload = plainView(bytes, at + RECORD_HEAD_BYTES, end);
      records.push({ sequence: this.#sequence, offset: this.#position + at, payload });
    });
    return records;
  }

  /** Goes where `next` would give nothing more. */
  async skipAll(): Promise<void> {
    let before: number;
    do {
      before = this.#position;
      await this.#pass(Number.POSITIVE_INFINITY, () => {});
    } while (this.#position > before);
  }

  /** Visits the whole records of one read of the file, and goes to the end of them. */
  async #pass(
    limit: number,
    visit: (bytes: Buffer, at: number, end: number) => void,
  ): Promise<void> {
    let bytes = await this.#read(Math.min(READ_BYTES, limit - this.#position));
    const length = bytes.length < RECORD_HEAD_BYTES ? 0 : bytes.readUInt32LE(0);
    const whole = RECORD_HEAD_BYTES + length;
    if (length <= MAX_PAYLOAD_BYTES && whole > bytes.length && bytes.length === READ_BYTES) {
      bytes = await this.#read(Math.min(whole, limit - this.#position));
    }
    let at = 0;
    for (;;) {
      const end = recordEnd(bytes, at);
      if (end === undefined || sequenceAt(bytes, at) !== this.#sequence) break;
      visit(bytes, at, end);
      this.#sequence++;
      at = end;
    }
    this.#position += at;
  }

  /**
   * For a reader that `next` gives nothing more: whether something of a later group, thus damage to
   * what was acknowledged, lies behind. What is wrong, or `undefined` if this is a torn tail or the end.
   */
  async damage(): Promise<string | undefined> {
    const size = await this.#file.size();
    if (size <= this.#position) return undefined;
    const bytes = await this.#read(size - this.#position);
    // A record takes more bytes than its head: those behind have no larger numbers than this.
    const most = this.#sequence + Math.ceil(bytes.length / RECORD_HEAD_BYTES);
    for (let at = 0; at + RECORD_HEAD_BYTES <= bytes.length; at++) {
      // The upper half of the number first: this looks at every byte, and nearly all end here.
      if (bytes.readUInt32LE(at + 12) > most / 2 ** 32) continue;
      const sequence = sequenceAt(bytes, at);
      if (sequence < this.#sequence || sequence > most) continue;
      const groupFirst = sequence - bytes.readUInt32LE(at + 16);
      if (groupFirst <= this.#sequence) continue;
      if (recordEnd(bytes, at) === undefined) continue;
      return `expected record ${this.#sequence}, got none; record ${sequence}, written later, is whole at byte ${this.#position + at}`;
    }
    return undefined;
  }

  /**
   * For a tail without damage: whether its write was certainly never finished. Either the file ends
   * within the record that is expected, or nothing of what was to be written is there.
   */
  async isUnfinished(): Promise<boolean> {
    const size = await this.#file.size();
    const bytes = await this.#read(size - this.#position);
    if (bytes.length < RECORD_HEAD_BYTES || bytes.every((byte) => byte === 0)) return true;
    const length = bytes.readUInt32LE(0);
    const isExpected = sequenceAt(bytes, 0) === this.#sequence && length <= MAX_PAYLOAD_BYTES;
    return isExpected && RECORD_HEAD_BYTES + length > bytes.length;
  }

  async #read(length: number): Promise<Buffer> {
    const bytes = Buffer.allocUnsafe(Math.max(0, length));
    return bytes.subarray(0, await this.#file.read(bytes, this.#position));
  }
}

/** The system's own words for an error of a file. */
export function ioError(directory: string, cause: unknown): ShareLogError {
  if (cause instanceof ShareLogError) return cause;
  return new ShareLogError({ code: 'io', directory, problem: errorText(cause) }, { cause });
}

/** Where the record that begins at `at` ends; `undefined` if it is not whole. */
function recordEnd(bytes: Buffer, at: number): number | undefined {
  if (at + RECORD_HEAD_BYTES > bytes.length) return undefined;
  const length = bytes.readUInt32LE(at);
  const end = at + RECORD_HEAD_BYTES + length;
  if (length > MAX_PAYLOAD_BYTES || end > bytes.length) return undefined;
  return bytes.readUInt32LE(at + 4) === checksum(bytes, at, end) ? end : undefined;
}

function checksum(bytes: Buffer, at: number, end: number): number {
  return crc32(bytes.subarray(at + 8, end), crc32(bytes.subarray(at, at + 4)));
}

function sequenceAt(bytes: Buffer, at: number): number {
  return bytes.readUInt32LE(at + 8) + bytes.readUInt32LE(at + 12) * 2 ** 32;
}

/** Never a `Buffer`, whose `slice` makes no copy. */
function plainView(bytes: Buffer, from: number, to: number): Uint8Array {
  return new Uint8Array(bytes.buffer, bytes.byteOffset + from, to - from);
}

function shortText(text: string, field: string): Uint8Array {
  const bytes = new TextEncoder().encode(text);
  if (bytes.length > 0 && bytes.length < 256) return bytes;
  throw new RangeError(`"${field}" expected 1 to 255 bytes, got ${bytes.length}`);
}
