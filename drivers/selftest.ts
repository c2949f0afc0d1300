/**
 * What a device must get right before it is trusted: known vectors under two real seeds, the
 * extreme table, and a search that must find one known nonce. One wrong byte fails it.
 *
 * A device that offers single rows takes seconds or minutes for a hash. It is asked for a random row
 * under each real seed instead, with every matrix that such a hash needs. It makes its matrices itself,
 * so that no extreme table can be given to it: its driver tries the extremes in another way. If a whole
 * hash takes it no longer than a second after all, it is given three jobs too; of a slower device its
 * driver checks the first job itself.
 *
 * The real vectors come from bytomd; the expected hashes of the extreme table were computed with
 * the plain reference. Tests hold both against their sources.
 */
import { DIM } from '../src/tensority/params.ts';
import { summedRows } from '../src/tensority/rows.ts';
import type { MatrixTable, TableProvider } from '../src/tensority/table.ts';
import { bytesEqual, bytesToHex, hexToBytes } from '../src/util/bytes.ts';
import { type Clock, systemClock } from '../src/util/clock.ts';
import { bytesToU256 } from '../src/util/u256.ts';
import { type Device, DriverError, type SearchResult } from './driver.ts';
import { extremeTable } from './extreme-table.ts';

export interface SelfTestVector {
  readonly headerHash: string;
  readonly powHash: string;
}

export interface SelfTestGroup {
  /** Hex, or `extreme` for the table that belongs to no seed. */
  readonly seed: string;
  readonly vectors: readonly SelfTestVector[];
}

export const SELF_TEST_GROUPS: readonly SelfTestGroup[] = [
  {
    seed: '574369077c77046c531c4cbaf2ca36215d048e6987bf42eacd878adc2990af5e',
    vectors: [
      {
        headerHash: 'ea7fe9896d20736c922a37fdc4451dcd71550451feb26ab8da8be77c3044da60',
        powHash: '9deb54e7200817d0144fe1c5f2b52fa42cb171d27c0cf449c37507d77b8bd200',
      },
      {
        headerHash: '778a81d61c42ed3cd426bdd05937efedab72be564c11d3b9ee714c239bfadbfa',
        powHash: '6494eaa5b10b43156c60aabbd7aad9ab1f4f6c0b6ca9a129c8b6bb6843ebe802',
      },
    ],
  },
  {
    // Each 8 bytes are a small counter, chosen so that the slice meets one or two of the table's
    // regular matrices (all five between them) and still ends in many different rows.
    seed: 'extreme',
    vectors: [
      {
        headerHash: '040000000000000020000000000000003f000000000000001b00000000000000',
        powHash: '233c79992c89840a276b4143105515aef2fb0d59316e6e660e06c2765acc061e',
      },
      {
        headerHash: '31000000000000000c000000000000002001000000000000ab00000000000000',
        powHash: '9eec4193be120354f41d7cff8d3c6b2c3c7198de9193c203c470c425f7d67f7a',
      },
    ],
  },
  {
    // Last, because the search goes on with this seed.
    seed: '9e6291970cb44dd94008c79bcaf9d86f18b4b49ba5b2a04781db7199ed3b9e4e',
    vectors: [
      {
        headerHash: '886a8e85b275e7d65b569ba510875c0e63dece1a94569914d7624c0dac8002f9',
        powHash: '6a1f276cac6f9e8b426eab46b533f82e82a148c03fb0a86934a8e5483b39da5e',
      },
      {
        headerHash: '531e1ebdd6f38924bfdd86331bc1286b1626da0d0b5b6f6da233a2d054d7f041',
        powHash: '5e1d9eceb4f6930421cd74e12584e44450fde608054b44bee04a76139f000000',
      },
    ],
  },
];

/** Block 123 of mainnet, whose nonce must be found again; the second vector above is its hash. */
export const SELF_TEST_SEARCH: {
  readonly seed: string;
  readonly preimage: string;
  readonly nonce: bigint;
  readonly powHash: string;
} = {
  seed: '9e6291970cb44dd94008c79bcaf9d86f18b4b49ba5b2a04781db7199ed3b9e4e',
  preimage:
    '01000000000000007b0000000000000091a1fce360040bb9943f8374980032692ba967e1fa24e318b6a1fb3f648b0a58' +
    'cee1de5a000000004031f270c360fd98187db674b94dc0a9aea371e69701b8451ef9238666d4b022' +
    'c9c377e5192668bc0a367e4a4764f11e7c725ecced1d7b6a492974fab1b6d5bc681b01000000001e0000000000000000',
  nonce: 8_946_685_314_549n,
  powHash: '5e1d9eceb4f6930421cd74e12584e44450fde608054b44bee04a76139f000000',
};

/** A device that gives rows gets jobs in its test if a hash takes no longer. */
const MOMENT_MS = 1000;
const LARGEST_TARGET = (1n << 256n) - 1n;

/**
 * Runs the self-test; about eight hashes and three tables, or two rows, two tables and what fits a moment. Rejects with a
 * `DriverError` `self-test` at the first wrong byte, or with what the device failed with. `random`, in
 * [0, 1), chooses the rows.
 */
export async function selfTest(
  device: Device,
  tables: TableProvider,
  signal: AbortSignal = new AbortController().signal,
  random: () => number = Math.random,
  clock: Clock = systemClock,
): Promise<void> {
  let rowMs = 0;
  const isByRows = device.rows !== undefined;
  for (const group of SELF_TEST_GROUPS) {
    signal.throwIfAborted();
    const isExtreme = group.seed === 'extreme';
    if (isExtreme && isByRows) continue;
    const table = isExtreme ? extremeTable() : await tables(hexToBytes(group.seed, 'seed', 32));
    await device.loadSeed(table.seed, table, signal);
    const began = clock.now();
    if (isByRows) await checkRow(device, table, group.vectors, random, signal);
    else await checkVectors(device, table.seed, group.vectors, signal);
    rowMs = clock.now() - began;
  }
  if (!isByRows) await checkSearch(device, signal);
  // A hash takes no less than its rows.
  else if (rowMs < MOMENT_MS) await checkJobs(device, signal, clock);
}

/** A random row of one of the vectors. */
async function checkRow(
  device: Device,
  table: MatrixTable,
  vectors: readonly SelfTestVector[],
  random: () => number,
  signal: AbortSignal,
): Promise<void> {
  const vector = vectors[Math.floor(random() * vectors.length)];
  const headerHash = hexToBytes(vector?.headerHash ?? '', 'headerHash', 32);
  const row = Math.floor(random() * DIM);
  const actual = await device.rows?.(table.seed, headerHash, row, 1, signal);
  const expected = summedRows(headerHash, table, row, 1);
  if (actual === undefined || bytesEqual(actual, expected)) return;
  const differs = expected.findIndex((byte, i) => byte !== actual[i]);
  const around = (bytes: Uint8Array): string => {
    const from = Math.max(0, Math.min(differs, DIM - 8));
    return `${bytesToHex(bytes.subarray(from, from + 8))} at ${from} of row ${row}`;
  };
  fail(around(expected), around(actual));
}

async function checkVectors(
  device: Device,
  seed: Uint8Array,
  vectors: readonly SelfTestVector[],
  signal: AbortSignal,
): Promise<void> {
  // Together where the device takes it: exchanged or repeated lanes show only then.
  for (let at = 0; at < vectors.length; at += device.maxBatch) {
    const part = vectors.slice(at, at + device.maxBatch);
    const headerHashes = hexToBytes(part.map((v) => v.headerHash).join(''), 'headerHash');
    const expected = hexToBytes(part.map((v) => v.powHash).join(''), 'powHash');
    const actual = new Uint8Array(expected.length);
    await device.hash(seed, headerHashes, actual, signal);
    if (!bytesEqual(actual, expected)) {
      fail(bytesToHex(expected), bytesToHex(actual));
    }
  }
}

const KNOWN_TARGET = bytesToU256(hexToBytes(SELF_TEST_SEARCH.powHash, 'powHash', 32));

/** The nonce before and the one after the known nonce must not be found, the known one must. */
async function checkSearch(device: Device, signal: AbortSignal): Promise<void> {
  const { nonce } = SELF_TEST_SEARCH;
  const result = await searchKnown(device, nonce - 1n, 3, KNOWN_TARGET, signal);
  signal.throwIfAborted();
  compareSearch(`3 scanned, found ${nonce}`, result);
}

/** From a job to its share, and to none: the known nonce meets its own hash as a target, and none below. */
async function checkJobs(device: Device, signal: AbortSignal, clock: Clock): Promise<void> {
  const { nonce } = SELF_TEST_SEARCH;
  const found = `1 scanned, found ${nonce}`;
  const tooLong = new AbortController();
  const ended = new AbortController();
  void clock.sleep(MOMENT_MS, ended.signal).then(() => tooLong.abort());
  const until = AbortSignal.any([signal, tooLong.signal]);
  const first = await searchKnown(device, nonce, 1, LARGEST_TARGET, until).finally(() =>
    ended.abort(),
  );
  signal.throwIfAborted();
  if (first.aborted) return;
  compareSearch(found, first);
  const exact = await searchKnown(device, nonce, 1, KNOWN_TARGET, signal);
  signal.throwIfAborted();
  compareSearch(found, exact);
  const none = await searchKnown(device, nonce, 1, KNOWN_TARGET - 1n, signal);
  signal.throwIfAborted();
  compareSearch('1 scanned, found nothing', none);
}

function searchKnown(
  device: Device,
  start: bigint,
  count: number,
  target: bigint,
  signal: AbortSignal,
): Promise<SearchResult> {
  const known = SELF_TEST_SEARCH;
  return device.search(
    {
      jobId: 'self-test',
      generation: 0,
      preimage: hexToBytes(known.preimage, 'preimage', 136),
      seed: hexToBytes(known.seed, 'seed', 32),
      target,
    },
    { start, count },
    signal,
  );
}

function compareSearch(expected: string, { scanned, nonces }: SearchResult): void {
  const actual = `${scanned} scanned, found ${nonces.join(', ') || 'nothing'}`;
  if (actual !== expected) fail(expected, actual);
}

function fail(expected: string, actual: string): never {
  throw new DriverError({ code: 'self-test', expected, actual });
}
