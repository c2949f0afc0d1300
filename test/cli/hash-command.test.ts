import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { type HashRequest, readHashRequest, runHash } from '../../src/cli/hash-command.ts';
import type { HashParts } from '../../src/cli/pow-input.ts';
import type { BatchHasher } from '../../src/tensority/hasher.ts';
import { tensority } from '../../src/tensority/reference.ts';
import { buildMatrixTableReference, type MatrixTable } from '../../src/tensority/table.ts';
import { InputError } from '../../src/util/errors.ts';
import { emptyTables, type KnownHash, LookupHasher } from './lookup-hasher.ts';

function readVectors<T>(name: string): T {
  return JSON.parse(readFileSync(new URL(`../vectors/${name}`, import.meta.url), 'utf8')) as T;
}

const block123 = readVectors<{
  readonly mainnet: readonly { readonly header_hex: string; readonly hash: string }[];
}>('block_headers.json').mainnet[0]!;
const { cases } = readVectors<{ readonly cases: readonly KnownHash[] }>('tensority.json');
const pow123 = cases.find((c) => c.header_hash === block123.hash)!;
const { seed, result: powHash } = pow123;

const parts: HashParts = { hasher: new LookupHasher([pow123]), tables: emptyTables };

function hash(request: HashRequest, using: HashParts = parts): ReturnType<typeof runHash> {
  return runHash(readHashRequest(request), using);
}

/** The reference as a hasher: one input at a time, under the table it was given. */
function createReferenceHasher(): BatchHasher {
  let loaded: MatrixTable | undefined;
  return {
    maxBatch: 1,
    loadSeed: (_seed, table) => {
      loaded = table;
      return Promise.resolve();
    },
    hash: (_seed, input, out) => {
      if (loaded === undefined) return Promise.reject(new RangeError('no table loaded'));
      out.set(tensority(input, loaded));
      return Promise.resolve();
    },
    close: () => Promise.resolve(),
  };
}

describe('hash', () => {
  it('computes a published vector by the reference', async () => {
    const output = await hash(
      { seed, header: block123.header_hex },
      {
        hasher: createReferenceHasher(),
        tables: (s) => Promise.resolve(buildMatrixTableReference(s)),
      },
    );
    expect(output.result).toEqual({ seed, read: 'header', headerHash: block123.hash, powHash });
    // Seconds in plain TypeScript, and many more on a busy machine.
  }, 180_000);

  it('takes a header hash, a serialised header or a block, and says which', async () => {
    const asBlock = `03${block123.header_hex.slice(2)}00`;
    for (const [header, read] of [
      [block123.hash, 'header-hash'],
      [block123.hash.toUpperCase(), 'header-hash'],
      [block123.header_hex, 'header'],
      [asBlock, 'block'],
    ] as const) {
      const output = await hash({ seed: seed.toUpperCase(), header });
      expect(output.result, read).toEqual({ seed, read, headerHash: block123.hash, powHash });
      expect(output.text, read).toMatch(new RegExp(`^${powHash} {2}\\(of the `));
      expect(output.exitCode).toBe(0);
    }
  });

  it('refuses what is neither, naming field and find', () => {
    const header = block123.header_hex;
    const bad: readonly (readonly [string, string, string])[] = [
      [seed, '', 'header: expected 32 bytes (a header hash) or a serialised header, got 0 bytes'],
      [seed, block123.hash.slice(2), 'or a serialised header, got 31 bytes'],
      [seed, `${block123.hash}00`, 'or a serialised header, got 33 bytes'],
      [seed, `${block123.hash}0`, 'header: expected an even number of hex digits, got 65 digits'],
      [seed, `0x${block123.hash}`, 'got "x" at position 1'],
      [seed, `${header}00`, 'header: expected the end after'],
      [seed, header.slice(0, -2), 'header.bits: expected a whole varint'],
      [seed, `09${header.slice(2)}`, 'header.flag: expected 1 (header) or 3 (block), got 9'],
      [seed.slice(2), header, 'seed: expected 64 hex digits, got 62 characters'],
      [`${seed}00`, header, 'seed: expected 64 hex digits, got 66 characters'],
      [`g${seed.slice(1)}`, header, 'seed: expected 64 hex digits, got "g" at position 0'],
    ];
    for (const [badSeed, badHeader, message] of bad) {
      const read = (): unknown => readHashRequest({ seed: badSeed, header: badHeader });
      expect(read, message).toThrow(message);
      expect(read, message).toThrow(InputError);
    }
  });
});
