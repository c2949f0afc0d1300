import { describe, expect, it } from 'vitest';
import { SendQueue } from '../../src/p2p/send-queue.ts';
import { ByteBudget } from '../../src/util/byte-budget.ts';

const message = (length: number): Uint8Array => new Uint8Array(length);

describe('the queue of messages to send', () => {
  it('takes so many messages and no more', () => {
    const queue = new SendQueue({ maxMessages: 3, maxBytes: 100 });
    expect([1, 2, 3, 4].map((length) => queue.push(message(length)))).toEqual([
      true,
      true,
      true,
      false,
    ]);
    expect(queue.first).toHaveLength(1);
    queue.shift();
    expect(queue.push(message(4))).toBe(true);
    expect(queue.length).toBe(3);
    expect(queue.bytes).toBe(9);
  });

  it('takes so many bytes and no more, but any one message', () => {
    const queue = new SendQueue({ maxMessages: 10, maxBytes: 100 });
    expect(queue.push(message(60))).toBe(true);
    expect(queue.push(message(41))).toBe(false);
    expect(queue.push(message(40))).toBe(true);
    queue.clear();
    expect(queue.push(message(1000))).toBe(true);
    expect(queue.push(message(1))).toBe(false);
  });

  it('shares a budget with others and gives all of it back', () => {
    const budget = new ByteBudget(100);
    const limits = { maxMessages: 10, maxBytes: 100 };
    const [a, b] = [new SendQueue(limits, budget), new SendQueue(limits, budget)];
    expect(a.push(message(70))).toBe(true);
    expect(b.push(message(31))).toBe(false);
    expect(b.length).toBe(0);
    expect(b.push(message(30))).toBe(true);
    a.shift();
    expect(budget.used).toBe(30);
    b.clear();
    expect(budget.used).toBe(0);
    a.shift();
    expect(budget.used).toBe(0);
  });
});
