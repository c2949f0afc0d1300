import { describe, expect, it } from 'vitest';
import { PowError } from '../../src/pow/pow-error.ts';
import {
  PowVerifier,
  type PowVerifierOptions,
  type PowVerifierParts,
} from '../../src/pow/pow-verifier.ts';
import { type BatchHasher, HasherError } from '../../src/tensority/hasher.ts';
import { FakeClock, settle } from '../support/fake-clock.ts';
import { GatedHasher } from '../support/gated-hasher.ts';
import { RecordingLog } from '../support/recording-log.ts';
import { StandInHasher, standInHash, standInTable } from '../support/stand-in-hasher.ts';

const id = (n: number): Uint8Array => new Uint8Array(32).fill(n);
const SEED = id(0xa0);
const EASY = (1n << 256n) - 1n;
const HARD = 1n;
const WRONG = id(0xff);

/** A kernel that miscomputes the given header hashes. */
function faulty(...wrong: readonly number[]): StandInHasher {
  return new StandInHasher({
    hash: (seed, hash) => (wrong.includes(hash[0]!) ? WRONG : standInHash(seed, hash)),
  });
}

interface Rig {
  readonly verifier: PowVerifier;
  readonly log: RecordingLog;
  /** How often the confirming hasher was opened. */
  readonly opened: StandInHasher[];
}

function rig(
  hasher: BatchHasher,
  parts: Partial<PowVerifierParts> = {},
  options: PowVerifierOptions = {},
): Rig {
  const log = new RecordingLog('pow');
  const opened: StandInHasher[] = [];
  const confirm = (): StandInHasher => {
    opened.push(new StandInHasher());
    return opened.at(-1)!;
  };
  const verifier = new PowVerifier(options, {
    hasher,
    confirm,
    tables: standInTable,
    confirmTables: standInTable,
    log,
    clock: new FakeClock(),
    ...parts,
  });
  return { verifier, log, opened };
}

const ask = (n: number, target: bigint) => ({ headerHash: id(n), seed: SEED, target });

async function codeOf(call: Promise<unknown>): Promise<string> {
  return call.then(
    () => 'resolved',
    (error: unknown) => (error instanceof PowError ? error.detail.code : String(error)),
  );
}

describe('PowVerifier', () => {
  it('believes a yes, and opens no other hasher for it', async () => {
    const { verifier, opened } = rig(new StandInHasher());
    expect(await verifier.verify(ask(1, EASY), 'tip')).toEqual({
      meets: true,
      powHash: standInHash(SEED, id(1)),
    });
    expect(opened.length).toBe(0);
    await verifier.close();
  });

  it('has a no confirmed by the independent hasher, which is opened once', async () => {
    const { verifier, opened } = rig(new StandInHasher());
    for (const n of [1, 2]) {
      expect((await verifier.verify(ask(n, HARD), 'tip')).meets).toBe(false);
    }
    expect([opened.length, verifier.mismatches]).toEqual([1, 0]);
    await verifier.close();
    expect(opened[0]!.closed).toBe(true);
  });

  it('leaves a no unconfirmed where that is asked for, and does not keep it as one', async () => {
    const { verifier, opened } = rig(faulty(1));
    const target = (1n << 255n) * 2n - 2n;
    const first = await verifier.verify(ask(1, target), 'tip', undefined, { confirm: false });
    expect(first).toEqual({ meets: false, powHash: WRONG, unconfirmed: true });
    expect(opened.length).toBe(0);
    const second = await verifier.verify(ask(1, target), 'tip');
    expect(second).toEqual({ meets: true, powHash: standInHash(SEED, id(1)) });
    // What is known for certain by now is said.
    const hard = await verifier.verify(ask(1, HARD), 'tip', undefined, { confirm: false });
    expect([hard.meets, hard.unconfirmed]).toEqual([false, undefined]);
    await verifier.close();
  });

  it('tells how much it takes', async () => {
    const { verifier } = rig(new StandInHasher({ maxBatch: 8 }), {}, { maxQueued: 12 });
    expect([verifier.maxQueued, verifier.batchSize]).toEqual([12, 8]);
    await verifier.close();
  });

  it('reports the confirmed answer where the two disagree, and says so', async () => {
    const { verifier, log } = rig(faulty(1));
    const [target] = [(1n << 255n) * 2n - 2n];
    const results = await Promise.all([
      verifier.verify(ask(1, target), 'tip'),
      verifier.verify(ask(1, target), 'share'),
    ]);
    expect(results.map((result) => result.meets)).toEqual([true, true]);
    expect(results[0]!.powHash).toEqual(standInHash(SEED, id(1)));
    expect(verifier.mismatches).toBe(1);
    expect(log.entries.filter(({ level }) => level === 'error').length).toBe(1);
    expect(verifier.hasherDown).toBe(undefined);
  });

  it('sets a hasher aside that miscomputes three times, and goes on without it', async () => {
    const { verifier, opened } = rig(faulty(1, 2, 3, 4));
    for (const n of [1, 2, 3]) await verifier.verify(ask(n, HARD), 'tip');
    expect(verifier.hasherDown).toMatch(/3 wrong answers/);
    expect((await verifier.verify(ask(4, HARD), 'tip')).powHash).toEqual(standInHash(SEED, id(4)));
    expect([verifier.mismatches, opened.length]).toEqual([3, 1]);
  });

  it('keeps answers, by header hash and seed, for any target', async () => {
    const hasher = new GatedHasher();
    const { verifier } = rig(hasher);
    const first = verifier.verify(ask(1, EASY), 'sync');
    await settle();
    hasher.calls[0]!.release();
    await first;
    expect((await verifier.verify(ask(1, EASY), 'sync')).meets).toBe(true);
    // A harder target makes a no of it, which has to be confirmed.
    expect((await verifier.verify(ask(1, HARD), 'sync')).meets).toBe(false);
    expect(hasher.calls.length).toBe(1);
    const other = verifier.verify({ ...ask(1, EASY), seed: id(0xb0) }, 'sync');
    await settle();
    expect(hasher.calls.length).toBe(2);
    hasher.calls[1]!.release();
    await other;
  });

  it('goes on with the independent hasher when the device is lost, pending hashes included', async () => {
    const hasher = new GatedHasher();
    const { verifier, log } = rig(hasher);
    const pending = [1, 2, 3, 4, 5, 6].map((n) => verifier.verify(ask(n, EASY), 'tip'));
    await settle();
    await hasher.close();
    const results = await Promise.all(pending);
    expect(results.map(({ powHash }) => powHash[0])).toEqual(
      [1, 2, 3, 4, 5, 6].map((n) => standInHash(SEED, id(n))[0]),
    );
    expect(verifier.hasherDown).toMatch(/closed/);
    expect(log.entries.filter(({ level }) => level === 'error').length).toBe(1);
    // Its own no needs no second opinion: there is none left.
    expect((await verifier.verify(ask(7, HARD), 'tip')).meets).toBe(false);
  });

  it('opens the independent hasher again after a loss, and gives no verdict without one', async () => {
    let opens = 0;
    const lost = (): BatchHasher => {
      opens++;
      const hasher = new StandInHasher({
        hash: () => {
          throw new HasherError({ code: 'lost', reason: 'thread died' });
        },
      });
      return opens === 1 ? hasher : new StandInHasher();
    };
    const { verifier } = rig(new StandInHasher(), { confirm: lost });
    expect((await verifier.verify(ask(1, HARD), 'tip')).meets).toBe(false);
    expect(opens).toBe(2);
    const { verifier: without } = rig(new StandInHasher(), {
      confirm: () => {
        throw new Error('out of memory');
      },
    });
    expect(await codeOf(without.verify(ask(1, HARD), 'tip'))).toBe('unavailable');
    expect(await codeOf(without.verify(ask(1, EASY), 'tip'))).toBe('resolved');
  });

  it('gives no verdict where the table cannot be built', async () => {
    const tables = (): Promise<never> => Promise.reject(new Error('no memory'));
    const { verifier } = rig(new StandInHasher(), { tables });
    expect(await codeOf(verifier.verify(ask(1, EASY), 'tip'))).toBe('unavailable');
    expect(verifier.hasherDown).toBe(undefined);
  });

  it('refuses what is beyond its limit, and takes it again later', async () => {
    const hasher = new GatedHasher({ maxBatch: 1 });
    const { verifier } = rig(hasher, {}, { maxQueued: 1 });
    const calls = [1, 2, 3, 4].map((n) => codeOf(verifier.verify(ask(n, EASY), 'sync')));
    await settle();
    // Two came into the queue of one in the turn before the first batch; so it stands at one.
    for (let i = 0; i < 4; i++) {
      hasher.calls[i]?.release();
      await settle();
    }
    const codes = await Promise.all(calls);
    expect(codes.filter((code) => code === 'overloaded').length).toBe(3);
    const again = verifier.verify(ask(4, EASY), 'sync');
    await settle();
    hasher.calls.at(-1)!.release();
    expect((await again).meets).toBe(true);
  });

  it('rejects with the signal’s reason', async () => {
    const { verifier } = rig(new GatedHasher());
    const abort = new AbortController();
    const call = codeOf(verifier.verify(ask(1, EASY), 'tip', abort.signal));
    await settle();
    abort.abort('enough');
    expect(await call).toBe('enough');
  });

  it('rejects what waits when it is closed, and whatever comes after', async () => {
    const hasher = new GatedHasher();
    const { verifier } = rig(hasher);
    const call = codeOf(verifier.verify(ask(1, EASY), 'candidate'));
    await settle();
    await verifier.close();
    await verifier.close();
    expect(await call).toBe('closed');
    expect(await codeOf(verifier.verify(ask(2, EASY), 'candidate'))).toBe('closed');
    expect(hasher.closed).toBe(false);
  });

  it('leaves no timer behind when it is closed, though its hasher hangs', async () => {
    const hung: BatchHasher = {
      maxBatch: 4,
      loadSeed: async () => {},
      hash: () => new Promise<void>(() => {}),
      close: async () => {},
    };
    const clock = new FakeClock();
    const { verifier } = rig(hung, { clock });
    const calls = [1, 2, 3, 4, 5, 6].map((n) => codeOf(verifier.verify(ask(n, EASY), 'tip')));
    await settle();
    expect(clock.sleeping).toBe(2);
    await verifier.close();
    expect(await Promise.all(calls)).toEqual(Array(6).fill('closed'));
    await settle();
    expect(clock.sleeping).toBe(0);
  });
});
