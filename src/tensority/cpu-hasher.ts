/**
 * Opens CPU hashers: the fastest kernel of this machine for mining, and an independent one that
 * confirms what another kernel found.
 */
import { InputError } from '../util/errors.ts';
import { ThreadHasher, type ThreadHasherOptions } from './thread-hasher.ts';
import { independentTiers, TIER_NAMES, type TierName } from './wasm/tiers.ts';
import { type TunedTier, type Tuning, tuneTiers } from './wasm/tune.ts';

export interface CpuHasherOptions extends Omit<ThreadHasherOptions, 'kernel'> {
  /** The tier to run; default: the fastest that is exact here. */
  readonly tier?: TierName;
  /** Allow the experimental 256-bit pass. Default true. */
  readonly revectorize?: boolean;
}

const tunings = new Map<boolean, Tuning>();

/** The tiers of this machine, measured once per process. Blocks for about 0.2 s the first time. */
export function cpuTuning(revectorize = true): Tuning {
  let tuning = tunings.get(revectorize);
  if (tuning === undefined) {
    tuning = tuneTiers({ revectorize });
    tunings.set(revectorize, tuning);
  }
  return tuning;
}

/** Throws an `InputError` if the tier that was asked for cannot run here. */
export function openCpuHasher(options: CpuHasherOptions = {}): ThreadHasher {
  const { tier, revectorize, ...rest } = options;
  return new ThreadHasher({ ...rest, kernel: chooseKernel(tier, cpuTuning(revectorize ?? true)) });
}

/**
 * One thread of a kernel that has no instruction and no experimental compiler pass in common with
 * `kernel`: a tier of this module, or the name of any device's kernel. Where plain JavaScript is
 * all that an engine can run, it has to confirm itself.
 */
export function openConfirmingHasher(kernel: string | undefined): ThreadHasher {
  // What was measured with the 256-bit pass has all the tiers without it as well.
  const tuning = tunings.get(true) ?? cpuTuning(false);
  const allowed = isTierName(kernel) ? independentTiers(kernel) : TIER_NAMES;
  const best = tuning.tiers.find(({ tier }) => !tier.revectorize && allowed.includes(tier.name));
  return new ThreadHasher({ kernel: best ?? 'javascript', threads: 1, slots: 1, maxBatch: 64 });
}

export function isTierName(name: string | undefined): name is TierName {
  return name !== undefined && (TIER_NAMES as readonly string[]).includes(name);
}

function chooseKernel(tier: TierName | undefined, tuning: Tuning): TunedTier | 'javascript' {
  if (tier === undefined) return tuning.tiers[0] ?? 'javascript';
  if (tier === 'javascript') return tier;
  const tuned = tuning.tiers.find((candidate) => candidate.tier.name === tier);
  if (tuned !== undefined) return tuned;
  const failed = tuning.failed.find((candidate) => candidate.name === tier);
  const here = [...tuning.tiers.map((candidate) => candidate.tier.name), 'javascript'].join(', ');
  throw new InputError(
    'kernel',
    `one of ${here} (what this processor runs exactly)`,
    failed === undefined ? tier : `${tier}, which failed its test: ${failed.reason}`,
  );
}
