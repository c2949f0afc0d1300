/** What `npm start` runs: a node, a pool and a miner in one process, on this machine alone. */
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { createServer, type Server } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it, type TestContext } from 'vitest';
import { type Ended, expectRefusalOf, jsonOf, ProgramProcess } from './program-process.ts';

const CPU = ['--device', 'cpu', '--threads', '1'];
const GENESIS = 'ce4fe9431cd0225b3a811f8f8ec922f2b07a921bb12a8dddae9a85540072c770';
/** Where its parts listen if nobody else does. */
const USUAL_PORTS = [9888, 3333, 3380];

const folder = mkdtempSync(join(tmpdir(), 'bytom-devnet-'));
/** No folder. */
const FILE = join(folder, 'file');
writeFileSync(FILE, '');
const listeners: Server[] = [];

/** Taken in all of these tests, by us or by whoever has them: no run may depend on them. */
beforeAll(async () => {
  for (const port of USUAL_PORTS) {
    const server = createServer((socket) => socket.destroy());
    await new Promise<void>((resolve) => {
      server.once('error', () => resolve());
      server.listen(port, '127.0.0.1', resolve);
    });
    listeners.push(server);
  }
});
afterAll(() => {
  for (const server of listeners) server.close();
  rmSync(folder, { recursive: true });
});

let count = 0;
const freshData = (): string => join(folder, `data-${count++}`);

interface Summary {
  readonly ended: string;
  readonly blocks: number;
  readonly shares: { readonly accepted: number; readonly rejected: number; readonly stale: number };
  readonly hashesPerSecond: number;
  readonly device: string;
  readonly tipHeight: number;
  readonly tipHash: string;
}

const summaryOf = (ended: Ended): Summary => jsonOf(ended) as unknown as Summary;

function start({ onTestFinished }: TestContext, args: readonly string[]): ProgramProcess {
  const devnet = new ProgramProcess('bytom-devnet', args);
  onTestFinished(async () => {
    devnet.signal('SIGKILL');
    await devnet.ended;
  });
  return devnet;
}

describe('a network of its own', () => {
  it('mines, goes on where it was, and starts over when it is told to', async (test) => {
    const data = ['--data', freshData()];
    const first = await start(test, ['--fresh', '--blocks', '2', ...data, ...CPU]).ended;
    expect([first.code, first.stderr]).toEqual([0, '']);
    const one = summaryOf(first);
    expect(Object.keys(one).sort()).toEqual(
      [
        ...['blocks', 'device', 'ended', 'hashesPerSecond'],
        ...['shares', 'tipHash', 'tipHeight'],
      ].sort(),
    );
    expect(one).toMatchObject({ ended: 'blocks', device: 'cpu' });
    expect(one.shares).toEqual({
      accepted: expect.any(Number),
      rejected: 0,
      stale: expect.any(Number),
    });
    // Every block is a share too.
    expect(one.shares.accepted).toBeGreaterThanOrEqual(one.blocks);
    expect(one.blocks).toBeGreaterThanOrEqual(2);
    expect(one.tipHeight).toBeGreaterThanOrEqual(1);
    expect(one.tipHeight).toBeLessThanOrEqual(one.blocks);
    expect(one.hashesPerSecond).toBeGreaterThan(0);
    expect(one.tipHash).toMatch(/^[0-9a-f]{64}$/);
    expect(first.stdout).toContain(GENESIS);
    for (const port of USUAL_PORTS) expect(first.stdout).not.toContain(`127.0.0.1:${port}`);

    const again = start(test, [...data, ...CPU, '--log-format', 'json']);
    const second = await lookedAt(again, async (rpc) => {
      await reaches(rpc, one.tipHeight + 1);
      return (await call(rpc, 'get-block', { block_height: one.tipHeight }))['hash'];
    });
    const chain = JSON.parse(await again.line(/"event":"chain"/)) as object;
    expect(chain).toMatchObject({ height: one.tipHeight, hash: one.tipHash });
    const two = summaryOf(second.ended);
    expect(second.ended.code).toBe(130);
    expect(two.ended).toBe('interrupted');
    expect(two.tipHeight).toBeGreaterThan(one.tipHeight);
    expect(two.blocks).toBeGreaterThanOrEqual(two.tipHeight - one.tipHeight);
    // The same chain, with the old tip in it.
    expect(second.seen).toBe(one.tipHash);

    const phrase = readFileSync(join(data[1]!, 'mnemonic'), 'utf8');
    const fresh = start(test, ['--fresh', ...data, ...CPU, '--log-format', 'json']);
    expect(JSON.parse(await fresh.line(/"event":"chain"/))).toMatchObject({
      height: 0,
      hash: GENESIS,
    });
    const three = await fresh.interrupt();
    expect(three.code).toBe(130);
    expect(readFileSync(join(data[1]!, 'mnemonic'), 'utf8')).toBe(phrase);
  });

  it('stops on Ctrl-C, says what was done, and lets nobody else at its data', async (test) => {
    const data = ['--data', freshData()];
    const devnet = start(test, [...data, ...CPU]);
    await devnet.line(/accepted/);
    const other = await start(test, ['--fresh', ...data, ...CPU]).ended;
    expectRefusalOf('bytom-devnet', other, 1, `in use by process ${devnet.pid}`);
    const { ms, ...ended } = await devnet.interrupt();
    expect([ended.code, ended.stderr]).toEqual([130, '']);
    expect(ms).toBeLessThan(5000);
    const summary = summaryOf(ended);
    expect(summary.ended).toBe('interrupted');
    expect(summary.shares.accepted).toBeGreaterThanOrEqual(1);
    expect(summary.hashesPerSecond).toBeGreaterThan(0);
  });

  it('ends after its time, with whatever there is', async (test) => {
    const args = ['--data', freshData(), '--time-limit', '0.5', ...CPU];
    const ended = await start(test, args).ended;
    expect([ended.code, ended.stderr]).toEqual([0, '']);
    expect(summaryOf(ended)).toMatchObject({ ended: 'time-limit', device: 'cpu' });
  });
});

describe('wrong options', () => {
  it.each([
    [['--device', 'nothing'], 3, 'no such device: nothing'],
    [['--no-such-option'], 2, "unknown option '--no-such-option'"],
    [['--blocks', '0'], 2, 'blocks: expected a whole number from 1'],
    [['--time-limit', 'long'], 2, 'time-limit: expected seconds'],
    [['--data', FILE], 1, FILE],
    [['mine'], 2, 'too many arguments'],
  ] as const)('%j end with %i and one line', async (args, code, text) => {
    const data = args.includes('--data' as never) ? [] : ['--data', freshData()];
    const ended = await new ProgramProcess('bytom-devnet', [...data, ...args]).ended;
    expectRefusalOf('bytom-devnet', ended, code, text);
  });
});

/** What `look` sees at its node before it is interrupted. */
async function lookedAt(
  devnet: ProgramProcess,
  look: (rpc: string) => Promise<unknown>,
): Promise<{ readonly ended: Ended; readonly seen: unknown }> {
  const { url } = JSON.parse(await devnet.line(/"tag":"node","event":"node"/)) as { url: string };
  const seen = await look(url);
  return { seen, ended: await devnet.interrupt() };
}

async function call(
  url: string,
  path: string,
  body: object = {},
): Promise<Readonly<Record<string, unknown>>> {
  const response = await fetch(`${url}/${path}`, { method: 'POST', body: JSON.stringify(body) });
  return ((await response.json()) as { data: Readonly<Record<string, unknown>> }).data;
}

async function reaches(url: string, height: number): Promise<void> {
  while (((await call(url, 'get-block-count'))['block_count'] as number) < height) {
    await new Promise((next) => setTimeout(next, 50));
  }
}
