import { describe, expect, it } from 'vitest';
import type { EngineTraits } from '../../../src/tensority/wasm/probe.ts';
import { availableTiers, independentTiers, TIER_NAMES } from '../../../src/tensority/wasm/tiers.ts';

const VNNI: EngineTraits = { simd: true, dot32: 'unsigned', unsignedDot16: true };
const PLAIN_X86: EngineTraits = { simd: true, unsignedDot16: true };
const ARM: EngineTraits = { simd: true, dot32: 'signed', unsignedDot16: false };
const NOTHING: EngineTraits = { simd: false, unsignedDot16: false };

function namesOf(traits: EngineTraits, arch: string, revectorize = true): string[] {
  return availableTiers(traits, { arch, revectorize }).map((tier) => tier.name);
}

describe('availableTiers', () => {
  it('are those whose instructions are exact, the fastest kind first', () => {
    expect(namesOf(VNNI, 'x64')).toEqual(TIER_NAMES.filter((name) => name !== 'javascript'));
    expect(namesOf(PLAIN_X86, 'x64')).toEqual([
      'relaxed16-256',
      'relaxed16-128',
      'dot16-256',
      'dot16-128',
    ]);
    expect(namesOf(ARM, 'arm64')).toEqual(['relaxed32-128', 'dot16-128']);
    expect(namesOf(NOTHING, 'x64')).toEqual([]);
  });

  it('leave the 256-bit pass out where it is not wanted or does not exist', () => {
    const narrow = ['relaxed32-128', 'relaxed16-128', 'dot16-128'];
    expect(namesOf(VNNI, 'x64', false)).toEqual(narrow);
    expect(namesOf(VNNI, 'arm64')).toEqual(narrow);
    for (const tier of availableTiers(VNNI, { arch: 'x64', revectorize: true })) {
      expect(tier.revectorize, tier.name).toBe(tier.name.endsWith('-256'));
    }
  });

  it('read the second operand as the engine does', () => {
    for (const traits of [VNNI, ARM]) {
      const [tier] = availableTiers(traits, { arch: 'arm64', revectorize: false });
      expect(tier?.shape).toMatchObject({
        arithmetic: 'relaxed32',
        secondOperand: traits.dot32,
        dot: 'native',
      });
    }
  });

  it('have tiles that the kernels can cut: parts of a panel, and turns that divide 64', () => {
    for (const { name, shape } of availableTiers(VNNI, { arch: 'x64', revectorize: true })) {
      expect([4, 8, 16], name).toContain(shape.columns);
      expect(64 % shape.unroll, name).toBe(0);
    }
  });
});

describe('independentTiers', () => {
  it('share neither instruction nor experimental pass with the tier, nor are it', () => {
    for (const tier of TIER_NAMES) {
      const others = independentTiers(tier);
      expect(others.length, tier).toBeGreaterThan(0);
      for (const other of others) {
        expect(other.split('-')[0], tier).not.toBe(tier.split('-')[0]);
        expect(other, tier).not.toMatch(/-256$/);
      }
      expect(others.includes('javascript'), tier).toBe(tier !== 'javascript');
    }
    expect(independentTiers('relaxed32-256')).toEqual(['relaxed16-128', 'dot16-128', 'javascript']);
  });
});
