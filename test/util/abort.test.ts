import { getEventListeners } from 'node:events';
import { setImmediate } from 'node:timers/promises';
import { describe, expect, it } from 'vitest';
import { untilAbort } from '../../src/util/abort.ts';
import { createDeferred } from '../../src/util/deferred.ts';

const reason = new Error('enough');

describe('untilAbort', () => {
  it('comes to what the call comes to, with or without a signal', async () => {
    const { signal } = new AbortController();
    for (const each of [undefined, signal]) {
      expect(await untilAbort(Promise.resolve(7), each)).toBe(7);
      await expect(untilAbort(Promise.reject(reason), each)).rejects.toBe(reason);
    }
    expect(getEventListeners(signal, 'abort')).toEqual([]);
  });

  it('rejects with the reason while the call goes on, and drops its failure', async () => {
    const controller = new AbortController();
    const call = createDeferred<void>();
    const waiting = untilAbort(call.promise, controller.signal);
    controller.abort(reason);
    await expect(waiting).rejects.toBe(reason);
    expect(getEventListeners(controller.signal, 'abort')).toEqual([]);
    // Would end the test run as an unhandled rejection.
    call.reject(new Error('too late to matter'));
    await setImmediate();
  });

  it('rejects for a signal that has aborted before, even if the call has ended', async () => {
    const signal = AbortSignal.abort(reason);
    await expect(untilAbort(Promise.resolve(7), signal)).rejects.toBe(reason);
    await expect(untilAbort(Promise.reject(new Error('both')), signal)).rejects.toBe(reason);
  });
});
