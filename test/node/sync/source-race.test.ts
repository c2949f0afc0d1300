import { describe, expect, it } from 'vitest';
import { raceSources } from '../../../src/node/sync/source-race.ts';
import { FakeClock } from '../../support/fake-clock.ts';

interface Runner {
  readonly ms: number;
  readonly gives?: string;
  readonly fails?: Error;
}

function race(runners: readonly Runner[], signal: AbortSignal = new AbortController().signal) {
  const clock = new FakeClock();
  const begun: number[] = [];
  let running = 0;
  let most = 0;
  const open = async (runner: Runner, stop: AbortSignal): Promise<string | undefined> => {
    begun.push(runners.indexOf(runner));
    most = Math.max(most, ++running);
    await clock.sleep(runner.ms, stop);
    running--;
    stop.throwIfAborted();
    if (runner.fails !== undefined) throw runner.fails;
    return runner.gives;
  };
  const end = raceSources(() => runners, open, { clock, signal });
  end.catch(() => {});
  return { clock, begun, end, running: () => running, most: () => most };
}

describe('raceSources', () => {
  it('asks the first one alone where it is quick', async () => {
    const { clock, begun, end } = race([
      { ms: 100, gives: 'a' },
      { ms: 1, gives: 'b' },
    ]);
    await clock.advance(200);
    expect(await end).toEqual({ winner: 'a', overtaken: [] });
    expect(begun).toEqual([0]);
    expect(clock.sleeping).toBe(0);
  });

  it('asks the next at once where nothing comes of one', async () => {
    const { clock, end } = race([{ ms: 100 }, { ms: 100 }, { ms: 100, gives: 'c' }]);
    await clock.advance(400);
    expect((await end).winner).toBe('c');
  });

  it('asks the next beside one that takes long, and ends that one', async () => {
    const slow: Runner = { ms: 30_000, gives: 'a' };
    const { clock, end, running } = race([slow, { ms: 100, gives: 'b' }]);
    await clock.advance(3200);
    expect(await end).toEqual({ winner: 'b', overtaken: [slow] });
    expect(running()).toBe(0);
    expect(clock.sleeping).toBe(0);
  });

  it('waits for a slow one where there is no other', async () => {
    const { clock, end } = race([{ ms: 29_000, gives: 'a' }, { ms: 10 }]);
    await clock.advance(30_000);
    expect((await end).winner).toBe('a');
  });

  it('asks one that comes later, too', async () => {
    const runners: Runner[] = [{ ms: 30_000 }];
    const { clock, end, begun } = race(runners);
    await clock.advance(10_000);
    runners.unshift({ ms: 100, gives: 'late' });
    await clock.advance(3000);
    expect((await end).winner).toBe('late');
    expect(begun).toHaveLength(2);
  });

  it('asks another one every three seconds, however many are silent', async () => {
    const silent = Array.from({ length: 30 }, () => ({ ms: 30_000 }));
    const { clock, end, most } = race([...silent, { ms: 10, gives: 'z' }]);
    await clock.advance(30 * 3000 + 10);
    expect((await end).winner).toBe('z');
    expect(most()).toBeLessThan(12);
  });

  it('gives nobody where nothing comes of any', async () => {
    const { clock, end } = race([{ ms: 10 }, { ms: 10 }]);
    await clock.advance(100);
    expect(await end).toEqual({ winner: undefined, overtaken: [] });
    const none = race([]);
    expect(await none.end).toEqual({ winner: undefined, overtaken: [] });
  });

  it('ends with what ends everything, and with the signal', async () => {
    const failed = race([{ ms: 30_000 }, { ms: 10, fails: new Error('disk') }]);
    await failed.clock.advance(4000);
    await expect(failed.end).rejects.toThrow('disk');
    expect(failed.clock.sleeping).toBe(0);
    const stop = new AbortController();
    const aborted = race([{ ms: 30_000, gives: 'a' }], stop.signal);
    await aborted.clock.advance(10);
    stop.abort(new Error('enough'));
    await expect(aborted.end).rejects.toThrow('enough');
    expect(aborted.clock.sleeping).toBe(0);
    await expect(race([{ ms: 1 }], stop.signal).end).rejects.toThrow('enough');
  });
});
