/** Ranges cut into jobs: a board that says at once that it is done, with nothing computed. */
import { describe, expect, it } from 'vitest';
import { Bell } from '../../drivers/serial/bell.ts';
import { HotWait } from '../../drivers/serial/hot-wait.ts';
import { Jobs, type Task } from '../../drivers/serial/jobs.ts';
import type { Station } from '../../drivers/serial/station.ts';
import { LinkError } from '../../firmware-bridge/errors.ts';
import { type BoardEvent, DONE_REASONS } from '../../firmware-bridge/events.ts';
import { FakeClock } from '../support/fake-clock.ts';

type DoneEvent = Extract<BoardEvent, { event: 'DONE' }>;

interface Sent {
  readonly jobId: number;
  readonly start: bigint;
  readonly count: number;
}

/** What the board says of a job that it was given. */
type Answer = (job: Sent, say: (event: BoardEvent) => void) => void;

class Rig {
  readonly clock: FakeClock = new FakeClock();
  readonly sent: (Sent & { readonly atMs: number })[] = [];
  readonly notices: string[] = [];
  readonly troubles: string[] = [];
  /** Jobs that the board was told to end. */
  readonly aborted: number[] = [];
  readonly stop: AbortController = new AbortController();
  /** Of the board that JOB is sent to: what its answer waits for or fails with. */
  refuse: (signal: AbortSignal) => Promise<void> = async () => {};
  readonly #listeners = new Set<(event: BoardEvent) => void>();
  readonly #jobs: Jobs;

  constructor() {
    const { clock } = this;
    const onNotice = (text: string): void => void this.notices.push(text);
    this.#jobs = new Jobs({
      station: this.#station(),
      clock,
      mayWork: () => true,
      hot: new HotWait({ clock, onNotice }),
      onWrong: (wrong) => expect.fail(wrong.actual),
      onNotice,
      random: () => 0.99999,
    });
  }

  /** What a range comes to within `mostMs`. */
  async run(count: number, start: bigint, answer: Answer, mostMs = 10_000): Promise<number> {
    const began = this.clock.now();
    const task: Task = {
      start,
      count,
      target: 0n,
      plan: (most) => ({ count: most, told: 0n }),
      send: async (_board, job, signal) => {
        this.sent.push({ ...job, atMs: this.clock.now() - began });
        await this.refuse(signal);
        queueMicrotask(() => answer(job, (event) => this.#say(event)));
      },
      onFound: () => {},
      onHashes: () => {},
    };
    const running = this.#jobs.run(task, this.stop.signal);
    running.catch(() => undefined);
    await this.clock.advance(mostMs);
    const end = await running.finally(() => {
      expect(this.#listeners.size, 'listeners left behind').toBe(0);
      expect(this.clock.sleeping, 'sleeps left behind').toBe(0);
    });
    return end;
  }

  #say(event: BoardEvent): void {
    for (const hear of [...this.#listeners]) hear(event);
  }

  #station(): Station {
    const link = {
      onEvent: (listener: (event: BoardEvent) => void) => {
        this.#listeners.add(listener);
        return () => this.#listeners.delete(listener);
      },
    };
    const abort = async (jobId: number): Promise<number> => {
      this.aborted.push(jobId);
      return 0;
    };
    return {
      bell: new Bell(),
      board: { link, abort },
      isReady: true,
      isOver: false,
      generation: 1,
      epoch: 7,
      moved: () => {},
      trouble: (kind: string) => void this.troubles.push(kind),
      failed: () => void this.troubles.push('failed'),
    } as unknown as Station;
  }
}

async function run(count: number, start: bigint, answer: Answer): Promise<[number, Sent[]]> {
  const rig = new Rig();
  return [await rig.run(count, start, answer), rig.sent];
}

function done({ jobId, start }: Sent, hashes: number, reason: number, shares = 0): DoneEvent {
  const nextNonce = BigInt.asUintN(64, start + BigInt(hashes));
  const digest = new Uint8Array(32).fill(0xff);
  return { event: 'DONE', epoch: 7, jobId, shares, nextNonce, hashes, reason, digest };
}

describe('Jobs', () => {
  it('cut a range into jobs of 32,768 nonces, each under a new id that is not FFFF', async () => {
    const start = (1n << 64n) - 0x1_8001n;
    const [hashed, sent] = await run(0x1_8001, start, (job, say) =>
      say(done(job, job.count, DONE_REASONS.COMPLETE)),
    );
    expect(hashed).toBe(0x1_8001);
    expect(sent.map(({ start: first, count }) => [first - start, count])).toEqual([
      [0n, 0x8000],
      [0x8000n, 0x8000],
      [0x1_0000n, 0x8000],
      [0x1_8000n, 1],
    ]);
    expect(sent.map(({ jobId }) => jobId)).toEqual([0xfffe, 0, 1, 2]);
  });

  it('go on from where both sides agreed when a share was lost', async () => {
    let round = 0;
    const [hashed, sent] = await run(10, 100n, (job, say) => {
      if (round++ > 0) return say(done(job, job.count, DONE_REASONS.COMPLETE));
      say({ ...done(job, 4, DONE_REASONS.RUNNING), event: 'PROGRESS' });
      say({ ...done(job, 6, DONE_REASONS.RUNNING, 1), event: 'PROGRESS' });
    });
    expect(hashed).toBe(10);
    expect(sent.map(({ start, count }) => [start, count])).toEqual([
      [100n, 10],
      [104n, 6],
    ]);
  });

  it('give out again what ends early, and drop what belongs to other epochs and jobs', async () => {
    let round = 0;
    const [hashed, sent] = await run(10, 0n, (job, say) => {
      const end = done(job, job.count, DONE_REASONS.COMPLETE);
      say({ ...end, epoch: 6 });
      say({ ...end, jobId: job.jobId + 1 });
      if (round++ === 0) say(done(job, 3, DONE_REASONS.ABORTED));
      else say(end);
    });
    expect(hashed).toBe(10);
    expect(sent.map(({ start }) => start)).toEqual([0n, 3n]);
  });

  it('pause, say so and give up when a share gets lost each time', async () => {
    const rig = new Rig();
    const running = rig.run(
      10,
      0n,
      (job, say) => say(done(job, 4, DONE_REASONS.ABORTED, 1)),
      30_000,
    );
    await expect(running).rejects.toThrow('device lost: shares got lost of 12 jobs in a row');
    expect(rig.sent).toHaveLength(12);
    const pauses = rig.sent.slice(1).map(({ atMs }, i) => atMs - (rig.sent[i]?.atMs ?? 0));
    expect(pauses).toEqual([100, 200, 400, 800, 1000, 1000, 1000, 1000, 1000, 1000, 1000]);
    expect(rig.troubles).toEqual(['stuck', 'stuck', 'stuck']);
    expect(rig.notices).toHaveLength(3);
  });

  it('forget lost shares as soon as anything is agreed', async () => {
    const rig = new Rig();
    let round = 0;
    const hashed = await rig.run(8, 0n, (job, say) => {
      // Two gaps before each nonce that is agreed.
      if (++round % 3 !== 0) return say(done(job, 1, DONE_REASONS.ABORTED, 1));
      say({ ...done(job, 1, DONE_REASONS.RUNNING), event: 'PROGRESS' });
      say(done(job, 1, DONE_REASONS.ABORTED));
    });
    expect(hashed).toBe(8);
    expect(rig.troubles).toEqual([]);
    expect(rig.notices).toEqual([]);
  });

  it('tell the board to end a job whose giving was aborted', async () => {
    const rig = new Rig();
    rig.refuse = async (signal) => {
      rig.stop.abort();
      signal.throwIfAborted();
    };
    expect(await rig.run(10, 0n, () => expect.fail('it was not taken'))).toBe(0);
    expect(rig.aborted).toEqual(rig.sent.map(({ jobId }) => jobId));
    expect(rig.aborted).toHaveLength(1);
  });

  it('give up with the last refusal when the board takes no job', async () => {
    const rig = new Rig();
    rig.refuse = async () => {
      throw new LinkError({ code: 'refused', request: 'JOB', nak: 'NO_SEED', detail: 0 });
    };
    const running = rig.run(10, 0n, () => {});
    await expect(running).rejects.toThrow('device lost: the board refused JOB: NO_SEED');
    expect(rig.sent).toHaveLength(6);
  });

  it('wait for a board that is too hot, say so each minute, and not for ever', async () => {
    const rig = new Rig();
    rig.refuse = async () => {
      throw new LinkError({ code: 'refused', request: 'JOB', nak: 'HOT', detail: 0 });
    };
    const running = rig.run(10, 0n, () => {}, 31 * 60_000);
    await expect(running).rejects.toThrow('it has refused work as too hot for 30 min');
    expect(rig.notices).toHaveLength(29);
    expect(rig.notices[4]).toBe('the board refuses work as too hot, for 5 min now');
    expect(rig.troubles).toEqual([]);
    const pauses = rig.sent.slice(1).map(({ atMs }, i) => atMs - (rig.sent[i]?.atMs ?? 0));
    expect(new Set(pauses)).toEqual(new Set([1000]));
  });
});
