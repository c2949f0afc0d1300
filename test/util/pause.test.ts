import { getEventListeners } from 'node:events';
import { describe, expect, it } from 'vitest';
import { pause } from '../../src/util/pause.ts';

describe('pause', () => {
  it('ends by itself, also for a time that is over', async () => {
    await pause(1);
    await pause(-5);
  });

  it('ends early when one of the signals aborts, and leaves no listener on the others', async () => {
    const [first, second] = [new AbortController(), new AbortController()];
    const paused = pause(Number.POSITIVE_INFINITY, first.signal, second.signal);
    second.abort();
    await paused;
    expect(getEventListeners(first.signal, 'abort')).toHaveLength(0);
    expect(getEventListeners(second.signal, 'abort')).toHaveLength(0);
    await pause(3_600_000, second.signal);
  });
});
