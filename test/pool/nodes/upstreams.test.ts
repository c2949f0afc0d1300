/** Several nodes as one: which one's work is used, and whom it pays. */
import { describe, expect, it } from 'vitest';
import { Upstreams } from '../../../pool/nodes/upstreams.ts';
import type { PoolTemplate } from '../../../pool/template.ts';
import { FakeClock, settle } from '../../support/fake-clock.ts';
import { RecordingLog } from '../../support/recording-log.ts';
import { hash32, ScriptedNode } from './scripted-node.ts';
import { createRig, NOW, startedRig } from './upstreams-rig.ts';

describe('the current template', () => {
  it('is that of the first node in order, whoever speaks first', async () => {
    const { nodes, upstreams, told } = await startedRig(['a', 'b']);
    const [a, b] = nodes as [ScriptedNode, ScriptedNode];
    const first = b.gives(7);
    expect(upstreams.current).toBe(first);
    const second = a.gives(7);
    expect(upstreams.current).toBe(second);
    b.gives(7, { timestamp: 1_700_000_100 });
    expect(upstreams.current).toBe(second);
    expect(told).toEqual([
      { template: first, isClean: true },
      { template: second, isClean: false },
    ]);
    await upstreams.close();
    expect([a.isClosed, b.isClosed]).toEqual([true, true]);
  });

  it('is that of a node further down while it is ahead, until one before it catches up', async () => {
    const { nodes, upstreams, told, clock } = await startedRig(['a', 'b']);
    const [a, b] = nodes as [ScriptedNode, ScriptedNode];
    a.gives(7);
    const ahead = b.gives(8);
    await clock.advance(500);
    expect(upstreams.status).toEqual([
      { name: 'a', isUp: true, isUsed: false, height: 7, lag: 1, ageMs: 500 },
      { name: 'b', isUp: true, isUsed: true, height: 8, lag: 0, ageMs: 500 },
    ]);
    expect(upstreams.current).toBe(ahead);
    a.gives(7, { timestamp: 1_700_000_100 });
    expect(upstreams.current).toBe(ahead);
    const back = a.gives(8);
    expect(upstreams.current).toBe(back);
    expect(told.map(({ isClean }) => isClean)).toEqual([true, true, false]);
    expect(upstreams.status).toMatchObject([
      { name: 'a', isUp: true, isUsed: true, height: 8, lag: 0 },
      { name: 'b', isUp: true, isUsed: false, height: 8, lag: 0 },
    ]);
    await upstreams.close();
  });

  it('stays on its parent when a node gives another of the same height', async () => {
    const { nodes, upstreams, log, clock } = await startedRig(['a', 'b']);
    const [a, b] = nodes as [ScriptedNode, ScriptedNode];
    const used = b.gives(8);
    a.gives(8, { previousBlockHash: hash32('another') });
    expect(upstreams.current).toBe(used);
    await clock.advance(10_000);
    const newer = b.gives(8, { timestamp: 1_700_000_100 });
    expect(upstreams.current).toBe(newer);
    b.state('gone');
    expect(upstreams.current?.node).toBe('a');
    expect(log.of('node in use')).toEqual([
      'pool: work from node b, height 8',
      'pool: work from node a, height 8, instead of b',
    ]);
    await upstreams.close();
  });

  it('goes with the last node, which is an error that says for how long', async () => {
    const { nodes, upstreams, clock, log, told } = await startedRig(['a']);
    const [a] = nodes as [ScriptedNode];
    a.gives(7);
    a.state('no connection');
    expect(upstreams.current).toBeUndefined();
    await clock.advance(60_000);
    expect(upstreams.outageMs).toBe(60_000);
    expect(log.of('no work')).toEqual([
      'pool: no work',
      'pool: no node gives work, for 3 s: a: no connection',
    ]);
    await clock.advance(3000);
    expect(log.of('no work')).toHaveLength(3);
    a.gives(7, { timestamp: 1_700_000_100 });
    await settle();
    expect(upstreams.current?.header.height).toBe(7);
    expect(log.of('work again')).toEqual(['pool: work again, after 63 s without']);
    // The jobs of before are as good as they were.
    expect(told.map(({ isClean }) => isClean)).toEqual([true, false]);
    await upstreams.close();
    expect(clock.sleeping).toBe(0);
  });

  it('is told to the others when a listener fails', async () => {
    const { nodes, upstreams, log, told } = await startedRig(['a']);
    upstreams.onTemplate(() => {
      throw new Error('mine');
    });
    upstreams.onTemplate((template, isClean) => told.push({ template, isClean }));
    nodes[0]?.gives(7);
    expect(told).toHaveLength(2);
    expect(log.of('template listener failed')).toHaveLength(1);
    await upstreams.close();
  });

  it('needs nodes, of different names', () => {
    expect(() => createRig([])).toThrow(RangeError);
    expect(() => createRig(['a', 'a'])).toThrow(RangeError);
  });
});

describe('the mining address', () => {
  it('is set where it differs, and compared again', async () => {
    const { nodes, upstreams, log } = createRig(['a', 'b']);
    nodes[1]!.address = 'bm1other';
    await upstreams.ensureMiningAddress('bm1pool');
    expect(nodes.map(({ address }) => address)).toEqual(['bm1pool', 'bm1pool']);
    expect(nodes[0]!.calls).toEqual(['miningAddress']);
    expect(nodes[1]!.calls).toEqual(['miningAddress', 'setMiningAddress bm1pool', 'miningAddress']);
    expect(log.of('mining address set')).toEqual([
      'pool: node b pays bm1pool now, before: bm1other',
    ]);
  });

  it('that a node will not take names the node and both addresses', async () => {
    const { nodes, upstreams } = createRig(['a', 'b']);
    const [, b] = nodes as [ScriptedNode, ScriptedNode];
    b.address = 'bm1other';
    // It says yes, and does nothing.
    b.setMiningAddress = async () => {};
    await expect(upstreams.ensureMiningAddress('bm1pool')).rejects.toMatchObject({
      name: 'MiningAddressError',
      detail: { code: 'mining-address', node: 'b', expected: 'bm1pool', got: 'bm1other' },
      message: expect.stringMatching(/node b.*bm1pool.*bm1other/),
    });
  });

  it('that cannot be asked for or set is as bad', async () => {
    const { nodes, upstreams } = createRig(['a']);
    nodes[0]!.address = undefined;
    await expect(upstreams.ensureMiningAddress(undefined)).rejects.toThrow(/node a.*none/);
    nodes[0]!.address = 'bm1other';
    await upstreams.ensureMiningAddress(undefined);
  });

  it('of a node that is down is compared as soon as it is up, before its work is used', async () => {
    const { nodes, upstreams, told, clock } = createRig(['a', 'b']);
    const [a, b] = nodes as [ScriptedNode, ScriptedNode];
    b.failure = { code: 'unreachable', reason: 'no connection' };
    b.address = 'bm1other';
    await upstreams.ensureMiningAddress('bm1pool');
    upstreams.start();
    a.gives(7);
    b.failure = undefined;
    b.gives(8);
    expect(upstreams.current?.node).toBe('a');
    await settle();
    expect(b.address).toBe('bm1pool');
    expect(upstreams.current?.node).toBe('a');
    await clock.advance(20_000);
    // Not the one that it had: that may pay the address of before.
    const work = b.gives(9);
    expect(upstreams.current).toBe(work);
    expect(told).toHaveLength(2);
    await upstreams.close();
  });

  it('that was not compared yet lets no work be used', async () => {
    const { nodes, upstreams } = createRig(['a']);
    upstreams.start();
    const work = nodes[0]!.gives(7);
    await settle();
    expect(upstreams.current).toBeUndefined();
    await upstreams.ensureMiningAddress('bm1pool');
    expect(upstreams.current).toBe(work);
    await upstreams.close();
  });

  it('is looked at every minute; a node that somebody has changed for good is not used', async () => {
    const { nodes, upstreams, clock, log } = await startedRig(['a']);
    const [a] = nodes as [ScriptedNode];
    a.gives(7);
    a.address = 'bm1thief';
    await clock.advance(60_000);
    expect(a.address).toBe('bm1pool');
    await clock.advance(20_000);
    a.gives(8);
    expect(upstreams.current).toBeDefined();
    a.address = 'bm1thief';
    a.setMiningAddress = async () => {
      throw new Error('not now');
    };
    await clock.advance(60_000);
    expect(upstreams.current).toBeUndefined();
    expect(upstreams.status[0]).toMatchObject({
      isUp: false,
      reason: expect.stringContaining('bm1thief'),
    });
    await clock.advance(600_000);
    expect(log.of('node not used')).toHaveLength(1);
    expect(a.calls.length).toBeLessThan(30);
    a.setMiningAddress = ScriptedNode.prototype.setMiningAddress;
    await clock.advance(90_000);
    a.gives(9);
    expect(upstreams.current).toBeDefined();
    await upstreams.close();
  });

  it('of a node that came back is compared again: it may be another program', async () => {
    const { nodes, upstreams, clock } = await startedRig(['a']);
    const [a] = nodes as [ScriptedNode];
    a.gives(7);
    a.state('no connection');
    a.gives(8);
    expect(upstreams.current).toBeUndefined();
    await settle();
    expect(upstreams.current?.header.height).toBe(8);
    a.state('no connection');
    a.address = 'bm1default';
    a.gives(9);
    await settle();
    expect(a.address).toBe('bm1pool');
    expect(upstreams.current).toBeUndefined();
    await clock.advance(20_000);
    a.gives(10);
    expect(upstreams.current?.header.height).toBe(10);
    await upstreams.close();
  });
});

describe('a template of the same parent', () => {
  it('waits until the one before is 10 s old; any other comes at once', async () => {
    const { nodes, upstreams, told, clock } = await startedRig(['a', 'b']);
    const [a, b] = nodes as [ScriptedNode, ScriptedNode];
    const more = (text: string): PoolTemplate =>
      a.gives(7, { transactionsMerkleRoot: hash32(text) });
    const first = a.gives(7);
    for (const text of ['1', '2', '3']) {
      await clock.advance(2000);
      more(text);
    }
    expect(told).toHaveLength(1);
    expect(upstreams.current).toBe(first);
    const newest = more('4');
    await clock.advance(5000);
    expect(told.slice(1)).toEqual([{ template: newest, isClean: false }]);
    const clean = a.gives(8);
    expect(told.slice(2)).toEqual([{ template: clean, isClean: true }]);
    // After none, and of another node: what is found on the one before, that one may not take.
    a.state('gone');
    expect(upstreams.current).toBeUndefined();
    const back = a.gives(8, { transactionsMerkleRoot: hash32('5') });
    await settle();
    expect(told.slice(3)).toEqual([{ template: back, isClean: false }]);
    const beside = b.gives(8);
    a.state('gone');
    expect(told.slice(4)).toEqual([{ template: beside, isClean: false }]);
    await upstreams.close();
  });
});

describe('a start', () => {
  it('waits a second at most for others than the first that answers', async () => {
    const { nodes, upstreams, clock, log } = createRig(['a', 'b', 'c']);
    const [, b, c] = nodes as [ScriptedNode, ScriptedNode, ScriptedNode];
    let answer: (address: string) => void = () => {};
    b.miningAddress = () => new Promise((resolve) => (answer = resolve));
    c.failure = { code: 'unreachable', reason: 'no connection' };
    let isDone = false;
    upstreams.start();
    const ensured = upstreams.ensureMiningAddress('bm1pool').then(() => {
      isDone = true;
    });
    await clock.advance(900);
    expect(isDone).toBe(false);
    await clock.advance(100);
    await ensured;
    // Too late to stop anything.
    b.setMiningAddress = async () => {
      throw new Error('not me');
    };
    b.gives(7);
    answer('bm1other');
    await settle();
    expect(log.of('node not used')).toHaveLength(1);
    expect(upstreams.current).toBeUndefined();
    await upstreams.close();
    await clock.advance(1000);
    expect(clock.sleeping).toBe(0);
  });

  it('is stopped by a refusal, and by no node that is down', async () => {
    const { nodes, upstreams } = createRig(['a', 'b']);
    const [a, b] = nodes as [ScriptedNode, ScriptedNode];
    a.failure = { code: 'unreachable', reason: 'no connection' };
    b.failure = { code: 'unreachable', reason: 'no connection' };
    await upstreams.ensureMiningAddress('bm1pool');
    b.failure = undefined;
    b.address = 'bm1other';
    b.setMiningAddress = async () => {};
    await expect(upstreams.ensureMiningAddress('bm1pool')).rejects.toThrow(/node b/);
  });
});

describe('a gap without work', () => {
  it('is an error only after 3 s', async () => {
    const { nodes, upstreams, clock, log } = await startedRig(['a']);
    const [a] = nodes as [ScriptedNode];
    const errors = (): number => log.entries.filter(({ level }) => level === 'error').length;
    a.gives(7);
    a.state('syncing');
    await clock.advance(1500);
    a.gives(8);
    await settle();
    await clock.advance(10_000);
    expect(errors()).toBe(0);
    expect(log.of('work again')).toHaveLength(0);
    a.state('syncing');
    await clock.advance(4000);
    expect(errors()).toBe(1);
    await upstreams.close();
  });
});

describe('the time of a template', () => {
  const HOUR = 3600;
  it.each([
    ['ahead, anywhere', false, HOUR, 1],
    ['behind on mainnet', true, -HOUR, 1],
    ['behind on purpose elsewhere', false, -HOUR, 0],
    ['about right', true, 20 * 60, 0],
  ])('that is %s: lines %s %s %s', async (_, keepsTime, seconds, lines) => {
    const node = new ScriptedNode('a');
    const clock = new FakeClock();
    const log = new RecordingLog('pool');
    const parts = { nodes: [node], clock, now: () => NOW, log };
    const upstreams = new Upstreams({ keepsTime }, parts);
    await upstreams.ensureMiningAddress('bm1pool');
    upstreams.start();
    for (const height of [7, 8, 9]) node.gives(height, { timestamp: NOW / 1000 + seconds });
    expect(log.of('time of work')).toHaveLength(lines);
    // Only told: whoever is wrong, the chain decides.
    expect(upstreams.current?.header.height).toBe(9);
    await upstreams.close();
  });
});
