import { describe, expect, it } from 'vitest';
import { ShareQueue } from '../../../pool/verify/share-queue.ts';
import type { PowRequest, PowResult } from '../../../src/pow/pow-verifier.ts';
import { FakeClock, settle } from '../../support/fake-clock.ts';
import { RecordingLog } from '../../support/recording-log.ts';
import { hashNumber, NEVER, SEED } from './verifier-rig.ts';

/** A queue over a hasher that answers in the order in which it was asked, and when it is let. */
function queueRig(batchSize = 1, maxQueued = 8192) {
  const clock = new FakeClock();
  const log = new RecordingLog('verify');
  const asked: string[] = [];
  const waiting: (() => void)[] = [];
  const names = new Map<PowRequest, string>();
  const verify = async (request: PowRequest): Promise<PowResult> => {
    asked.push(names.get(request)!);
    await new Promise<void>((resolve) => waiting.push(resolve));
    return { meets: false, powHash: request.headerHash };
  };
  const verifier = { verify, maxQueued: 4096, batchSize };
  const queue = new ShareQueue({ maxQueued }, { verifier, log, clock });
  let sent = 0;
  const send = (name: 'proven' | 'stranger', count = 1): void => {
    for (let i = 0; i < count; i++) {
      const request = { headerHash: hashNumber(sent++), seed: SEED, target: NEVER };
      names.set(request, name);
      const isProven = name === 'proven';
      queue.hash(request, { priority: 'share', isProven }).catch(() => {});
    }
  };
  const answer = async (count: number): Promise<void> => {
    for (let i = 0; i < count; i++) waiting.shift()?.();
    await settle();
  };
  return { queue, clock, log, asked, send, answer };
}

describe('ShareQueue', () => {
  it('hands over four batches, then the proven first, with every fourth place for strangers', async () => {
    const { queue, asked, send, answer } = queueRig(2);
    send('stranger', 20);
    expect(asked.length).toBe(8);
    send('proven', 12);
    for (let i = 0; i < 16; i++) await answer(1);
    const order = asked.slice(8).map((name) => name[0]);
    // The eight of before had their places as well.
    expect(order.join('')).toBe('pppspppspppspppsspppssss'.slice(0, 16));
    await answer(100);
    await answer(100);
    expect([asked.length, queue.queued]).toEqual([32, 0]);
    queue.close();
  });

  it('makes shares no harder for a flood of strangers, and serves the proven in time', async () => {
    const { queue, clock, asked, send, answer } = queueRig(25);
    send('stranger');
    await answer(1);
    for (let step = 0; step < 100; step++) {
      // A hundred a second are done; a hundred and twenty of strangers come, and twenty of others.
      await answer(25);
      send('stranger', 30);
      send('proven', 5);
      await clock.advance(250);
    }
    expect(queue.queued).toBeGreaterThan(900);
    expect([queue.backlogSeconds > 8, queue.loadFactor]).toEqual([true, 1]);
    const behind = 500 - asked.filter((name) => name === 'proven').length;
    expect(behind).toBeLessThanOrEqual(5);
    queue.close();
  });

  it('makes shares harder for a backlog of the proven', async () => {
    const { queue, clock, log, send, answer } = queueRig(25);
    const factors: number[] = [];
    queue.onLoad((factor) => factors.push(factor));
    for (let step = 0; step < 60; step++) {
      await answer(25);
      send('proven', 40);
      await clock.advance(250);
    }
    expect(factors[0]).toBe(2);
    expect(log.of('share difficulties follow the load of the hasher').length).toBe(factors.length);
    queue.close();
  });

  it('makes shares no harder while the device opens, nor for that when it is open', async () => {
    const { queue, clock, send, answer } = queueRig(1);
    send('stranger', 20);
    await clock.advance(60_000);
    expect(queue.loadFactor).toBe(1);
    // Twenty a second are done, and half as many come.
    for (let step = 0; step < 120; step++) {
      await answer(5);
      send('proven', step % 2 === 0 ? 2 : 3);
      await clock.advance(250);
      expect(queue.loadFactor, `${step}`).toBe(1);
    }
    queue.close();
  });

  it('is full when what waits takes more than five seconds, until it takes two', async () => {
    const { queue, clock, send, answer } = queueRig(10);
    // A hundred a second are done, as soon as anything is.
    send('proven', 2000);
    await clock.advance(10_000);
    expect(queue.isFull, 'before the first answer').toBe(false);
    const changes: { readonly isFull: boolean; readonly queued: number }[] = [];
    const look = (): void => {
      const { isFull, queued } = queue;
      if (isFull !== changes.at(-1)?.isFull) changes.push({ isFull, queued });
    };
    const work = async (): Promise<void> => {
      for (let i = 0; i < 3; i++) await answer(10);
      await clock.advance(300);
      look();
    };
    while (queue.queued > 100) await work();
    while (queue.queued < 700) {
      send('proven', 60);
      await work();
    }
    expect(changes.map(({ isFull }) => isFull)).toEqual([false, true, false, true]);
    const [, first, second, third] = changes.map(({ queued }) => queued);
    expect(first).toBeGreaterThan(1800);
    expect(second! / 200).toBeCloseTo(1, 0);
    expect(third! / 500).toBeCloseTo(1, 0);
    queue.close();
  });

  it('is not full for the proven while only strangers fill it, by number or by time', async () => {
    const full = ({ queue }: ReturnType<typeof queueRig>): unknown[] => [
      queue.isFull,
      queue.isFullFor(false),
      queue.isFullFor(true),
    ];
    const byNumber = queueRig(1, 100);
    byNumber.send('stranger', 80);
    byNumber.send('proven', 20);
    expect(full(byNumber)).toEqual([true, true, false]);
    byNumber.send('proven', 60);
    expect(full(byNumber)).toEqual([true, true, true]);
    byNumber.queue.close();
    const byTime = queueRig(10);
    byTime.send('stranger', 2000);
    for (let i = 0; i < 20; i++) {
      for (let n = 0; n < 3; n++) await byTime.answer(10);
      await byTime.clock.advance(300);
    }
    expect(full(byTime)).toEqual([true, true, false]);
    byTime.send('proven', 100);
    expect(full(byTime)).toEqual([true, true, false]);
    byTime.send('proven', 500);
    expect(full(byTime)).toEqual([true, true, true]);
    byTime.queue.close();
  });

  it('counts what waits elsewhere', async () => {
    const { queue, send } = queueRig(1, 8);
    send('stranger', 3);
    const ends = Array.from({ length: 3 }, () => queue.occupy());
    expect([queue.queued, queue.isFull]).toEqual([6, true]);
    for (const end of ends.slice(1)) end();
    expect([queue.queued, queue.isFull]).toEqual([4, false]);
    queue.close();
  });
});
