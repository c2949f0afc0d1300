import { describe, expect, it } from 'vitest';
import { MessageAssembler } from '../../src/p2p/message-assembler.ts';
import { MAX_MESSAGE_BYTES } from '../../src/p2p/messages.ts';
import { ReceiveBudget } from '../../src/p2p/receive-budget.ts';
import { WireError } from '../../src/p2p/wire.ts';

const part = new Uint8Array(1024).fill(5);

/** Assemblers that share a budget of `limit` bytes; `evicted` has the numbers of those given up. */
function createAssemblers(count: number, limit: number) {
  const budget = new ReceiveBudget(limit);
  const evicted: number[] = [];
  const assemblers = Array.from(
    { length: count },
    (_, i) => new MessageAssembler(budget, () => evicted.push(i)),
  );
  return { budget, evicted, assemblers };
}

function fill(assembler: MessageAssembler, parts: number): void {
  for (let i = 0; i < parts; i++) assembler.add(part, false, 0);
}

describe('the parts of a message', () => {
  it('are put together in order', () => {
    const { assemblers, budget } = createAssemblers(1, 1 << 20);
    const [assembler] = assemblers;
    const parts = Array.from({ length: 9 }, (_, i) => new Uint8Array(1000).fill(i));
    for (const each of parts) expect(assembler!.add(each, false, 0)).toBeUndefined();
    const message = assembler!.add(Uint8Array.of(99), true, 0);
    expect(message).toHaveLength(9001);
    expect(parts.every((_, i) => message![1000 * i] === i && message![1000 * i + 999] === i)).toBe(
      true,
    );
    expect(message![9000]).toBe(99);
    assembler!.release();
    expect(budget.used).toBe(0);
  });

  it('make a message at once where there is one', () => {
    const { assemblers, budget } = createAssemblers(1, 1);
    expect(assemblers[0]!.add(Uint8Array.of(1), true, 0)).toEqual(Uint8Array.of(1));
    expect(assemblers[0]!.add(new Uint8Array(0), true, 0)).toHaveLength(0);
    expect(budget.used).toBe(0);
  });

  it('may be of one byte each: memory grows with the bytes, not with the parts', () => {
    const { assemblers, budget } = createAssemblers(1, 1 << 20);
    for (let i = 0; i < 50_000; i++) assemblers[0]!.add(Uint8Array.of(i), false, 0);
    expect(budget.used).toBe(65_536);
  });

  it('come to no more than the largest message', () => {
    const { assemblers, budget } = createAssemblers(1, 64 << 20);
    const [assembler] = assemblers;
    fill(assembler!, MAX_MESSAGE_BYTES / 1024);
    expect(budget.used).toBe(MAX_MESSAGE_BYTES);
    expect(() => assembler!.add(Uint8Array.of(1), true, 0)).toThrow(WireError);
  });

  it('tell since when a message is under way', () => {
    const [assembler] = createAssemblers(1, 1 << 20).assemblers;
    expect(assembler!.begunAt).toBeUndefined();
    assembler!.add(part, false, 5);
    assembler!.add(part, false, 9);
    expect(assembler!.begunAt).toBe(5);
    assembler!.add(part, true, 11);
    expect(assembler!.begunAt).toBeUndefined();
  });
});

describe('the budget of unfinished messages', () => {
  it('gives up the message that was begun first where room is needed', () => {
    const { assemblers, evicted, budget } = createAssemblers(5, 16_384);
    for (const assembler of assemblers.slice(0, 4)) fill(assembler, 4);
    expect(evicted).toEqual([]);
    expect(budget.used).toBe(16_384);
    fill(assemblers[4]!, 5);
    expect(evicted).toEqual([0, 1]);
    expect(budget.used).toBe(16_384);
  });

  it('gives up the one that asks if there is no older', () => {
    const { assemblers, evicted, budget } = createAssemblers(1, 8192);
    fill(assemblers[0]!, 8);
    expect(evicted).toEqual([]);
    expect(assemblers[0]!.add(part, true, 0)).toBeUndefined();
    expect(evicted).toEqual([0]);
    expect(budget.used).toBe(0);
  });

  it('never takes a message that is whole and being dealt with', () => {
    const { assemblers, evicted } = createAssemblers(2, 8192);
    fill(assemblers[0]!, 3);
    expect(assemblers[0]!.add(part, true, 0)).toHaveLength(4096);
    fill(assemblers[1]!, 5);
    expect(evicted).toEqual([1]);
    assemblers[0]!.release();
    fill(assemblers[1]!, 8);
    expect(evicted).toEqual([1]);
  });

  it('stays within its limit whatever many links do', () => {
    const { assemblers, evicted, budget } = createAssemblers(50, 1 << 20);
    for (let round = 0; round < 100; round++) {
      for (const assembler of assemblers) assembler.add(part, false, 0);
      expect(budget.used).toBeLessThanOrEqual(1 << 20);
    }
    expect(evicted.length).toBeGreaterThan(0);
  });
});
