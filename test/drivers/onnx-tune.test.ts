/** How the fastest kernel is found, with kernels as fast and as wrong as a test says. */
import { describe, expect, it } from 'vitest';
import type { KernelChoice } from '../../drivers/kernel-choice.ts';
import { type KernelTest, WrongHash } from '../../drivers/onnx/kernel-test.ts';
import { kernelNamed, type OnnxKernel } from '../../drivers/onnx/kernels.ts';
import { type Lane, LaneEnded, type LanePlan } from '../../drivers/onnx/lane.ts';
import { createTables } from '../../drivers/onnx/tables.ts';
import { type Tuned, tune } from '../../drivers/onnx/tune.ts';
import { HasherError } from '../../src/tensority/hasher.ts';
import { FakeClock } from '../support/fake-clock.ts';

interface Case {
  /** Milliseconds per hash, by kernel. */
  readonly speeds: Readonly<Record<string, number>>;
  /** May throw. `times`: how often the kernel was opened before. */
  readonly onOpen?: (kernel: string, times: number) => void;
  /** May throw. */
  readonly onCheck?: (kernel: string) => void;
  readonly remembered?: KernelChoice;
  readonly batchMs?: number;
}

interface Outcome {
  readonly end: Tuned | Error;
  /** 'try float-4', 'open float-4', 'float-4 timed: why' in the order of events. */
  readonly events: readonly string[];
  /** The kernel whose session is open at the end. */
  readonly open: string | undefined;
}

async function outcomeOf({ speeds, onOpen, onCheck, ...rest }: Case): Promise<Outcome> {
  const kernels = Object.keys(speeds).map((name) => kernelNamed(name, 'cuda')!);
  const events: string[] = [];
  const opened: string[] = [];
  let open: string | undefined;
  const lane: Lane = {
    ended: new Promise(() => {}),
    open: async ({ settings }) => {
      open = undefined;
      const kernel = String(settings['kernel']);
      events.push(`open ${kernel}`);
      onOpen?.(kernel, opened.filter((each) => each === kernel).length);
      opened.push(kernel);
      open = kernel;
    },
    run: async () => {},
    record: async () => {},
    close: async () => {},
  };
  const test: Pick<KernelTest, 'check' | 'time'> = {
    check: async (_hasher, _count, isHopeless) => {
      onCheck?.(open!);
      const msPerHash = speeds[open!]!;
      return { msPerHash, isWhole: !isHopeless(msPerHash) };
    },
    time: async (_hasher, _granule, guessMs) => guessMs,
  };
  const planOf = ({ name, hashes }: OnnxKernel): LanePlan => ({
    model: new Uint8Array(),
    settings: { kernel: name },
    hashes,
    finish: 'sum',
  });
  const end = await tune(
    {
      kernels,
      remembered: undefined,
      batchMs: 100,
      ...rest,
      silenceMs: 1000,
      signal: undefined,
      onTry: (kernel) => events.push(`try ${kernel}`),
      onReport: ({ kernel, outcome, reason }) =>
        events.push(`${kernel} ${outcome}${reason === undefined ? '' : `: ${reason}`}`),
    },
    {
      lanes: [lane],
      tables: createTables(),
      // Its class has private fields, of which nothing is needed here.
      prepareTest: async () => test as KernelTest,
      clock: new FakeClock(),
      planOf,
    },
  ).catch((error: Error) => error);
  return { end, events, open };
}

const winner = ({ end }: Outcome): string => (end as Tuned).kernel.name;

describe('the choice of a kernel', () => {
  it('names the one that won again before it opens it again', async () => {
    const outcome = await outcomeOf({ speeds: { 'integer-4': 1, 'float-4': 1.2 } });
    expect(winner(outcome)).toBe('integer-4');
    expect(outcome.open).toBe('integer-4');
    expect(outcome.events).toEqual([
      ...['try integer-4', 'open integer-4', 'integer-4 timed'],
      ...['try float-4', 'open float-4', 'float-4 timed'],
      ...['try integer-4', 'open integer-4'],
    ]);
  });

  it('is lost where the one that won does not open again', async () => {
    const { end } = await outcomeOf({
      speeds: { 'integer-4': 1, 'float-4': 1.2 },
      onOpen: (_kernel, times) => {
        if (times > 0) throw new Error('out of memory');
      },
    });
    expect(end).toMatchObject({
      detail: { code: 'lost', reason: 'integer-4 does not open again: out of memory' },
    });
  });

  it('does not claim to have timed a kernel whose test it broke off', async () => {
    const { events } = await outcomeOf({ speeds: { 'integer-4': 200, 'float-4': 220 } });
    expect(events).toContain('integer-4 timed');
    expect(events).toContain('float-4 skipped: float-4 takes 220 ms a hash, integer-4 200 ms');
  });

  it('takes what is remembered only if its runs are short enough now', async () => {
    const speeds = { 'integer-4': 12, 'integer-64': 10 };
    const remembered = { kernel: 'integer-64', msPerHash: 10 };
    // 16 hashes take 160 ms.
    const taken = await outcomeOf({ speeds, remembered, batchMs: 80 });
    expect(taken.events).toEqual(['try integer-64', 'open integer-64', 'integer-64 timed']);
    const refused = await outcomeOf({ speeds, remembered, batchMs: 50 });
    expect(winner(refused)).toBe('integer-4');
    expect(refused.events).not.toContain('try integer-64');
  });

  it('takes what is remembered and slow, if nothing is smaller', async () => {
    const remembered = { kernel: 'integer-4', msPerHash: 5000 };
    const speeds = { 'integer-4': 5000, 'integer-64': 4000 };
    const { events } = await outcomeOf({ speeds, remembered });
    expect(events).toEqual(['try integer-4', 'open integer-4', 'integer-4 timed']);
  });

  it('is lost with the thread of a lane, and the kernel that it ran is named last', async () => {
    const died = new LaneEnded('thread 0 ended with code 1');
    for (const during of ['onOpen', 'onCheck'] as const) {
      const { end, events } = await outcomeOf({
        speeds: { 'integer-4': 1, 'float-4': 1.2, 'float-16': 1 },
        [during]: (kernel: string) => {
          if (kernel === 'float-4') throw died;
        },
      });
      expect(end, during).toMatchObject({ detail: { code: 'lost', reason: died.message } });
      expect(events.findLast((event) => event.startsWith('try'))).toBe('try float-4');
      expect(events).not.toContainEqual(expect.stringMatching(/^float-4 (failed|timed)/));
    }
  });

  it('goes on where a kernel is wrong or its hasher was lost without its lanes', async () => {
    const outcome = await outcomeOf({
      speeds: { 'integer-4': 1, 'float-4': 1.2, 'float-4-unrolled': 1.3 },
      onCheck: (kernel) => {
        if (kernel === 'integer-4') throw new WrongHash('ab', 'cd');
        if (kernel === 'float-4') throw new HasherError({ code: 'lost', reason: 'no memory' });
      },
    });
    expect(winner(outcome)).toBe('float-4-unrolled');
    expect(outcome.events).toContain('integer-4 wrong: expected ab, got cd');
    expect(outcome.events).toContain('float-4 failed: no memory');
  });
});
