import { afterEach, describe, expect, it } from 'vitest';
import {
  type CpuHasherOptions,
  cpuTuning,
  isTierName,
  openConfirmingHasher,
  openCpuHasher,
} from '../../src/tensority/cpu-hasher.ts';
import { buildMatrixTable } from '../../src/tensority/table-builder.ts';
import type { ThreadHasher } from '../../src/tensority/thread-hasher.ts';
import { TIER_NAMES } from '../../src/tensority/wasm/tiers.ts';
import { bytesToHex } from '../../src/util/bytes.ts';
import { InputError } from '../../src/util/errors.ts';
import { powGroup } from './vectors.ts';

const hashers: ThreadHasher[] = [];

afterEach(async () => {
  await Promise.all(hashers.splice(0).map((hasher) => hasher.close()));
});

function open(options: CpuHasherOptions): ThreadHasher {
  const hasher = openCpuHasher({ threads: 1, slots: 1, ...options });
  hashers.push(hasher);
  return hasher;
}

function confirming(kernel: string | undefined): ThreadHasher {
  const hasher = openConfirmingHasher(kernel);
  hashers.push(hasher);
  return hasher;
}

function arithmeticOf(tier: string): string {
  return tier.split('-')[0]!;
}

describe('cpuTuning', () => {
  it('measures once, with and without the 256-bit pass', () => {
    expect(cpuTuning()).toBe(cpuTuning(true));
    expect(cpuTuning(false)).toBe(cpuTuning(false));
    expect(cpuTuning(false).tiers.filter(({ tier }) => tier.revectorize)).toEqual([]);
  });
});

describe('openCpuHasher', () => {
  it('takes the fastest tier unless told otherwise', () => {
    expect(open({}).tier).toBe(cpuTuning().tiers[0]?.tier.name ?? 'javascript');
    expect(open({ revectorize: false }).tier).not.toMatch(/-256$/);
    expect(open({ tier: 'javascript' }).tier).toBe('javascript');
    for (const { tier } of cpuTuning().tiers)
      expect(open({ tier: tier.name }).tier).toBe(tier.name);
  });

  it('passes its other options on', () => {
    const hasher = open({ threads: 2, slots: 3, maxBatch: 7 });
    expect([hasher.threads, hasher.slots, hasher.maxBatch]).toEqual([2, 3, 7]);
  });

  it('says which tiers run here when asked for one that does not', () => {
    const here = cpuTuning(false).tiers.map(({ tier }) => tier.name);
    const call = (): ThreadHasher => open({ tier: 'dot16-256', revectorize: false });
    expect(call).toThrow(InputError);
    expect(call).toThrow(
      `kernel: expected one of ${[...here, 'javascript'].join(', ')} (what this processor runs exactly), got dot16-256`,
    );
  });
});

describe('openConfirmingHasher', () => {
  it('shares no arithmetic with a tier, and never runs the experimental pass', () => {
    for (const tier of TIER_NAMES) {
      const confirmer = confirming(tier).tier;
      expect(arithmeticOf(confirmer), tier).not.toBe(arithmeticOf(tier));
      expect(confirmer, tier).not.toMatch(/-256$/);
    }
  });

  it('is the fastest plain tier for kernels of other devices, and where none is named', () => {
    const best = cpuTuning().tiers.find(({ tier }) => !tier.revectorize)!.tier.name;
    for (const kernel of [undefined, 'subgroup matrix', '']) {
      expect(confirming(kernel).tier, `${kernel}`).toBe(best);
    }
  });

  it('confirms a known hash', async () => {
    const group = powGroup('574369077c77046c531c4cbaf2ca36215d048e6987bf42eacd878adc2990af5e');
    const hasher = confirming(cpuTuning().tiers[0]?.tier.name);
    const out = new Uint8Array(32);
    await hasher.loadSeed(group.seed, buildMatrixTable(group.seed));
    await hasher.hash(group.seed, group.vectors[4]!.headerHash, out);
    expect(bytesToHex(out)).toBe(group.vectors[4]!.powHash);
  });
});

describe('isTierName', () => {
  it('knows the names of tiers and no others', () => {
    expect(TIER_NAMES.every(isTierName)).toBe(true);
    expect([undefined, '', 'relaxed32', 'dp4a', 'toString'].some(isTierName)).toBe(false);
  });
});
