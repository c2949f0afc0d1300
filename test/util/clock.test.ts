import { describe, expect, it } from 'vitest';
import { endsWithin, systemClock } from '../../src/util/clock.ts';
import { createDeferred } from '../../src/util/deferred.ts';
import { FakeClock, settle } from '../support/fake-clock.ts';

describe('systemClock', () => {
  it('never goes back', () => {
    const first = systemClock.now();
    expect(systemClock.now()).toBeGreaterThanOrEqual(first);
  });

  it('ends a sleep when the signal aborts, or has aborted', async () => {
    const abort = new AbortController();
    const sleeping = systemClock.sleep(1_000_000, abort.signal);
    abort.abort();
    await sleeping;
    await systemClock.sleep(1_000_000, abort.signal);
  });

  it('ends a sleep when its time has come', async () => {
    await systemClock.sleep(1);
    await systemClock.sleep(1, new AbortController().signal);
  });
});

describe('endsWithin', () => {
  it('is true for work that ends in time, well or badly', async () => {
    const clock = new FakeClock();
    expect(await endsWithin(Promise.resolve(), 10, clock)).toBe(true);
    expect(await endsWithin(Promise.reject(new Error('no')), 10, clock)).toBe(true);
    await settle();
    expect(clock.sleeping, 'no timer is left').toBe(0);
  });

  it('is false for work that takes longer, however it ends then', async () => {
    const clock = new FakeClock();
    const work = createDeferred<void>();
    const end = endsWithin(work.promise, 10, clock);
    await clock.advance(10);
    expect(await end).toBe(false);
    work.reject(new Error('too late to matter'));
    await settle();
  });
});
