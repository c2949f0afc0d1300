/** Blocks of the pool: handed to every node, written down, watched until they can be spent. */
import { describe, expect, it } from 'vitest';
import type { FoundBlock } from '../../../pool/chain-access.ts';
import { BLOCK_FLAG, decodeHeader, encodeHeader, headerHash } from '../../../src/chain/header.ts';
import { bytesEqual, bytesToHex, concatBytes } from '../../../src/util/bytes.ts';
import { settle } from '../../support/fake-clock.ts';
import { seededRandom } from '../../support/random.ts';
import { hash32, headerAt } from '../nodes/scripted-node.ts';
import { BlockRig } from './block-rig.ts';

/** A block of node `node`; whole, if it is to be. */
function found(node: string, height: number, isWhole = false, nonce = 77n): FoundBlock {
  const header = headerAt(height, { nonce });
  const whole = encodeHeader(header, BLOCK_FLAG);
  const tail = Uint8Array.of(1, 2, 3);
  return {
    header,
    hash: headerHash(header),
    node,
    account: 'alice',
    worker: 'rig1',
    ...(isWhole ? { rawBlock: concatBytes(whole, tail) } : {}),
  };
}

describe('a block that is found', () => {
  it('goes to all nodes at once, whole and with its nonce, and to the disk', async () => {
    const rig = new BlockRig(['a', 'b', 'c']);
    rig.desk.start([]);
    const block = found('b', 7, true);
    const written = rig.desk.found(block);
    // Before anything else had its turn.
    expect(rig.nodes.map(({ submitted }) => submitted.length)).toEqual([1, 1, 1]);
    await written;
    await settle();
    const raw = rig.node('a').submitted[0]!.rawBlock!;
    const { header, bytesRead } = decodeHeader(raw);
    expect(header).toEqual(block.header);
    expect([...raw.subarray(bytesRead)]).toEqual([1, 2, 3]);
    expect(rig.disk.story()).toEqual(['found', 'accepted a', 'accepted b', 'accepted c']);
    expect(rig.disk.events[0]).toMatchObject({
      height: 7,
      header: encodeHeader(block.header),
      rawBlock: raw,
      node: 'b',
      account: 'alice',
      worker: 'rig1',
    });
    const hash = bytesToHex(block.hash);
    expect(rig.log.of('block found')).toEqual([
      `pool: block found height 7 hash ${hash} by alice.rig1`,
    ]);
    expect(rig.log.of('block accepted')[0]).toBe(`pool: block accepted by a height 7 hash ${hash}`);
    expect(rig.metered).toEqual(['found', 'accepted', 'accepted', 'accepted']);
    expect(rig.desk.status).toMatchObject({
      counts: { submitting: 0, accepted: 1, lost: 0 },
      unwritten: 0,
      latest: [{ hash, height: 7, account: 'alice', worker: 'rig1', node: 'b', state: 'accepted' }],
    });
    // Once is enough.
    await rig.desk.found(block);
    expect(rig.disk.events).toHaveLength(4);
    await rig.close();
    expect(rig.clock.sleeping).toBe(0);
  });

  it('as a header alone goes to its node, and whole from there to the others', async () => {
    const rig = new BlockRig(['a', 'b']);
    rig.desk.start([]);
    const block = found('b', 7);
    const b = rig.node('b');
    const whole = Uint8Array.of(9, 9);
    let asked = 0;
    b.rawBlock = async () => (asked++ === 0 ? undefined : whole);
    await rig.desk.found(block);
    await settle();
    expect(rig.node('a').submitted).toHaveLength(0);
    await rig.clock.advance(200);
    expect(rig.node('a').submitted.map(({ rawBlock }) => rawBlock)).toEqual([whole]);
    expect(rig.disk.story()).toEqual(['found', 'accepted b', 'accepted a']);
    await rig.close();
  });

  it('is handed in again while a node is away, and no longer than is of use', async () => {
    const rig = new BlockRig(['a', 'b', 'c']);
    rig.desk.start([]);
    await rig.tip(6);
    for (const name of ['b', 'c']) {
      rig.node(name).submitFailure = { code: 'unreachable', reason: 'no connection' };
    }
    await rig.desk.found(found('a', 7, true));
    await rig.clock.advance(60_000);
    rig.node('b').submitFailure = undefined;
    await rig.clock.advance(10_000);
    expect(rig.disk.story()).toEqual(['found', 'accepted a', 'accepted b']);
    // Doubling from 0.2 s to 10 s.
    expect(rig.node('c').submitted.length).toBeLessThan(16);
    await rig.clock.advance(600_000);
    const attempts = rig.node('c').submitted.length;
    await rig.clock.advance(600_000);
    expect(rig.node('c').submitted).toHaveLength(attempts);
    expect(rig.disk.story()).toHaveLength(3);
    // One line, not one for each attempt.
    expect(rig.log.of('block not handed in')).toHaveLength(2);
    await rig.close();
  });

  it('is given up where the chain of the node itself has grown past it', async () => {
    const rig = new BlockRig(['a']);
    rig.desk.start([]);
    await rig.tip(6);
    rig.node('a').submitFailure = { code: 'unreachable', reason: 'no connection' };
    await rig.desk.found(found('a', 7));
    await rig.clock.advance(30_000);
    await rig.tip(12);
    await rig.clock.advance(10_000);
    expect(rig.disk.story()).toEqual(['found']);
    // What others claim ends nothing.
    await rig.tip(1_000_000);
    await rig.clock.advance(60_000);
    expect(rig.disk.story()).toEqual(['found']);
    rig.node('a').chain.set(13, hash32('grown'));
    await rig.clock.advance(10_000);
    expect(rig.disk.story()).toEqual(['found', 'lost a: no connection']);
    const header = bytesToHex(encodeHeader(found('a', 7).header));
    expect(rig.log.of('block lost')[0]).toContain(header);
    expect(rig.desk.status.counts.lost).toBe(1);
    await rig.close();
  });

  it('that is refused is recorded with the words of each node, and lost if all do', async () => {
    const rig = new BlockRig(['a', 'b']);
    rig.desk.start([]);
    rig.node('a').submitFailure = { code: 'stale', reason: 'it has been changed' };
    rig.node('b').submitFailure = { code: 'refused', reason: 'bad: work' };
    await rig.desk.found(found('a', 7, true));
    await settle();
    expect(rig.disk.story()).toEqual([
      'found',
      'refused a: it has been changed',
      'refused b: bad: work',
      'lost a: it has been changed; b: bad: work',
    ]);
    await rig.close();
  });

  it('that was taken by a lost answer is accepted, whatever is said the second time', async () => {
    const rig = new BlockRig(['a']);
    rig.desk.start([]);
    const a = rig.node('a');
    const block = found('a', 7);
    a.submitFailure = { code: 'unreachable', reason: 'no answer for 30000 ms' };
    await rig.desk.found(block);
    await settle();
    a.blocks.set(bytesToHex(block.hash), Uint8Array.of(3));
    a.submitFailure = { code: 'stale', reason: 'it has been changed' };
    await rig.clock.advance(200);
    expect(rig.disk.story()).toEqual(['found', 'accepted a']);
    await rig.close();
  });

  it('whose parent a node does not know yet is handed in until it does', async () => {
    const rig = new BlockRig(['a']);
    rig.desk.start([]);
    rig.node('a').result = 'orphan';
    await rig.desk.found(found('a', 7, true));
    await rig.clock.advance(5000);
    expect(rig.disk.story()).toEqual(['found']);
    rig.node('a').result = 'accepted';
    await rig.clock.advance(10_000);
    expect(rig.disk.story()).toEqual(['found', 'accepted a']);
    await rig.close();
  });

  it('survives nodes that break: their throws and their silence', async () => {
    const rig = new BlockRig(['a', 'b', 'c']);
    rig.desk.start([]);
    rig.node('a').submit = () => {
      throw new TypeError('a fault');
    };
    rig.node('b').submit = () => new Promise(() => {});
    await rig.desk.found(found('a', 7, true));
    await settle();
    expect(rig.disk.story()).toEqual(['found', 'accepted c']);
    await rig.clock.advance(41_000);
    expect(rig.log.of('block not handed in')).toEqual([
      'pool: block not handed in at a yet, height 7: a fault',
      'pool: block not handed in at b yet, height 7: no answer for 40000 ms',
    ]);
    await rig.close();
  });

  it('is written down as soon as the disk has room, its events in order', async () => {
    const rig = new BlockRig(['a']);
    rig.desk.start([]);
    rig.disk.isFull = true;
    let isWritten = false;
    const written = rig.desk.found(found('a', 7)).then(() => {
      isWritten = true;
    });
    await rig.clock.advance(5000);
    expect(isWritten).toBe(false);
    expect(rig.desk.status.unwritten).toBe(1);
    // The disk is no reason to keep a block from the nodes.
    expect(rig.node('a').submitted).toHaveLength(1);
    rig.disk.isFull = false;
    await rig.clock.advance(30_000);
    await written;
    expect(rig.disk.story()).toEqual(['found', 'accepted a']);
    await rig.close();
  });

  it('of a nonce that no block can hold is an error, not a crash', async () => {
    const rig = new BlockRig(['a']);
    rig.desk.start([]);
    await rig.desk.found({ ...found('a', 7), header: headerAt(7, { nonce: 1n << 63n }) });
    expect(rig.log.of('block not taken')).toHaveLength(1);
    await rig.close();
  });
});

describe('a block that was accepted', () => {
  it('is orphaned, restored and matured as the best chain says', async () => {
    const rig = new BlockRig(['a', 'b']);
    rig.desk.start([]);
    await rig.tip(6);
    const block = found('a', 7, true);
    await rig.desk.found(block);
    await settle();
    const a = rig.node('a');
    a.chain.set(7, block.hash);
    await rig.tip(7);
    a.chain.set(7, hash32('another'));
    await rig.tip(8);
    expect(rig.disk.story().slice(3)).toEqual([
      `orphaned the best chain of a has ${bytesToHex(hash32('another'))} there`,
    ]);
    expect(rig.log.of('block orphaned')[0]).toMatch(/^pool: block orphaned height 7 hash /);
    expect(rig.desk.status.counts.orphaned).toBe(1);
    a.chain.set(7, block.hash);
    await rig.tip(9);
    expect(rig.disk.story().at(-1)).toBe('restored the best chain of a has it');
    await rig.tip(106);
    await rig.clock.advance(30_000);
    expect(rig.desk.status.counts).toMatchObject({ accepted: 1, matured: 0 });
    await rig.tip(1_000_000);
    await rig.clock.advance(30_000);
    expect(rig.desk.status.counts).toMatchObject({ accepted: 1, matured: 0 });
    a.chain.set(107, hash32('block 107'));
    await rig.tip(107);
    expect(rig.disk.story().at(-1)).toBe('matured the best chain of a has it');
    expect(rig.desk.status.counts).toMatchObject({ accepted: 0, matured: 1 });
    expect(rig.desk.status.latest[0]?.state).toBe('matured');
    const calls = a.calls.length;
    await rig.tip(108);
    await rig.clock.advance(60_000);
    expect(a.calls).toHaveLength(calls);
    await rig.close();
  });

  it('is compared every 30 s however deep it lies, by the first node that is up', async () => {
    const rig = new BlockRig(['a', 'b']);
    rig.desk.start([]);
    await rig.tip(6);
    await rig.desk.found(found('a', 7, true));
    await settle();
    rig.node('a').failure = { code: 'unreachable', reason: 'no connection' };
    rig.node('b').chain.set(7, hash32('another'));
    await rig.tip(57);
    const before = rig.disk.events.length;
    await rig.clock.advance(29_000);
    expect(rig.disk.events).toHaveLength(before);
    await rig.clock.advance(1000);
    expect(rig.disk.story().at(-1)).toMatch(/^orphaned the best chain of b has /);
    // Nothing more can come of it.
    rig.node('b').chain.set(107, hash32('grown'));
    await rig.tip(107);
    await rig.clock.advance(30_000);
    const calls = rig.node('b').calls.length;
    await rig.clock.advance(90_000);
    expect(rig.node('b').calls).toHaveLength(calls);
    expect(rig.desk.status.counts.orphaned).toBe(1);
    await rig.close();
  });

  it('is looked for at the next node where one does not tell, which is one line', async () => {
    const rig = new BlockRig(['a', 'b', 'c']);
    rig.desk.start([]);
    await rig.tip(6);
    const blocks = [found('a', 7, true, 1n), found('a', 7, true, 2n)];
    for (const block of blocks) await rig.desk.found(block);
    await settle();
    const [a, b, c] = rig.nodes;
    a!.blockHashAt = async () => {
      a!.calls.push('blockHashAt');
      throw new Error('no such call');
    };
    // `b` is not so far yet.
    b!.chain.set(6, hash32('block 6'));
    c!.chain.set(7, hash32('another'));
    await rig.tip(8);
    expect(rig.disk.story().filter((line) => line.startsWith('orphaned'))).toHaveLength(2);
    expect(a!.calls.filter((call) => call === 'blockHashAt')).toHaveLength(1);
    await rig.clock.advance(120_000);
    expect(rig.log.of('blocks not compared')).toEqual([
      'pool: node a does not tell of its best chain: no such call',
    ]);
    await rig.close();
  });

  it('by a chain though all nodes refused it is restored', async () => {
    const rig = new BlockRig(['a']);
    rig.desk.start([]);
    await rig.tip(6);
    const block = found('a', 7);
    rig.node('a').submitFailure = { code: 'refused', reason: 'no' };
    await rig.desk.found(block);
    await settle();
    rig.node('a').chain.set(7, block.hash);
    await rig.tip(7);
    expect(rig.disk.story().slice(2)).toEqual([
      'lost a: no',
      'restored the best chain of a has it',
    ]);
    await rig.close();
  });
});

describe('after a restart', () => {
  it('blocks without an answer are handed in again, those with one to who gave none', async () => {
    const rig = new BlockRig(['a', 'b']);
    rig.desk.start([]);
    await rig.tip(6);
    rig.node('b').submitFailure = { code: 'unreachable', reason: 'no connection' };
    const half = found('a', 7, true, 1n);
    const none = found('b', 7, false, 2n);
    await rig.desk.found(half);
    await rig.desk.found(none);
    await settle();
    await rig.close();
    expect(rig.disk.story()).not.toContain('lost');
    rig.node('b').submitFailure = undefined;
    const next = new BlockRig([], {}, rig);
    const given = rig.node('a').submitted.length;
    next.desk.start(rig.disk.events.slice());
    await next.clock.advance(1000);
    expect(rig.disk.story(half.hash)).toEqual(['found', 'accepted a', 'accepted b']);
    expect(rig.disk.story(none.hash)).toEqual(['found', 'accepted b', 'accepted a']);
    expect(rig.node('a').submitted).toHaveLength(given + 1);
    expect(next.desk.status.counts.accepted).toBe(2);
    await next.close();
  });

  it('blocks that are not mature are watched, and what is settled is let alone', async () => {
    const rig = new BlockRig(['a']);
    rig.desk.start([]);
    await rig.tip(6);
    const young = found('a', 7, false, 1n);
    const old = found('a', 1, false, 2n);
    for (const block of [old, young]) await rig.desk.found(block);
    await settle();
    const a = rig.node('a');
    a.chain.set(1, old.hash);
    a.chain.set(7, young.hash);
    a.chain.set(101, hash32('block 101'));
    await rig.tip(101);
    await rig.close();
    const next = new BlockRig([], {}, rig);
    const submitted = a.submitted.length;
    a.calls.length = 0;
    next.desk.start(rig.disk.events.slice());
    expect(next.desk.status.counts).toMatchObject({ matured: 1, accepted: 1 });
    await settle();
    expect(a.calls).toEqual(['blockHashAt 7']);
    a.chain.set(7, hash32('another'));
    await next.clock.advance(30_000);
    expect(next.desk.status.counts).toMatchObject({ matured: 1, orphaned: 1 });
    expect(a.submitted).toHaveLength(submitted);
    await next.close();
  });

  it('records that make no sense are logged, and the others count', async () => {
    const rig = new BlockRig(['a']);
    rig.desk.start([]);
    await rig.desk.found(found('a', 7));
    await settle();
    await rig.close();
    const events = rig.disk.events.slice();
    const [first] = events;
    if (first?.event !== 'found') throw new Error('expected a found block');
    const next = new BlockRig([], {}, rig);
    next.desk.start([
      { ...first, hash: hash32('x'), header: Uint8Array.of(1) },
      { event: 'matured', hash: hash32('y'), timeMs: 0, detail: '' },
      ...events,
    ]);
    expect(next.log.of('block event not understood')).toHaveLength(1);
    expect(next.desk.status.counts.accepted).toBe(1);
    await next.close();
  });
});

/** Nodes come and go, break and refuse; the pool is restarted in the middle: no block is lost. */
describe('whatever the nodes do', () => {
  const SEEDS = 30;

  it.each(Array.from({ length: SEEDS }, (_, seed) => [seed]))(
    'nothing is lost (seed %i)',
    async (seed) => {
      const random = seededRandom(seed);
      const pick = <T>(values: readonly T[]): T => values[Math.floor(random() * values.length)]!;
      let rig = new BlockRig(['a', 'b', 'c']);
      rig.desk.start([]);
      await rig.tip(6);
      const blocks: FoundBlock[] = [];
      const failures = [
        undefined,
        undefined,
        { code: 'unreachable', reason: 'no connection' },
        { code: 'unreachable', reason: 'no answer' },
      ] as const;
      for (let step = 0; step < 40; step++) {
        const node = pick(rig.nodes);
        const dice = random();
        if (dice < 0.3) node.failure = pick(failures);
        else if (dice < 0.4) node.result = pick(['accepted', 'accepted', 'orphan']);
        else if (dice < 0.45) {
          node.submitFailure = pick([undefined, { code: 'refused', reason: 'no' }] as const);
        } else if (dice < 0.5) rig.disk.isFull = random() < 0.5;
        else if (dice < 0.55) {
          rig.disk.isFull = false;
          await rig.clock.advance(31_000);
          await rig.close();
          rig = new BlockRig([], {}, rig);
          rig.desk.start(rig.disk.events.slice());
        } else if (dice < 0.75 && blocks.length < 12) {
          const block = found(node.name, 7, random() < 0.7, BigInt(blocks.length + 1));
          blocks.push(block);
          void rig.desk.found(block);
          await settle();
        } else await rig.clock.advance(random() * 3000);
      }
      // All are back in time.
      rig.disk.isFull = false;
      for (const node of rig.nodes) {
        node.failure = undefined;
        node.result = 'accepted';
        node.submitFailure = undefined;
      }
      await rig.clock.advance(60_000);
      for (const block of blocks) {
        const story = rig.disk.story(block.hash);
        const told = rig.disk.events.filter(
          ({ event, hash }) => event === 'found' && bytesEqual(hash, block.hash),
        );
        expect(told).toHaveLength(1);
        expect(story[0]).toBe('found');
        const answers = new Map(
          story.flatMap((line) => {
            const match = /^(accepted|refused) (\w)/.exec(line);
            return match === null ? [] : [[match[2], match[1]]];
          }),
        );
        const isRefusedByOrigin = answers.get(block.node) === 'refused';
        if (block.rawBlock === undefined && isRefusedByOrigin) {
          // Nobody else could have taken its header.
          expect(story.at(-1)).toMatch(/^lost /);
          continue;
        }
        // Each node has given exactly one answer, and who accepted it has it.
        expect([...answers.keys()].toSorted(), story.join()).toEqual(['a', 'b', 'c']);
        expect(story.filter((line) => /^(accepted|refused) /.test(line))).toHaveLength(3);
        for (const [name, answer] of answers) {
          const has = rig.node(name!).blocks.has(bytesToHex(block.hash));
          expect(has, `${name} ${answer}`).toBe(answer === 'accepted');
        }
        const isTaken = [...answers.values()].includes('accepted');
        expect(story.some((line) => line.startsWith('lost '))).toBe(!isTaken);
      }
      expect(rig.desk.status.counts.submitting).toBe(0);
      expect(rig.desk.status.unwritten).toBe(0);
      await rig.close();
      expect(rig.clock.sleeping).toBe(0);
    },
  );
});
