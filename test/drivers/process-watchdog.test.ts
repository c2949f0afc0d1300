import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { Watchdog } from '../../drivers/process/watchdog.ts';

beforeEach(() => {
  vi.useFakeTimers();
});
afterEach(() => {
  vi.useRealTimers();
});

function watch(silenceMs: number): {
  readonly state: { isWaiting: boolean; silences: number };
  readonly dog: Watchdog;
} {
  const state = { isWaiting: true, silences: 0 };
  const dog = new Watchdog({
    silenceMs,
    isWaiting: () => state.isWaiting,
    onSilence: () => state.silences++,
  });
  return { state, dog };
}

describe('the watchdog', () => {
  it('notices silence once', () => {
    const { state } = watch(30_000);
    vi.advanceTimersByTime(29_000);
    expect(state.silences).toBe(0);
    vi.advanceTimersByTime(2000);
    expect(state.silences).toBe(1);
    vi.advanceTimersByTime(300_000);
    expect(state.silences).toBe(1);
  });

  it('counts from the last that was heard', () => {
    const { state, dog } = watch(30_000);
    for (let second = 0; second < 100; second += 20) {
      vi.advanceTimersByTime(20_000);
      dog.heard();
    }
    expect(state.silences).toBe(0);
    vi.advanceTimersByTime(31_000);
    expect(state.silences).toBe(1);
  });

  it('lets be idle what has nothing to do, and counts from when it has', () => {
    const { state } = watch(30_000);
    state.isWaiting = false;
    vi.advanceTimersByTime(1_000_000);
    state.isWaiting = true;
    vi.advanceTimersByTime(24_000);
    expect(state.silences).toBe(0);
    vi.advanceTimersByTime(7000);
    expect(state.silences).toBe(1);
  });

  it('forgives a process that stood still itself: one late turn is one turn', () => {
    const { state } = watch(30_000);
    vi.setSystemTime(Date.now() + 3_600_000);
    vi.advanceTimersToNextTimer();
    expect(state.silences).toBe(0);
  });

  it('keeps quiet when it was stopped', () => {
    const { state, dog } = watch(30_000);
    dog.stop();
    vi.advanceTimersByTime(100_000);
    expect(state.silences).toBe(0);
    expect(vi.getTimerCount()).toBe(0);
  });
});
