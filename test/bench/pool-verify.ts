/**
 * What the pool's verification tier makes of a hasher: shares verified a second beside plain calls of
 * the same hasher over the same header hashes, in interleaved rounds, as machines are noisy. No figure
 * is returned unless every hash of the one is the other's, and some of each round an independent
 * kernel's as well.
 */
import { randomBytes } from 'node:crypto';
import { createSilentMeter } from '../../pool/meter.ts';
import { ShareVerifier } from '../../pool/verify/share-verifier.ts';
import { PowVerifier } from '../../src/pow/pow-verifier.ts';
import type { BatchHasher, Seed } from '../../src/tensority/hasher.ts';
import type { TableProvider } from '../../src/tensority/table.ts';
import { bytesEqual, bytesToHex } from '../../src/util/bytes.ts';
import { systemClock } from '../../src/util/clock.ts';
import { createSilentLogger } from '../../src/util/log.ts';

export interface PoolVerifyOptions {
  readonly seed: Seed;
  readonly rounds: number;
  /** How long one of the two measurements of a round shall take. */
  readonly roundMs: number;
}

export interface PoolVerifyParts {
  readonly hasher: BatchHasher;
  readonly tables: TableProvider;
  /** Opens a hasher that has nothing in common with `hasher`. */
  readonly confirm: () => BatchHasher;
}

export interface PoolVerifyRates {
  /** Hashes a second of plain calls, by round. */
  readonly hasherPerSecond: readonly number[];
  /** Verdicts a second, by round. */
  readonly verifierPerSecond: readonly number[];
  /** Median of the rounds' ratios: verdicts for each plain hash. */
  readonly ratio: number;
  /** Shares of a round. */
  readonly count: number;
}

/** Everything meets it, so that nothing is confirmed. */
const EASY = 1n << 256n;
const NEVER = -1n;
const MAX_QUEUED = 16_384;
/** Calls of `hash` under way: with one, the hasher would wait for us. */
const CALLS = 2;
/** Least number of calls in a measurement: the last one leaves a part of the hasher idle. */
const LEAST_CALLS = 4;
const CHECKED = 4;
/** Shares that wait, in batches of the hasher: a busy pool's. */
const OUTSTANDING = 4;
const LOOK_MS = 500;

/** Rejects with what the hasher failed with, or an `Error` if any hash was wrong. */
export async function measurePoolVerify(
  { seed, rounds, roundMs }: PoolVerifyOptions,
  parts: PoolVerifyParts,
): Promise<PoolVerifyRates> {
  const { hasher, tables, confirm } = parts;
  const log = createSilentLogger();
  const pow = new PowVerifier({ maxQueued: MAX_QUEUED }, { hasher, tables, confirm, log });
  const shares = new ShareVerifier(
    {},
    { verifier: pow, meter: createSilentMeter(), log, clock: systemClock },
  );
  const judge = confirm();
  try {
    for (const each of [hasher, judge]) await each.loadSeed(seed, await tables(seed));
    const count = await countFor(hasher, seed, roundMs);
    const hasherPerSecond: number[] = [];
    const verifierPerSecond: number[] = [];
    // The first round is to warm up: the verifier learns how large its batches are to be.
    for (let round = 0; round <= rounds; round++) {
      const headers = new Uint8Array(randomBytes(32 * count));
      const plain = (): Promise<Run> => hashAll(hasher, seed, headers);
      const verified = (): Promise<Run> =>
        verifyAll(shares, OUTSTANDING * hasher.maxBatch, seed, headers);
      const isPlainFirst = round % 2 === 0;
      const first = await (isPlainFirst ? plain() : verified());
      const second = await (isPlainFirst ? verified() : plain());
      checkEqual(first.out, second.out, headers);
      await checkSome(judge, seed, headers, first.out);
      if (round === 0) continue;
      hasherPerSecond.push((1000 * count) / (isPlainFirst ? first : second).ms);
      verifierPerSecond.push((1000 * count) / (isPlainFirst ? second : first).ms);
    }
    const ratios = verifierPerSecond.map((rate, i) => rate / hasherPerSecond[i]!);
    return { hasherPerSecond, verifierPerSecond, ratio: median(ratios), count };
  } finally {
    await shares.close();
    await pow.close();
    await judge.close();
  }
}

interface Run {
  /** PoW hashes, one after another. */
  readonly out: Uint8Array;
  readonly ms: number;
}

/** How many hashes take so long. */
async function countFor(hasher: BatchHasher, seed: Seed, ms: number): Promise<number> {
  let count = 1;
  for (;;) {
    const run = await hashAll(hasher, seed, new Uint8Array(randomBytes(32 * count)));
    if (run.ms >= Math.min(ms, LOOK_MS)) return Math.max(1, Math.ceil((count * ms) / run.ms));
    count *= 2;
  }
}

async function hashAll(hasher: BatchHasher, seed: Seed, headers: Uint8Array): Promise<Run> {
  const count = headers.length / 32;
  const size = 32 * Math.min(hasher.maxBatch, Math.ceil(count / LEAST_CALLS));
  const out = new Uint8Array(headers.length);
  let at = 0;
  const loop = async (): Promise<void> => {
    while (at < headers.length) {
      const from = at;
      at += size;
      await hasher.hash(seed, headers.subarray(from, at), out.subarray(from, at));
    }
  };
  const start = performance.now();
  await Promise.all(Array.from({ length: CALLS }, loop));
  return { out, ms: performance.now() - start };
}

async function verifyAll(
  shares: ShareVerifier,
  outstanding: number,
  seed: Seed,
  headers: Uint8Array,
): Promise<Run> {
  const out = new Uint8Array(headers.length);
  let next = 0;
  const loop = async (): Promise<void> => {
    while (next < headers.length) {
      const at = next;
      next += 32;
      await verify(at);
    }
  };
  const verify = async (at: number): Promise<void> => {
    const headerHash = headers.subarray(at, at + 32);
    const targets = { shareTarget: EASY, blockTarget: NEVER };
    const verdict = await shares.verify({ headerHash, seed, ...targets, login: 'bench' });
    if (!verdict.isVerified || verdict.isConfirmed) {
      throw new Error(`verdict on ${bytesToHex(headerHash)} is not what every hash gets`);
    }
    out.set(verdict.powHash, at);
  };
  const start = performance.now();
  await Promise.all(Array.from({ length: outstanding }, loop));
  return { out, ms: performance.now() - start };
}

function checkEqual(a: Uint8Array, b: Uint8Array, headers: Uint8Array): void {
  for (let at = 0; at < a.length; at += 32) {
    if (bytesEqual(a.subarray(at, at + 32), b.subarray(at, at + 32))) continue;
    throw new Error(`two hashes of ${bytesToHex(headers.subarray(at, at + 32))} differ`);
  }
}

async function checkSome(
  judge: BatchHasher,
  seed: Seed,
  headers: Uint8Array,
  hashes: Uint8Array,
): Promise<void> {
  const bytes = Math.min(32 * CHECKED, headers.length);
  const out = new Uint8Array(bytes);
  await judge.hash(seed, headers.subarray(0, bytes), out);
  checkEqual(out, hashes.subarray(0, bytes), headers);
}

function median(values: readonly number[]): number {
  const sorted = [...values].sort((a, b) => a - b);
  const middle = sorted.length >> 1;
  return sorted.length % 2 === 1 ? sorted[middle]! : (sorted[middle - 1]! + sorted[middle]!) / 2;
}
