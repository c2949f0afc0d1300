import { describe, expect, it } from 'vitest';
import { DriverError } from '../../drivers/driver.ts';
import { HasherDevice } from '../../drivers/hasher-device.ts';
import {
  errorOfFailure,
  type Failure,
  failureOf,
  type ToParent,
} from '../../drivers/process/messages.ts';
import { DeviceServer, TableReader } from '../../drivers/process/serve-device.ts';
import { HasherError } from '../../src/tensority/hasher.ts';
import { TABLE_BYTES } from '../../src/tensority/params.ts';
import { StandInHasher, standInHash } from '../support/stand-in-hasher.ts';

const SEED = new Uint8Array(32).fill(3);
const ANY = (1n << 256n) - 1n;

interface Rig {
  readonly server: DeviceServer;
  readonly device: HasherDevice;
  readonly hasher: StandInHasher;
  readonly told: ToParent[];
  /** Resolves with the next message that is no `found`. */
  readonly answer: () => Promise<ToParent>;
}

function rig(): Rig {
  const told: ToParent[] = [];
  const waiting: ((message: ToParent) => void)[] = [];
  const hasher = new StandInHasher();
  const info = { id: 'gpu0', name: 'x', tableSlots: 2, rollsNonce: false, processor: 'x' };
  const device = new HasherDevice(hasher, { info, batchMs: 5, granule: 1 });
  const server = new DeviceServer(device, {
    tell: (message) => {
      told.push(message);
      if (message.kind !== 'found') waiting.shift()?.(message);
    },
    tables: { next: async () => new Int8Array(TABLE_BYTES), release: () => {} },
  });
  const answer = (): Promise<ToParent> => new Promise((resolve) => waiting.push(resolve));
  return { server, device, hasher, told, answer };
}

async function loaded(): Promise<Rig> {
  const parts = rig();
  const answer = parts.answer();
  parts.server.take({ kind: 'load-seed', call: 1, seed: SEED });
  expect(await answer).toMatchObject({ kind: 'done', call: 1, result: undefined });
  return parts;
}

const search = (call: number, count: number, isAborted = false) =>
  ({
    kind: 'search',
    call,
    work: {
      jobId: 'j',
      generation: 1,
      preimage: new Uint8Array(136),
      seed: SEED,
      target: ANY,
    },
    range: { start: 5n, count },
    isAborted,
  }) as const;

describe('a served device', () => {
  it('hashes, and tells what it has done', async () => {
    const { server, answer } = await loaded();
    const headerHashes = new Uint8Array(64).fill(7);
    const done = answer();
    server.take({ kind: 'hash', call: 2, seed: SEED, headerHashes });
    expect(server.isBusy).toBe(true);
    const hash = standInHash(SEED, headerHashes.subarray(0, 32));
    expect(await done).toMatchObject({
      kind: 'done',
      call: 2,
      result: new Uint8Array([...hash, ...hash]),
      telemetry: { hashes: 2 },
    });
    expect(server.isBusy).toBe(false);
  });

  it('searches, and tells of a nonce at once', async () => {
    const { server, told, answer } = await loaded();
    const done = answer();
    server.take(search(3, 2));
    const result = { scanned: 2, nonces: [5n, 6n], aborted: false };
    expect(await done).toMatchObject({ kind: 'done', call: 3, result, telemetry: { found: 2 } });
    expect(told.slice(1, 3)).toEqual([
      { kind: 'found', call: 3, nonce: 5n },
      { kind: 'found', call: 3, nonce: 6n },
    ]);
  });

  it('ends the call that is aborted, and no other', async () => {
    const { server, answer } = await loaded();
    const first = answer();
    server.take(search(4, 2 ** 40));
    server.take({ kind: 'abort', call: 9 });
    server.take({ kind: 'abort', call: 4 });
    expect(await first).toMatchObject({ kind: 'done', call: 4, result: { aborted: true } });
    const second = answer();
    server.take(search(5, 2 ** 40, true));
    const nothing = { scanned: 0, nonces: [], aborted: true };
    expect(await second).toMatchObject({ kind: 'done', call: 5, result: nothing });
  });

  it('tells why a call failed', async () => {
    const { server, answer } = rig();
    const failed = answer();
    server.take({ kind: 'hash', call: 1, seed: SEED, headerHashes: new Uint8Array(32) });
    expect(await failed).toMatchObject({
      kind: 'failed',
      call: 1,
      failure: { type: 'hasher', detail: { code: 'seed-not-loaded' } },
    });
  });

  it('tells that it is lost, but not that it was closed', async () => {
    const { server, device, answer, told } = rig();
    const lost = answer();
    device.markLost('fell off the bus');
    expect(await lost).toEqual({ kind: 'lost', reason: 'fell off the bus' });
    const other = rig();
    await other.server.close();
    await other.device.lost;
    expect(other.told).toEqual([]);
    expect(other.hasher.closed).toBe(true);
    expect(told).toHaveLength(1);
    expect(server.telemetry.hashes).toBe(0);
  });
});

describe('the reader of tables', () => {
  /** Two tables that differ in every byte, one after the other. */
  const stream = new Uint8Array(2 * TABLE_BYTES);
  stream.fill(1, 0, TABLE_BYTES).fill(0xff, TABLE_BYTES);
  stream[TABLE_BYTES - 1] = 7;

  it('gives them whole and in order, however the bytes come', async () => {
    const reader = new TableReader();
    const first = reader.next();
    const cuts = [1, 65_536, TABLE_BYTES - 5, TABLE_BYTES + 3, 2 * TABLE_BYTES];
    let from = 0;
    for (const to of cuts) {
      reader.take(stream.subarray(from, to));
      from = to;
    }
    const tables = [await first, await reader.next()];
    expect(tables.map((table) => table.length)).toEqual([TABLE_BYTES, TABLE_BYTES]);
    expect(tables.map((table) => [table[0], table.at(-2), table.at(-1)])).toEqual([
      [1, 1, 7],
      [-1, -1, -1],
    ]);
  });

  it('fills again the one that it gets back', async () => {
    const reader = new TableReader();
    reader.take(stream.subarray(0, TABLE_BYTES));
    const first = await reader.next();
    reader.take(stream.subarray(TABLE_BYTES));
    const second = await reader.next();
    expect([first.at(-1), second.at(-1)]).toEqual([7, -1]);
    reader.release(first);
    reader.take(stream);
    const [third, fourth] = [await reader.next(), await reader.next()];
    expect([third.at(-1), fourth.at(-1), second.at(-1)]).toEqual([7, -1, -1]);
    // Not `toBe`, which would print both.
    expect(third.buffer === first.buffer).toBe(true);
  });

  it('keeps those that nobody has asked for yet', async () => {
    const reader = new TableReader();
    reader.take(stream);
    const [first, second] = [await reader.next(), await reader.next()];
    expect([first.at(-1), second.at(-1)]).toEqual([7, -1]);
    const third = reader.next();
    reader.take(stream.subarray(0, TABLE_BYTES));
    expect((await third).at(-1)).toBe(7);
  });
});

describe('an error on its way to the other process', () => {
  const reason = new Error('no longer wanted');
  const sent = (error: unknown, signal?: AbortSignal): unknown =>
    errorOfFailure(structuredClone(failureOf(error, signal)) as Failure, reason);

  it('comes out as it went in', () => {
    const lost = new DriverError({ code: 'lost', reason: 'gone' });
    expect(sent(lost)).toEqual(lost);
    expect(sent(lost)).toBeInstanceOf(DriverError);
    const missing = new HasherError({ code: 'seed-not-loaded', seed: 'ab' });
    expect(sent(missing)).toEqual(missing);
    expect(sent(missing)).toBeInstanceOf(HasherError);
    expect(sent(new RangeError('"seed" expected 32 bytes'))).toEqual(
      new RangeError('"seed" expected 32 bytes'),
    );
  });

  it('is the very reason of the signal if that ended the call', () => {
    const abort = new AbortController();
    abort.abort();
    expect(sent(abort.signal.reason, abort.signal)).toBe(reason);
    // It only happened to be aborted.
    expect(sent(new RangeError('x'), abort.signal)).toBeInstanceOf(RangeError);
  });

  it('of an unknown kind means that the device is not to be trusted any more', () => {
    expect(sent(new TypeError('undefined is not a function'))).toMatchObject({
      detail: { code: 'lost', reason: 'undefined is not a function' },
    });
  });
});
