/** How a device comes by its kernel, on the real runtime, which does what a test makes it do. */
import { describe, expect, it } from 'vitest';
import type { KernelReport } from '../../drivers/kernel-choice.ts';
import { type Lane, LaneEnded, LocalLane } from '../../drivers/onnx/lane.ts';
import { type OnnxOpenOptions, openOnnxDevice } from '../../drivers/onnx/open-onnx.ts';
import { loadRuntime, type OnnxRuntime, type SessionSettings } from '../../drivers/onnx/runtime.ts';
import { selfTest } from '../../drivers/selftest.ts';
import { TABLE_BYTES } from '../../src/tensority/params.ts';
import type { TableProvider } from '../../src/tensority/table.ts';
import { buildMatrixTable } from '../../src/tensority/table-builder.ts';
import { TableCache } from '../../src/tensority/table-cache.ts';
import { skipWithout } from '../support/optional-packages.ts';

skipWithout('onnxruntime-node');
const cache = new TableCache({ capacity: 2 }, { build: buildMatrixTable });
const tables: TableProvider = (seed) => cache.get(seed);

async function realRuntime(): Promise<OnnxRuntime> {
  const loaded = await loadRuntime();
  if (loaded.runtime === undefined) throw new Error(loaded.problem);
  return loaded.runtime;
}

const info = { id: 'onnx0', name: 'ONNX', tableSlots: 2, rollsNonce: false };

interface Meddling {
  /** True: the first hash of this run comes out wrong. */
  readonly spoils?: (matrices: Uint8Array, session: number) => boolean;
  /** Throws where a session is not to open. */
  readonly refuse?: (settings: SessionSettings, session: number) => void;
}

/** The real runtime, except for what `meddling` does to it. */
async function runtimeWith({ spoils, refuse }: Meddling): Promise<OnnxRuntime> {
  const runtime = await realRuntime();
  let sessions = 0;
  return {
    ...runtime,
    open: async (model, settings) => {
      const index = sessions++;
      refuse?.(settings, index);
      // What stands in for other providers is the CPU.
      const session = await runtime.open(model, {
        ...settings,
        executionProviders: ['cpu'],
        extra: {},
      });
      return {
        run: async (matrices, sequences) => {
          const output = await session.run(matrices, sequences);
          if (spoils?.(matrices, index) !== true) return output;
          const wrong = Array.from(output);
          wrong[0] = (wrong[0]! ^ 1) >>> 0;
          return wrong;
        },
        endProfiling: () => session.endProfiling(),
        release: () => session.release(),
      };
    },
  };
}

interface Opening {
  readonly end: Awaited<ReturnType<typeof openOnnxDevice>> | Error;
  readonly tried: readonly string[];
  /** 'fused-2 timed' */
  readonly outcomes: readonly string[];
  readonly reports: readonly KernelReport[];
}

async function opening(
  meddling: Meddling = {},
  options: Partial<OnnxOpenOptions> = {},
): Promise<Opening> {
  const tried: string[] = [];
  const reports: KernelReport[] = [];
  const end = await openOnnxDevice(
    {
      target: { provider: 'cpu', options: [], threads: 1 },
      info: { id: 'onnx0', name: 'ONNX', tableSlots: 2, rollsNonce: false, details: ['a'] },
      batchMs: 100,
      onTry: (kernel) => tried.push(kernel),
      onReport: (report) => reports.push(report),
      ...options,
    },
    { createLane: () => new LocalLane(() => runtimeWith(meddling)), tables },
  ).catch((error: Error) => error);
  if (!(end instanceof Error)) await end.device.close();
  return {
    end,
    tried,
    reports,
    outcomes: reports.map(({ kernel, outcome }) => `${kernel} ${outcome}`),
  };
}

/** The table that holds −128 and 127 everywhere: its first matrix is −128 alone, plus 128. */
const isExtreme = (matrices: Uint8Array): boolean => matrices[0] === 0 && matrices[65_535] === 0;

describe('opening a provider', () => {
  it('takes the fastest kernel that is right, and the device passes the self-test', async () => {
    const runtime = realRuntime();
    const { device, choice } = await openOnnxDevice(
      {
        target: { provider: 'cpu', options: [], threads: 1 },
        info: { id: 'onnx0', name: 'ONNX', tableSlots: 2, rollsNonce: false, processor: 'cpu' },
        batchMs: 100,
        kernel: 'fused-2',
      },
      { createLane: () => new LocalLane(() => runtime), tables },
    );
    await selfTest(device, tables);
    expect(device.info).toMatchObject({
      id: 'onnx0',
      kernel: 'fused-2',
      threads: 1,
      processor: 'cpu',
    });
    expect(choice.kernel).toBe('fused-2');
    expect(choice.msPerHash).toBeGreaterThan(0);
    expect(device.maxBatch).toBeGreaterThanOrEqual(2);
    await device.close();
    expect(await device.lost).toBeUndefined();
  });

  it('refuses a runtime that lies, whatever the kernel', async () => {
    const { end, outcomes } = await opening({ spoils: () => true });
    expect(end).toMatchObject({ detail: { code: 'self-test' } });
    expect(outcomes).toEqual([
      'fused-2 wrong',
      'fused-4 wrong',
      'integer-2 wrong',
      'integer-4 wrong',
      'fused-unsigned-2 wrong',
      'unsigned-2 wrong',
      'float-4 wrong',
    ]);
  });

  it('catches sums that saturate, which only extreme tables show, and takes what does not', async () => {
    // The first four kernels are those that multiply uint8 by int8.
    const { end, outcomes } = await opening({
      spoils: (matrices, session) => session < 4 && isExtreme(matrices),
    });
    expect(outcomes).toEqual([
      'fused-2 wrong',
      'fused-4 wrong',
      'integer-2 wrong',
      'integer-4 wrong',
      'fused-unsigned-2 timed',
      'unsigned-2 skipped',
      'float-4 skipped',
    ]);
    expect(end).toMatchObject({ choice: { kernel: 'fused-unsigned-2' } });
  });

  it('tries the rest where one does not run, but nothing of its family', async () => {
    const { end, reports, outcomes } = await opening({
      refuse: (_settings, session) => {
        if (session === 0) throw new Error('BitCast is not implemented');
      },
    });
    expect(outcomes.slice(0, 3)).toEqual(['fused-2 failed', 'fused-4 skipped', 'integer-2 timed']);
    expect(reports[0]?.reason).toBe('BitCast is not implemented');
    expect(end).toMatchObject({ choice: { kernel: expect.stringMatching(/^integer-/) } });
  });

  it('says what failed where nothing runs', async () => {
    const refuse = (): void => {
      throw new Error('no such device');
    };
    const { end } = await opening({ refuse });
    expect(end).toMatchObject({
      detail: { code: 'unsupported', missing: expect.stringContaining('fused-2: no such device') },
    });
  });

  it('tests what it remembers, without timing it again', async () => {
    const remembered = { kernel: 'fused-4', msPerHash: 3 };
    const { end, outcomes } = await opening({}, { remembered });
    expect(outcomes).toEqual(['fused-4 timed']);
    expect(end).toMatchObject({ choice: remembered });
  });

  it('tries everything if what it remembers is wrong now', async () => {
    const { end, outcomes } = await opening(
      { spoils: (_matrices, session) => session === 0 },
      { remembered: { kernel: 'fused-4', msPerHash: 3 } },
    );
    expect(outcomes.slice(0, 2)).toEqual(['fused-4 wrong', 'fused-2 timed']);
    expect(end).toMatchObject({ choice: { kernel: expect.not.stringContaining('fused-4') } });
  });

  it('leaves out what took its process down', async () => {
    const { tried, outcomes } = await opening({}, { avoid: ['fused-2', 'fused-4'] });
    expect(outcomes.slice(0, 3)).toEqual(['fused-2 skipped', 'fused-4 skipped', 'integer-2 timed']);
    expect(tried[0]).toBe('integer-2');
  });

  it('takes a kernel that is asked for, and names those there are if it is none', async () => {
    const asked = await opening({}, { kernel: 'integer-1' });
    expect(asked.outcomes).toEqual(['integer-1 timed']);
    const { end } = await opening({}, { kernel: 'half-4' });
    expect(end).toMatchObject({
      detail: {
        code: 'unsupported',
        missing: expect.stringMatching(/^no kernel half-4 \(there are: fused-2, .*float-4, and/),
      },
    });
  });

  it('gives a device up whose runs do not end, and waits for nothing', async () => {
    class StuckLane extends LocalLane {
      override run(): Promise<void> {
        return new Promise(() => {});
      }
      override close(): Promise<void> {
        return new Promise(() => {});
      }
    }
    const call = openOnnxDevice(
      {
        target: { provider: 'cpu', options: [], threads: 1 },
        info,
        batchMs: 100,
      },
      { createLane: () => new StuckLane(realRuntime), tables, silenceMs: 1000 },
    );
    await expect(call).rejects.toMatchObject({
      detail: { code: 'lost', reason: expect.stringMatching(/^no run ended for/) },
    });
  });

  it('closes the lanes that it has, if it does not get all of them', async () => {
    let isClosed = false;
    class ClosingLane extends LocalLane {
      override async close(): Promise<void> {
        isClosed = true;
      }
    }
    const createLane = (index: number): Lane => {
      if (index === 1) throw new Error('no more threads');
      return new ClosingLane(realRuntime);
    };
    const target = { provider: 'cpu', options: [], threads: 2 };
    const call = openOnnxDevice({ target, info, batchMs: 100 }, { createLane, tables });
    await expect(call).rejects.toThrow('no more threads');
    expect(isClosed).toBe(true);
  });

  it('ends with the reason of its signal', async () => {
    const abort = new AbortController();
    const reason = new Error('no longer wanted');
    const { end } = await opening({ refuse: () => abort.abort(reason) }, { signal: abort.signal });
    expect(end).toBe(reason);
  });
});

describe('a provider that is not the CPU', () => {
  const target = { provider: 'webgpu', options: [], threads: undefined };
  const tellsFallback = (settings: SessionSettings): boolean =>
    !JSON.stringify(settings).includes('disable_cpu_ep_fallback');

  it('says so where it computes everything itself', async () => {
    const { end } = await opening({}, { target, kernel: 'float-4-unrolled' });
    expect(end).toMatchObject({
      device: {
        info: { details: ['a', 'every operator of the model on the provider, none on the cpu'] },
      },
    });
  });

  it('says which operators the CPU computes, where it helps out', async () => {
    const { end, outcomes } = await opening(
      {
        refuse: (settings) => {
          if (!tellsFallback(settings)) throw new Error('nodes are assigned to the CPU');
        },
      },
      { target },
    );
    expect(outcomes).toContain('float-4-unrolled failed');
    expect(outcomes).toContain('float-4+cpu timed');
    const { details = [] } = (end as Exclude<typeof end, Error>).device.info;
    expect(details[1]).toMatch(/^CPUExecutionProvider: .*Loop/);
  });

  it('blames the kernel that it runs once more to see where its operators run', async () => {
    const remembered = { kernel: 'float-4+cpu', msPerHash: 50 };
    const { tried, end } = await opening({}, { target, remembered });
    expect(tried).toEqual(['float-4+cpu', 'float-4+cpu']);
    expect(end).toMatchObject({ choice: remembered });
  });

  it('has room for two tables also where that run failed', async () => {
    const { device } = await openOnnxDevice(
      { target, info, batchMs: 100, kernel: 'float-4+cpu' },
      {
        createLane: () =>
          new LocalLane(() =>
            runtimeWith({
              refuse: (settings) => {
                if (settings['enableProfiling'] === true) throw new Error('no disk');
              },
            }),
          ),
        tables,
      },
    );
    expect(device.info.details).toEqual(['which operators run on the cpu is not known: no disk']);
    const seeds = [1, 2].map((byte) => new Uint8Array(32).fill(byte));
    for (const seed of seeds) {
      await device.loadSeed(seed, { seed, data: new Int8Array(TABLE_BYTES) });
    }
    await device.hash(seeds[0]!, new Uint8Array(32), new Uint8Array(32));
    await device.close();
  });

  it('is lost where that run ends the thread', async () => {
    class DyingLane extends LocalLane {
      override async record(): Promise<void> {
        throw new LaneEnded('thread 0 ended with code 1');
      }
    }
    const call = openOnnxDevice(
      { target, info, batchMs: 100, kernel: 'float-4+cpu' },
      { createLane: () => new DyingLane(() => runtimeWith({})), tables },
    );
    await expect(call).rejects.toMatchObject({ detail: { code: 'lost' } });
  });

  it('is tried at full speed, and rests only once it is open', async () => {
    const seen: (number | undefined)[] = [];
    class SeenLane extends LocalLane {
      override run(matrices: Uint8Array, memory: SharedArrayBuffer, share?: number): Promise<void> {
        seen.push(share);
        return super.run(matrices, memory, share);
      }
    }
    const { device } = await openOnnxDevice(
      { target, info, batchMs: 100, kernel: 'float-4-unrolled', intensity: 50 },
      { createLane: () => new SeenLane(() => runtimeWith({})), tables },
    );
    expect(new Set(seen)).toEqual(new Set([undefined]));
    const seed = new Uint8Array(32);
    await device.loadSeed(seed, { seed, data: new Int8Array(TABLE_BYTES) });
    await device.hash(seed, new Uint8Array(32), new Uint8Array(32));
    expect(seen.at(-1)).toBe(50);
    await device.close();
  });
});
