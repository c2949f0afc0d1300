/** A share verifier over hashers that stand in for a device and for the independent kernel. */
import type { PoolMeter } from '../../../pool/meter.ts';
import { ShareVerifier, type ShareVerifierOptions } from '../../../pool/verify/share-verifier.ts';
import type { ShareClaim } from '../../../pool/verify/verdict.ts';
import { PowError } from '../../../src/pow/pow-error.ts';
import { PowVerifier, type PowVerifierOptions } from '../../../src/pow/pow-verifier.ts';
import type { BatchHasher } from '../../../src/tensority/hasher.ts';
import { difficultyToTarget } from '../../../src/tensority/target.ts';
import { FakeClock } from '../../support/fake-clock.ts';
import { RecordingLog } from '../../support/recording-log.ts';
import { StandInHasher, standInHash, standInTable } from '../../support/stand-in-hasher.ts';

export const SEED = new Uint8Array(32).fill(0xa0);
export const EASY = 1n << 256n;
export const NEVER = -1n;

export interface RigParts {
  readonly hasher?: BatchHasher;
  /** The independent one. */
  readonly judge?: BatchHasher;
  readonly pow?: PowVerifierOptions;
  readonly random?: () => number;
}

export function verifierRig(options: ShareVerifierOptions = {}, parts: RigParts = {}) {
  const clock = new FakeClock();
  const log = new RecordingLog('verify');
  const counted: string[] = [];
  const meter: Pick<PoolMeter, 'verified' | 'confirmed'> = {
    verified: (by) => counted.push(by),
    confirmed: (outcome) => counted.push(outcome),
  };
  const device = new CountingHasher();
  const judge = new CountingHasher();
  const pow = new PowVerifier(parts.pow ?? {}, {
    hasher: parts.hasher ?? device,
    confirm: () => parts.judge ?? judge,
    ...{ tables: standInTable, confirmTables: standInTable, log, clock },
  });
  const shares = new ShareVerifier(options, {
    ...{ verifier: pow, meter, log, clock },
    ...(parts.random === undefined ? {} : { random: parts.random }),
  });
  const close = async (): Promise<void> => {
    await shares.close();
    await pow.close();
  };
  const times = (what: string): number => counted.filter((each) => each === what).length;
  return { shares, pow, clock, log, device, judge, times, close };
}

/** Over a `PowVerifier` that does as it is told. */
export function stubRig(verify: PowVerifier['verify'], options: ShareVerifierOptions = {}) {
  const clock = new FakeClock();
  const verifier = { verify, maxQueued: 4096, batchSize: 16, hasherDown: undefined };
  const meter = { verified: () => {}, confirmed: () => {} };
  const log = new RecordingLog('verify');
  const shares = new ShareVerifier(options, { verifier, meter, log, clock });
  return { shares, clock, log, close: () => shares.close() };
}

/** Counts the hashes that it was asked for. */
export class CountingHasher extends StandInHasher {
  hashes = 0;

  override async hash(...args: Parameters<StandInHasher['hash']>): Promise<void> {
    this.hashes += args[1].length / 32;
    return super.hash(...args);
  }
}

/** The target that this hash just meets. */
export function targetOf(hash: Uint8Array): bigint {
  return hash.reduceRight((sum, byte) => sum * 256n + BigInt(byte), 0n);
}

/** Header hash number `n`. */
export function hashNumber(n: number): Uint8Array {
  const hash = new Uint8Array(32);
  new DataView(hash.buffer).setUint32(0, n);
  return hash;
}

/** A share that anything is good enough for, and that is no block; with what is given. */
export function claimOf(n: number, given: Partial<ShareClaim> = {}): ShareClaim {
  return {
    headerHash: hashNumber(n),
    seed: SEED,
    shareTarget: EASY,
    blockTarget: NEVER,
    login: 'account.rig',
    ...given,
  };
}

/** The same with the right PoW hash claimed. */
export function honest(n: number, given: Partial<ShareClaim> = {}): ShareClaim {
  return claimOf(n, { claimed: standInHash(SEED, hashNumber(n)), ...given });
}

/** A target that about one in `difficulty` of the numbers meets, and the first numbers that do not. */
export function bad(count: number, difficulty = 1000n): { target: bigint; numbers: number[] } {
  const target = difficultyToTarget(difficulty);
  const numbers: number[] = [];
  for (let n = 1; numbers.length < count; n++) {
    const hash = standInHash(SEED, hashNumber(n));
    if (hash[31]! > 1) numbers.push(n);
  }
  return { target, numbers };
}

export function codeOf(call: Promise<unknown>): Promise<string> {
  return call.then(
    () => 'resolved',
    (error: unknown) => (error instanceof PowError ? error.detail.code : String(error)),
  );
}
