import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, afterEach, describe, expect, it, vi } from 'vitest';
import { BlockLog } from '../../pool/ledger/block-log.ts';
import type { BlockEvent, ShareRecord } from '../../pool/ledger/records.ts';
import { ShareLog } from '../../pool/ledger/share-log.ts';
import { ShareLogError } from '../../pool/ledger/share-log-error.ts';
import { createSilentMeter } from '../../pool/meter.ts';
import { blocksCommand, sharesCommand } from '../../src/cli/pool-records-command.ts';
import { MAINNET, SOLONET } from '../../src/consensus/network.ts';
import { systemClock } from '../../src/util/clock.ts';
import { parseExact } from '../../src/util/json.ts';
import { createSilentLogger } from '../../src/util/log.ts';
import { sampleShare } from '../pool/ledger/sample-records.ts';

const folder = mkdtempSync(join(tmpdir(), 'bytom-pool-records-'));
afterAll(() => rmSync(folder, { recursive: true }));
afterEach(() => vi.restoreAllMocks());

const parts = { log: createSilentLogger(), meter: createSilentMeter(), clock: systemClock };
const NOON = Date.UTC(2026, 10, 20, 12);
let count = 0;

async function withShares(shares: readonly ShareRecord[]): Promise<string> {
  const data = join(folder, `data-${count++}`);
  const log = await ShareLog.open({ directory: join(data, 'shares'), network: 'solonet' }, parts);
  for (const share of shares) await log.append(share);
  await log.close();
  return data;
}

async function withBlocks(events: readonly BlockEvent[]): Promise<string> {
  const data = join(folder, `data-${count++}`);
  const directory = join(data, 'blocks');
  const { log } = await BlockLog.open({ directory, network: 'solonet' }, parts);
  for (const event of events) await log.append(event);
  await log.close();
  return data;
}

/** What the command prints: the lines of its text, and the object that is the last line with `--json`. */
async function printed(
  command: typeof sharesCommand,
  data: string,
): Promise<{ readonly code: number; readonly lines: readonly string[]; readonly json: unknown }> {
  const said: string[] = [];
  vi.spyOn(process.stdout, 'write').mockImplementation((text) => {
    said.push(String(text));
    return true;
  });
  const code = await command({ network: SOLONET, data });
  const text = said.splice(0).join('');
  expect(await command({ network: SOLONET, data, json: true })).toBe(code);
  expect(said.join('').startsWith(text)).toBe(true);
  const json = parseExact(said.join('').trimEnd().split('\n').at(-1) ?? '');
  return { code, lines: text.trimEnd().split('\n'), json };
}

describe('shares', () => {
  it('are added up for each worker, the most work first', async () => {
    const data = await withShares([
      sampleShare(1, { account: 'bob', worker: 'a', difficulty: 64n, timeMs: NOON }),
      sampleShare(2, { account: 'alice', worker: '', difficulty: 2n ** 60n, timeMs: NOON + 1000 }),
      sampleShare(3, {
        account: 'bob',
        worker: 'a',
        difficulty: 100n,
        timeMs: NOON + 61_000,
        isLate: true,
        isVerified: false,
        isBlock: true,
      }),
    ]);
    const { code, lines, json } = await printed(sharesCommand, data);
    expect(code).toBe(0);
    expect(lines.map((line) => line.split(/ {2,}/))).toEqual([
      ['worker', 'shares', 'difficulty', 'late', 'unverified', 'blocks', 'last'],
      ['alice.', '1', '1152921504606846976', '0', '0', '0', '2026-11-20 12:00:01'],
      ['bob.a', '2', '164', '1', '1', '1', '2026-11-20 12:01:01'],
      ['all', '3', '1152921504606847140', '1', '1', '1', '2026-11-20 12:01:01'],
    ]);
    expect(new Set(lines.map((line) => line.length)).size).toBe(1);
    const bob = { shares: 2, difficulty: 164, late: 1, unverified: 1, blocks: 1 };
    expect(json).toEqual({
      network: 'solonet',
      directory: join(data, 'shares'),
      records: 3,
      duplicates: 0,
      // Larger than a double holds.
      ...{ shares: 3, difficulty: 1_152_921_504_606_847_140n, late: 1, unverified: 1, blocks: 1 },
      ...{ firstMs: NOON, lastMs: NOON + 61_000 },
      workers: [
        {
          ...{ account: 'alice', worker: '', shares: 1, difficulty: 2n ** 60n, late: 0 },
          ...{ unverified: 0, blocks: 0, firstMs: NOON + 1000, lastMs: NOON + 1000 },
        },
        { account: 'bob', worker: 'a', ...bob, firstMs: NOON, lastMs: NOON + 61_000 },
      ],
    });
  });

  it('that are not there yet are none', async () => {
    const { code, lines, json } = await printed(sharesCommand, await withShares([]));
    expect([code, lines]).toEqual([0, ['no share yet']]);
    expect(json).toMatchObject({
      records: 0,
      shares: 0,
      difficulty: 0,
      firstMs: null,
      workers: [],
    });
  });

  it('are refused where there is no log, and where it is of another network', async () => {
    await expect(
      sharesCommand({ network: SOLONET, data: join(folder, 'nothing') }),
    ).rejects.toMatchObject({ detail: { code: 'io' } });
    const data = await withShares([sampleShare(1)]);
    await expect(sharesCommand({ network: MAINNET, data })).rejects.toBeInstanceOf(ShareLogError);
    await expect(sharesCommand({ network: MAINNET, data })).rejects.toMatchObject({
      detail: { code: 'other-log' },
    });
  });

  it('that are damaged are named with their place', async () => {
    const data = await withShares([1, 2, 3].map((number) => sampleShare(number)));
    const { path, bytes } = onlySegment(join(data, 'shares'));
    bytes[Math.floor(bytes.length / 2)]! ^= 1;
    writeFileSync(path, bytes);
    await expect(sharesCommand({ network: SOLONET, data })).rejects.toMatchObject({
      detail: { code: 'damaged', file: path, offset: expect.any(Number) },
    });
  });
});

describe('blocks', () => {
  const hash = (number: number): Uint8Array => new Uint8Array(32).fill(number);
  const found = (number: number, height: number, timeMs: number): BlockEvent => ({
    event: 'found',
    hash: hash(number),
    timeMs,
    height,
    header: Uint8Array.of(1),
    rawBlock: new Uint8Array(0),
    node: 'node:9888',
    account: 'bob',
    worker: 'a',
  });
  const later = (
    event: Exclude<BlockEvent['event'], 'found'>,
    number: number,
    detail: string,
  ): BlockEvent => ({ event, hash: hash(number), timeMs: NOON, detail });

  it('are listed as they were found, with what became of them', async () => {
    const data = await withBlocks([
      found(1, 7, NOON),
      found(2, 8, NOON + 1000),
      later('accepted', 1, 'node:9888'),
      // That one node refuses it changes nothing where another has taken it.
      later('refused', 1, 'other:9888: late'),
      later('refused', 2, 'node:9888: late'),
      found(1, 7, NOON + 2000),
      later('lost', 2, 'node:9888: late'),
      found(3, 9, NOON + 3000),
      found(4, 10, NOON + 4000),
      later('accepted', 4, 'node:9888'),
      later('orphaned', 4, 'another one'),
      later('matured', 5, 'a block that nobody found'),
    ]);
    const { code, lines, json } = await printed(blocksCommand, data);
    expect(code).toBe(0);
    const hex = (number: number): string => `0${number}`.repeat(32);
    expect(lines.map((line) => line.split(/ {2,}/))).toEqual([
      ['height', 'hash', 'state', 'found', 'by'],
      ['7', hex(1), 'accepted', '2026-11-20 12:00:00', 'bob.a'],
      ['8', hex(2), 'lost', '2026-11-20 12:00:01', 'bob.a'],
      ['9', hex(3), 'found', '2026-11-20 12:00:03', 'bob.a'],
      ['10', hex(4), 'orphaned', '2026-11-20 12:00:04', 'bob.a'],
    ]);
    const { blocks, ...rest } = json as { blocks: readonly object[] };
    expect(rest).toEqual({ network: 'solonet', directory: join(data, 'blocks') });
    expect(blocks).toHaveLength(4);
    expect(blocks[0]).toEqual({
      height: 7,
      hash: hex(1),
      finder: 'bob.a',
      node: 'node:9888',
      foundMs: NOON,
      state: 'accepted',
      events: [
        { event: 'accepted', timeMs: NOON, detail: 'node:9888' },
        { event: 'refused', timeMs: NOON, detail: 'other:9888: late' },
      ],
    });
  });

  it('that are not there yet are none', async () => {
    const { code, lines, json } = await printed(blocksCommand, await withBlocks([]));
    expect([code, lines]).toEqual([0, ['no block yet']]);
    expect(json).toMatchObject({ blocks: [] });
  });
});

function onlySegment(directory: string): { readonly path: string; readonly bytes: Uint8Array } {
  const [name, ...others] = readdirSync(directory).filter((each) => !each.startsWith('lock'));
  expect(others).toEqual([]);
  const path = join(directory, name!);
  return { path, bytes: readFileSync(path) };
}
