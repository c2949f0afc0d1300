import { describe, expect, it } from 'vitest';
import { JsonStream, type JsonStreamEvent } from '../../src/stratum/json-stream.ts';
import { seededRandom } from '../support/random.ts';
import { constructedSessions, recordedSessions } from '../support/stratum-sessions.ts';

function bytes(text: string): Uint8Array {
  return new Uint8Array(Buffer.from(text));
}

/** Everything that comes out of `input`, cut where `cuts` says. */
function readInChunks(
  input: Uint8Array,
  nextLength: () => number,
  options: { maxBytes?: number } = {},
): JsonStreamEvent[] {
  const stream = new JsonStream(options);
  const events: JsonStreamEvent[] = [];
  for (let at = 0; at < input.length; ) {
    const length = Math.max(1, nextLength());
    events.push(...stream.push(input.subarray(at, at + length)));
    at += length;
  }
  events.push(...stream.end());
  return events;
}

function read(text: string, options: { maxBytes?: number } = {}): JsonStreamEvent[] {
  return readInChunks(bytes(text), () => Number.MAX_SAFE_INTEGER, options);
}

const message = (text: string): JsonStreamEvent => ({ kind: 'message', text });
const garbage = (sample: string): JsonStreamEvent => ({ kind: 'garbage', sample });

describe('JsonStream', () => {
  it('finds messages with and without line feeds between them', () => {
    expect(read('{"a":1}\n{"b":2}\r\n\n  {"c":3}{"d":4}[5]')).toEqual([
      message('{"a":1}'),
      message('{"b":2}'),
      message('{"c":3}'),
      message('{"d":4}'),
      message('[5]'),
    ]);
  });

  it('does not count brackets in texts, nor quotes after a backslash', () => {
    const texts = ['{"a":"}]{["}', '{"a":"\\"}"}', '{"a":"\\\\"}', '{"\\u007d":["{\\\\\\""]}'];
    expect(read(texts.join('')).map((e) => (e.kind === 'message' ? e.text : e))).toEqual(texts);
  });

  it('hands on a message that spans lines', () => {
    expect(read('{\n  "a": [\n1\n]\n}\n')).toEqual([message('{\n  "a": [\n1\n]\n}')]);
  });

  it('reports a run of garbage once and goes on after the next line feed', () => {
    expect(read('HTTP/1.1 400 Bad Request {"not":"this"}\n{"a":1}\nxx\nyy\n{"b":2}')).toEqual([
      garbage('HTTP/1.1 400 Bad Request {"not":"this"}'),
      message('{"a":1}'),
      garbage('xx'),
      garbage('yy'),
      message('{"b":2}'),
    ]);
  });

  it('reports garbage without a line feed at the end, and long garbage at once', () => {
    expect(read('banned')).toEqual([garbage('banned')]);
    const stream = new JsonStream();
    expect(stream.push(bytes('x'.repeat(63)))).toEqual([]);
    expect(stream.push(bytes('yz'))).toEqual([garbage(`${'x'.repeat(63)}y`)]);
    expect(stream.push(bytes('z'.repeat(500)))).toEqual([]);
    expect(stream.push(bytes('\n{}'))).toEqual([message('{}')]);
    expect(stream.end()).toEqual([]);
  });

  it('gives up a message whose text holds a raw line feed, and reads the next one', () => {
    expect(read('{"method":"job","par\n{"a":1}\n{"b":"\\\n{"c":3}')).toEqual([
      garbage('{"method":"job","par'),
      message('{"a":1}'),
      garbage('{"b":"\\'),
      message('{"c":3}'),
    ]);
  });

  it('takes 32 levels of brackets and skips what goes deeper', () => {
    const deep = (levels: number): string => '['.repeat(levels) + ']'.repeat(levels);
    expect(read(deep(32))).toEqual([message(deep(32))]);
    expect(read(`${deep(33)}\n{"a":1}`)).toEqual([
      garbage(deep(33).slice(0, 64)),
      message('{"a":1}'),
    ]);
    expect(read(`${deep(20_000)}\n{"a":1}`)).toEqual([garbage('['.repeat(64)), message('{"a":1}')]);
  });

  it('tells of a message that the end cuts off', () => {
    expect(read('{"a":1}{"id":1,"result"')).toEqual([
      message('{"a":1}'),
      { kind: 'truncated', sample: '{"id":1,"result"' },
    ]);
  });

  it('takes a message of exactly the limit and stops for good after one byte more', () => {
    const fits = `{"a":"${'x'.repeat(92)}"}`;
    expect(fits).toHaveLength(100);
    expect(read(`${fits}\n${fits}\n`, { maxBytes: 100 })).toEqual([message(fits), message(fits)]);
    const stream = new JsonStream({ maxBytes: 99 });
    expect(stream.push(bytes(`${fits}\n{"b":2}`))).toEqual([{ kind: 'too-long', maxBytes: 99 }]);
    expect(stream.push(bytes('{"b":2}\n'))).toEqual([]);
    expect(stream.end()).toEqual([]);
  });

  it('stops a flood of garbage without a line feed at the limit too', () => {
    expect(read('x'.repeat(1000), { maxBytes: 999 }).map((event) => event.kind)).toEqual([
      'garbage',
      'too-long',
    ]);
  });

  it('takes 1 MB without an end byte by byte in linear time', { timeout: 10_000 }, () => {
    // Copying what is there for every byte that comes would take minutes.
    const size = 1_000_000;
    const stream = new JsonStream({ maxBytes: 2 * size });
    const chunk = bytes('x');
    stream.push(bytes('{"a":"'));
    for (let i = 0; i < size; i++) stream.push(chunk);
    expect(stream.push(bytes('"}'))[0]).toEqual(message(`{"a":"${'x'.repeat(size)}"}`));
  });

  it('decodes characters that were cut in the middle, and survives bytes that are no text', () => {
    const text = '{"name":"dés €𝄞"}';
    expect(readInChunks(bytes(text), () => 1)).toEqual([message(text)]);
    const broken = Uint8Array.of(0x7b, 0x22, 0xff, 0xc3, 0x22, 0x7d);
    expect(readInChunks(broken, () => 1)).toEqual([message('{"\ufffd\ufffd"}')]);
  });

  it('gives the same for every way to cut the same bytes', () => {
    const random = seededRandom(7);
    const pieces = [
      '{"a":1}',
      '\n',
      '{"b":"}\\"{€"}',
      'garbage',
      ' ',
      '[[1],{"c":"\\\\"}]',
      'x'.repeat(90),
      '{"open":"\n',
      '['.repeat(40),
      '{"half":',
      '\r\n',
    ];
    for (let round = 0; round < 300; round++) {
      const count = 1 + Math.floor(random() * 8);
      let text = '';
      for (let i = 0; i < count; i++) text += pieces[Math.floor(random() * pieces.length)];
      const whole = read(text, { maxBytes: 120 });
      for (const most of [1, 3, 40]) {
        const cut = readInChunks(bytes(text), () => 1 + Math.floor(random() * most), {
          maxBytes: 120,
        });
        expect(cut, JSON.stringify(text)).toEqual(whole);
      }
    }
  });

  it('reads every server side of the recorded sessions the same, whole and byte by byte', () => {
    for (const session of [...recordedSessions, ...constructedSessions]) {
      const sent = session.messages.filter((m) => m.dir === 'server' && m.bytes !== undefined);
      const all = Buffer.concat(sent.map((m) => m.bytes ?? new Uint8Array()));
      const whole = readInChunks(all, () => all.length);
      expect(whole, session.name).toHaveLength(sent.length);
      expect(
        whole.every((event) => event.kind === 'message'),
        session.name,
      ).toBe(true);
      expect(
        readInChunks(all, () => 1),
        session.name,
      ).toEqual(whole);
    }
  });

  it('draws the line of the recorded pool: 10,240 bytes with the line feed', () => {
    for (const [name, kind] of [
      ['line of 10240 bytes', 'message'],
      ['line of 10241 bytes', 'too-long'],
    ] as const) {
      const session = recordedSessions.find((s) => s.name === name);
      const line = session?.messages[0]?.bytes ?? new Uint8Array();
      const events = new JsonStream({ maxBytes: 10_239 }).push(line);
      expect(events[0]?.kind, name).toBe(kind);
    }
  });
});
