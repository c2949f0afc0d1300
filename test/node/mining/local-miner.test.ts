import { setImmediate as nextTurn } from 'node:timers/promises';
import { describe, expect, it } from 'vitest';
import { type BlockHeader, headerHash } from '../../../src/chain/header.ts';
import { LocalMiner, type LocalMinerParts } from '../../../src/node/mining/local-miner.ts';
import type { BlockTemplate } from '../../../src/node/mining/templates.ts';
import { WorkError } from '../../../src/node/mining/work-error.ts';
import { type BatchHasher, HasherError } from '../../../src/tensority/hasher.ts';
import { bytesToHex } from '../../../src/util/bytes.ts';
import { FakeClock, settle } from '../../support/fake-clock.ts';
import { GatedHasher } from '../../support/gated-hasher.ts';
import { RecordingLog } from '../../support/recording-log.ts';
import { StandInHasher, standInHash, standInTable } from '../../support/stand-in-hasher.ts';
import { BASE, BASE_HEIGHT, TemplateRig } from './template-rig.ts';

/** About one hash in `tries` is 0, the others meet no target. */
function luckyHash(tries: number): typeof standInHash {
  return (seed, hash) => {
    const value = standInHash(seed, hash);
    const isLucky = (value[0]! * 256 + value[1]!) % tries === 0;
    return new Uint8Array(32).fill(isLucky ? 0 : 0xff);
  };
}

/** Templates that never change, and take whatever is found. */
class FixedTemplates {
  readonly found: BlockHeader[] = [];
  readonly template: BlockTemplate = {
    header: { ...BASE.tip.header, nonce: 0n },
    seed: new Uint8Array(32).fill(5),
    target: 2n ** 255n,
    transactions: [],
    fees: 0n,
    gasUsed: 0,
  };
  failure: Error | undefined;

  async current(): Promise<BlockTemplate> {
    if (this.failure !== undefined) throw this.failure;
    return this.template;
  }

  async submit(header: BlockHeader): Promise<{ readonly result: 'side' }> {
    this.found.push(header);
    return { result: 'side' };
  }
}

interface Bench {
  readonly miner: LocalMiner;
  readonly templates: FixedTemplates;
  readonly clock: FakeClock;
  readonly log: RecordingLog;
  busy: boolean;
}

function bench(hasher: BatchHasher, parts: Partial<LocalMinerParts> = {}): Bench {
  const templates = new FixedTemplates();
  const clock = new FakeClock();
  const log = new RecordingLog('mining');
  const state = { busy: false };
  const miner = new LocalMiner(
    {},
    {
      templates,
      hasher,
      tables: standInTable,
      busy: () => state.busy,
      clock,
      log,
      randomNonce: () => 2n ** 63n - 2n,
      ...parts,
    },
  );
  return Object.assign(state, { miner, templates, clock, log });
}

function never(): Uint8Array {
  return new Uint8Array(32).fill(0xff);
}

async function turns(until: () => boolean): Promise<void> {
  for (let i = 0; i < 5000 && !until(); i++) await nextTurn();
}

describe('the local miner', () => {
  it('finds blocks, one on top of the other, and stops', async () => {
    const hasher = new StandInHasher({ hash: luckyHash(10) });
    const rig = await TemplateRig.open({ hasher });
    const { clock, log } = rig.chain;
    const { templates } = rig;
    const miner = new LocalMiner(
      {},
      { templates, hasher, tables: standInTable, busy: () => false, clock, log },
    );
    const { chain } = rig.chain;
    const reached = (height: number): boolean => chain.tip.header.height >= BASE_HEIGHT + height;
    expect(miner.running).toBe(false);
    miner.start();
    expect(miner.running).toBe(true);
    await turns(() => reached(5));
    await miner.stop();
    expect(reached(5)).toBe(true);
    expect(miner.running).toBe(false);
    expect(miner.blocks).toBe(chain.tip.header.height - BASE_HEIGHT);
    expect(log.of('block found')).toHaveLength(miner.blocks);
    expect(miner.hashes).toBeGreaterThan(miner.blocks);
    const { hashes } = miner;
    await settle();
    expect(miner.hashes).toBe(hashes);
    expect(clock.sleeping).toBe(0);
    await rig.close();
  });

  it('tries one nonce after the other, below 2^63, from a random one on', async () => {
    const hasher = new GatedHasher({ maxBatch: 2, hash: never });
    const { miner, templates, clock } = bench(hasher);
    miner.start();
    const seen: string[] = [];
    for (let batch = 0; batch < 3; batch++) {
      await turns(() => hasher.calls.length > batch);
      expect(clock.sleeping, 'timers of earlier batches').toBe(1);
      seen.push(...hasher.calls[batch]!.headerHashes.map(bytesToHex));
      hasher.calls[batch]!.release();
    }
    await miner.stop();
    const nonces = [2n ** 63n - 2n, 2n ** 63n - 1n, 0n, 1n, 2n, 3n];
    const { header } = templates.template;
    expect(seen).toEqual(nonces.map((nonce) => bytesToHex(headerHash({ ...header, nonce }))));
    expect(clock.sleeping).toBe(0);
    // The last batch was not waited for.
    expect(miner.hashes).toBe(4);
  });

  it('submits the header of the nonce that it found, the first one of a batch', async () => {
    const hasher = new StandInHasher({ maxBatch: 16, hash: luckyHash(4) });
    const { miner, templates } = bench(hasher);
    miner.start();
    await turns(() => templates.found.length > 5);
    await miner.stop();
    const { seed } = templates.template;
    for (const header of templates.found) {
      expect(luckyHash(4)(seed, headerHash(header))[0]).toBe(0);
      expect({ ...header, nonce: 0n }).toEqual(templates.template.header);
    }
  });

  it('has one batch under way, and none while something more important waits', async () => {
    const hasher = new GatedHasher({ hash: never });
    const test = bench(hasher);
    test.miner.start();
    await turns(() => hasher.calls.length > 0);
    await settle();
    expect(hasher.calls).toHaveLength(1);
    test.busy = true;
    hasher.calls[0]!.release();
    await test.clock.advance(1000);
    expect(hasher.calls).toHaveLength(1);
    test.busy = false;
    await test.clock.advance(50);
    expect(hasher.calls).toHaveLength(2);
    await test.miner.stop();
    expect(test.clock.sleeping).toBe(0);
  });

  it('sizes its batches by the time they take', async () => {
    const hasher = new GatedHasher({ maxBatch: 1000, hash: never });
    const { miner, clock } = bench(hasher);
    miner.start();
    const sizes: number[] = [];
    // 5 ms a hash, then 200 ms a hash.
    for (let batch = 0; batch < 7; batch++) {
      await turns(() => hasher.calls.length > batch);
      const { headerHashes, release } = hasher.calls[batch]!;
      sizes.push(headerHashes.length);
      await clock.advance(headerHashes.length * (batch < 5 ? 5 : 200));
      release();
    }
    await miner.stop();
    expect(sizes).toEqual([4, 8, 16, 20, 20, 20, 1]);
  });

  it('gives the hasher the table that it has dropped, and that of the next epoch', async () => {
    const hasher = new StandInHasher({ maxBatch: 1, slots: 1, hash: never });
    const { miner, templates } = bench(hasher);
    const other = new Uint8Array(32).fill(9);
    miner.start();
    await turns(() => miner.hashes > 2);
    await hasher.loadSeed(other, await standInTable(other));
    const { hashes } = miner;
    await turns(() => miner.hashes > hashes + 2);
    await miner.stop();
    const own = bytesToHex(templates.template.seed);
    expect(hasher.loads).toEqual([own, bytesToHex(other), own]);
  });

  it('ends with one line where the hasher is lost, and can be started again', async () => {
    const hasher = new GatedHasher({ hash: never });
    const { miner, log } = bench(hasher);
    miner.start();
    await turns(() => hasher.calls.length > 0);
    hasher.calls[0]!.fail(new HasherError({ code: 'lost', reason: 'device fell off' }));
    await settle();
    expect(miner.running).toBe(false);
    expect(log.entries.filter(({ level }) => level === 'error')).toMatchObject([
      { event: 'local mining ended: its hasher is lost' },
    ]);
    miner.start();
    await turns(() => hasher.calls.length > 1);
    expect(miner.running).toBe(true);
    hasher.calls[1]!.fail(new Error('a driver bug'));
    await settle();
    expect(miner.running).toBe(false);
    await miner.stop();
  });

  it('takes a hasher that never answers for lost, and does not wait for it to stop', async () => {
    const hasher = new GatedHasher({ hash: never });
    hasher.hash = () => {
      hasher.calls.push({
        seed: new Uint8Array(32),
        headerHashes: [],
        release: () => {},
        fail: () => {},
        signal: undefined,
      });
      return new Promise(() => {});
    };
    const { miner, clock, log } = bench(hasher);
    miner.start();
    await turns(() => hasher.calls.length > 0);
    await clock.advance(299_999);
    expect(miner.running).toBe(true);
    await clock.advance(1);
    expect(miner.running).toBe(false);
    expect(log.of('local mining ended: its hasher is lost')).toHaveLength(1);
    miner.start();
    await turns(() => hasher.calls.length > 1);
    await miner.stop();
    expect(clock.sleeping).toBe(0);
  });

  it('pauses where there is no template or no table, and goes on', async () => {
    const hasher = new StandInHasher({ hash: never });
    let failing = true;
    const { miner, templates, clock, log } = bench(hasher, {
      tables: (seed) => (failing ? Promise.reject(new Error('no memory')) : standInTable(seed)),
    });
    templates.failure = new WorkError({ code: 'clock', aheadSeconds: 4000 });
    miner.start();
    await clock.advance(1999);
    templates.failure = undefined;
    await clock.advance(1);
    failing = false;
    await settle();
    expect(miner.hashes).toBe(0);
    await clock.advance(2000);
    await turns(() => miner.hashes > 0);
    expect(miner.running).toBe(true);
    expect(log.of('local mining pauses')).toHaveLength(2);
    await miner.stop();
    expect(clock.sleeping).toBe(0);
  });

  it('ends where there are no templates any more', async () => {
    const { miner, templates } = bench(new StandInHasher({ hash: never }));
    templates.failure = new WorkError({ code: 'closed' });
    miner.start();
    await settle();
    expect(miner.running).toBe(false);
  });

  it('is started and stopped as often as one likes', async () => {
    const { miner, log } = bench(new StandInHasher({ hash: never }));
    await miner.stop();
    for (let i = 0; i < 3; i++) {
      miner.start();
      miner.start();
      const stopped = miner.stop();
      miner.start();
      expect(miner.running).toBe(true);
      await stopped;
      await miner.stop();
      expect(miner.running).toBe(false);
    }
    expect(log.of('local mining started')).toHaveLength(6);
  });
});
