/**
 * A lane computes hashes with a session of its own, one run after the other. Where the runtime is the
 * CPU there is a lane for each core, each with a single thread: two lanes are half as fast again as one
 * session with two threads. Other providers have one lane.
 */
import { SEQUENCE_LENGTH, SLICES } from '../../src/tensority/params.ts';
import { sliceSequence } from '../../src/tensority/reference.ts';
import { type Clock, systemClock } from '../../src/util/clock.ts';
import { Batch } from './batch.ts';
import { hashOfSum, hashOfWords } from './finish.ts';
import type { OnnxRuntime, OnnxSession, SessionSettings } from './runtime.ts';

/** What a lane is to compute with. Plain data. */
export interface LanePlan {
  readonly model: Uint8Array;
  readonly settings: SessionSettings;
  /** Hashes of a run. */
  readonly hashes: number;
  readonly finish: 'words' | 'sum';
}

export interface Lane {
  /** Resolves if the lane cannot be used any more, also while it has nothing to do; never after `close`. */
  readonly ended: Promise<LaneEnded>;
  /** Takes another plan; the session of the one before is released. Rejects with the runtime's error. */
  open(plan: LanePlan): Promise<void>;
  /**
   * Computes inputs of the batch until none is left. `matrices`: 16 MiB, each byte XOR 0x80, in memory
   * that all lanes share. Calls queue up. Rejects with the runtime's error.
   *
   * `intensity`, 1 … 100 % (default 100): a run begins no sooner than (100 − i) / i of the time that the
   * last one took after its end, so that a result never waits for a rest. The end of the batch ends it.
   */
  run(matrices: Uint8Array, memory: SharedArrayBuffer, intensity?: number): Promise<void>;
  /** One run of a plan on zeros, which the runtime records in a file whose path begins with `filePrefix`. */
  record(plan: LanePlan, matrices: Uint8Array, filePrefix: string): Promise<void>;
  /** What is pending may never settle after that. */
  close(): Promise<void>;
}

/** What a lane rejects with, from then on, if it cannot be used any more. */
export class LaneEnded extends Error {}

/** Of a rest: nobody who ends it waits longer. */
const REST_SLICE_MS = 10;

/** A lane in the thread that calls it, which each run blocks. */
export class LocalLane implements Lane {
  /** Its thread is the caller's. */
  readonly ended: Promise<LaneEnded> = new Promise(() => {});
  readonly #load: () => Promise<OnnxRuntime>;
  readonly #clock: Clock;
  #runtime: Promise<OnnxRuntime> | undefined;
  #last: Promise<unknown> = Promise.resolve();
  #session: OnnxSession | undefined;
  #plan: LanePlan | undefined;
  #restUntil = 0;

  constructor(load: () => Promise<OnnxRuntime>, clock: Clock = systemClock) {
    this.#load = load;
    this.#clock = clock;
  }

  open(plan: LanePlan): Promise<void> {
    return this.#inTurn(async () => {
      const before = this.#session;
      this.#session = undefined;
      await before?.release();
      this.#session = await this.#openSession(plan);
      this.#plan = plan;
    });
  }

  run(matrices: Uint8Array, memory: SharedArrayBuffer, intensity = 100): Promise<void> {
    return this.#inTurn(() => this.#run(matrices, new Batch(memory), intensity));
  }

  record(plan: LanePlan, matrices: Uint8Array, filePrefix: string): Promise<void> {
    return this.#inTurn(async () => {
      const recording = { enableProfiling: true, profileFilePrefix: filePrefix };
      const settings = { ...plan.settings, ...recording };
      const session = await this.#openSession({ ...plan, settings });
      try {
        await session.run(matrices, emptySequences(plan.hashes));
        session.endProfiling();
      } finally {
        await session.release();
      }
    });
  }

  async close(): Promise<void> {
    await this.#inTurn(async () => {
      await this.#session?.release();
      this.#session = undefined;
    });
  }

  async #openSession({ model, settings }: LanePlan): Promise<OnnxSession> {
    this.#runtime ??= this.#load();
    return (await this.#runtime).open(model, settings);
  }

  async #run(matrices: Uint8Array, batch: Batch, intensity: number): Promise<void> {
    const session = this.#session;
    const plan = this.#plan;
    if (session === undefined || plan === undefined) throw new Error('the lane has no session');
    const { hashes, finish } = plan;
    const hashOf = finish === 'sum' ? hashOfSum : hashOfWords;
    for (;;) {
      await this.#rest(batch);
      const part = batch.claim(hashes);
      if (part === undefined) return;
      const started = this.#clock.now();
      const sequences = emptySequences(hashes);
      for (let i = 0; i < part.count; i++) {
        const headerHash = batch.input(part.first + i);
        for (let slice = 0; slice < SLICES; slice++) {
          sequences.set(sliceSequence(headerHash, slice), (SLICES * i + slice) * SEQUENCE_LENGTH);
        }
      }
      const output = await session.run(matrices, sequences);
      for (let i = 0; i < part.count; i++) batch.put(part.first + i, hashOf(output, i));
      batch.sign();
      const ended = this.#clock.now();
      this.#restUntil = ended + (ended - started) * (100 / intensity - 1);
    }
  }

  /** Until the next run may begin, or the batch has none for it. */
  async #rest(batch: Batch): Promise<void> {
    for (;;) {
      const leftMs = this.#restUntil - this.#clock.now();
      if (leftMs <= 0 || batch.isOver) return;
      await this.#clock.sleep(Math.min(leftMs, REST_SLICE_MS));
      batch.sign();
    }
  }

  #inTurn<T>(work: () => Promise<T>): Promise<T> {
    const turn = this.#last.then(work);
    this.#last = turn.catch(() => {});
    return turn;
  }
}

function emptySequences(hashes: number): Int32Array {
  return new Int32Array(hashes * SLICES * SEQUENCE_LENGTH);
}
