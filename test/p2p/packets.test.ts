import { describe, expect, it } from 'vitest';
import { PacketDecoder, PING, PONG, partHead } from '../../src/p2p/packets.ts';
import { WireError } from '../../src/p2p/wire.ts';
import { concatBytes } from '../../src/util/bytes.ts';
import { seededRandom } from '../support/random.ts';

const bytes = (...values: number[]): Uint8Array => Uint8Array.from(values);

/** All packets of a stream that comes in pieces of `size` bytes, as text. */
function decodeAll(stream: Uint8Array, size: number): readonly string[] {
  const decoder = new PacketDecoder();
  const out: string[] = [];
  for (let at = 0; at < stream.length; at += size) {
    const piece = stream.slice(at, at + size);
    decoder.push(piece);
    for (let packet = decoder.next(); packet; packet = decoder.next()) {
      out.push(packet.type === 'part' ? `${packet.isLast} ${packet.payload.join()}` : packet.type);
    }
    // Nothing of the piece may be used after this.
    piece.fill(0xee);
  }
  return out;
}

function codeOf(stream: Uint8Array): string {
  try {
    decodeAll(stream, stream.length);
  } catch (error) {
    if (error instanceof WireError) return error.detail.code;
    throw error;
  }
  return 'none';
}

describe('packets', () => {
  it('have the heads that the protocol says', () => {
    expect(partHead(5, true)).toEqual(bytes(3, 0x40, 1, 1, 5));
    expect(partHead(1024, false)).toEqual(bytes(3, 0x40, 0, 2, 4, 0));
  });

  it('are read from pieces of any size', () => {
    const long = new Uint8Array(1024).fill(9);
    const stream = concatBytes(
      bytes(PING, PONG),
      partHead(1024, false),
      long,
      bytes(PING),
      partHead(3, true),
      bytes(1, 2, 3),
      partHead(0, true),
      bytes(PONG),
    );
    const expected = [
      'ping',
      'pong',
      `false ${long.join()}`,
      'ping',
      'true 1,2,3',
      'true ',
      'pong',
    ];
    for (const size of [1, 2, 3, 7, 1000, 1024, stream.length]) {
      expect(decodeAll(stream, size), `pieces of ${size}`).toEqual(expected);
    }
  });

  it('are refused as soon as a byte is wrong', () => {
    const table: readonly (readonly [Uint8Array, string, string])[] = [
      [bytes(0), 'unknown-kind', 'type 0'],
      [bytes(4), 'unknown-kind', 'type 4'],
      [bytes(3, 0x41), 'unknown-kind', 'another channel'],
      [bytes(3, 0x40, 2), 'bad-value', 'another end'],
      [bytes(3, 0x40, 1, 0xf1), 'bad-value', 'a negative length'],
      [bytes(3, 0x40, 1, 9), 'bad-value', 'a length of nine bytes'],
      [bytes(3, 0x40, 1, 2, 4, 1), 'too-large', '1025 bytes'],
      [bytes(3, 0x40, 1, 8, 1, 0, 0, 0, 0, 0, 0, 0), 'too-large', '2^56 bytes'],
      [bytes(3, 0x40, 0, 0), 'bad-value', 'an empty part that is not the last'],
    ];
    for (const [stream, code, what] of table) expect(codeOf(stream), what).toBe(code);
  });

  it('are no more than wire errors for random streams', () => {
    const random = seededRandom(3);
    const below = (n: number): number => Math.floor(random() * n);
    for (let round = 0; round < 2000; round++) {
      const stream = Uint8Array.from({ length: below(60) }, () => below(round % 2 ? 256 : 5));
      codeOf(stream);
    }
  });
});
