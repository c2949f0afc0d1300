/**
 * All known hashes, by every tier: as it is where this machine runs it exactly, else with its dot
 * product spelled out.
 */
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { cpuTuning } from '../../src/tensority/cpu-hasher.ts';
import { buildMatrixTable } from '../../src/tensority/table-builder.ts';
import { ThreadHasher } from '../../src/tensority/thread-hasher.ts';
import { availableTiers, TIER_NAMES, type TierName } from '../../src/tensority/wasm/tiers.ts';
import { tuneTiers } from '../../src/tensority/wasm/tune.ts';
import { bytesToHex, concatBytes } from '../../src/util/bytes.ts';
import { type PowGroup, powGroups } from './vectors.ts';

const GROUPS = powGroups();
/** One hash for plain JavaScript, which takes seconds for it. */
const SLOW: PowGroup = { ...GROUPS[1]!, vectors: GROUPS[1]!.vectors.slice(0, 1) };
const tuning = cpuTuning();
/** The tiers of an engine that has everything, those that this one lacks emulated. */
const emulated = tuneTiers({
  revectorize: true,
  tiers: availableTiers(
    { simd: true, dot32: 'unsigned', unsignedDot16: true },
    { revectorize: true, arch: 'x64' },
  )
    .filter(({ name }) => !tuning.tiers.some((native) => native.tier.name === name))
    .map((tier) => ({ ...tier, shape: { ...tier.shape, dot: 'emulated' } })),
});
const hashers = new Map<TierName, ThreadHasher>(
  [...tuning.tiers, ...emulated.tiers].map((kernel) => [
    kernel.tier.name,
    new ThreadHasher({ kernel, slots: 1 }),
  ]),
);
/** What each tier made of the header hashes, in the order of the file. */
const results = new Map<TierName, string[]>();

beforeAll(async () => {
  const slow = runSlow();
  // Seed by seed, so that each table is built once.
  for (const group of GROUPS) {
    const table = buildMatrixTable(group.seed);
    for (const [name, hasher] of hashers) {
      await hasher.loadSeed(group.seed, table);
      results.set(name, [...(results.get(name) ?? []), ...(await hashesOf(hasher, group))]);
    }
  }
  results.set('javascript', await slow);
}, 120_000);

async function runSlow(): Promise<string[]> {
  const hasher = new ThreadHasher({ kernel: 'javascript', threads: 1, slots: 1 });
  try {
    await hasher.loadSeed(SLOW.seed, buildMatrixTable(SLOW.seed));
    return await hashesOf(hasher, SLOW);
  } finally {
    await hasher.close();
  }
}

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
    it(`come out of ${name}`, () => {
      expect(results.get(name)).toEqual(expected);
    });
  }

  it('come out of plain JavaScript, one for its slowness', () => {
    expect(results.get('javascript')).toEqual(SLOW.vectors.map(({ powHash }) => powHash));
  });

  it('leave no tier of this engine out', () => {
    expect([...tuning.failed, ...emulated.failed]).toEqual([]);
  });
});
