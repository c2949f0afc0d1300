/** What a watch makes of the answers to STATUS: a station that only records, in virtual time. */
import { describe, expect, it } from 'vitest';
import { Bell } from '../../drivers/serial/bell.ts';
import type { Jobs, RunningJob } from '../../drivers/serial/jobs.ts';
import type { Station } from '../../drivers/serial/station.ts';
import { Watch } from '../../drivers/serial/watch.ts';
import { LinkError, type NakName } from '../../firmware-bridge/errors.ts';
import type { BoardStatus } from '../../firmware-bridge/identity.ts';
import { FakeClock } from '../support/fake-clock.ts';

const JOB_ID = 7;

interface Place {
  readonly nextNonce: bigint;
  readonly product: number;
}

class WatchRig {
  readonly clock = new FakeClock();
  /** When STATUS was asked for, in ms since the start. */
  readonly looks: number[] = [];
  readonly troubles: string[] = [];
  readonly failures: unknown[] = [];
  readonly aborted: number[] = [];
  stirs = 0;
  signs = 0;
  state: BoardStatus['state'] = 'HASHING';
  refusal: NakName | undefined;
  /** The job that the board shows after so many ms; none if undefined. */
  place: ((ms: number) => Place) | undefined = () => ({ nextNonce: 0n, product: 0 });
  running: RunningJob | undefined = { id: JOB_ID, suspect: () => false } as unknown as RunningJob;
  readonly bell = new Bell();
  readonly #began = this.clock.now();
  readonly #stop = new AbortController();
  readonly #ended: Promise<void>;

  constructor(set: (rig: WatchRig) => void, rowMs?: number) {
    set(this);
    const rig = this;
    const station = {
      bell: this.bell,
      board: { status: () => this.#status(), abort: async (id: number) => this.aborted.push(id) },
      isReady: true,
      generation: 1,
      epoch: 5,
      ready: async () => {},
      trouble: (kind: string) => this.troubles.push(kind),
      failed: (error: unknown) => this.failures.push(error),
      saw: () => {},
      stirred: () => this.stirs++,
      alive: () => this.signs++,
    } as unknown as Station;
    const jobs = {
      get running() {
        return rig.running;
      },
    } as unknown as Jobs;
    const watch = new Watch({ station, jobs, clock: this.clock, onStatus: () => {}, rowMs });
    this.#ended = watch.run(this.#stop.signal);
  }

  async end(): Promise<void> {
    this.#stop.abort();
    await this.#ended;
    await this.clock.advance(0);
    expect(this.clock.sleeping, 'sleeps left behind').toBe(0);
  }

  get ms(): number {
    return this.clock.now() - this.#began;
  }

  async #status(): Promise<BoardStatus> {
    this.looks.push(this.ms);
    if (this.refusal !== undefined) {
      const { refusal: nak } = this;
      throw new LinkError({ code: 'refused', request: 'STATUS', nak, detail: 0 });
    }
    const job = this.place?.(this.ms);
    return {
      state: this.state,
      duty: 100,
      uptimeS: Math.floor(this.ms / 1000),
      hashes: 0,
      crcErrors: 0,
      otherErrors: 0,
      restarts: 0,
      epoch: 5,
      ...(job && { job: { jobId: JOB_ID, shares: 0, ...job } }),
      waiting: 0,
    };
  }
}

describe('Watch, of a job', () => {
  it('looks each second, and each ten while nothing runs; work that begins is looked at soon', async () => {
    const rig = new WatchRig((it) => {
      it.state = 'IDLE';
      it.place = undefined;
      it.running = undefined;
    });
    await rig.clock.advance(11_100);
    expect(rig.looks).toEqual([1000, 11_000]);
    rig.running = { id: JOB_ID, suspect: () => false } as unknown as RunningJob;
    rig.place = (ms) => ({ nextNonce: 0n, product: Math.floor(ms / 200) });
    rig.bell.ring();
    await rig.clock.advance(2000);
    expect(rig.looks.slice(2)).toEqual([12_000, 13_000]);
    expect(rig.troubles).toEqual([]);
    await rig.end();
  });

  it('takes a movement for one, and two seconds without for trouble', async () => {
    let stopAt = 5000;
    const rig = new WatchRig((it) => {
      it.place = (ms) => ({ nextNonce: 9n, product: Math.floor(Math.min(ms, stopAt) / 500) });
    });
    await rig.clock.advance(6500);
    expect(rig.stirs).toBe(4);
    expect(rig.troubles).toEqual([]);
    await rig.clock.advance(1000);
    expect(rig.troubles).toEqual(['stuck']);
    stopAt = 1e9;
    await rig.clock.advance(5000);
    expect(rig.troubles).toEqual(['stuck']);
    await rig.end();
  });

  it('knows from the row of the self-test how slow a board may be', async () => {
    // A product in 3.9 s, a thousand seconds for a hash.
    const slow = (ms: number): Place => ({ nextNonce: 0n, product: Math.floor(ms / 3900) });
    for (const [rowMs, troubles] of [
      [undefined, ['stuck']],
      [4100, []],
      [1_500_000, []],
    ] as const) {
      const rig = new WatchRig((it) => {
        it.place = slow;
      }, rowMs);
      await rig.clock.advance(3500);
      expect(rig.troubles, `${rowMs}`).toEqual(troubles);
      await rig.end();
    }
  });

  it('does not wait for a slow board for ever, and knows better once it has seen it move', async () => {
    const rig = new WatchRig((it) => {
      it.place = () => ({ nextNonce: 0n, product: 0 });
    }, 1_500_000);
    await rig.clock.advance(60_500);
    expect(rig.troubles).toEqual([]);
    await rig.clock.advance(1000);
    expect(rig.troubles).toEqual(['stuck']);
    rig.place = (ms) => ({ nextNonce: 1n, product: Math.floor(Math.min(ms, 64_000) / 1000) });
    await rig.clock.advance(4000);
    expect(rig.troubles).toHaveLength(1);
    await rig.clock.advance(182_000);
    expect(rig.troubles.length).toBeGreaterThan(1);
    await rig.end();
  });

  it.each([
    ['whose product goes around', (s: number) => ({ nextNonce: 3n, product: s % 7 })],
    ['whose nonce goes back', (s: number) => ({ nextNonce: BigInt(100 - s), product: 0 })],
    ['that goes to and fro', (s: number) => ({ nextNonce: 3n, product: s % 2 })],
  ])('finds a board out %s', async (_, place) => {
    const rig = new WatchRig((it) => {
      it.place = (ms) => place(Math.floor(ms / 1000));
    });
    await rig.clock.advance(20_000);
    expect(rig.troubles).toContain('stuck');
    await rig.end();
  });

  it('lets it wait for rows, but not for ever', async () => {
    const rig = new WatchRig((it) => {
      it.state = 'ROWS';
    });
    await rig.clock.advance(599_500);
    expect(rig.troubles).toEqual([]);
    expect(rig.signs).toBeGreaterThan(590);
    await rig.clock.advance(10_000);
    expect(rig.troubles).toContain('stuck');
    await rig.end();
  });

  it.each(['DERIVING', 'HOT'] as const)('takes %s for a sign of life', async (state) => {
    const rig = new WatchRig((it) => {
      it.state = state;
      it.running = undefined;
      it.place = undefined;
    });
    await rig.clock.advance(590_000);
    const before = rig.signs;
    expect(before).toBeGreaterThan(55);
    await rig.clock.advance(100_000);
    // Heat lasts as long as it lasts.
    expect(rig.signs - before).toBe(state === 'HOT' ? 10 : 1);
    await rig.end();
  });
});

describe('Watch, when STATUS is refused', () => {
  it.each(['BUSY', 'HOT'] as const)('takes %s for an answer, for some looks', async (nak) => {
    const rig = new WatchRig((it) => {
      it.refusal = nak;
    });
    await rig.clock.advance(9500);
    expect(rig.looks).toHaveLength(9);
    expect(rig.troubles).toEqual([]);
    expect(rig.failures).toEqual([]);
    await rig.clock.advance(1000);
    expect(rig.troubles).toEqual(['stuck']);
    await rig.end();
  });

  it('begins to count anew after an answer', async () => {
    const rig = new WatchRig((it) => {
      it.refusal = 'BUSY';
      it.place = (ms) => ({ nextNonce: 0n, product: Math.floor(ms / 500) });
    });
    await rig.clock.advance(9500);
    rig.refusal = undefined;
    await rig.clock.advance(1000);
    rig.refusal = 'BUSY';
    await rig.clock.advance(9000);
    expect(rig.troubles).toEqual([]);
    await rig.end();
  });

  it('leaves other refusals to the station', async () => {
    const rig = new WatchRig((it) => {
      it.refusal = 'FAULT';
    });
    await rig.clock.advance(1500);
    expect(rig.failures).toHaveLength(1);
    await rig.end();
  });
});

describe('Watch, of a job that nobody waits for', () => {
  it('ends it', async () => {
    const rig = new WatchRig((it) => {
      it.running = undefined;
      it.place = (ms) => ({ nextNonce: 0n, product: Math.floor(ms / 500) });
    });
    await rig.clock.advance(2500);
    expect(rig.aborted).toEqual([JOB_ID]);
    await rig.end();
  });

  it('does not take one for it that is being given just now', async () => {
    const rig = new WatchRig((it) => {
      it.running = undefined;
      it.place = (ms) => ({ nextNonce: 0n, product: Math.floor(ms / 500) });
    });
    await rig.clock.advance(1500);
    rig.running = { id: JOB_ID, suspect: () => false } as unknown as RunningJob;
    await rig.clock.advance(5000);
    expect(rig.aborted).toEqual([]);
    await rig.end();
  });
});
