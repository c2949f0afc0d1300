/** The links that tests of others stand on keep what `PeerLink` promises. */
import { describe, expect, it } from 'vitest';
import type { PeerMessage } from '../../src/p2p/messages.ts';
import { createDeferred } from '../../src/util/deferred.ts';
import { settle } from './fake-clock.ts';
import { createLinkPair, testNodeInfo } from './memory-link.ts';

const REQUEST: PeerMessage = { type: 'status-request' };
const pair = (maxMessages = 100) =>
  createLinkPair(testNodeInfo(1), testNodeInfo(2), { maxMessages });

describe('a pair of links in memory', () => {
  it('tells each end of the other', () => {
    const { a, b } = pair();
    expect([a.info, b.info]).toEqual([testNodeInfo(2), testNodeInfo(1)]);
    expect([a.outbound, b.outbound]).toEqual([true, false]);
    expect(a.id).toBe('02'.repeat(32));
  });

  it('delivers in order, one at a time, when the receiver is ready', async () => {
    const { a, b } = pair();
    const gate = createDeferred<void>();
    const seen: PeerMessage['type'][] = [];
    a.send(REQUEST);
    a.send({ type: 'filter-clear' });
    a.send(REQUEST);
    await settle();
    expect([seen, a.queued]).toEqual([[], 3]);
    b.receive(async (message) => {
      seen.push(message.type);
      await gate.promise;
    });
    expect(seen).toEqual([]);
    await settle();
    expect([seen, a.queued]).toEqual([['status-request'], 2]);
    gate.resolve();
    await settle();
    expect(seen).toEqual(['status-request', 'filter-clear', 'status-request']);
  });

  it('has a queue that is full at some point', () => {
    const { a } = pair(2);
    expect([a.send(REQUEST), a.send(REQUEST), a.send(REQUEST)]).toEqual([true, true, false]);
    expect(a.sent).toHaveLength(2);
  });

  it('ends on both sides, as a real one does', async () => {
    const closed = pair();
    closed.a.close('enough');
    expect(await closed.a.closed).toEqual({ code: 'closed', reason: 'enough' });
    expect(await closed.b.closed).toMatchObject({ code: 'remote' });
    expect(closed.b.send(REQUEST)).toBe(false);

    const broken = pair();
    broken.b.break();
    expect(await broken.a.closed).toMatchObject({ code: 'socket' });

    const wrong = pair();
    wrong.b.receive(() => {});
    wrong.a.sendBytes(Uint8Array.of(0x99));
    expect(await wrong.b.closed).toMatchObject({ code: 'wire' });
    expect(await wrong.a.closed).toMatchObject({ code: 'remote' });

    const failing = pair();
    failing.b.receive(() => Promise.reject(new Error('broken')));
    failing.a.send(REQUEST);
    expect(await failing.b.closed).toEqual({ code: 'receiver', reason: 'broken' });
  });
});
