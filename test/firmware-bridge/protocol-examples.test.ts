/** The frames that PROTOCOL.md shows are read, and made again from what it says of them. */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import type { Codec } from '../../firmware-bridge/codec.ts';
import { EVENTS, SHARE } from '../../firmware-bridge/events.ts';
import { decodeFrame, encodeFrame, FLAG_REPEAT } from '../../firmware-bridge/frame.ts';
import { readIdentity, readStatus } from '../../firmware-bridge/identity.ts';
import {
  ANSWER,
  HELLO,
  HELLO_ANSWER,
  JOB,
  JOB_FLAGS,
  NAK,
  NAK_MESSAGE,
  NAK_NAMES,
  SEED,
  STATES,
  STATUS_ANSWER,
  TYPES,
} from '../../firmware-bridge/messages.ts';
import { SlipDecoder, slipEncode } from '../../firmware-bridge/slip.ts';
import { hexToBytes } from '../../src/util/bytes.ts';
import { repoRoot } from '../support/repo-files.ts';

interface Example {
  /** Begins the sentence that stands before the bytes. */
  readonly title: string;
  readonly type: number;
  readonly seq: number;
  readonly flags?: number;
  readonly payload: Uint8Array;
  /** The payload as the codec reads it. */
  readonly read: () => void;
}

function example<T extends object>(
  title: string,
  frame: { readonly type: number; readonly seq: number; readonly flags?: number },
  codec: Codec<T>,
  value: T,
): Example {
  const payload = codec.encode(value);
  return { title, ...frame, payload, read: () => expect(codec.decode(payload)).toEqual(value) };
}

const up = (from: number, n: number): Uint8Array =>
  Uint8Array.from({ length: n }, (_, i) => from + i);
const tlvs = hexToBytes(
  '010400000002' + '020407000000' + '03024c04' + '040102' + '050800c20100' + '00100e00',
  'tlvs',
);
const hello = {
  nonce: up(1, 8),
  lowestVersion: 1,
  highestVersion: 1,
  major: 1,
  minor: 2,
  patch: 3,
  buildId: 0x1234_5678,
  boardId: 16,
  uid: up(0x30, 12),
  tlvs: Uint8Array.from([...tlvs, 6, 1, 1, 7, 5, ...new TextEncoder().encode('board')]),
};
const status = {
  state: STATES.HASHING,
  duty: 100,
  temperature: 451,
  clockKhz: 480_000,
  uptimeS: 3600,
  hashes: 700,
  crcErrors: 1,
  otherErrors: 0,
  restarts: 0,
  epoch: 5,
  jobId: 7,
  shares: 1,
  nextNonce: 0x1_0000_02bcn,
  product: 200,
  waiting: 0,
};
const NAK_SEQ = 2;

const EXAMPLES: readonly Example[] = [
  example('HELLO', { type: TYPES.HELLO, seq: 0 }, HELLO, { nonce: hello.nonce }),
  example('Its answer', { type: TYPES.HELLO | ANSWER, seq: 0 }, HELLO_ANSWER, hello),
  example('SEED', { type: TYPES.SEED, seq: 1 }, SEED, { epoch: 5, flags: 0, seed: up(0x80, 32) }),
  example('JOB', { type: TYPES.JOB, seq: 2 }, JOB, {
    epoch: 5,
    jobId: 7,
    flags: JOB_FLAGS.REPLACE,
    nonceOffset: 128,
    preimageLength: 136,
    count: 1000,
    nonceStart: 0x1_0000_0000n,
    target: new Uint8Array(32).fill(0xff, 0, 31),
    preimage: up(0, 136),
  }),
  example('An answer to STATUS', { type: TYPES.STATUS | ANSWER, seq: 3 }, STATUS_ANSWER, status),
  example('SHARE', { type: EVENTS.SHARE, seq: 9 }, SHARE, {
    epoch: 5,
    jobId: 7,
    index: 0,
    nonce: 0x1_0000_02aan,
    digest: up(0xa0, 32),
  }),
  example('A NAK', { type: NAK, seq: NAK_SEQ }, NAK_MESSAGE, {
    seq: NAK_SEQ,
    nak: NAK_NAMES.indexOf('BUSY'),
    type: TYPES.JOB,
    info: 250,
  }),
  {
    title: 'PING',
    type: TYPES.PING,
    seq: 0xc0db,
    flags: FLAG_REPEAT,
    payload: Uint8Array.of(0xc0, 0xdb, 0xdc, 0xdd),
    read: () => {},
  },
];

/** What stands under "Examples": each a sentence and the bytes behind it. */
function documented(): Map<string, Uint8Array> {
  const text = readFileSync(join(repoRoot, 'firmware-bridge/PROTOCOL.md'), 'utf8');
  const section = text.split('\n## Examples\n')[1] ?? '';
  const blocks = section.matchAll(/^\*\*([^*]+)\*\*[^`]*\n```text\n([0-9A-F \n]+)```$/gm);
  return new Map(
    [...blocks].map(([, title, hex]) => [title!, hexToBytes(hex!.replace(/\s/g, ''), title!)]),
  );
}

describe('the examples of PROTOCOL.md', () => {
  it('are these and no others', () => {
    expect([...documented().keys()]).toEqual(EXAMPLES.map(({ title }) => title));
  });

  it.each(EXAMPLES)(
    'has the bytes of: $title',
    ({ title, type, seq, flags = 0, payload, read }) => {
      const bytes = documented().get(title)!;
      expect(hexLines(bytes)).toBe(
        hexLines(slipEncode(encodeFrame(type, seq, payload, { flags }))),
      );
      const stretches: Uint8Array[] = [];
      const decoder = new SlipDecoder(1100, {
        onStretch: (stretch) => stretches.push(stretch),
        onText: (line) => expect.unreachable(line),
        onGarbage: (count) => expect.unreachable(`${count} bytes of garbage`),
      });
      decoder.push(bytes);
      expect(stretches.map((stretch) => decodeFrame(stretch))).toEqual([
        { ok: true, frame: { version: 1, type, flags, seq, payload } },
      ]);
      read();
    },
  );

  it('mean what the document says of them', () => {
    const identity = readIdentity(hello);
    expect(identity).toMatchObject({
      name: 'board',
      firmware: '1.2.3',
      ramBytes: 32 * 1024 * 1024,
      maxFrame: 1100,
      queue: 2,
      bauds: [115_200, 921_600],
      modes: { hash: true, rows: true, ckpt: true, table: false },
      sensors: { temperature: true, clock: false },
    });
    expect(readStatus(status, identity)).toMatchObject({ temperatureC: 45.1, clockMhz: 480 });
  });
});

/** As in the document: 24 bytes a line. */
function hexLines(bytes: Uint8Array): string {
  const hex = [...bytes].map((byte) => byte.toString(16).toUpperCase().padStart(2, '0'));
  const lines: string[] = [];
  for (let at = 0; at < hex.length; at += 24) lines.push(hex.slice(at, at + 24).join(' '));
  return lines.join('\n');
}
