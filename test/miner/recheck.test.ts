import { describe, expect, it } from 'vitest';
import type { Work } from '../../drivers/driver.ts';
import { Recheck } from '../../miner/recheck.ts';
import { headerHash, headerPreimage } from '../../src/chain/header.ts';
import { HasherError } from '../../src/tensority/hasher.ts';
import { bytesToHex } from '../../src/util/bytes.ts';
import { bytesToU256 } from '../../src/util/u256.ts';
import { makeJob } from '../support/rig.ts';
import { StandInHasher, standInHash, standInTable } from '../support/stand-in-hasher.ts';

const job = makeJob();
const hash = headerHash({ ...job.header, nonce: 77n });
const powHash = standInHash(job.seed, hash);
const needed = (): boolean => false;

function work(target: bigint, seed: Uint8Array = job.seed): Work {
  return {
    jobId: 'job',
    generation: 1,
    preimage: headerPreimage({ ...job.header, nonce: 5n }),
    seed,
    target,
  };
}

describe('Recheck', () => {
  it('hashes the header with the nonce and compares with the target', async () => {
    const recheck = new Recheck({ hasherFor: () => hasher, tables: standInTable });
    const hasher = new StandInHasher();
    const limit = bytesToU256(powHash);
    const good = await recheck.check(work(limit), 77n, 'k', needed);
    expect(good).toEqual({ headerHash: hash, powHash, meetsTarget: true });
    const bad = await recheck.check(work(limit - 1n), 77n, 'k', needed);
    expect(bad).toEqual({ headerHash: hash, powHash, meetsTarget: false });
  });

  it('asks for a hasher that is independent of the kernel', async () => {
    const asked: (string | undefined)[] = [];
    const hasher = new StandInHasher();
    const hasherFor = (kernel: string | undefined): StandInHasher => {
      asked.push(kernel);
      return hasher;
    };
    const recheck = new Recheck({ hasherFor, tables: standInTable });
    await recheck.check(work(0n), 1n, 'vnni-ymm', needed);
    await recheck.check(work(0n), 1n, undefined, needed);
    expect(asked).toEqual(['vnni-ymm', undefined]);
  });

  it('keeps checks under different seeds apart on a hasher with one table', async () => {
    const hasher = new StandInHasher({ slots: 1 });
    const recheck = new Recheck({ hasherFor: () => hasher, tables: standInTable });
    const seeds = [1, 2, 1, 2].map((fill) => new Uint8Array(32).fill(fill));
    const checks = await Promise.all(
      seeds.map((seed) => recheck.check(work(0n, seed), 77n, undefined, needed)),
    );
    expect(checks.map((check) => bytesToHex(check!.powHash))).toEqual(
      seeds.map((seed) => bytesToHex(standInHash(seed, hash))),
    );
  });

  it('does not hash what nobody wants any more when its turn has come', async () => {
    const hasher = new StandInHasher();
    const recheck = new Recheck({ hasherFor: () => hasher, tables: standInTable });
    expect(await recheck.check(work(0n), 1n, undefined, () => true)).toBeUndefined();
    expect(hasher.loads).toEqual([]);
  });

  it('tries once more with a new hasher where the first is lost', async () => {
    const broken = new StandInHasher();
    await broken.close();
    const hashers = [broken, new StandInHasher()];
    const recheck = new Recheck({ hasherFor: () => hashers.shift()!, tables: standInTable });
    const checked = await recheck.check(work(0n), 77n, undefined, needed);
    expect(checked?.powHash).toEqual(powHash);
    expect(hashers).toEqual([]);
  });

  it('passes a failure on, and checks what comes after it', async () => {
    const broken = new StandInHasher();
    await broken.close();
    const hashers = [broken, broken, new StandInHasher()];
    const recheck = new Recheck({ hasherFor: () => hashers.shift()!, tables: standInTable });
    const first = recheck.check(work(0n), 77n, undefined, needed);
    const second = recheck.check(work(0n), 77n, undefined, needed);
    await expect(first).rejects.toBeInstanceOf(HasherError);
    expect((await second)?.powHash).toEqual(powHash);
  });
});
