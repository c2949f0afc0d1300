/** What lies between a hasher and the sessions: batches, the end of a hash, lanes, where nodes ran. */
import { existsSync, writeFileSync } from 'node:fs';
import { dirname } from 'node:path';
import { describe, expect, it } from 'vitest';
import { Batch } from '../../drivers/onnx/batch.ts';
import { hashOfSum, hashOfWords } from '../../drivers/onnx/finish.ts';
import { LaneEnded, type LanePlan, LocalLane } from '../../drivers/onnx/lane.ts';
import { parseProfile, placementOf, placementText } from '../../drivers/onnx/placement.ts';
import type { OnnxRuntime, OnnxSession, SessionSettings } from '../../drivers/onnx/runtime.ts';
import { ThreadLane } from '../../drivers/onnx/thread-lane.ts';
import { finishHash, sliceSequence } from '../../src/tensority/reference.ts';
import { bytesToHex } from '../../src/util/bytes.ts';
import type { Clock } from '../../src/util/clock.ts';
import { sha3 } from '../../src/util/sha3.ts';
import { FakeClock, settle } from '../support/fake-clock.ts';

const inputs = (count: number): Uint8Array =>
  Uint8Array.from({ length: 32 * count }, (_, i) => (i * 37) & 255);

describe('a batch', () => {
  it('gives each input away once, in parts', () => {
    const batch = Batch.of(inputs(5));
    const other = new Batch(batch.memory);
    expect([batch.claim(2), other.claim(2), batch.claim(2), other.claim(2)]).toEqual([
      { first: 0, count: 2 },
      { first: 2, count: 2 },
      { first: 4, count: 1 },
      undefined,
    ]);
    expect(other.input(3)).toEqual(inputs(5).slice(96, 128));
  });

  it('gives nothing away any more once it is aborted', () => {
    const batch = Batch.of(inputs(5));
    batch.claim(2);
    batch.abort();
    expect(new Batch(batch.memory).claim(2)).toBeUndefined();
    expect(batch.isOver).toBe(true);
  });
});

describe('the end of a hash', () => {
  /** A sum, and the same as models have it: transposed, some entries above a byte or below zero. */
  const sum = Uint8Array.from({ length: 65_536 }, (_, i) => Math.imul(i, 2_654_435_761) >>> 13);
  const transposed = Int32Array.from({ length: 65_536 }, (_, i) => {
    const entry = sum[(i % 256) * 256 + (i >> 8)]!;
    return entry + 256 * ((i % 3) - 1);
  });

  it('is the same from a transposed sum as the reference has it', () => {
    const two = new Int32Array(2 * 65_536);
    two.set(transposed, 65_536);
    expect(bytesToHex(hashOfSum(two, 1))).toBe(bytesToHex(finishHash(sum)));
  });

  it('is the SHA3-256 of the words as little-endian bytes', () => {
    const words = Uint32Array.from({ length: 128 }, (_, i) => Math.imul(i, 0x9e3779b9));
    const expected = sha3(new Uint8Array(words.buffer, 256, 256));
    expect(hashOfWords(words, 1)).toEqual(expected);
    expect(hashOfWords(new Int32Array(words.buffer), 1)).toEqual(expected);
  });
});

/** Words made of the sequences, so that each hash shows what it was computed from. */
const echo = (sequences: Int32Array): Uint32Array => {
  const words = new Uint32Array(sequences.length / 2);
  for (let i = 0; i < words.length; i++) words[i] = 256 * sequences[2 * i]! + sequences[2 * i + 1]!;
  return words;
};
const echoed = (headerHash: Uint8Array): string => {
  const names = Int32Array.from([0, 1, 2, 3].flatMap((s) => [...sliceSequence(headerHash, s)]));
  return bytesToHex(hashOfWords(echo(names), 0));
};

/** A runtime whose sessions do what a test wants. */
const runtimeOf = (open: (settings: SessionSettings) => Partial<OnnxSession>): OnnxRuntime => ({
  version: '0',
  backends: () => [],
  open: async (_model, settings) => ({
    run: async (_matrices, sequences) => echo(sequences),
    endProfiling: () => {},
    release: async () => {},
    ...open(settings),
  }),
});

function laneOf(run: OnnxSession['run'], clock?: Clock): LocalLane {
  return new LocalLane(async () => runtimeOf(() => ({ run })), clock);
}

const plan = (hashes: number, more: Partial<LanePlan> = {}): LanePlan => ({
  model: new Uint8Array(),
  settings: {},
  hashes,
  finish: 'words',
  ...more,
});
const matrices = new Uint8Array(4);

describe('a lane', () => {
  it('fills runs with inputs, the last one in part, and puts each hash in its place', async () => {
    const sizes: number[] = [];
    const lane = laneOf(async (_matrices, sequences) => {
      sizes.push(sequences.length / 128);
      return echo(sequences);
    });
    await lane.open(plan(2));
    const batch = Batch.of(inputs(5));
    await lane.run(matrices, batch.memory);
    expect(sizes).toEqual([2, 2, 2]);
    expect(batch.signs).toBe(3);
    const expected = [0, 1, 2, 3, 4].map((i) => echoed(inputs(5).slice(32 * i, 32 * i + 32)));
    expect(bytesToHex(batch.powHashes)).toBe(expected.join(''));
  });

  it('stops between two runs when the batch is aborted, and does one call after the other', async () => {
    const batch = Batch.of(inputs(4));
    const order: string[] = [];
    const lane = laneOf(async (_matrices, sequences) => {
      order.push('run');
      batch.abort();
      return echo(sequences);
    });
    await lane.open(plan(1));
    const first = lane.run(matrices, batch.memory).then(() => order.push('aborted'));
    await Promise.all([first, lane.run(matrices, Batch.of(inputs(1)).memory)]);
    expect(order).toEqual(['run', 'aborted', 'run']);
  });

  it('passes an error of the runtime on, and takes another plan after it', async () => {
    let isBroken = true;
    const lane = laneOf(async (_matrices, sequences) => {
      if (isBroken) throw new Error('the provider is gone');
      return echo(sequences);
    });
    await expect(lane.run(matrices, Batch.of(inputs(1)).memory)).rejects.toThrow(/no session/);
    await lane.open(plan(1));
    await expect(lane.run(matrices, Batch.of(inputs(1)).memory)).rejects.toThrow('is gone');
    isBroken = false;
    await lane.open(plan(1));
    await lane.run(matrices, Batch.of(inputs(1)).memory);
  });

  /** Runs take 100 ms of the clock. */
  const slowLane = (): { lane: LocalLane; clock: FakeClock; begun: number[] } => {
    const clock = new FakeClock();
    const start = clock.now();
    const begun: number[] = [];
    const lane = laneOf(async (_matrices, sequences) => {
      begun.push(clock.now() - start);
      await clock.sleep(100);
      return echo(sequences);
    }, clock);
    return { lane, clock, begun };
  };

  it('rests before its next run, so that no result waits for a rest', async () => {
    const { lane, clock, begun } = slowLane();
    await lane.open(plan(1));
    let isDone = false;
    const first = lane.run(matrices, Batch.of(inputs(2)).memory, 25).then(() => {
      isDone = true;
    });
    const second = lane.run(matrices, Batch.of(inputs(1)).memory, 25);
    await clock.advance(500);
    expect(isDone).toBe(true);
    await clock.advance(500);
    await Promise.all([first, second]);
    expect(begun).toEqual([0, 400, 800]);
    // By now it has rested.
    await clock.advance(400);
    const third = lane.run(matrices, Batch.of(inputs(1)).memory, 25);
    await clock.advance(100);
    await third;
    expect(begun.at(-1)).toBe(1400);
  });

  it('shows that it lives while it rests, and ends a rest when the batch is aborted', async () => {
    const { lane, clock, begun } = slowLane();
    await lane.open(plan(1));
    const batch = Batch.of(inputs(2));
    let isDone = false;
    const running = lane.run(matrices, batch.memory, 1).then(() => {
      isDone = true;
    });
    await clock.advance(1000);
    const { signs } = batch;
    await clock.advance(1000);
    expect(batch.signs).toBeGreaterThan(signs);
    expect(isDone).toBe(false);
    batch.abort();
    await clock.advance(20);
    expect(isDone).toBe(true);
    await running;
    expect(begun).toEqual([0]);
    expect(clock.sleeping).toBe(0);
  });

  it('records one run in a session of its own, which is released whatever comes of it', async () => {
    const seen: SessionSettings[] = [];
    let released = 0;
    const lane = new LocalLane(async () =>
      runtimeOf((settings) => {
        seen.push(settings);
        return {
          run: async () => {
            throw new Error('out of memory');
          },
          release: async () => {
            released++;
          },
        };
      }),
    );
    await expect(lane.record(plan(1), matrices, '/x/run')).rejects.toThrow('out of memory');
    expect(seen).toEqual([{ enableProfiling: true, profileFilePrefix: '/x/run' }]);
    expect(released).toBe(1);
  });

  it('in a thread tells when the thread ends, but not when it was closed', async () => {
    const program = (text: string): URL => new URL(`data:text/javascript,${text}`);
    const lane = new ThreadLane(3, program('setTimeout(() => process.exit(7), 20)'));
    const pending = lane.open(plan(1)).catch((error: unknown) => error);
    const error = await lane.ended;
    expect(error).toBeInstanceOf(LaneEnded);
    expect(error.message).toBe('thread 3 ended with code 7');
    expect(await pending).toBe(error);
    await expect(lane.open(plan(1))).rejects.toBe(error);

    const closed = new ThreadLane(4, program('setInterval(() => {}, 100)'));
    let isEnded = false;
    void closed.ended.then(() => {
      isEnded = true;
    });
    await closed.close();
    await settle();
    expect(isEnded).toBe(false);
  });

  it('in a thread says what is wrong with a model, and refuses all after it was closed', async () => {
    const lane = new ThreadLane(0);
    const settings = { executionProviders: ['cpu'], logSeverityLevel: 4 };
    const call = lane.open({ ...plan(1), model: Uint8Array.of(1, 2, 3), settings });
    await expect(call).rejects.toThrow(/protobuf|model|load/i);
    const pending = lane.open(plan(1)).catch((error: unknown) => error);
    await lane.close();
    expect(String(await pending)).toMatch(/was closed/);
    await expect(lane.open(plan(1))).rejects.toThrow('was closed');
  });
});

describe('the record of a run', () => {
  const event = (name: string, operator: string, provider: string): object => ({
    cat: 'Node',
    name,
    args: { op_name: operator, provider },
  });

  it('tells which provider computed what, each node once', () => {
    const placement = parseProfile(
      JSON.stringify([
        { cat: 'Session', name: 'model_run', args: {} },
        event('a_kernel_time', 'MatMul', 'GpuProvider'),
        event('a_kernel_time', 'MatMul', 'GpuProvider'),
        event('b_kernel_time', 'MatMul', 'GpuProvider'),
        event('c_kernel_time', 'Mul', 'GpuProvider'),
        event('d_kernel_time', 'Loop', 'CPUExecutionProvider'),
      ]),
    );
    expect(placementText(placement)).toBe('GpuProvider: 2 MatMul, Mul; CPUExecutionProvider: Loop');
  });

  it('is read from the file it was written to, of which nothing is left', async () => {
    let folder = '';
    const placement = await placementOf(async (filePrefix) => {
      folder = dirname(filePrefix);
      const events = [event('a', 'MatMul', 'GpuProvider')];
      writeFileSync(`${filePrefix}_2026.json`, JSON.stringify(events));
    });
    expect(placement).toEqual({ GpuProvider: { MatMul: 1 } });
    expect(existsSync(folder)).toBe(false);
  });

  it('is said to be missing where there is none, and leaves nothing if the run fails', async () => {
    await expect(placementOf(async () => {})).rejects.toThrow(
      'the runtime wrote no record of the run',
    );
    let folder = '';
    const call = placementOf(async (filePrefix) => {
      folder = dirname(filePrefix);
      writeFileSync(`${filePrefix}_2026.json`, '[');
      throw new Error('no run ended for 1 s');
    });
    await expect(call).rejects.toThrow('no run ended');
    expect(existsSync(folder)).toBe(false);
  });
});
