/** The built programs on a GPU, if one in software, which takes about a second for a hash. */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeEach, describe, expect, it } from 'vitest';
import { SELF_TEST_SEARCH } from '../../drivers/selftest.ts';
import { preimageHash } from '../../src/chain/header.ts';
import { bytesToHex, hexToBytes } from '../../src/util/bytes.ts';
import { childrenOf, isRunning } from '../support/processes.ts';
import { chainLines, solonetChain } from '../support/solonet-chain.ts';
import { expectRefusal, MinerProcess, runMiner } from './miner-process.ts';
import { runNode } from './node-process.ts';
import { type Ended, expectSuccess, jsonOf, lastLine } from './program-process.ts';

const HAS_GPU = process.env['TEST_WEBGPU'] === '1';
/** So that no test chooses kernels for itself, which takes a software GPU half a minute. */
const KERNEL = 'dp4a-16';
/** A software GPU shares its cores with whatever else runs. */
const LIMIT_MS = 290_000;
const SLOW = { timeout: 300_000 };

const folder = mkdtempSync(join(tmpdir(), 'bytom-gpu-'));
afterAll(() => rmSync(folder, { recursive: true }));

/** The GPU of the machine, and a cache of our own. */
const env: Readonly<Record<string, string | undefined>> = {
  VK_DRIVER_FILES: process.env['VK_DRIVER_FILES'],
  VK_ICD_FILENAMES: process.env['VK_ICD_FILENAMES'],
  XDG_CACHE_HOME: folder,
};
const forced: typeof env = { ...env, BYTOM_MINER_GPU_KERNEL: KERNEL };
const gpu = ['--device', 'gpu0'];

function run(args: readonly string[], given: typeof env = forced): Promise<Ended> {
  return runMiner(args, { env: given, limitMs: LIMIT_MS });
}

beforeEach((ctx) => {
  if (!HAS_GPU) ctx.skip('TEST_WEBGPU=1 is not set: needs a Vulkan adapter');
});

describe('without a GPU', () => {
  it('the list says why, and so does whoever is asked for one, with exit code 3', async () => {
    const nowhere = { VK_DRIVER_FILES: undefined, VK_ICD_FILENAMES: '/nonexist' };
    const reason = 'no Vulkan driver where VK_ICD_FILENAMES says: /nonexist';
    const list = await run(['--list-devices'], nowhere);
    expectSuccess(list);
    expect(list.stdout).toContain(`\nwebgpu: not available, ${reason}\n`);
    for (const args of [gpu, [...gpu, '--benchmark=1']]) {
      const refused = await run(args, nowhere);
      expectRefusal(refused, 3, 'no such device: gpu0 (there are: cpu');
      expectRefusal(refused, 3, `): ${reason}`);
    }
  });
});

describe('--list-devices', () => {
  it('shows the GPU, which takes part in `all` only if it is hardware', async () => {
    const [text, json] = await Promise.all([
      run(['--list-devices'], env),
      run(['--list-devices=json'], env),
    ]);
    expectSuccess(text);
    expect(text.stdout).toMatch(/^gpu0 {2,}\S.*, driver webgpu/m);
    expect(text.stdout).toMatch(/^ {6,}kernel chosen at first use$/m);
    const { devices } = jsonOf(json) as {
      readonly devices: readonly { readonly id: string; readonly processor: string }[];
    };
    expect(devices.map(({ id }) => id).slice(0, 2)).toEqual(['cpu', 'gpu0']);
    const isSoftware = devices[1]!.processor === 'cpu';
    const all = await run(['--dry-run', '--json'], env);
    const own = devices.map(({ id }) => id).filter((id) => /^(cpu|gpu\d+)$/.test(id));
    expect(jsonOf(all)['devices']).toEqual(isSoftware ? ['cpu'] : own);
  });
});

describe('a GPU', SLOW, () => {
  it('is benchmarked, every hash checked, with what it reaches of its peak', async () => {
    const ended = await run([...gpu, '--benchmark=2', '--json']);
    expectSuccess(ended);
    expect(ended.stdout).toMatch(
      new RegExp(`^[\\d.]+ H/s on gpu0, kernel ${KERNEL}\\n2 hashes in `),
    );
    expect(jsonOf(ended)).toMatchObject({ device: 'gpu0', kernel: KERNEL, hashes: 2 });
    // Not that it is below 1: on cores that others use too, the two are measured under different loads.
    expect(jsonOf(ended)['fractionOfPeak']).toBeGreaterThan(0);
  });

  it('gives the PoW hash of a header', async () => {
    const { seed, preimage, nonce, powHash } = SELF_TEST_SEARCH;
    const bytes = hexToBytes(preimage, 'preimage');
    new DataView(bytes.buffer).setBigUint64(128, nonce, true);
    const header = bytesToHex(preimageHash(bytes));
    const ended = await run(['hash', ...gpu, '--seed', seed, '--header', header, '--json']);
    expectSuccess(ended);
    expect(jsonOf(ended)['powHash']).toBe(powHash);
  });

  it('checks the proofs of work of a node', async () => {
    const file = join(folder, 'blocks.txt');
    writeFileSync(file, chainLines(solonetChain(), 0, 4));
    const data = ['--network', 'solonet', '--data', join(folder, 'chain')];
    const ended = await runNode([...data, ...gpu, 'import', file, '--json'], {
      env: { ...env, BYTOM_NODE_GPU_KERNEL: KERNEL },
      limitMs: LIMIT_MS,
    });
    expectSuccess(ended);
    expect(jsonOf(ended)).toMatchObject({ height: 4, blocks: 4 });
  });

  it('refuses a kernel that there is not with exit code 3', async () => {
    const ended = await run([...gpu, '--benchmark=1', '--gpu-kernel', 'dp4a-7']);
    expectRefusal(ended, 3, 'no kernel dp4a-7 (there are: ');
  });

  it('mines', async () => {
    const ended = await run([...gpu, '--difficulty', '1', '--shares', '2', '--json']);
    expectSuccess(ended);
    expect(ended.stdout).toMatch(/ {2}gpu0 {5}device open name .* kernel dp4a-16 /);
    expect(jsonOf(ended)).toMatchObject({
      ended: 'shares',
      hardwareErrors: 0,
      devices: [{ id: 'gpu0', kernel: KERNEL }],
    });
  });

  it('whose process is killed is opened again, and mining goes on', async () => {
    const args = [...gpu, '--difficulty', '1', '--json'];
    const miner = new MinerProcess(args, { env: forced, limitMs: LIMIT_MS });
    await miner.line(/accepted \(1\//);
    const [child] = childrenOf(miner.pid!);
    process.kill(child!, 'SIGKILL');
    await miner.line(/device failed reason "device lost: its process ended, SIGKILL"/);
    await miner.line(/next try/);
    // Not those that had been found before.
    const before = Number(/accepted \((\d+)\//.exec(miner.lastLine(/accepted \(/) ?? '')?.[1]);
    await miner.line(new RegExp(`accepted \\(${before + 2}/`));
    const ended = await miner.interrupt();
    expect([ended.code, ended.stderr]).toEqual([130, '']);
    expect(ended.stdout.match(/device open/g)).toHaveLength(2);
  });

  it('is let go within 2 s of SIGINT, in the middle of a batch, and leaves no process', async () => {
    const miner = new MinerProcess([...gpu, '--difficulty', '1T', '--json'], {
      env: forced,
      limitMs: LIMIT_MS,
    });
    await miner.line(/device open/);
    const children = childrenOf(miner.pid!);
    expect(children).toHaveLength(1);
    const { code, stderr, ms, ...ended } = await miner.interrupt();
    expect([code, stderr]).toEqual([130, '']);
    expect(JSON.parse(lastLine({ code, stderr, ...ended }))).toMatchObject({
      ended: 'interrupted',
    });
    expect(ms).toBeLessThan(2500);
    expect(children.filter(isRunning)).toEqual([]);
  });

  it('does not outlive a miner that is killed', async () => {
    const miner = new MinerProcess([...gpu, '--difficulty', '1T'], {
      env: forced,
      limitMs: LIMIT_MS,
    });
    await miner.line(/device open/);
    const [child] = childrenOf(miner.pid!);
    miner.signal('SIGKILL');
    await miner.ended;
    const start = performance.now();
    while (isRunning(child!) && performance.now() - start < 10_000) {
      await new Promise((resolve) => setTimeout(resolve, 20));
    }
    expect(isRunning(child!)).toBe(false);
  });

  it('gets its kernel at first use, says so, and has it the next time', {
    timeout: 300_000,
  }, async () => {
    const args = [...gpu, '--difficulty', '1', '--shares', '1'];
    const first = await run(args, env);
    expectSuccess(first);
    expect(first.stdout).toMatch(/ {2}gpu0 {5}tuning for .*, which takes some seconds/);
    const kernel = /kernel chosen kernel (\S+) /.exec(first.stdout)?.[1];
    const list = await run(['--list-devices'], env);
    expect(list.stdout).toContain(`      kernel ${kernel}, `);
    const second = await run([...args, '--log-level', 'debug'], env);
    expectSuccess(second);
    expect(second.stdout).not.toContain('tuning');
    expect(second.stdout).toMatch(new RegExp(`device open name .* kernel ${kernel} `));
  });
});
