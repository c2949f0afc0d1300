/**
 * What every device must do, as one suite: `describeConformance` runs it over a driver's device.
 *
 * Each test opens its own device and closes it. A test needs few hashes (at most `maxBatch`, else
 * about 16), so that the suite is bearable where one takes a tenth of a second.
 */
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { type Device, DriverError, type Work } from '../../drivers/driver.ts';
import { PREIMAGE_NONCE_OFFSET, preimageHash } from '../../src/chain/header.ts';
import { HasherError } from '../../src/tensority/hasher.ts';
import { TABLE_BYTES } from '../../src/tensority/params.ts';
import type { MatrixTable } from '../../src/tensority/table.ts';
import { meetsTarget } from '../../src/tensority/target.ts';
import { bytesToHex, concatBytes, hexToBytes, writeU64 } from '../../src/util/bytes.ts';

export interface ConformanceVector {
  readonly seed: string;
  readonly headerHash: string;
  readonly powHash: string;
}

export interface ConformanceSubject {
  readonly device: Device;
  /** Vectors under two seeds or more, two or more under each of the first two. */
  readonly vectors: readonly ConformanceVector[];
  readonly table: (seed: Uint8Array) => Promise<MatrixTable>;
  /** Makes the device disappear as if it were unplugged; needed where `canLose` is set. */
  readonly lose?: () => void | Promise<void>;
}

export interface ConformanceOptions {
  /** The loss of the device can be provoked, and is tested. */
  readonly canLose?: boolean;
  /** A hash takes a good part of a second: searches are shorter. */
  readonly isSlow?: boolean;
  /**
   * Its search is `searchByHash` of a `HasherDevice`, and a hash takes so long that what the quick devices
   * show of that search need not be shown again: nonces beyond 32 bits, two searches at once.
   */
  readonly hasCommonSearch?: boolean;
  /** Of one test, in ms. */
  readonly timeout?: number;
}

/** Every hash is at most this. */
const ANY = (1n << 256n) - 1n;
/** About one hash in four is at most this. */
const EASY = 1n << 254n;

export function describeConformance(
  name: string,
  open: () => Promise<ConformanceSubject>,
  options: ConformanceOptions = {},
): void {
  const { canLose = false, isSlow = false, hasCommonSearch = false, timeout = 60_000 } = options;
  describe(`conformance of ${name}`, { timeout }, () => {
    let subject: ConformanceSubject;
    let device: Device;
    beforeEach(async () => {
      subject = await open();
      device = subject.device;
    }, timeout);
    afterEach(() => device.close(), timeout);

    const seedAt = (index: number): Uint8Array => {
      const seeds = [...new Set(subject.vectors.map((vector) => vector.seed))];
      return hexToBytes(seeds[index] ?? '', `seed ${index} of the vectors`, 32);
    };
    const load = async (seed: Uint8Array): Promise<void> =>
      device.loadSeed(seed, await subject.table(seed));
    const vectorsOf = (seed: Uint8Array): readonly ConformanceVector[] =>
      subject.vectors.filter((vector) => vector.seed === bytesToHex(seed));
    const work = (seed: Uint8Array, target: bigint, fill = 7): Work => ({
      jobId: 'job',
      generation: 1,
      preimage: new Uint8Array(136).fill(fill),
      seed,
      target,
    });
    const never = (): AbortSignal => new AbortController().signal;

    /** The nonces that `hash` says meet the target. */
    const truth = async (of: Work, start: bigint, count: number): Promise<bigint[]> => {
      const preimage = of.preimage.slice();
      const nonces: bigint[] = [];
      for (let at = 0; at < count; at += device.maxBatch) {
        const n = Math.min(device.maxBatch, count - at);
        const headerHashes = new Uint8Array(32 * n);
        for (let i = 0; i < n; i++) {
          writeU64(preimage, PREIMAGE_NONCE_OFFSET, start + BigInt(at + i));
          headerHashes.set(preimageHash(preimage), 32 * i);
        }
        const out = new Uint8Array(32 * n);
        await device.hash(of.seed, headerHashes, out);
        for (let i = 0; i < n; i++) {
          if (!meetsTarget(out.subarray(32 * i, 32 * i + 32), of.target)) continue;
          nonces.push(start + BigInt(at + i));
        }
      }
      return nonces;
    };
    const expectVectors = async (seed: Uint8Array): Promise<void> => {
      for (const vector of vectorsOf(seed)) {
        const out = new Uint8Array(32);
        await device.hash(seed, hexToBytes(vector.headerHash, 'headerHash'), out);
        expect(bytesToHex(out), vector.headerHash).toBe(vector.powHash);
      }
    };
    /** Waits until the device has computed something since `before`. */
    const untilHashed = async (before: number): Promise<void> => {
      while (device.telemetry().hashes <= before) {
        await new Promise((resolve) => setTimeout(resolve, 1));
      }
    };

    it('computes every vector, one input at a time, changing seeds as they come', async () => {
      for (const vector of subject.vectors) {
        const seed = hexToBytes(vector.seed, 'seed', 32);
        await load(seed);
        const out = new Uint8Array(32);
        await device.hash(seed, hexToBytes(vector.headerHash, 'headerHash'), out);
        expect(bytesToHex(out), `${vector.seed} ${vector.headerHash}`).toBe(vector.powHash);
      }
    });

    it('computes a batch of maxBatch inputs, each in its place', async () => {
      const seed = seedAt(0);
      await load(seed);
      const vectors = vectorsOf(seed);
      const lanes = Array.from({ length: device.maxBatch }, (_, i) => vectors[i % vectors.length]!);
      const out = new Uint8Array(32 * device.maxBatch);
      await device.hash(seed, hexToBytes(lanes.map((v) => v.headerHash).join(''), 'lanes'), out);
      expect(bytesToHex(out)).toBe(lanes.map((v) => v.powHash).join(''));
    });

    it('changes nothing in its inputs', async () => {
      const seed = seedAt(0);
      await load(seed);
      const headerHash = new Uint8Array(32).fill(0x5a);
      const job = work(seed, ANY);
      await device.hash(seed, headerHash, new Uint8Array(32));
      await device.search(job, { start: 5n, count: 1 }, never());
      expect(headerHash).toEqual(new Uint8Array(32).fill(0x5a));
      expect(job.preimage).toEqual(new Uint8Array(136).fill(7));
      expect(bytesToHex(seed)).toBe(bytesToHex(seedAt(0)));
    });

    it('refuses arguments of a wrong length with a RangeError', async () => {
      const seed = seedAt(0);
      const table = await subject.table(seed);
      await device.loadSeed(seed, table);
      const hash = (s: number, headers: number, out: number): Promise<void> =>
        device.hash(seed.subarray(0, s), new Uint8Array(headers), new Uint8Array(out));
      const tooMany = 32 * (device.maxBatch + 1);
      await expect(hash(31, 32, 32), 'seed').rejects.toBeInstanceOf(RangeError);
      await expect(hash(32, 0, 0), 'no input').rejects.toBeInstanceOf(RangeError);
      await expect(hash(32, 33, 32), 'part of an input').rejects.toBeInstanceOf(RangeError);
      await expect(hash(32, tooMany, tooMany), 'too many').rejects.toBeInstanceOf(RangeError);
      await expect(hash(32, 32, 31), 'short out').rejects.toBeInstanceOf(RangeError);
      await expect(hash(32, 32, 64), 'long out').rejects.toBeInstanceOf(RangeError);
      await expect(
        device.loadSeed(seed.subarray(1), table),
        'seed of a table',
      ).rejects.toBeInstanceOf(RangeError);
      await expect(
        device.loadSeed(seed, { seed, data: new Int8Array(TABLE_BYTES - 1) }),
        'short table',
      ).rejects.toBeInstanceOf(RangeError);
      await expect(
        device.search(
          { ...work(seed, ANY), preimage: new Uint8Array(135) },
          { start: 0n, count: 1 },
          never(),
        ),
        'short preimage',
      ).rejects.toBeInstanceOf(RangeError);
      await expect(
        device.search(work(seed, ANY), { start: (1n << 64n) - 1n, count: 2 }, never()),
        'nonces past 2^64',
      ).rejects.toBeInstanceOf(RangeError);
      await expectVectors(seed);
    });

    it('rejects a seed that is not loaded, and works once it is', async () => {
      const seed = seedAt(0);
      const call = device.hash(seed, new Uint8Array(32), new Uint8Array(32));
      await expect(call).rejects.toMatchObject({ detail: { code: 'seed-not-loaded' } });
      const search = device.search(work(seed, ANY), { start: 0n, count: 1 }, never());
      await expect(search).rejects.toMatchObject({ detail: { code: 'seed-not-loaded' } });
      await load(seed);
      await expectVectors(seed);
    });

    it('changes to another seed and back', async () => {
      for (const index of [0, 1, 0]) {
        await load(seedAt(index));
        await expectVectors(seedAt(index));
      }
    });

    it('takes the same seed twice', async () => {
      await load(seedAt(0));
      await load(seedAt(0));
      await expectVectors(seedAt(0));
    });

    it('keeps the seed it used before if it has two table slots, and never takes one for another', async () => {
      await load(seedAt(0));
      await load(seedAt(1));
      await expectVectors(seedAt(1));
      if (device.info.tableSlots > 1) return expectVectors(seedAt(0));
      const out = new Uint8Array(32);
      const vector = vectorsOf(seedAt(0))[0]!;
      const call = device.hash(seedAt(0), hexToBytes(vector.headerHash, 'headerHash'), out);
      await expect(call).rejects.toMatchObject({ detail: { code: 'seed-not-loaded' } });
    });

    it('serves overlapping calls, each with its own results', async () => {
      const seed = seedAt(0);
      await load(seed);
      const vectors = vectorsOf(seed).slice(0, 2);
      const outs = vectors.map(() => new Uint8Array(32));
      await Promise.all(
        vectors.map((v, i) => device.hash(seed, hexToBytes(v.headerHash, 'headerHash'), outs[i]!)),
      );
      expect(outs.map(bytesToHex)).toEqual(vectors.map((v) => v.powHash));
    });

    it('rejects an aborted hash with the reason of the signal, and the next is right', async () => {
      const seed = seedAt(0);
      await load(seed);
      const reason = new Error('no longer wanted');
      const early = AbortSignal.abort(reason);
      await expect(device.hash(seed, new Uint8Array(32), new Uint8Array(32), early)).rejects.toBe(
        reason,
      );
      const late = new AbortController();
      const inputs = new Uint8Array(32 * device.maxBatch);
      const running = device.hash(seed, inputs, new Uint8Array(inputs.length), late.signal);
      late.abort(reason);
      // Too late to stop it is fine; anything but the reason is not.
      expect(await running.catch((error: unknown) => error)).toSatisfy(
        (end) => end === undefined || end === reason,
      );
      await expectVectors(seed);
    });

    it('finds exactly the nonces whose hash meets the target', async () => {
      const seed = seedAt(0);
      await load(seed);
      const job = work(seed, EASY);
      const heard: bigint[] = [];
      const count = isSlow ? 7 : 17;
      const result = await device.search(job, { start: 1000n, count }, never(), (nonce) =>
        heard.push(nonce),
      );
      const expected = await truth(job, 1000n, count);
      expect(result).toEqual({ scanned: count, nonces: expected, aborted: false });
      expect(expected, 'nonces that were told early').toEqual(expect.arrayContaining(heard));
    });

    it('finds nothing under a target that no hash meets, and everything under one that all do', async () => {
      const seed = seedAt(0);
      await load(seed);
      const none = await device.search(work(seed, -1n), { start: 0n, count: 3 }, never());
      expect(none).toEqual({ scanned: 3, nonces: [], aborted: false });
      const all = await device.search(work(seed, ANY << 8n), { start: 0n, count: 3 }, never());
      expect(all).toEqual({ scanned: 3, nonces: [0n, 1n, 2n], aborted: false });
    });

    it('searches one nonce, and none', async () => {
      const seed = seedAt(0);
      await load(seed);
      const one = await device.search(work(seed, ANY), { start: 41n, count: 1 }, never());
      expect(one).toEqual({ scanned: 1, nonces: [41n], aborted: false });
      const none = await device.search(work(seed, ANY), { start: 41n, count: 0 }, never());
      expect(none).toEqual({ scanned: 0, nonces: [], aborted: false });
    });

    // Left out rather than skipped: there is nothing that a user could do about it.
    if (!hasCommonSearch) {
      it('counts nonces as unsigned 64-bit integers', async () => {
        const seed = seedAt(0);
        await load(seed);
        const job = work(seed, EASY);
        // Over each edge, and up to the last nonce there is.
        const count = isSlow ? 2 : 4;
        const half = BigInt(count / 2);
        for (const start of [
          (1n << 32n) - half,
          (1n << 53n) + 1n,
          (1n << 63n) - half,
          (1n << 64n) - 2n * half,
        ]) {
          const result = await device.search(job, { start, count }, never());
          expect(result.nonces, `from ${start}`).toEqual(await truth(job, start, count));
        }
      });

      it('keeps two searches apart', async () => {
        const seed = seedAt(0);
        await load(seed);
        const jobs = [work(seed, EASY, 1), work(seed, EASY, 2)];
        const results = await Promise.all(
          jobs.map((job) => device.search(job, { start: 0n, count: isSlow ? 3 : 6 }, never())),
        );
        for (const [i, job] of jobs.entries()) {
          const expected = await truth(job, 0n, isSlow ? 3 : 6);
          expect(results[i]!.nonces, `search ${i}`).toEqual(expected);
        }
      });
    }

    it('scans nothing for a signal that is aborted already', async () => {
      const seed = seedAt(0);
      await load(seed);
      const range = { start: 0n, count: 1000 };
      const result = await device.search(work(seed, ANY), range, AbortSignal.abort());
      expect(result).toEqual({ scanned: 0, nonces: [], aborted: true });
    });

    it('ends early when aborted, tells how far it came, and leaves nothing to the next search', async () => {
      const seed = seedAt(0);
      await load(seed);
      const abort = new AbortController();
      const before = device.telemetry().hashes;
      const range = { start: 0n, count: 2 ** 40 };
      const running = device.search(work(seed, ANY, 1), range, abort.signal);
      await untilHashed(before);
      abort.abort();
      const next = work(seed, EASY, 2);
      const following = device.search({ ...next, generation: 2 }, { start: 0n, count: 5 }, never());
      const result = await running;
      expect(result.aborted).toBe(true);
      expect(result.scanned).toBeLessThan(range.count);
      // Every nonce met the target, so the list shows that there is no gap in what was scanned.
      expect(result.nonces).toEqual(Array.from({ length: result.scanned }, (_, i) => BigInt(i)));
      expect((await following).nonces).toEqual(await truth(next, 0n, 5));
    });

    it('counts its hashes', async () => {
      const seed = seedAt(0);
      await load(seed);
      const before = device.telemetry();
      await device.search(work(seed, ANY), { start: 0n, count: 5 }, never());
      const after = device.telemetry();
      expect(after.hashes - before.hashes).toBe(5);
      expect(after.found - before.found).toBe(5);
      expect(after.busyMs).toBeGreaterThanOrEqual(before.busyMs);
    });

    it('closes twice, refuses work afterwards, and was not lost', async () => {
      const seed = seedAt(0);
      await load(seed);
      await device.close();
      await device.close();
      expect(await device.lost).toBeUndefined();
      const lost = { detail: { code: 'lost' } };
      const hash = device.hash(seed, new Uint8Array(32), new Uint8Array(32));
      await expect(hash, 'hash').rejects.toMatchObject(lost);
      const search = device.search(work(seed, ANY), { start: 0n, count: 1 }, never());
      await expect(search, 'search').rejects.toMatchObject(lost);
      await expect(load(seed), 'loadSeed').rejects.toMatchObject(lost);
    });

    it('rejects what is pending with `lost` when it is closed', async () => {
      const seed = seedAt(0);
      await load(seed);
      const before = device.telemetry().hashes;
      const pending = device.search(work(seed, -1n), { start: 0n, count: 2 ** 40 }, never());
      const settled = pending.then(
        () => 'resolved',
        (error: unknown) => error,
      );
      await untilHashed(before);
      await device.close();
      expect(await settled).toMatchObject({ detail: { code: 'lost' } });
    });

    // Left out rather than skipped: there is nothing that a user could do about it.
    if (canLose) {
      it('says once that it is lost, and rejects what is pending', async () => {
        const seed = seedAt(0);
        await load(seed);
        const before = device.telemetry().hashes;
        const pending = device.search(work(seed, -1n), { start: 0n, count: 2 ** 40 }, never());
        const settled = pending.catch((error: unknown) => error);
        await untilHashed(before);
        await subject.lose?.();
        const error = await device.lost;
        expect(error).toBeInstanceOf(DriverError);
        expect(error?.detail.code).toBe('lost');
        expect(await settled).toMatchObject({ detail: { code: 'lost' } });
        const after = device.hash(seed, new Uint8Array(32), new Uint8Array(32));
        await expect(after).rejects.toSatisfy(
          (e) => (e instanceof DriverError || e instanceof HasherError) && e.detail.code === 'lost',
        );
        await device.close();
      });
    }

    it('hashes an input wherever it lies in a larger buffer', async () => {
      const seed = seedAt(0);
      await load(seed);
      const vector = vectorsOf(seed)[0]!;
      const input = concatBytes(
        new Uint8Array(3),
        hexToBytes(vector.headerHash, 'headerHash'),
        new Uint8Array(5),
      );
      const out = new Uint8Array(48).fill(0xaa);
      await device.hash(seed, input.subarray(3, 35), out.subarray(7, 39));
      expect(bytesToHex(out)).toBe(`${'aa'.repeat(7)}${vector.powHash}${'aa'.repeat(9)}`);
    });
  });
}
