import { mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { AddressBook } from '../../src/p2p/address-book.ts';
import type { Endpoint } from '../../src/p2p/discovery/endpoint.ts';
import { FakeClock } from '../support/fake-clock.ts';
import { seededRandom } from '../support/random.ts';
import { RecordingLog } from '../support/recording-log.ts';

const HOUR = 3_600_000;

let directory = '';
let path = '';
const clock = new FakeClock();
let log = new RecordingLog();
const books: AddressBook[] = [];

beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), 'address-book-'));
  path = join(directory, 'data', 'peers.json');
  log = new RecordingLog();
});

afterEach(async () => {
  for (const book of books.splice(0)) await book.close();
  await rm(directory, { recursive: true });
  expect(clock.sleeping).toBe(0);
});

async function open(maxAddresses = 1000, random = seededRandom(1)): Promise<AddressBook> {
  const parts = { clock, wallNow: () => clock.now(), random, log };
  const book = await AddressBook.open({ path, maxAddresses }, parts);
  books.push(book);
  return book;
}

function at(host: string, port = 46_657): Endpoint {
  return { host, port };
}

/** Every one in another /16. */
function far(i: number): Endpoint {
  return at(`${20 + (i >> 8)}.${i & 0xff}.1.1`);
}

function hosts(endpoints: readonly Endpoint[]): readonly string[] {
  return endpoints.map(({ host }) => host);
}

describe('the file', () => {
  it('carries everything over a restart', async () => {
    const book = await open();
    book.add([at('1.1.1.1'), at('2.2.2.2', 99)], 'discovery');
    book.add([at('2600::1')], 'configured');
    book.succeeded(at('1.1.1.1'));
    book.failed(at('2.2.2.2', 99));
    const known = [at('1.1.1.1'), at('2.2.2.2', 99), at('2600::1')].map((each) => book.get(each));
    await book.close();
    const again = await open();
    expect(again.size).toBe(3);
    expect(known.map((each) => again.get(each!.endpoint))).toEqual(known);
    expect(await readdir(join(directory, 'data'))).toEqual(['peers.json']);
  });

  it('is written half a minute after a change, once for many, and not without one', async () => {
    const book = await open();
    for (let i = 0; i < 50; i++) book.add([far(i)], 'discovery');
    await clock.advance(29_000);
    await expect(readFile(path)).rejects.toMatchObject({ code: 'ENOENT' });
    await clock.advance(1000);
    await book.save();
    const text = await readFile(path, 'utf8');
    expect((JSON.parse(text) as { addresses: unknown[] }).addresses.length).toBe(50);
    await writeFile(path, 'ours');
    await book.save();
    expect(await readFile(path, 'utf8')).toBe('ours');
  });

  it.each([
    ['no JSON', '{'],
    ['half a book', '{"version":1,"addresses":[{"host":"1.1.1.1"'],
    ['another version', '{"version":2,"addresses":[]}'],
    ['no addresses', '{"version":1}'],
    ['a name', '{"version":1,"addresses":[{"host":"a.example","port":1,"source":"peer"}]}'],
    ['no port', '{"version":1,"addresses":[{"host":"1.1.1.1","source":"peer"}]}'],
    ['a bad source', '{"version":1,"addresses":[{"host":"1.1.1.1","port":1,"source":"x"}]}'],
    [
      'a bad time',
      '{"version":1,"addresses":[{"host":"1.1.1.1","port":1,"source":"peer","addedAt":"x"}]}',
    ],
    ['a list', '[]'],
    ['nothing', ''],
    ['zeros', '\0\0\0\0'],
  ])('that holds %s is put aside with a warning, and the book is empty', async (_what, text) => {
    await (await open()).save();
    const book = await open();
    book.add([at('1.1.1.1')], 'peer');
    await book.close();
    await writeFile(path, text);
    const again = await open();
    expect(again.size).toBe(0);
    expect(log.entries.filter(({ level }) => level === 'warn').length).toBe(1);
    expect(await readFile(`${path}.damaged`, 'utf8')).toBe(text);
    again.add([at('3.3.3.3')], 'peer');
    await again.close();
    expect((await open()).size).toBe(1);
  });

  it('is not needed, and its absence is no reason to warn', async () => {
    expect((await open()).size).toBe(0);
    expect(log.entries).toEqual([]);
  });

  it('that cannot be written is a warning, and is tried again', async () => {
    await writeFile(join(directory, 'data'), 'a file where the directory should be');
    const book = await open();
    log.entries.length = 0;
    book.add([at('1.1.1.1')], 'peer');
    await book.save();
    expect(log.of('address book not written').length).toBe(1);
    await rm(join(directory, 'data'));
    await book.save();
    expect((await open()).size).toBe(1);
  });

  it('from a clock that was ahead keeps nothing back for longer than a pause', async () => {
    const year = 365 * 24 * HOUR;
    const entry = { host: '1.1.1.1', port: 1, source: 'peer', failures: 2 };
    const times = { addedAt: 1, failedAt: clock.now() + year, retryAt: clock.now() + year };
    await (await open()).close();
    const book = await open();
    book.add([at('9.9.9.9')], 'peer');
    await book.close();
    await writeFile(path, JSON.stringify({ version: 1, addresses: [{ ...entry, ...times }] }));
    const again = await open();
    expect(again.get(at('1.1.1.1', 1))?.failedAt).toBe(clock.now());
    await clock.advance(6 * HOUR);
    expect(again.candidates(9)).toEqual([at('1.1.1.1', 1)]);
  });
});

describe('add', () => {
  it('takes each address once, and none that no node can have', async () => {
    const book = await open();
    const bad = [at('0.0.0.0'), at('224.0.0.1'), at('a.example'), at('1.1.1.1', 0), at('', 1)];
    expect(book.add([at('1.1.1.1'), at('::ffff:1.1.1.1'), ...bad], 'discovery')).toBe(1);
    expect(book.add([at('1.1.1.1')], 'seed')).toBe(0);
    expect(book.get(at('1.1.1.1'))?.source).toBe('discovery');
  });

  it('takes only so many of one network that were never good', async () => {
    const book = await open();
    const near = Array.from({ length: 300 }, (_, i) => at(`7.7.${i >> 8}.${i & 0xff}`));
    expect(book.add(near, 'discovery')).toBe(64);
    expect(book.add([far(1)], 'discovery')).toBe(1);
    // The user's LAN is another matter.
    const lan = Array.from({ length: 100 }, (_, i) => at(`192.168.1.${i}`));
    expect(book.add(lan, 'discovery')).toBe(100);
  });

  it('makes room by what was tried in vain, and by nothing that has been good', async () => {
    const book = await open(10);
    const all = Array.from({ length: 10 }, (_, i) => far(i));
    book.add(all, 'discovery');
    expect(book.add([far(100)], 'discovery')).toBe(0);
    for (const each of all.slice(0, 9)) book.succeeded(each);
    book.failed(far(0));
    expect(book.add([far(100)], 'discovery')).toBe(0);
    book.failed(far(9));
    expect(book.add([far(100)], 'discovery')).toBe(1);
    expect(book.get(far(9))).toBeUndefined();
    expect(book.size).toBe(10);
  });

  it('makes room for an address that was good, if need be by the worst of those', async () => {
    const book = await open(3);
    for (let i = 0; i < 3; i++) book.succeeded(far(i));
    book.failed(far(1));
    book.succeeded(far(50));
    expect(book.size).toBe(3);
    expect(book.get(far(1))).toBeUndefined();
    expect(book.get(far(50))).toMatchObject({ source: 'peer', failures: 0 });
  });
});

describe('pauses', () => {
  it('double with every failure in a row up to six hours, and end with a success', async () => {
    const book = await open(10, () => 1 - 2 ** -40);
    book.succeeded(at('1.1.1.1'));
    const pauses = Array.from({ length: 14 }, () => {
      book.failed(at('1.1.1.1'));
      return book.get(at('1.1.1.1'))!.retryAt - clock.now();
    });
    expect(pauses.slice(0, 4)).toEqual([30_000, 60_000, 120_000, 240_000]);
    expect(pauses.slice(-2)).toEqual([6 * HOUR, 6 * HOUR]);
    expect(book.candidates(9)).toEqual([]);
    book.succeeded(at('1.1.1.1'));
    expect(book.candidates(9)).toEqual([at('1.1.1.1')]);
    expect(book.get(at('1.1.1.1'))).toMatchObject({ failures: 0, succeededAt: clock.now() });
  });

  it('differ by chance, between half and all of their bound', async () => {
    const book = await open();
    const all = Array.from({ length: 200 }, (_, i) => far(i));
    book.add(all, 'discovery');
    for (const each of all) book.failed(each);
    const pauses = all.map((each) => book.get(each)!.retryAt - clock.now());
    expect(Math.min(...pauses)).toBeGreaterThanOrEqual(15_000);
    expect(Math.max(...pauses)).toBeLessThanOrEqual(30_000);
    expect(new Set(pauses).size).toBeGreaterThan(150);
    await clock.advance(15_000);
    const early = book.candidates(1000).length;
    expect(early).toBeLessThan(10);
    await clock.advance(15_000);
    expect(book.candidates(1000).length).toBe(200);
  });

  it('keep nothing back where the clock was set back by more than any pause', async () => {
    let now = 1e12;
    const parts = { clock, wallNow: () => now, random: seededRandom(1), log };
    const book = await AddressBook.open({ path }, parts);
    books.push(book);
    book.add([at('1.1.1.1')], 'peer');
    book.failed(at('1.1.1.1'));
    now -= 30 * 24 * HOUR;
    expect(book.candidates(9)).toEqual([at('1.1.1.1')]);
  });

  it('end in giving up, for an address that was not good for a week', async () => {
    const book = await open();
    book.add([far(0)], 'discovery');
    book.succeeded(far(1));
    for (let i = 0; i < 10; i++) {
      book.failed(far(0));
      book.failed(far(1));
    }
    expect(book.get(far(0))).toBeUndefined();
    expect(book.get(far(1))?.failures).toBe(10);
    await clock.advance(8 * 24 * HOUR);
    book.failed(far(1));
    expect(book.size).toBe(0);
    // Nothing to count.
    book.failed(far(1));
    expect(book.size).toBe(0);
  });
});

describe('candidates', () => {
  it('come from as many networks as there are before any second of one', async () => {
    const book = await open();
    book.add(
      Array.from({ length: 60 }, (_, i) => at(`7.7.7.${i}`)),
      'discovery',
    );
    book.add([far(1), far(2), far(3)], 'discovery');
    const chosen = hosts(book.candidates(4));
    expect(chosen.filter((host) => host.startsWith('7.7.')).length).toBe(1);
    expect(book.candidates(63).length).toBe(63);
  });

  it('are those that failed least, then those that were good, then any', async () => {
    const book = await open();
    book.add([far(1), far(2), far(3), far(4)], 'discovery');
    book.succeeded(far(2));
    book.failed(far(3));
    book.succeeded(far(4));
    book.failed(far(4));
    await clock.advance(HOUR);
    expect(hosts(book.candidates(9))).toEqual(hosts([far(2), far(1), far(4), far(3)]));
  });

  it('are in another order each time among equals', async () => {
    const book = await open();
    book.add(
      Array.from({ length: 50 }, (_, i) => far(i)),
      'discovery',
    );
    expect(book.candidates(10)).not.toEqual(book.candidates(10));
  });

  it('are none that the caller excludes, and as many as it asks for', async () => {
    const book = await open();
    book.add([far(1), far(2), far(3)], 'discovery');
    const rest = book.candidates(9, ({ host }) => host === far(2).host);
    expect([...hosts(rest)].sort()).toEqual(hosts([far(1), far(3)]));
    expect(book.candidates(2).length).toBe(2);
    expect(book.candidates(0)).toEqual([]);
    expect(book.candidates(-1)).toEqual([]);
  });
});
