import { describe, expect, it } from 'vitest';
import {
  decodeMessage,
  encodeMessage,
  getBlockByHash,
  getBlockByHeight,
  MAX_BLOCKS,
  MAX_FILTER_PROGRAM_BYTES,
  MAX_FILTER_PROGRAMS,
  MAX_HEADERS,
  MAX_LOCATOR,
  MAX_MESSAGE_BYTES,
  type PeerMessage,
} from '../../src/p2p/messages.ts';
import { WireError } from '../../src/p2p/wire.ts';
import { bytesToHex, concatBytes, hexToBytes } from '../../src/util/bytes.ts';
import { recordedMessages } from '../support/p2p-session.ts';
import { seededRandom } from '../support/random.ts';

const hash = (byte: number): Uint8Array => new Uint8Array(32).fill(byte);
const bytes = (...values: number[]): Uint8Array => Uint8Array.from(values);

/** One of every type. */
const SAMPLES: readonly PeerMessage[] = [
  getBlockByHeight(7),
  getBlockByHash(hash(1)),
  { type: 'block', block: bytes(1, 2, 3) },
  { type: 'get-headers', locator: [hash(1), hash(2)], stop: hash(3) },
  { type: 'headers', headers: [bytes(1), bytes(2, 3)] },
  { type: 'get-blocks', locator: [], stop: hash(3) },
  { type: 'blocks', blocks: [bytes(), bytes(255)] },
  { type: 'status-request' },
  { type: 'status', height: 99, bestHash: hash(4), genesisHash: hash(5) },
  { type: 'transaction', transaction: bytes(0xab, 0xcd) },
  { type: 'new-block', block: bytes(9) },
  { type: 'filter-load', programs: [bytes(0, 20), bytes(81)] },
  { type: 'filter-add', program: bytes(0, 20, 1) },
  { type: 'filter-clear' },
  { type: 'get-merkle-block', height: 3, hash: hash(0) },
  {
    type: 'merkle-block',
    header: bytes(1, 1),
    transactionHashes: [hash(6)],
    transactions: [bytes(7, 1)],
    statusHashes: [hash(7), hash(8)],
    statuses: [bytes(0x7b, 0x7d)],
    flags: bytes(2),
  },
];

/** Decodes; anything thrown but a `WireError` fails the test. */
function tryDecode(input: Uint8Array): PeerMessage | WireError {
  try {
    return decodeMessage(input);
  } catch (error) {
    if (error instanceof WireError) return error;
    throw error;
  }
}

function codeOf(input: Uint8Array): string {
  const result = tryDecode(input);
  return result instanceof WireError ? result.detail.code : 'none';
}

/** A list of empty elements as `kind` would have it. */
function emptyList(kind: number, count: number, elementBytes: number): Uint8Array {
  const length = bytes(2, count >> 8, count & 255);
  return concatBytes(bytes(kind), length, new Uint8Array(count * elementBytes + 64));
}

describe('messages', () => {
  it('reads and writes the recorded ones byte by byte', () => {
    const types = recordedMessages.map((message) => {
      const decoded = decodeMessage(message.bytes);
      expect(bytesToHex(encodeMessage(decoded)), message.what).toBe(bytesToHex(message.bytes));
      return decoded.type;
    });
    expect(new Set(types)).toEqual(
      new Set([
        'status-request',
        'status',
        'get-block',
        'block',
        'get-headers',
        'headers',
        'get-blocks',
        'blocks',
      ]),
    );
  });

  it('finds the recorded heights and counts', () => {
    const [status] = recordedMessages.filter(({ what }) => what === 'StatusResponse');
    expect(decodeMessage(status!.bytes)).toMatchObject({ type: 'status', height: 2032 });
    const [blocks] = recordedMessages.filter(({ what }) => what === 'Blocks 6..9');
    const message = decodeMessage(blocks!.bytes);
    expect(message.type === 'blocks' && message.blocks.map((block) => block[2])).toEqual([
      6, 7, 8, 9,
    ]);
  });

  it('come back as they went, of every type', () => {
    for (const message of SAMPLES) {
      expect(decodeMessage(encodeMessage(message)), message.type).toEqual(message);
    }
  });

  it('write the bytes that the protocol says', () => {
    const table: readonly (readonly [PeerMessage, string])[] = [
      [{ type: 'transaction', transaction: bytes(0xab, 0xcd) }, `300104${'61626364'}`],
      [{ type: 'headers', headers: [bytes(1)] }, `1301010104${'22303122'}`],
      [{ type: 'filter-load', programs: [bytes(0x51)] }, '500101010151'],
      [{ type: 'filter-clear' }, '52'],
      [{ type: 'get-block', height: 1, hash: hash(0) }, `100000000000000001${'00'.repeat(32)}`],
    ];
    for (const [message, hex] of table) {
      expect(bytesToHex(encodeMessage(message)), message.type).toBe(hex);
    }
  });

  it('keep nothing of the bytes they were read from', () => {
    for (const message of SAMPLES) {
      const input = encodeMessage(message);
      const decoded = decodeMessage(input);
      input.fill(0xee);
      expect(decoded, message.type).toEqual(message);
    }
  });

  it('take upper-case hex and refuse what is none', () => {
    expect(decodeMessage(hexToBytes('3001024142', 'm'))).toMatchObject({
      transaction: bytes(0xab),
    });
    const table: readonly (readonly [string, string])[] = [
      ['300103414243', 'three digits'],
      ['3001024167', 'a letter'],
      ['30010241c3', 'a byte above 127'],
      ['13010101044161623d', 'no quotes'],
      ['130101010122', 'one quote'],
      ['1301010103223022', 'one digit in quotes'],
    ];
    for (const [hex, what] of table) expect(codeOf(hexToBytes(hex, 'm')), what).toBe('bad-value');
  });

  it('refuses unknown types, empty messages and bytes after the end', () => {
    expect(codeOf(bytes())).toBe('truncated');
    expect(codeOf(bytes(0x16))).toBe('unknown-kind');
    expect(codeOf(bytes(0x00))).toBe('unknown-kind');
    expect(codeOf(bytes(0x20, 0))).toBe('trailing');
  });

  it('refuses heights that are no exact numbers', () => {
    const message = encodeMessage(getBlockByHeight(1));
    message[1] = 0x80;
    expect(codeOf(message)).toBe('too-large');
  });

  it('refuses lists and programs beyond their limits', () => {
    expect(codeOf(emptyList(0x12, MAX_LOCATOR, 32))).toBe('trailing');
    expect(codeOf(emptyList(0x12, MAX_LOCATOR + 1, 32))).toBe('too-large');
    expect(codeOf(emptyList(0x13, MAX_HEADERS + 1, 8))).toBe('too-large');
    expect(codeOf(emptyList(0x15, MAX_BLOCKS + 1, 8))).toBe('too-large');
    expect(codeOf(emptyList(0x50, MAX_FILTER_PROGRAMS + 1, 8))).toBe('too-large');
    const program = new Uint8Array(MAX_FILTER_PROGRAM_BYTES + 1);
    expect(codeOf(encodeMessage({ type: 'filter-add', program }))).toBe('too-large');
    expect(codeOf(new Uint8Array(MAX_MESSAGE_BYTES + 1))).toBe('too-large');
  });

  it('refuses a hash of another length as our mistake', () => {
    expect(() => encodeMessage(getBlockByHash(new Uint8Array(31)))).toThrow(RangeError);
    expect(() => encodeMessage(getBlockByHeight(-1))).toThrow(RangeError);
  });

  it('refuses every truncation of every message, and only as wire errors', () => {
    const all = [
      ...recordedMessages.map((message) => message.bytes),
      ...SAMPLES.map(encodeMessage),
    ];
    for (const message of all) {
      const taken = Array.from(message.keys()).filter(
        (length) => codeOf(message.subarray(0, length)) === 'none',
      );
      expect(taken, 'lengths').toEqual([]);
    }
  });

  it('reads random bytes and mutations as messages or wire errors', () => {
    const random = seededRandom(4);
    const below = (n: number): number => Math.floor(random() * n);
    const encoded = SAMPLES.map(encodeMessage);
    for (let round = 0; round < 1500; round++) {
      const noise = Uint8Array.from({ length: below(80) }, () => below(256));
      const kind = encoded[below(encoded.length)]!;
      noise[0] = round % 2 === 0 ? kind[0]! : below(256);
      tryDecode(noise);
      const mutant = Uint8Array.from(kind);
      for (let i = 0; i <= below(3); i++) mutant[below(mutant.length)] = below(256);
      const result = tryDecode(mutant);
      // What was understood means the same when it is said again.
      if (!(result instanceof WireError)) {
        expect(decodeMessage(encodeMessage(result))).toEqual(result);
      }
    }
  });
});
