import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { describe, expect, it } from 'vitest';
import { type JobSink, type JobSource, SourceError } from '../../miner/job-source.ts';
import { Miner, type MinerOptions, type MinerOutcome } from '../../miner/miner.ts';
import { settle } from '../support/fake-clock.ts';
import { ANY, EASY, goodNonces, makeJob, Rig } from '../support/rig.ts';

/** A source that gives one job and then waits; the test may end it. */
class TestSource implements JobSource {
  readonly name = 'pool.example:3333';
  readonly submit: JobSource['submit'];
  isRunning = false;
  sink: JobSink | undefined;
  fail: (error: unknown) => void = () => {};
  finish: () => void = () => {};
  /** False: it takes no notice of its signal. */
  listens = true;
  readonly #job: ReturnType<typeof makeJob>;

  constructor(rig: Rig, job: ReturnType<typeof makeJob>) {
    this.#job = job;
    this.submit = (share) => {
      expect(this.isRunning, 'shares reach a source that is open').toBe(true);
      return rig.submit(share);
    };
  }

  async run(sink: JobSink, signal: AbortSignal): Promise<void> {
    this.isRunning = true;
    this.sink = sink;
    sink.job(this.#job);
    await new Promise<void>((resolve, reject) => {
      this.fail = reject;
      this.finish = resolve;
      if (this.listens) signal.addEventListener('abort', () => resolve());
    }).finally(() => {
      this.isRunning = false;
    });
  }
}

interface Run {
  readonly rig: Rig;
  readonly source: TestSource;
  readonly miner: Miner;
  readonly abort: AbortController;
  readonly outcome: () => MinerOutcome | undefined;
}

async function start(
  options: Omit<MinerOptions, 'devices'> = {},
  setup: { readonly rig?: Rig; readonly job?: ReturnType<typeof makeJob> } = {},
): Promise<Run> {
  const { rig = new Rig(2), job = makeJob({ target: EASY }) } = setup;
  const source = new TestSource(rig, job);
  const miner = new Miner({ devices: rig.devices, ...options }, { ...rig.parts, source });
  const abort = new AbortController();
  let outcome: MinerOutcome | undefined;
  void miner.run(abort.signal).then((ended) => {
    outcome = ended;
  });
  await settle();
  return { rig, source, miner, abort, outcome: () => outcome };
}

describe('Miner', () => {
  it('mines until it is interrupted, and sums up', async () => {
    const run = await start();
    await run.rig.clock.advance(60_000);
    run.abort.abort();
    await run.rig.clock.advance(2000);
    const outcome = run.outcome()!;
    expect(outcome.reason).toBe('interrupted');
    const { summary } = outcome;
    expect(summary.source).toBe('pool.example:3333');
    expect(summary.totals.accepted).toBe(run.rig.submitted.length);
    expect(summary.totals.accepted).toBeGreaterThan(100);
    expect(summary.devices.map((d) => [d.id, d.name, d.kernel, d.state])).toEqual([
      ['mock0', 'Mock device', 'mock', 'closed'],
      ['mock1', 'Mock device', 'mock', 'closed'],
    ]);
    expect(summary.speeds.minute).toBeGreaterThan(70);
    expect(summary.speeds.minute).toBeLessThanOrEqual(80);
    const hashes = summary.devices.reduce((sum, device) => sum + device.hashes, 0);
    expect(run.rig.nonces).toEqual(
      goodNonces(makeJob({ target: EASY }), hashes + 1000).filter((n) =>
        run.rig.nonces.includes(n),
      ),
    );
    expect(run.source.isRunning).toBe(false);
    expect(run.rig.control(0).isOpen || run.rig.control(1).isOpen).toBe(false);
    expect(run.rig.clock.sleeping).toBe(0);
  });

  it('ends after the accepted shares it was asked for', async () => {
    const run = await start({ shares: 5 });
    run.rig.answer = (share) =>
      share.nonce % 2n === 0n
        ? { status: 'accepted', ms: 1, block: false }
        : { status: 'rejected', ms: 1, reason: 'Low difficulty share', code: 23 };
    await run.rig.clock.advance(60_000);
    const outcome = run.outcome()!;
    expect(outcome.reason).toBe('shares');
    expect(outcome.summary.totals.accepted).toBeGreaterThanOrEqual(5);
    expect(outcome.summary.totals.accepted).toBeLessThan(10);
    expect(outcome.summary.uptimeMs).toBeLessThan(60_000);
  });

  it('ends when its time is up', async () => {
    const run = await start({ timeLimitMs: 2500 });
    await run.rig.clock.advance(2400);
    expect(run.outcome()).toBeUndefined();
    await run.rig.clock.advance(200);
    expect(run.outcome()).toMatchObject({ reason: 'time-limit', summary: { uptimeMs: 2500 } });
  });

  it('ends when the source gives up, with its reason', async () => {
    const run = await start();
    const error = new SourceError({ code: 'login-refused', source: 'pool', reason: 'who?' });
    run.source.fail(error);
    await run.rig.clock.advance(2000);
    expect(run.outcome()).toMatchObject({ reason: 'source', error });
    expect(run.rig.control(0).isOpen).toBe(false);
  });

  it('ends when the source breaks its promises', async () => {
    const thrown = await start();
    thrown.source.fail(new TypeError('x is not a function'));
    await thrown.rig.clock.advance(2000);
    expect(thrown.outcome()).toMatchObject({
      reason: 'source',
      error: { detail: { code: 'gave-up', reason: 'x is not a function' } },
    });
    const ended = await start();
    ended.source.finish();
    await ended.rig.clock.advance(2000);
    expect(ended.outcome()).toMatchObject({ error: { detail: { reason: 'it ended' } } });
  });

  it('ends when no device can be opened', async () => {
    const rig = new Rig(2);
    rig.control(0).script.openFailure = { code: 'self-test', expected: '00', actual: '01' };
    for (const index of [0, 1]) rig.control(index).script.openFailures = 1;
    const run = await start({}, { rig });
    await rig.clock.advance(2000);
    expect(run.outcome()).toMatchObject({
      reason: 'devices',
      error: { detail: { code: 'self-test' } },
    });
    expect(run.source.isRunning).toBe(false);
  });

  it('does not begin if it is interrupted already', async () => {
    const rig = new Rig();
    const source = new TestSource(rig, makeJob());
    const miner = new Miner({ devices: rig.devices }, { ...rig.parts, source });
    const outcome = await miner.run(AbortSignal.abort());
    expect(outcome.reason).toBe('interrupted');
    expect(rig.control(0).opened).toBe(0);
  });

  it('keeps the source open until the last shares are answered', async () => {
    const run = await start({}, { job: makeJob({ target: ANY }) });
    run.rig.answer = async () => {
      await run.rig.clock.sleep(700);
      expect(run.source.isRunning).toBe(true);
      return { status: 'accepted', ms: 700, block: false };
    };
    await run.rig.clock.advance(100);
    run.abort.abort();
    await run.rig.clock.advance(3000);
    const { totals } = run.outcome()!.summary;
    expect(totals.accepted).toBeGreaterThan(0);
    expect(totals.accepted).toBe(run.rig.submitted.length);
  });

  it('ends in time though device, answers and source all hang', async () => {
    const run = await start({ graceMs: 1200 }, { job: makeJob({ target: ANY }) });
    run.rig.answer = () => new Promise(() => {});
    run.source.finish = () => {};
    run.source.listens = false;
    run.source.fail = () => {};
    await run.rig.clock.advance(500);
    run.rig.control(0).script.stall = true;
    await run.rig.clock.advance(500);
    run.abort.abort();
    await run.rig.clock.advance(1850);
    expect(run.outcome()?.reason).toBe('interrupted');
  });

  it('logs its speed every cycle and the table now and then', async () => {
    const run = await start({ logCycleMs: 10_000, tableCycles: 3 });
    await run.rig.clock.advance(60_500);
    expect(run.rig.log.of('speed')).toHaveLength(6);
    expect(run.rig.log.of('speed').at(-1)).toMatch(
      /^miner: speed 10s\/60s\/15m (\d+\.\d ){3}H\/s max \d+\.\d H\/s$/,
    );
    expect(run.rig.log.of('total')).toHaveLength(2);
    run.abort.abort();
    await run.rig.clock.advance(1000);
    expect(run.rig.log.of('total'), 'and once at the end').toHaveLength(3);
  });

  it('logs the first speed after 10 s, whatever the cycle', async () => {
    const run = await start({ logCycleMs: 30_000 });
    const counts: number[] = [];
    for (const ms of [9_900, 200, 19_800, 200, 29_800, 200]) {
      await run.rig.clock.advance(ms);
      counts.push(run.rig.log.of('speed').length);
    }
    expect(counts).toEqual([0, 1, 1, 2, 2, 3]);
    run.abort.abort();
    await run.rig.clock.advance(1000);
  });

  it('logs no speed if the cycle is 0', async () => {
    const run = await start({ logCycleMs: 0 });
    await run.rig.clock.advance(100_000);
    expect(run.rig.log.of('speed')).toEqual([]);
    run.abort.abort();
    await run.rig.clock.advance(1000);
  });

  it('shows device and share lines under the tag of the device', async () => {
    const run = await start();
    await run.rig.clock.advance(5000);
    expect(run.rig.log.of('share accepted')[0]).toMatch(
      /^mock[01]: accepted \(1\/0\/0\/0\) diff 8 \(48 ms\)$/,
    );
    run.abort.abort();
    await run.rig.clock.advance(1000);
  });
});

describe('a process that mines', () => {
  it('exits by itself when the miner has ended', async () => {
    const child = spawn(process.execPath, ['test/support/mine-once.ts'], { stdio: 'pipe' });
    let output = '';
    child.stdout.on('data', (chunk: Buffer) => {
      output += chunk.toString();
    });
    child.stderr.on('data', (chunk: Buffer) => {
      output += chunk.toString();
    });
    const [code] = (await once(child, 'exit')) as [number | null];
    expect(output).toBe('ended: shares\n');
    expect(code).toBe(0);
  }, 20_000);
});
