import { describe, expect, it } from 'vitest';
import { SeedSlots } from '../../src/tensority/seed-slots.ts';
import { createDeferred, type Deferred } from '../../src/util/deferred.ts';

const seed = (n: number): Uint8Array => new Uint8Array(32).fill(n);
const data = (n: number): Int8Array => Int8Array.of(n);

interface Rig {
  readonly slots: SeedSlots<string>;
  /** `slot:first byte` of every table that was brought in. */
  readonly filled: readonly string[];
  /** Each fill waits for one of these, the next for the next. */
  readonly gates: Deferred<void>[];
}

function rig(names: readonly string[] = ['a', 'b'], isGated = false): Rig {
  const filled: string[] = [];
  const gates: Deferred<void>[] = [];
  const slots = new SeedSlots({
    slots: names,
    fill: async (slot, table) => {
      filled.push(`${slot}:${table[0]}`);
      if (!isGated) return;
      const gate = createDeferred<void>();
      gates.push(gate);
      await gate.promise;
    },
  });
  return { slots, filled, gates };
}

/** Lets everything happen that waits for nothing outside. */
const settle = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

describe('slots of seeds', () => {
  it('know the seeds they hold, and no other', async () => {
    const { slots } = rig();
    expect(slots.has(seed(1))).toBe(false);
    expect(() => slots.use(seed(1))).toThrow(`seed ${'01'.repeat(32)} is not loaded`);
    await slots.load(seed(1), data(1));
    expect(slots.has(seed(1))).toBe(true);
    expect(slots.use(seed(1)).slot).toBe('a');
    expect(slots.has(seed(2))).toBe(false);
  });

  it('bring a seed in once, however often it is asked for', async () => {
    const { slots, filled } = rig();
    await Promise.all([slots.load(seed(1), data(1)), slots.load(seed(1), data(1))]);
    await slots.load(seed(1), data(1));
    expect(filled).toEqual(['a:1']);
  });

  it('replace the seed that was neither used nor asked for the longest time', async () => {
    const { slots } = rig();
    await slots.load(seed(1), data(1));
    await slots.load(seed(2), data(2));
    slots.use(seed(1)).release();
    await slots.load(seed(3), data(3));
    expect([1, 2, 3].filter((n) => slots.has(seed(n)))).toEqual([1, 3]);
    await slots.load(seed(1), data(1));
    await slots.load(seed(4), data(4));
    expect([1, 3, 4].filter((n) => slots.has(seed(n)))).toEqual([1, 4]);
  });

  it('replace nothing that is in use, and wait for its release', async () => {
    const { slots, filled } = rig(['a']);
    await slots.load(seed(1), data(1));
    const uses = [slots.use(seed(1)), slots.use(seed(1))];
    const load = slots.load(seed(2), data(2));
    uses[0]!.release();
    uses[0]!.release();
    await settle();
    expect(filled).toEqual(['a:1']);
    uses[1]!.release();
    await load;
    expect(filled).toEqual(['a:1', 'a:2']);
    expect(slots.has(seed(1))).toBe(false);
  });

  it('are filled one at a time, and hold a seed only when it has arrived', async () => {
    const { slots, filled, gates } = rig(['a', 'b'], true);
    const loads = [slots.load(seed(1), data(1)), slots.load(seed(2), data(2))];
    await settle();
    expect(filled).toEqual(['a:1']);
    expect(slots.has(seed(1))).toBe(false);
    gates[0]!.resolve();
    await loads[0];
    await settle();
    expect(filled).toEqual(['a:1', 'b:2']);
    gates[1]!.resolve();
    await loads[1];
    expect([1, 2].every((n) => slots.has(seed(n)))).toBe(true);
  });

  it('are empty after a load that failed, and take the next', async () => {
    const { slots, gates } = rig(['a'], true);
    const failing = slots.load(seed(1), data(1));
    await settle();
    gates[0]!.reject(new Error('out of memory'));
    await expect(failing).rejects.toThrow('out of memory');
    expect(slots.has(seed(1))).toBe(false);
    const next = slots.load(seed(1), data(1));
    await settle();
    gates[1]!.resolve();
    await next;
    expect(slots.has(seed(1))).toBe(true);
  });

  it('let a load go on whose caller went away, for the others', async () => {
    const { slots, filled, gates } = rig(['a'], true);
    const abort = new AbortController();
    const mine = slots.load(seed(1), data(1), abort.signal);
    const other = slots.load(seed(1), data(1));
    await settle();
    abort.abort(new Error('no longer wanted'));
    await expect(mine).rejects.toThrow('no longer wanted');
    gates[0]!.resolve();
    await other;
    expect(filled).toEqual(['a:1']);
    const late = slots.load(seed(1), data(1), AbortSignal.abort(new Error('too late')));
    await expect(late).rejects.toThrow('too late');
  });

  it('drop a load that waits for a slot when nobody wants it any more', async () => {
    const { slots, filled } = rig(['a']);
    await slots.load(seed(1), data(1));
    const use = slots.use(seed(1));
    const abort = new AbortController();
    const dropped = slots.load(seed(2), data(2), abort.signal);
    const behind = slots.load(seed(3), data(3));
    await settle();
    abort.abort(new Error('no longer wanted'));
    await expect(dropped).rejects.toThrow('no longer wanted');
    use.release();
    await behind;
    expect(filled).toEqual(['a:1', 'a:3']);
  });

  it('bring in a seed that is wanted again while its load is being dropped', async () => {
    const { slots } = rig(['a']);
    await slots.load(seed(1), data(1));
    const use = slots.use(seed(1));
    const abort = new AbortController();
    const dropped = slots.load(seed(2), data(2), abort.signal);
    await settle();
    abort.abort(new Error('no longer wanted'));
    const again = slots.load(seed(2), data(2));
    await expect(dropped).rejects.toThrow('no longer wanted');
    use.release();
    await again;
    expect(slots.has(seed(2))).toBe(true);
  });

  it('settle every load of several seeds at once, even where there is one slot', async () => {
    const { slots, filled } = rig(['a']);
    await Promise.all([1, 2, 3, 1].map((n) => slots.load(seed(n), data(n))));
    expect(filled).toEqual(['a:1', 'a:2', 'a:3']);
    expect(slots.has(seed(3))).toBe(true);
  });

  it('end with what waits for them', async () => {
    const { slots } = rig(['a']);
    await slots.load(seed(1), data(1));
    const use = slots.use(seed(1));
    const waiting = slots.load(seed(2), data(2));
    await settle();
    slots.end(new Error('closed'));
    slots.end(new Error('not heard'));
    await expect(waiting).rejects.toThrow('closed');
    await expect(slots.load(seed(1), data(1))).rejects.toThrow('closed');
    use.release();
  });
});
