/** What lies between a hasher and the sessions: batches, the end of a hash, lanes, where nodes ran. */
import { describe, expect, it } from 'vitest';
import { Batch } from '../../drivers/onnx/batch.ts';
import { hashOfSum, hashOfWords } from '../../drivers/onnx/finish.ts';
import { type LanePlan, LocalLane } from '../../drivers/onnx/lane.ts';
import { parseProfile, placementText } from '../../drivers/onnx/placement.ts';
import type { OnnxSession } from '../../drivers/onnx/runtime.ts';
import { ThreadLane } from '../../drivers/onnx/thread-lane.ts';
import { finishHash, sliceSequence } from '../../src/tensority/reference.ts';
import { bytesToHex } from '../../src/util/bytes.ts';
import { sha3 } from '../../src/util/sha3.ts';

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

function laneOf(run: OnnxSession['run']): LocalLane {
  return new LocalLane(async () => ({
    version: '0',
    backends: () => [],
    open: async () => ({ run, endProfiling: () => {}, release: async () => {} }),
  }));
}

const plan = (hashes: number, more: Partial<LanePlan> = {}): LanePlan => ({
  model: new Uint8Array(),
  settings: {},
  hashes,
  finish: 'words',
  intensity: 100,
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
    expect(batch.runs).toBe(3);
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
});
