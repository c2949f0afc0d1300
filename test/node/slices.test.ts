import { describe, expect, it } from 'vitest';
import type { Validation } from '../../src/consensus/validation.ts';
import { runInSlices, SLICE_MS } from '../../src/node/slices.ts';

/** Goes on only when a step takes time. */
class StepClock {
  #time = 0;
  now(): number {
    return this.#time;
  }
  pass(ms: number): void {
    this.#time += ms;
  }
}

describe('a check in slices', () => {
  /** Each step takes `ms`. */
  function* steps(
    clock: StepClock,
    count: number,
    ms: number,
    taken: number[],
  ): Validation<string> {
    for (let i = 0; i < count; i++) {
      clock.pass(ms);
      taken.push(i);
      yield;
    }
    return 'done';
  }

  it('lets others run once its time is up, and comes to its end', async () => {
    const clock = new StepClock();
    const taken: number[] = [];
    let turns = 0;
    const count = (): void => {
      turns++;
      if (taken.length < 100) setImmediate(count);
    };
    setImmediate(count);
    const { signal } = new AbortController();
    const long = runInSlices(steps(clock, 100, SLICE_MS / 4, taken), clock, signal);
    expect(await long).toBe('done');
    expect(turns).toBeGreaterThan(20);
  });

  it('takes all steps at once if they are short', async () => {
    const clock = new StepClock();
    const taken: number[] = [];
    const { signal } = new AbortController();
    const short = runInSlices(steps(clock, 10, 1, taken), clock, signal);
    expect(taken).toHaveLength(10);
    expect(await short).toBe('done');
  });

  it('ends between two slices when it is aborted, and with what a step throws', async () => {
    const clock = new StepClock();
    const taken: number[] = [];
    const abort = new AbortController();
    const long = runInSlices(steps(clock, 1000, SLICE_MS, taken), clock, abort.signal);
    abort.abort(new Error('stop'));
    await expect(long).rejects.toThrow('stop');
    expect(taken.length).toBeLessThan(3);
    // biome-ignore lint/correctness/useYield: it fails in its first step
    function* failing(): Validation<void> {
      throw new Error('refused');
    }
    await expect(runInSlices(failing(), clock, new AbortController().signal)).rejects.toThrow(
      'refused',
    );
  });
});
