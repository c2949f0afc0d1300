import { describe, expect, it } from 'vitest';
import { PendingHasher } from '../../src/tensority/pending-hasher.ts';
import { StandInHasher, standInHash, standInTable } from '../support/stand-in-hasher.ts';

const seed = new Uint8Array(32).fill(1);
const input = new Uint8Array(32).fill(2);

describe('a hasher that is on its way', () => {
  it('has calls wait for it, and passes them on in their order', async () => {
    const pending = new PendingHasher();
    const out = new Uint8Array(32);
    const table = await standInTable(seed);
    const done = pending.loadSeed(seed, table).then(() => pending.hash(seed, input, out));
    expect(pending.maxBatch).toBe(1);
    const hasher = new StandInHasher({ maxBatch: 7 });
    pending.arrived(hasher);
    await done;
    expect(out).toEqual(standInHash(seed, input));
    expect(pending.maxBatch).toBe(7);
    await pending.close();
    expect(hasher.closed).toBe(false);
  });

  it('rejects what waits, and everything after it, if it does not come', async () => {
    const pending = new PendingHasher();
    const waiting = pending.hash(seed, input, new Uint8Array(32));
    pending.failed(new Error('no such device'));
    const lost = { detail: { code: 'lost', reason: 'no such device' } };
    await expect(waiting).rejects.toMatchObject(lost);
    await expect(pending.loadSeed(seed, await standInTable(seed))).rejects.toMatchObject(lost);
  });

  it('rejects what waits when it is closed before', async () => {
    const pending = new PendingHasher();
    const waiting = pending.hash(seed, input, new Uint8Array(32));
    await pending.close();
    await expect(waiting).rejects.toMatchObject({ detail: { code: 'lost' } });
  });

  it('lets an abort end the waiting', async () => {
    const pending = new PendingHasher();
    const abort = new AbortController();
    const waiting = pending.hash(seed, input, new Uint8Array(32), abort.signal);
    abort.abort(new Error('enough'));
    await expect(waiting).rejects.toThrow('enough');
  });
});
