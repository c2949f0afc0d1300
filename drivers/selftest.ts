/**
 * What a device must get right before it is trusted: known vectors under two real seeds, the
 * extreme table, and a search that must find one known nonce. One wrong byte fails it.
 *
 * The real vectors come from bytomd; the expected hashes of the extreme table were computed with
 * the plain reference. Tests hold both against their sources.
 */
import type { TableProvider } from '../src/tensority/table.ts';
import { bytesEqual, bytesToHex, hexToBytes } from '../src/util/bytes.ts';
import { bytesToU256 } from '../src/util/u256.ts';
import { type Device, DriverError } from './driver.ts';
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

/**
 * Runs the self-test; about eight hashes and three tables. Rejects with a `DriverError`
 * `self-test` at the first wrong byte, or with what the device failed with.
 */
export async function selfTest(
  device: Device,
  tables: TableProvider,
  signal: AbortSignal = new AbortController().signal,
): Promise<void> {
  for (const group of SELF_TEST_GROUPS) {
    signal.throwIfAborted();
    const table =
      group.seed === 'extreme' ? extremeTable() : await tables(hexToBytes(group.seed, 'seed', 32));
    await device.loadSeed(table.seed, table, signal);
    await checkVectors(device, table.seed, group.vectors, signal);
  }
  await checkSearch(device, signal);
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

/** The nonce before and the one after the known nonce must not be found, the known one must. */
async function checkSearch(device: Device, signal: AbortSignal): Promise<void> {
  const known = SELF_TEST_SEARCH;
  const result = await device.search(
    {
      jobId: 'self-test',
      generation: 0,
      preimage: hexToBytes(known.preimage, 'preimage', 136),
      seed: hexToBytes(known.seed, 'seed', 32),
      target: bytesToU256(hexToBytes(known.powHash, 'powHash', 32)),
    },
    { start: known.nonce - 1n, count: 3 },
    signal,
  );
  signal.throwIfAborted();
  const expected = `3 scanned, found ${known.nonce}`;
  const actual = `${result.scanned} scanned, found ${result.nonces.join(', ') || 'nothing'}`;
  if (actual !== expected) fail(expected, actual);
}

function fail(expected: string, actual: string): never {
  throw new DriverError({ code: 'self-test', expected, actual });
}
