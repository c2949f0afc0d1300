import { describe, expect, it } from 'vitest';
import { HasherPace } from '../../../pool/verify/hasher-pace.ts';

function rig() {
  let now = 0;
  const pace = new HasherPace({ clock: { now: () => now } });
  /** Seconds of `perSecond` verifications; `busy`: the part of each look in which there was work. */
  const run = (seconds: number, perSecond: number, isLoaded: boolean, busy = 1): number => {
    let used = 0;
    for (let i = 0; i < 4 * seconds; i++) {
      pace.setBusy(true);
      now += 250 * busy;
      if (busy < 1) pace.setBusy(false);
      now += 250 * (1 - busy);
      for (let k = 0; k < perSecond / 4; k++) pace.addDone();
      used = pace.measure(isLoaded);
    }
    return used;
  };
  return { pace, run, wait: (ms: number) => (now += ms) };
}

describe('HasherPace', () => {
  it('knows what the hasher can do from the time that it was loaded', () => {
    const { pace, run } = rig();
    expect(run(5, 400, true)).toBe(1);
    expect(pace.perSecond).toBeCloseTo(400);
    expect(pace.secondsFor(800)).toBeCloseTo(2);
  });

  it('is not misled by a device that is always busy with next to nothing', () => {
    const { pace, run } = rig();
    run(5, 4000, true);
    // One hash at a time, and never idle.
    expect(run(60, 20, false)).toBeCloseTo(20 / 4000);
    expect(pace.perSecond).toBeCloseTo(4000);
  });

  it('takes the busy time where it was never loaded', () => {
    const { pace, run } = rig();
    run(20, 20, false, 0.25);
    expect(pace.perSecond).toBeCloseTo(80);
    expect(pace.secondsFor(0)).toBe(0);
  });

  it('follows a hasher that becomes slower', () => {
    const { pace, run } = rig();
    run(30, 400, true);
    run(30, 8, true);
    expect(pace.perSecond).toBeLessThan(40);
    expect(pace.secondsFor(400)).toBeGreaterThan(10);
  });

  it('counts nothing of the time before the first answer', () => {
    const { pace, run, wait } = rig();
    pace.setBusy(true);
    for (let i = 0; i < 100; i++) {
      wait(250);
      pace.measure(false);
    }
    expect(pace.secondsFor(10), 'as if the first were done right now').toBe(250);
    run(1, 40, false);
    expect(pace.perSecond).toBeCloseTo(40);
  });

  it('knows of a first hash that does not end', () => {
    const { pace, wait } = rig();
    pace.setBusy(true);
    expect(pace.secondsFor(10)).toBe(0);
    wait(3000);
    expect(pace.secondsFor(10)).toBe(30);
  });
});
