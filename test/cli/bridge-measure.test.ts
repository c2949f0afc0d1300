import { describe, expect, it } from 'vitest';
import { Board } from '../../firmware-bridge/board.ts';
import { JOB, SEED } from '../../firmware-bridge/messages.ts';
import { HashComparison, jobIdOf, progressNote } from '../../src/cli/bridge-measure.ts';
import { SEED_A, SimulatedRig } from '../support/simulated-rig.ts';
import { StandInHasher, standInTable } from '../support/stand-in-hasher.ts';

const HEADER = new Uint8Array(32).fill(5);

interface Rig {
  readonly rig: SimulatedRig;
  readonly comparison: HashComparison;
  readonly notes: string[];
  readonly fractions: (number | undefined)[];
}

/** A comparison that has given its seed, of hashes that take so long. */
async function begun(msPerHash = 10_000, patienceMs = 20_000): Promise<Rig> {
  const rig = new SimulatedRig();
  rig.board.script.msPerHash = msPerHash;
  const board = await rig.run(Board.identify(rig.link));
  const notes: string[] = [];
  const fractions: (number | undefined)[] = [];
  const comparison = new HashComparison(board, SEED_A, {
    tables: standInTable,
    now: () => rig.clock.now(),
    onProgress: (fraction, note) => {
      fractions.push(fraction);
      notes.push(note);
    },
    signal: new AbortController().signal,
    hasher: new StandInHasher(),
    patienceMs,
  });
  await rig.run(comparison.begin());
  return { rig, comparison, notes, fractions };
}

describe('a hash on a board', () => {
  it('is compared and timed, and its progress told', async () => {
    const { rig, comparison, notes, fractions } = await begun();
    expect(await rig.run(comparison.hash(HEADER))).toBeGreaterThan(9000);
    expect(new Set(notes)).toEqual(new Set(['hash 1']));
    const told = fractions.filter((each) => each !== undefined);
    expect(told.length).toBeGreaterThan(10);
    expect(told).toEqual(told.toSorted((a, b) => a - b));
    expect(told.at(-1)).toBeGreaterThan(0.8);
  });

  it('that is wrong is told with what it should be', async () => {
    const { rig, comparison } = await begun(100);
    rig.board.script.lies.add('digests');
    await expect(rig.run(comparison.hash(HEADER))).rejects.toMatchObject({
      detail: { code: 'wrong', what: expect.stringContaining('hash of 0505') },
    });
  });

  it('ends with a board that starts anew, or falls silent, in its midst', async () => {
    const restarted = await begun();
    const first = restarted.comparison.hash(HEADER);
    first.catch(() => {});
    await restarted.rig.clock.advance(2000);
    restarted.rig.board.restart();
    await expect(restarted.rig.run(first)).rejects.toMatchObject({
      detail: { code: 'restarted' },
    });

    const silent = await begun();
    const second = silent.comparison.hash(HEADER);
    second.catch(() => {});
    await silent.rig.clock.advance(2000);
    silent.rig.board.script.silent = 'always';
    await expect(silent.rig.run(second)).rejects.toMatchObject({ detail: { code: 'silent' } });
  });

  it('that a board ends early is no wrong hash', async () => {
    const { rig, comparison } = await begun();
    const hash = comparison.hash(HEADER);
    hash.catch(() => {});
    await rig.clock.advance(2000);
    await rig.ask('ABORT', Uint8Array.of(0xff, 0xff, 0, 0));
    await expect(rig.run(hash)).rejects.toThrow('the board ended the job: it was aborted');
  });

  it('that does not get on is said so, and given up', async () => {
    const { rig, comparison, notes } = await begun();
    rig.board.script.stuck = 'always';
    const hash = rig.run(comparison.hash(HEADER), 100);
    await expect(hash).rejects.toMatchObject({ detail: { code: 'stuck', request: 'JOB' } });
    expect(notes).toContain('hash 1');
    expect(notes).toContain('hash 1, no progress for 10 s');
    expect(notes).not.toContain('hash 1, no progress for 21 s');
  });
});

describe('epochs and job ids', () => {
  it('are new in each comparison, and never those that mean something else', async () => {
    const epochs = new Set<number>();
    const jobIds: number[] = [];
    for (let round = 0; round < 3; round++) {
      const { rig, comparison } = await begun(0);
      const { request } = rig.link;
      rig.link.request = (name, payload, options) => {
        if (name === 'JOB') jobIds.push(JOB.decode(payload).jobId);
        if (name === 'JOB') epochs.add(JOB.decode(payload).epoch);
        return request.call(rig.link, name, payload, options);
      };
      await rig.run(comparison.hash(HEADER));
      await rig.run(comparison.hash(HEADER));
    }
    expect(epochs.size).toBe(3);
    expect(jobIds).toEqual([1, 2, 1, 2, 1, 2]);
    for (const epoch of epochs) {
      expect(epoch).toBeGreaterThan(0);
      expect(() => SEED.encode({ epoch, flags: 0, seed: SEED_A })).not.toThrow();
    }
  });

  it('go on where 16 bits end', () => {
    expect([0, 1, 0xfffd, 0xfffe, 0xffff].map(jobIdOf)).toEqual([1, 2, 0xfffe, 1, 2]);
  });
});

it('the note of a bar says why it stands still', () => {
  const status = (state: 'HOT' | 'DERIVING' | 'HASHING'): Parameters<typeof progressNote>[1] =>
    ({ state }) as Parameters<typeof progressNote>[1];
  expect(progressNote('seed', status('HOT'), 0)).toBe('seed, waiting: the board is hot');
  expect(progressNote('seed', status('DERIVING'), 100_000)).toBe('seed');
  expect(progressNote('hash 1', status('HASHING'), 4000)).toBe('hash 1');
  expect(progressNote('hash 1', status('HASHING'), 7500)).toBe('hash 1, no progress for 7 s');
});
