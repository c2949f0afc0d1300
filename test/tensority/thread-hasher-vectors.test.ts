/** All known hashes, by every kernel that this machine can run. */
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { cpuTuning } from '../../src/tensority/cpu-hasher.ts';
import { buildMatrixTable } from '../../src/tensority/table-builder.ts';
import { ThreadHasher } from '../../src/tensority/thread-hasher.ts';
import { TIER_NAMES, type TierName } from '../../src/tensority/wasm/tiers.ts';
import { bytesToHex, concatBytes } from '../../src/util/bytes.ts';
import { type PowGroup, powGroups } from './vectors.ts';

const GROUPS = powGroups();
const tuning = cpuTuning();
const hashers = new Map<TierName, ThreadHasher>(
  tuning.tiers.map((kernel) => [kernel.tier.name, new ThreadHasher({ kernel, slots: 1 })]),
);
/** What each tier made of the header hashes, in the order of the file. */
const results = new Map<TierName, string[]>();

beforeAll(async () => {
  // Seed by seed, so that each table is built once.
  for (const group of GROUPS) {
    const table = buildMatrixTable(group.seed);
    for (const [name, hasher] of hashers) {
      await hasher.loadSeed(group.seed, table);
      results.set(name, [...(results.get(name) ?? []), ...(await hashesOf(hasher, group))]);
    }
  }
}, 120_000);

afterAll(async () => {
  await Promise.all([...hashers.values()].map((hasher) => hasher.close()));
});

async function hashesOf(hasher: ThreadHasher, { seed, vectors }: PowGroup): Promise<string[]> {
  const out = new Uint8Array(32 * vectors.length);
  await hasher.hash(seed, concatBytes(...vectors.map(({ headerHash }) => headerHash)), out);
  return vectors.map((_v, i) => bytesToHex(out.subarray(32 * i, 32 * i + 32)));
}

describe('the known hashes', () => {
  const expected = GROUPS.flatMap(({ vectors }) => vectors.map(({ powHash }) => powHash));

  it('are 33 under 16 seeds', () => {
    expect([GROUPS.length, expected.length]).toEqual([16, 33]);
  });

  for (const name of TIER_NAMES.filter((tier) => tier !== 'javascript')) {
    it(`come out of ${name}`, (ctx) => {
      ctx.skip(!hashers.has(name), `this engine cannot run ${name} exactly`);
      expect(results.get(name)).toEqual(expected);
    });
  }

  it('come out of plain JavaScript, one for its slowness', async () => {
    const group = GROUPS[1]!;
    const hasher = new ThreadHasher({ kernel: 'javascript', threads: 1, slots: 1 });
    hashers.set('javascript', hasher);
    await hasher.loadSeed(group.seed, buildMatrixTable(group.seed));
    expect(await hashesOf(hasher, group)).toEqual([group.vectors[0]!.powHash]);
  });

  it('leave no tier of this engine out', () => {
    expect(tuning.failed).toEqual([]);
  });
});
