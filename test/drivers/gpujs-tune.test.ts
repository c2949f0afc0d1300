/** How a mode of gpu.js is chosen, and how one that computes wrongly is found out. */
import { describe, expect, it } from 'vitest';
import { DriverError } from '../../drivers/driver.ts';
import { KernelTest } from '../../drivers/gpujs/kernel-test.ts';
import type { Lane } from '../../drivers/gpujs/lane.ts';
import { MODES, type Mode } from '../../drivers/gpujs/package.ts';
import { type Tuned, type TuneRequest, tune } from '../../drivers/gpujs/tune.ts';
import type { KernelReport } from '../../drivers/kernel-choice.ts';
import { MATRIX_BYTES } from '../../src/tensority/params.ts';

const WRONG = new DriverError({ code: 'self-test', expected: '1 in row 0', actual: '2' });

/** What comes of a mode: milliseconds per hash, what is missing, or an error of its test. */
type Script = Partial<Record<Mode, number | string | Error>>;

interface Rig {
  readonly reports: KernelReport[];
  readonly tried: string[];
  readonly timed: Mode[];
  /** Modes whose lanes are open. */
  readonly open: Set<Mode>;
  readonly run: (request?: Partial<TuneRequest>) => Promise<Tuned>;
}

class NamedLane implements Lane {
  readonly chains = 1;
  readonly ended = new Promise<never>(() => {});
  readonly mode: Mode;
  readonly #open: Set<Mode>;

  constructor(mode: Mode, open: Set<Mode>) {
    this.mode = mode;
    this.#open = open;
    open.add(mode);
  }

  async load(): Promise<void> {}

  async run(_slot: number, sequences: readonly Uint8Array[]): Promise<readonly Int8Array[]> {
    return sequences.map(() => new Int8Array(MATRIX_BYTES));
  }

  async close(): Promise<void> {
    this.#open.delete(this.mode);
  }
}

function rig(script: Script): Rig {
  const reports: KernelReport[] = [];
  const tried: string[] = [];
  const timed: Mode[] = [];
  const open = new Set<Mode>();
  const outcomeOf = ([lane]: readonly Lane[]): Script[Mode] => script[(lane as NamedLane).mode];
  const test = {
    check: async (lanes: readonly Lane[]): Promise<void> => {
      const outcome = outcomeOf(lanes);
      if (outcome instanceof Error) throw outcome;
    },
    time: async (lanes: readonly Lane[]): Promise<number> => {
      timed.push((lanes[0] as NamedLane).mode);
      return outcomeOf(lanes) as number;
    },
  };
  const run = (request: Partial<TuneRequest> = {}): Promise<Tuned> =>
    tune(
      { kernel: undefined, remembered: undefined, avoid: [], ...request },
      { onTry: (kernel) => tried.push(kernel), onReport: (report) => reports.push(report) },
      {
        missingFor: (mode) => {
          const outcome = script[mode] ?? 'a wish';
          return typeof outcome === 'string' ? outcome : undefined;
        },
        openLanes: async (mode) => [new NamedLane(mode, open)],
        test,
      },
    );
  return { reports, tried, timed, open, run };
}

describe('tune', () => {
  it('takes the fastest and closes the lanes of the others', async () => {
    for (const script of [
      { cpu: 900, webasm: 700 },
      { cpu: 900, webasm: 1200, webgpu: 700 },
    ] satisfies Script[]) {
      const { run, open, timed } = rig(script);
      const { choice, lanes } = await run();
      expect(choice).toEqual({ kernel: timed.at(-1), msPerHash: 700 });
      expect([...open]).toEqual([(lanes[0] as NamedLane).mode]);
      expect((lanes[0] as NamedLane).mode).toBe(choice.kernel);
    }
  });

  it('says what every mode came to, and tries none that lacks something', async () => {
    const { run, reports, tried } = rig({
      cpu: 900,
      webasm: 'WebAssembly',
      webgpu: new Error('it is broken'),
    });
    await run();
    expect(reports).toEqual([
      { kernel: 'cpu', outcome: 'timed', msPerHash: 900 },
      { kernel: 'webasm', outcome: 'unsupported', reason: 'needs WebAssembly' },
      { kernel: 'webgpu', outcome: 'failed', reason: 'it is broken' },
      { kernel: 'headlessgl', outcome: 'unsupported', reason: 'needs a wish' },
    ]);
    expect(tried).toEqual(['cpu', 'webgpu']);
  });

  it('never takes one that computes wrongly, however fast', async () => {
    const { run, reports, open } = rig({ cpu: WRONG, webasm: 900 });
    expect((await run()).choice.kernel).toBe('webasm');
    const reason = 'expected 1 in row 0, got 2';
    expect(reports[0]).toEqual({ kernel: 'cpu', outcome: 'wrong', reason });
    expect([...open]).toEqual(['webasm']);
  });

  it('rejects self-test if one was wrong and none right, with no lane left open', async () => {
    const { run, open } = rig({ cpu: WRONG, webasm: new Error('it is broken') });
    await expect(run()).rejects.toBe(WRONG);
    expect(open.size).toBe(0);
  });

  it('rejects unsupported with every reason if none ran', async () => {
    const { run } = rig({ cpu: new Error('it is broken'), webasm: 'WebAssembly' });
    await expect(run()).rejects.toMatchObject({
      detail: { code: 'unsupported' },
      message: expect.stringContaining('cpu: it is broken; webasm: needs WebAssembly'),
    });
  });

  it('tests the one that is remembered and neither times it nor tries another', async () => {
    const { run, timed, tried } = rig({ cpu: 900, webasm: 700 });
    const remembered = { kernel: 'webasm', msPerHash: 650 };
    expect((await run({ remembered })).choice).toEqual(remembered);
    expect([tried, timed]).toEqual([['webasm'], []]);
  });

  it('tries all others if the one that is remembered is wrong now, or unknown', async () => {
    const wrong = rig({ cpu: 900, webasm: WRONG });
    const remembered = { kernel: 'webasm', msPerHash: 650 };
    expect((await wrong.run({ remembered })).choice.kernel).toBe('cpu');
    expect(wrong.tried).toEqual(['webasm', 'cpu']);
    const unknown = rig({ cpu: 900 });
    await unknown.run({ remembered: { kernel: 'of-old', msPerHash: 1 } });
    expect(unknown.tried).toEqual(['cpu']);
  });

  it('leaves out what took the process down before, but for one that is asked for by name', async () => {
    const { run, tried } = rig({ cpu: 900, webasm: 700 });
    expect((await run({ avoid: ['webasm'] })).choice.kernel).toBe('cpu');
    expect((await run({ avoid: ['webasm'], kernel: 'webasm' })).choice.kernel).toBe('webasm');
    expect(tried).toEqual(['cpu', 'webasm']);
  });

  it('rejects a kernel that there is not, naming those there are', async () => {
    const { run } = rig({ cpu: 900 });
    await expect(run({ kernel: 'dp4a' })).rejects.toMatchObject({
      detail: { code: 'unsupported', missing: expect.stringContaining(MODES.join(', ')) },
    });
  });
});

describe('KernelTest', () => {
  const zeros = new NamedLane('cpu', new Set());

  it('rejects self-test with the first wrong entry, whichever lane is wrong', async () => {
    const error = await new KernelTest().check([zeros]).catch((each: unknown) => each);
    expect(error).toMatchObject({ detail: { code: 'self-test', actual: '0' } });
    expect((error as Error).message).toMatch(
      /expected -?\d+ in row 0, column \d+ of a product, got 0/,
    );
  });

  it('tells the time of a hash from the best of several chains, on all lanes together', async () => {
    const times = [0, 33, 100, 111, 200, 288];
    const ms = await new KernelTest().time([zeros, zeros], () => times.shift() ?? 0);
    // 11 ms for a chain of 11 products on each of two lanes; a hash has 4 · 63.
    expect(ms).toBeCloseTo((11 / 11 / 2) * 4 * 63);
  });
});
