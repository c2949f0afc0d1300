import { describe, expect, it } from 'vitest';
import { decodeFrame, encodeFrame } from '../../firmware-bridge/frame.ts';
import { MAX_LINE_BYTES, SlipDecoder, slipEncode } from '../../firmware-bridge/slip.ts';
import { concatBytes } from '../../src/util/bytes.ts';
import { seededRandom } from '../support/random.ts';

const MAX_FRAME = 300;

type Item = readonly ['frame', number[]] | readonly ['text', string] | readonly ['garbage', number];

function createDecoder(maxFrame = MAX_FRAME): { decoder: SlipDecoder; items: Item[] } {
  const items: Item[] = [];
  const decoder = new SlipDecoder(maxFrame, {
    onStretch: (bytes) => items.push(['frame', [...bytes]]),
    onText: (line) => items.push(['text', line]),
    onGarbage: (count) => items.push(['garbage', count]),
  });
  return { decoder, items };
}

function decode(...stream: readonly (Uint8Array | readonly number[])[]): Item[] {
  const { decoder, items } = createDecoder();
  for (const bytes of stream) decoder.push(Uint8Array.from(bytes));
  return items;
}

const ascii = (text: string): Uint8Array => new TextEncoder().encode(text);

/** Begins as a frame does, with bytes that need escapes more often than by chance. */
function randomFrame(random: () => number, most = MAX_FRAME): Uint8Array {
  const length = 1 + Math.floor(random() * most);
  const special = [0xc0, 0xdb, 0xdc, 0xdd, 0x0a, 0x41];
  return Uint8Array.from({ length }, (_, i) => {
    if (i === 0) return 1;
    const byte = Math.floor(random() * 256);
    return random() < 0.3 ? special[byte % special.length]! : byte;
  });
}

describe('slipEncode', () => {
  it('escapes the two bytes that it must and puts an END on both sides', () => {
    expect([...slipEncode(Uint8Array.of(1, 0xc0, 0xdb, 0xdc, 0xdd))]).toEqual([
      0xc0, 1, 0xdb, 0xdc, 0xdb, 0xdd, 0xdc, 0xdd, 0xc0,
    ]);
    expect([...slipEncode(new Uint8Array(0))]).toEqual([0xc0, 0xc0]);
  });
});

describe('SlipDecoder', () => {
  it('gives back frames and lines however the stream is split', () => {
    const random = seededRandom(1);
    for (let run = 0; run < 60; run++) {
      const parts: Uint8Array[] = [];
      const expected: Item[] = [];
      for (let i = 0; i < 8; i++) {
        if (random() < 0.4) {
          const line = `log ${'x'.repeat(Math.floor(random() * 80))}`;
          parts.push(ascii(`${line}${random() < 0.5 ? '\r\n' : '\n'}`));
          expected.push(['text', line]);
        } else {
          const frame = randomFrame(random, 60);
          parts.push(slipEncode(frame));
          expected.push(['frame', [...frame]]);
        }
      }
      const stream = concatBytes(...parts);
      const { decoder, items } = createDecoder();
      for (let at = 0; at < stream.length; ) {
        const end = at + Math.floor(random() * 40);
        decoder.push(stream.subarray(at, end));
        at = end;
      }
      expect(items, `run ${run}`).toEqual(expected);
      expect(decoder.pending).toBe(0);
    }
  });

  it('loses one frame at most to a byte that is lost, changed or invented', () => {
    const random = seededRandom(2);
    const kinds = ['lost', 'changed', 'invented'] as const;
    for (let run = 0; run < 300; run++) {
      const frames = Array.from({ length: 5 }, (_, seq) =>
        encodeFrame(0xc0, seq, randomFrame(random, 40)),
      );
      // As another sender might do it: one END between two frames.
      const stream = concatBytes(
        ...frames.map((frame) => slipEncode(frame).subarray(1)),
        Uint8Array.of(0xc0),
      );
      const kind = kinds[run % kinds.length]!;
      const at = Math.floor(random() * (stream.length - 1));
      const byte = random() < 0.3 ? 0xc0 : Math.floor(random() * 256);
      const items = decode(
        stream.subarray(0, at),
        kind === 'lost' ? [] : [byte],
        stream.subarray(kind === 'invented' ? at : at + 1),
      );
      const seqs = items.flatMap(([what, bytes]) => {
        const decoded = what === 'frame' ? decodeFrame(Uint8Array.from(bytes)) : undefined;
        return decoded?.ok === true ? [decoded.frame.seq] : [];
      });
      // A lost END joins two.
      const least = stream[at] === 0xc0 ? 3 : 4;
      const message = `run ${run}: byte ${at} ${kind}, now ${byte}`;
      expect(seqs.length, message).toBeGreaterThanOrEqual(least);
      expect(new Set(seqs).size, message).toBe(seqs.length);
    }
  });

  it('loses nothing to a lost END where each frame has two', () => {
    const random = seededRandom(3);
    const frames = Array.from({ length: 5 }, () => randomFrame(random, 40));
    const stream = concatBytes(...frames.map((frame) => slipEncode(frame)));
    const expected = frames.map((frame): Item => ['frame', [...frame]]);
    for (const [at, byte] of [...stream.entries()].slice(0, -1)) {
      if (byte !== 0xc0) continue;
      const items = decode(stream.subarray(0, at), stream.subarray(at + 1));
      expect(items, `END at ${at}`).toEqual(expected);
    }
  });

  it('takes a frame whose first END is the last of the one before', () => {
    expect(decode([0xc0, 1, 2, 0xc0, 1, 3, 0xc0])).toEqual([
      ['frame', [1, 2]],
      ['frame', [1, 3]],
    ]);
  });

  it('ends a line at the END of a frame that cuts in', () => {
    expect(decode(ascii('half a li'), [0xc0, 1, 2, 0xc0], ascii('ne\n'))).toEqual([
      ['text', 'half a li'],
      ['frame', [1, 2]],
      ['text', 'ne'],
    ]);
  });

  it('passes over empty lines and keeps tabs', () => {
    expect(decode(ascii('\r\n\n\n\ta\tb\n\r\n'))).toEqual([['text', '\ta\tb']]);
  });

  it('cuts a line that does not end', () => {
    const long = 'y'.repeat(MAX_LINE_BYTES);
    expect(decode(ascii(`${long}${long}z\n`))).toEqual([
      ['text', long],
      ['text', long],
      ['text', 'z'],
    ]);
  });

  it('drops a line with other bytes in it up to the next END, and counts it', () => {
    expect(decode(ascii('caf'), [0xc3, 0xa9, 0x0a], ascii('more\n'), [0xc0, 1, 0xc0])).toEqual([
      ['garbage', 11],
      ['frame', [1]],
    ]);
  });

  it.each([
    ['an escape of no meaning', [1, 0xdb, 0x41, 2], 4],
    ['an escape that the END cuts off', [1, 2, 0xdb], 3],
    ['an escaped END at its begin that is spoiled after', [0xdb, 0xdc, 0xdb, 0xdb], 4],
  ])('drops a stretch with %s', (_name, stretch, count) => {
    expect(decode([0xc0], stretch, [0xc0, 1, 5, 0xc0])).toEqual([
      ['garbage', count],
      ['frame', [1, 5]],
    ]);
  });

  it('takes a frame of the longest length and drops a longer one', () => {
    const longest = new Uint8Array(MAX_FRAME).fill(0xc0);
    longest[0] = 1;
    expect(decode(slipEncode(longest))).toEqual([['frame', [...longest]]]);
    const longer = concatBytes(longest, Uint8Array.of(2));
    expect(decode(slipEncode(longer), [0xc0, 1, 7, 0xc0])).toEqual([
      ['garbage', 2 * MAX_FRAME],
      ['frame', [1, 7]],
    ]);
  });

  it('takes longer frames once raised, even in the middle of one', () => {
    const { decoder, items } = createDecoder();
    const long = new Uint8Array(500).fill(7);
    const stream = slipEncode(long);
    decoder.push(stream.subarray(0, 200));
    decoder.raise(500);
    decoder.raise(400);
    decoder.push(stream.subarray(200));
    expect(items).toEqual([['frame', [...long]]]);
  });

  it('tells how much of an open stretch there is, unless it is text', () => {
    const { decoder } = createDecoder();
    decoder.push(Uint8Array.of(0xff, 0xdb, 0xdc, 0xfe));
    expect(decoder.pending).toBe(4);
    decoder.push(Uint8Array.of(0xc0, 0x41, 0x42));
    expect(decoder.pending).toBe(0);
  });

  it('goes on after a listener that throws', () => {
    const frames: number[][] = [];
    const decoder = new SlipDecoder(MAX_FRAME, {
      onStretch: (bytes) => {
        frames.push([...bytes]);
        if (frames.length === 1) throw new Error('as arranged');
      },
      onText: () => {},
      onGarbage: () => {},
    });
    expect(() => decoder.push(Uint8Array.of(1, 2, 0xc0))).toThrow('as arranged');
    decoder.push(Uint8Array.of(1, 3, 0xc0));
    expect(frames).toEqual([
      [1, 2],
      [1, 3],
    ]);
  });
});
