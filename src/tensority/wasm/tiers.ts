/**
 * The tiers: every kernel that can compute Tensority on a CPU, fastest kind first, and which of
 * them an engine can run. The best one is chosen by measurement (tune.ts), never by name.
 */

import type { KernelShape } from './operands.ts';
import type { EngineTraits } from './probe.ts';

export type TierName =
  | 'relaxed32-256'
  | 'relaxed32-128'
  | 'relaxed16-256'
  | 'relaxed16-128'
  | 'dot16-256'
  | 'dot16-128'
  | 'javascript';

export interface WasmTier {
  readonly name: Exclude<TierName, 'javascript'>;
  /** For people: what the processor executes. */
  readonly title: string;
  readonly shape: KernelShape;
  /** Compiled with V8's experimental revectoriser (x86 only). */
  readonly revectorize: boolean;
}

export const TIER_NAMES: readonly TierName[] = [
  'relaxed32-256',
  'relaxed32-128',
  'relaxed16-256',
  'relaxed16-128',
  'dot16-256',
  'dot16-128',
  'javascript',
];

/** The WASM tiers that are exact on this engine, fastest kind first. */
export function availableTiers(
  traits: EngineTraits,
  options: { readonly revectorize: boolean; readonly arch: string },
): WasmTier[] {
  const wide = options.revectorize && options.arch === 'x64';
  const tiers: WasmTier[] = [];
  if (traits.dot32 !== undefined) {
    const kind = { arithmetic: 'relaxed32', secondOperand: traits.dot32, dot: 'native' } as const;
    const title = traits.dot32 === 'signed' ? 'int8 dot product' : 'int8 dot product (AVX-VNNI)';
    tiers.push(
      {
        name: 'relaxed32-256',
        title: `${title}, 256 bits`,
        shape: { ...kind, rows: 6, columns: 16, unroll: 4 },
        revectorize: true,
      },
      {
        name: 'relaxed32-128',
        title: `${title}, 128 bits`,
        shape: { ...kind, rows: 6, columns: 8, unroll: 8 },
        revectorize: false,
      },
    );
  }
  if (traits.unsignedDot16) {
    const kind = { arithmetic: 'relaxed16', secondOperand: 'unsigned', dot: 'native' } as const;
    tiers.push(
      {
        name: 'relaxed16-256',
        title: 'int8 pairs to 16 bits, 256 bits',
        shape: { ...kind, rows: 4, columns: 16, unroll: 4 },
        revectorize: true,
      },
      {
        name: 'relaxed16-128',
        title: 'int8 pairs to 16 bits, 128 bits',
        shape: { ...kind, rows: 4, columns: 8, unroll: 16 },
        revectorize: false,
      },
    );
  }
  if (traits.simd) {
    const kind = { arithmetic: 'dot16', secondOperand: 'signed', dot: 'native' } as const;
    tiers.push(
      {
        name: 'dot16-256',
        title: '16-bit dot product, 256 bits',
        shape: { ...kind, rows: 5, columns: 8, unroll: 4 },
        revectorize: true,
      },
      {
        name: 'dot16-128',
        title: '16-bit dot product, 128 bits',
        shape: { ...kind, rows: 4, columns: 4, unroll: 2 },
        revectorize: false,
      },
    );
  }
  return tiers.filter((tier) => wide || !tier.revectorize);
}

/**
 * Tiers that may confirm what `tier` found: another kind of instruction and no experimental
 * compiler pass, so that one miscompiled kernel cannot confirm itself. Best first; the plain
 * reference is among them unless it is `tier`.
 */
export function independentTiers(tier: TierName): TierName[] {
  const kind = tier.split('-')[0];
  return TIER_NAMES.filter(
    (name) => name === 'javascript' || (name.endsWith('-128') && name.split('-')[0] !== kind),
  ).filter((name) => name !== tier);
}
