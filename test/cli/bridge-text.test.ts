import { describe, expect, it } from 'vitest';
import type { PortInfo } from '../../firmware-bridge/list-ports.ts';
import { checkLine, useLine } from '../../src/cli/bridge-attach.ts';
import { onlyBoard } from '../../src/cli/bridge-board.ts';
import { cleaned, portListText } from '../../src/cli/bridge-list.ts';
import { roundedCheck } from '../../src/cli/bridge-measure.ts';
import { socketLine } from '../../src/cli/bridge-simulated.ts';
import { LineWriter, plainText, shellWord } from '../../src/cli/bridge-text.ts';

describe('texts from outside', () => {
  it('lose what a terminal would obey, and what is too long', () => {
    expect(plainText('a\u001b]0;title\u0007b')).toBe('a ]0;title b');
    expect(plainText('\u202eevil\u2066\u200b')).toBe('evil');
    expect(plainText('line\u2028next\nlast\u009b')).toBe('line next last');
    expect(plainText('Grüße 板')).toBe('Grüße 板');
    expect(plainText('x'.repeat(81))).toBe(`${'x'.repeat(80)}…`);
  });

  it('are clean in the list of ports', () => {
    const port: PortInfo = {
      path: '/dev/ttyACM0',
      manufacturer: 'a\u001b[2Jb',
      product: 'P'.repeat(5000),
      serialNumber: '1\u202e2',
      access: 'ok',
    };
    const list = cleaned({ ports: [port], problem: 'x\u001b[0m' });
    // biome-ignore lint/suspicious/noControlCharactersInRegex: that there are none is what is tested
    expect(JSON.stringify(list) + portListText(list)).not.toMatch(/[\u001b\u202e]|\\u001b/);
    expect(portListText(list).length).toBeLessThan(300);
    expect(list.ports[0]?.path).toBe(port.path);
  });
});

describe('a word of a command line', () => {
  it.each([
    ['serial:unix:/tmp/board.sock', 'serial:unix:/tmp/board.sock'],
    ['unix:/tmp/a b', "'unix:/tmp/a b'"],
    ["unix:/tmp/it's;rm", "'unix:/tmp/it'\\''s;rm'"],
    ['$HOME', "'$HOME'"],
  ])('is quoted where it must be: %s', (text, word) => {
    expect(shellWord(text)).toBe(word);
  });
});

describe('lines', () => {
  it('are left out while nobody reads, and counted', () => {
    const written: string[] = [];
    const stream = {
      writableNeedDrain: false,
      write: (line: string | Uint8Array) => written.push(`${line}`) > 0,
    };
    const lines = new LineWriter(stream, (count) => `${count} left out`);
    lines.write('a');
    stream.writableNeedDrain = true;
    for (let i = 0; i < 1000; i++) lines.write('b');
    stream.writableNeedDrain = false;
    lines.write('c');
    lines.write('d');
    stream.writableNeedDrain = true;
    lines.write('e');
    lines.end();
    lines.end();
    expect(written).toEqual(['a\n', '1000 left out\n', 'c\n', 'd\n', '1 left out\n']);
  });

  it('of a simulated board are lost when its host does not read', () => {
    const written: number[] = [];
    const connection = {
      writable: true,
      writableLength: 0,
      setNoDelay: () => connection,
      on: () => connection,
      destroy: () => connection,
      write: (bytes: Uint8Array) => {
        written.push(bytes.length);
        connection.writableLength += bytes.length;
        return true;
      },
    };
    const line = socketLine(connection as unknown as Parameters<typeof socketLine>[0]);
    for (let i = 0; i < 10_000; i++) line.write(new Uint8Array(1000));
    expect(connection.writableLength).toBeLessThan(300_000);
    expect(written.length).toBeGreaterThan(200);
  });
});

describe('the board that is meant without --port', () => {
  const port = (path: string, certainty?: 'ours' | 'chip' | 'bridge'): PortInfo => ({
    path,
    access: 'ok',
    ...(certainty === undefined ? {} : { guess: { board: 'b', certainty } }),
  });

  it('is the only one that says it is ours', () => {
    expect(onlyBoard([port('/a', 'bridge'), port('/b', 'ours'), port('/c', 'chip')])).toBe('/b');
  });

  it.each([
    [[port('/a', 'chip')], 'no port says that it is a board of ours (ports: /a)'],
    [[port('/a', 'ours'), port('/b', 'ours')], 'there are several boards (ports: /a, /b)'],
    [[], 'ports: none'],
  ])('is none: %j', (ports, message) => {
    expect(() => onlyBoard(ports)).toThrow(message);
  });
});

it('attach names the miner only to boards that can mine', () => {
  const lineOf = (hash: boolean, rows: boolean): string =>
    useLine({
      device: 'serial:unix:/a b',
      board: { modes: { hash, rows } } as Parameters<typeof useLine>[0]['board'],
    });
  expect(lineOf(true, true)).toBe("use it     bytom-miner --device 'serial:unix:/a b'");
  expect(lineOf(false, true)).toContain('not for mining');
  expect(lineOf(true, false)).toContain('not for mining');
});

describe('what was checked', () => {
  const golden = { golden: 'row', rowMs: 50 } as const;

  it('is told with all its parts', () => {
    const check = { ...golden, dotProducts: 11, dotMs: 10.123, finishMs: 5, headerMs: 1 };
    expect(checkLine(check)).toBe(
      'self-test  golden row, 11 dot products, finish and header hash are right (66.1 ms)',
    );
    expect(roundedCheck({ ...check, rowMs: 1.23456789 })).toMatchObject({
      golden: 'row',
      dotProducts: 11,
      rowMs: 1.23,
      dotMs: 10.12,
    });
  });

  it('is only what the board offers', () => {
    expect(checkLine({ ...golden, dotProducts: 0 })).toBe(
      'self-test  golden row is right (50.0 ms); it does not offer dot products, finish and header hash',
    );
    expect(checkLine({ ...golden, dotProducts: 0, headerMs: 1 })).toBe(
      'self-test  golden row and header hash are right (51.0 ms); it does not offer dot products and finish',
    );
  });
});
