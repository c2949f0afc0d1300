import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Readable } from 'node:stream';
import { gzipSync } from 'node:zlib';
import { afterAll, describe, expect, it } from 'vitest';
import {
  type BlockFile,
  type BlockFileEntry,
  BlockFileError,
  type BlockFileOptions,
  blockFile,
  openBlockFile,
} from '../../src/cli/block-file.ts';
import { bytesToHex } from '../../src/util/bytes.ts';
import { seededRandom } from '../support/random.ts';

const folder = mkdtempSync(join(tmpdir(), 'bytom-block-file-'));
afterAll(() => rmSync(folder, { recursive: true }));

const NEVER = new AbortController().signal;

/** A file whose bytes come in pieces of `pieceBytes`. */
function fileOf(
  content: string | Uint8Array,
  pieceBytes = 7,
  options: BlockFileOptions = {},
): BlockFile {
  const bytes = Buffer.from(content);
  const pieces: Buffer[] = [];
  for (let at = 0; at < bytes.length; at += pieceBytes) {
    pieces.push(bytes.subarray(at, at + pieceBytes));
  }
  return blockFile('f', Readable.from(pieces), bytes.length, NEVER, options);
}

async function entriesOf(file: BlockFile): Promise<BlockFileEntry[]> {
  const entries: BlockFileEntry[] = [];
  for await (const entry of file.entries) entries.push(entry);
  return entries;
}

/** Entries as `place: hex` or `place! problem`. */
async function textsOf(file: BlockFile): Promise<string[]> {
  return (await entriesOf(file)).map((entry) =>
    'bytes' in entry
      ? `${entry.place}: ${bytesToHex(entry.bytes)}`
      : `${entry.place}! ${entry.problem}`,
  );
}

/** The error that reading ends with, and the places that were read before it. */
async function failureOf(file: BlockFile): Promise<[error: unknown, places: string[]]> {
  const places: string[] = [];
  try {
    for await (const { place } of file.entries) places.push(place);
  } catch (error) {
    return [error, places];
  }
  throw new Error(`read to the end without an error: ${places.join(', ')}`);
}

async function expectFailure(
  file: BlockFile,
  code: BlockFileError['detail']['code'],
  text: string,
): Promise<void> {
  const [error] = await failureOf(file);
  expect(error).toBeInstanceOf(BlockFileError);
  expect((error as BlockFileError).message).toContain(text);
  expect((error as BlockFileError).detail).toMatchObject({ code, file: 'f' });
}

describe('a file of lines', () => {
  it('gives each line that is not blank, with its number, whatever the line ends', async () => {
    const text = '\ufeff0a0B\r\n\n  0c0d\t\n   \n0e';
    for (const pieceBytes of [1, 2, 3, 1000]) {
      expect(await textsOf(fileOf(text, pieceBytes)), `${pieceBytes} bytes`).toEqual([
        'line 1: 0a0b',
        'line 3: 0c0d',
        'line 5: 0e',
      ]);
    }
  });

  it('goes on behind a line that cannot be read, and says why it cannot', async () => {
    expect(await textsOf(fileOf('00\nabc\n0x12\n11\n'))).toEqual([
      'line 1: 00',
      'line 2! hex: expected an even number of hex digits, got 3 digits',
      'line 3! hex: expected an even number of hex digits, got "x" at position 1',
      'line 4: 11',
    ]);
  });

  it('takes a line of the greatest length and none longer, without keeping it', async () => {
    const longest = 'ab'.repeat(100);
    const text = `${longest}\r\n${longest}c\n${'d'.repeat(100_000)}\n00\n`;
    expect(await textsOf(fileOf(text, 50, { maxBlockBytes: 100 }))).toEqual([
      `line 1: ${longest}`,
      'line 2! more than 200 characters',
      'line 3! more than 200 characters',
      'line 4: 00',
    ]);
  });

  it('is cut into the same lines wherever its pieces end', async () => {
    const random = seededRandom(3);
    const lines = Array.from({ length: 200 }, () => '7f'.repeat(Math.floor(random() * 40)));
    const text = lines.join('\n');
    const expected = lines.flatMap((line, i) => (line === '' ? [] : [`line ${i + 1}: ${line}`]));
    for (let run = 0; run < 20; run++) {
      const pieceBytes = 1 + Math.floor(random() * 100);
      const bytes = run % 2 === 0 ? Buffer.from(text) : gzipSync(text);
      expect(await textsOf(fileOf(bytes, pieceBytes)), `${pieceBytes} bytes`).toEqual(expected);
    }
  });

  it('tells how much of it has been read', async () => {
    const fractions = (await entriesOf(fileOf('0000\n1111\n2222\n3333\n', 5))).map(
      (entry) => entry.fraction,
    );
    expect(fractions.length).toBe(4);
    expect(fractions.at(-1)).toBe(1);
    expect(fractions).toEqual(fractions.toSorted());
    const unknown = blockFile('f', Readable.from([Buffer.from('00')]), undefined, NEVER);
    expect((await entriesOf(unknown))[0]?.fraction).toBeUndefined();
  });

  it('asks for no more of its source than is needed', async () => {
    let pieces = 0;
    const source = Readable.from(
      (function* () {
        for (;;) {
          pieces++;
          yield Buffer.from(`${'00'.repeat(500)}\n`);
        }
      })(),
    );
    let entries = 0;
    for await (const _ of blockFile('f', source, undefined, NEVER).entries) {
      if (++entries === 50) break;
    }
    expect(pieces).toBeLessThan(50 + 40);
    expect(source.destroyed).toBe(true);
  });
});

describe('a compressed file', () => {
  it('is known by its first bytes, also in two members and one byte at a time', async () => {
    const bytes = Buffer.concat([gzipSync('00\n11'), gzipSync('22\n33\n')]);
    const expected = ['line 1: 00', 'line 2: 1122', 'line 3: 33'];
    expect(await textsOf(fileOf(bytes, 1))).toEqual(expected);
    expect(await textsOf(fileOf(bytes, 1000))).toEqual(expected);
  });

  it('may hold JSON', async () => {
    expect(await textsOf(fileOf(gzipSync('["00"]')))).toEqual(['item 0: 00']);
  });

  it('that is cut off gives what comes before, then an error that names the place', async () => {
    const random = seededRandom(5);
    const line = (): string => Array.from({ length: 999 }, () => (random() * 10) | 0).join('');
    const whole = gzipSync(Array.from({ length: 500 }, line).join('0\n'));
    const [error, places] = await failureOf(fileOf(whole.subarray(0, whole.length >> 1), 1000));
    expect(error).toBeInstanceOf(BlockFileError);
    const { detail } = error as BlockFileError;
    expect(detail).toMatchObject({ code: 'damaged', reason: 'gzip: unexpected end of file' });
    expect(places.length).toBeGreaterThan(100);
    expect(detail).toMatchObject({ after: places.at(-1) });
  });

  it('that was changed is an error', async () => {
    const bytes = gzipSync('00\n11\n');
    bytes[bytes.length - 8]! ^= 1;
    await expectFailure(fileOf(bytes), 'damaged', 'gzip: incorrect data check');
    await expectFailure(fileOf(bytes.subarray(0, 5)), 'damaged', 'after its beginning');
  });
});

describe('a JSON file', () => {
  it.each([
    ['an array of texts', '["00", "11"]'],
    ['an array of objects', '[{"raw_block": "00"}, {"raw_block": "11", "height": 7}]'],
    ['the member blocks', ' {"n": 1, "blocks": [{"raw_block": "00"}, "11"]}'],
    ['the member steps', '\ufeff\n{"steps": [{"raw_block": "00"}, {"raw_block": "11"}]}'],
  ])('gives the blocks of %s', async (_form, text) => {
    expect(await textsOf(fileOf(text))).toEqual(['item 0: 00', 'item 1: 11']);
  });

  it('goes on behind what is no block', async () => {
    expect(await textsOf(fileOf('[7, null, {"raw": "00"}, "0g", "00"]'))).toEqual([
      'item 0! expected a text or a member "raw_block" with one',
      'item 1! expected a text or a member "raw_block" with one',
      'item 2! expected a text or a member "raw_block" with one',
      'item 3! hex: expected an even number of hex digits, got "g" at position 1',
      'item 4: 00',
    ]);
  });

  it('is refused where it is none, or has no blocks', async () => {
    await expectFailure(fileOf('[00'), 'unknown-form', 'JSON with an error: ');
    await expectFailure(fileOf('{"block": []}'), 'unknown-form', 'without an array');
    await expectFailure(fileOf('[]'), 'no-blocks', 'holds no blocks');
    const limited = { maxJsonBytes: 10 };
    await expectFailure(fileOf('["00", "11"]', 4, limited), 'unknown-form', 'more than 10 bytes');
    await expectFailure(
      fileOf(gzipSync(`[${' '.repeat(1_000_000)}]`), 100, limited),
      'unknown-form',
      'more than 10 bytes',
    );
  });
});

describe('a file that is none of these', () => {
  it('is refused at once', async () => {
    await expectFailure(fileOf(''), 'no-blocks', 'f: holds no blocks');
    await expectFailure(fileOf('\n \r\n\n'), 'no-blocks', 'holds no blocks');
    await expectFailure(fileOf('\u007fELF\u0002\u0001'), 'unknown-form', 'byte 0x02 at position 4');
    await expectFailure(fileOf(Uint8Array.of(0)), 'unknown-form', 'byte 0x00 at position 0');
  });

  it('is named if it cannot be opened', async () => {
    for (const [path, reason] of [
      [join(folder, 'none'), 'ENOENT'],
      [folder, 'it is a directory'],
    ] as const) {
      const opened = openBlockFile(path, NEVER);
      await expect(opened, path).rejects.toBeInstanceOf(BlockFileError);
      await expect(opened, path).rejects.toThrow(reason);
      await expect(opened, path).rejects.toThrow(path);
    }
  });

  it('is named if its bytes do not come', async () => {
    const source = new Readable({ read: () => {} });
    source.push('00\n'.repeat(400));
    const file = blockFile('f', source, 1, NEVER);
    setImmediate(() => source.destroy(new Error('EIO: the disk is gone')));
    await expectFailure(file, 'unreadable', 'cannot be read: EIO: the disk is gone');
  });
});

describe('reading', () => {
  it('opens a file by name', async () => {
    const path = join(folder, 'blocks.txt');
    writeFileSync(path, '00\n11\n');
    expect(await textsOf(await openBlockFile(path, NEVER))).toEqual(['line 1: 00', 'line 2: 11']);
  });

  it.each([
    ['before it begins', 0],
    ['while it waits for more', 1],
  ])('ends with the reason of the signal, aborted %s', async (_when, delay) => {
    const stop = new AbortController();
    const reason = new Error('stop');
    const source = new Readable({ read: () => {} });
    if (delay === 0) stop.abort(reason);
    else setImmediate(() => stop.abort(reason));
    const [error] = await failureOf(blockFile('f', source, undefined, stop.signal));
    expect(error).toBe(reason);
    expect(source.destroyed).toBe(true);
  });
});
