/**
 * A lane computes hashes with a session of its own, one run after the other. Where the runtime is the
 * CPU there is a lane for each core, each with a single thread: two lanes are half as fast again as one
 * session with two threads. Other providers have one lane.
 */
import { mkdtemp, readdir, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { SEQUENCE_LENGTH, SLICES } from '../../src/tensority/params.ts';
import { sliceSequence } from '../../src/tensority/reference.ts';
import { Batch } from './batch.ts';
import { hashOfSum, hashOfWords } from './finish.ts';
import { type Placement, parseProfile } from './placement.ts';
import type { OnnxRuntime, OnnxSession, SessionSettings } from './runtime.ts';

/** What a lane is to compute with. Plain data. */
export interface LanePlan {
  readonly model: Uint8Array;
  readonly settings: SessionSettings;
  /** Hashes of a run. */
  readonly hashes: number;
  readonly finish: 'words' | 'sum';
  /** 1 … 100 %: after each run it rests (100 − i) / i of the time that the run took. */
  readonly intensity: number;
}

export interface Lane {
  /** Takes another plan; the session of the one before is released. Rejects with the runtime's error. */
  open(plan: LanePlan): Promise<void>;
  /**
   * Computes inputs of the batch until none is left. `matrices`: 16 MiB, each byte XOR 0x80, in memory
   * that all lanes share. Calls queue up. Rejects with the runtime's error.
   */
  run(matrices: Uint8Array, memory: SharedArrayBuffer): Promise<void>;
  /** What computes which operators of a plan, found out by one recorded run on zeros. */
  place(plan: LanePlan, matrices: Uint8Array): Promise<Placement>;
  /** What is pending may never settle after that. */
  close(): Promise<void>;
}

/** A lane in the thread that calls it, which each run blocks. */
export class LocalLane implements Lane {
  readonly #load: () => Promise<OnnxRuntime>;
  #runtime: Promise<OnnxRuntime> | undefined;
  #last: Promise<unknown> = Promise.resolve();
  #session: OnnxSession | undefined;
  #plan: LanePlan | undefined;

  constructor(load: () => Promise<OnnxRuntime>) {
    this.#load = load;
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

  run(matrices: Uint8Array, memory: SharedArrayBuffer): Promise<void> {
    return this.#inTurn(() => this.#run(matrices, new Batch(memory)));
  }

  place(plan: LanePlan, matrices: Uint8Array): Promise<Placement> {
    return this.#inTurn(async () => {
      const folder = await mkdtemp(join(tmpdir(), 'onnx-profile-'));
      try {
        const profileFilePrefix = join(folder, 'run');
        const settings = { ...plan.settings, enableProfiling: true, profileFilePrefix };
        const session = await this.#openSession({ ...plan, settings });
        await session.run(matrices, emptySequences(plan.hashes));
        session.endProfiling();
        await session.release();
        const [file] = await readdir(folder);
        return parseProfile(await readFile(join(folder, file ?? ''), 'utf8'));
      } finally {
        await rm(folder, { recursive: true, force: true });
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

  async #run(matrices: Uint8Array, batch: Batch): Promise<void> {
    const session = this.#session;
    const plan = this.#plan;
    if (session === undefined || plan === undefined) throw new Error('the lane has no session');
    const { hashes, finish, intensity } = plan;
    const hashOf = finish === 'sum' ? hashOfSum : hashOfWords;
    for (;;) {
      const part = batch.claim(hashes);
      if (part === undefined) return;
      const started = performance.now();
      const sequences = emptySequences(hashes);
      for (let i = 0; i < part.count; i++) {
        const headerHash = batch.input(part.first + i);
        for (let slice = 0; slice < SLICES; slice++) {
          sequences.set(sliceSequence(headerHash, slice), (SLICES * i + slice) * SEQUENCE_LENGTH);
        }
      }
      const output = await session.run(matrices, sequences);
      for (let i = 0; i < part.count; i++) batch.put(part.first + i, hashOf(output, i));
      batch.endRun();
      if (intensity < 100) await rest((performance.now() - started) * (100 / intensity - 1));
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

function rest(ms: number): Promise<void> {
  return new Promise((resolve) => {
    setTimeout(resolve, ms);
  });
}
