/**
 * Three nodes on hosts of their own, whose network falls apart and comes together again while all of
 * them mine: they must end on one chain, whatever each of them found meanwhile.
 */
import { execFile } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { afterAll, describe, expect, it } from 'vitest';
import { type Host, HostNetwork, whyNoNamespaces } from '../support/namespaces.ts';
import { NodeProcess } from './node-process.ts';

const run = promisify(execFile);
const folder = mkdtempSync(join(tmpdir(), 'bytom-partition-'));
afterAll(() => rmSync(folder, { recursive: true }));

const PORT = 46_658;
const RPC = '127.0.0.1:9888';
/** Blocks that each side finds on its own. About 20 hashes a block, on a CPU that three nodes share. */
const ALONE = 4;

describe('three nodes', () => {
  it('survive partitions and agree afterwards', { timeout: 600_000 }, async (ctx) => {
    const why = whyNoNamespaces();
    if (why !== undefined) return ctx.skip(why);
    const network = new HostNetwork(3);
    const [a, b, c] = network.hosts as [Host, Host, Host];
    const nodes: NodeProcess[] = [];
    try {
      for (const host of network.hosts) nodes.push(start(host, network.hosts));
      for (const node of nodes) await node.line(/ ready /);
      await mine(a, true);
      await agreement(network.hosts, 2);

      // One alone, two together; both sides mine.
      network.connect(c, false);
      await mine(c, true);
      const fork = Math.max(...(await heights(network.hosts)));
      await until(async () => {
        const all = await heights(network.hosts);
        return all.every((height) => height >= fork + ALONE);
      });
      expect(await hashAt(a, fork + ALONE)).toBe(await hashAt(b, fork + ALONE));
      expect(await hashAt(c, fork + ALONE)).not.toBe(await hashAt(a, fork + ALONE));
      network.connect(c, true);
      await mine(c, false);
      await agreement(network.hosts, fork + ALONE);

      // Everybody alone.
      for (const host of network.hosts) network.connect(host, false);
      await mine(b, true);
      const [high] = await heights([a]);
      await until(async () => (await heights([a, b])).every((height) => height >= high! + 2));
      for (const host of network.hosts) network.connect(host, true);
      await mine(b, false);
      await agreement(network.hosts, high! + 2);
      await mine(a, false);
      await agreement(network.hosts, high! + 2);
    } finally {
      for (const node of nodes) node.signal('SIGKILL');
      await Promise.all(nodes.map((node) => node.ended));
      network.close();
    }
  });
});

function start(host: Host, hosts: readonly Host[]): NodeProcess {
  const others = hosts.filter((other) => other !== host);
  const args = [
    ...['--network', 'solonet', '--data', join(folder, host.name), '--threads', '1'],
    ...['--rpc', RPC, '--p2p', `0.0.0.0:${PORT}`, '--no-discovery'],
    ...others.flatMap(({ address }) => ['--connect', `${address}:${PORT}`]),
    ...['--mining-address', 'sm1qy72hflw5wzurdmv294kvat5y3k7y8a9ca26kq5'],
  ];
  return new NodeProcess(args, { through: host.through, limitMs: 580_000 });
}

async function call(host: Host, path: string, body: object = {}): Promise<Record<string, never>> {
  const [command, ...rest] = host.through;
  const script =
    'fetch(process.argv[1],{method:"POST",body:process.argv[2]}).then(r=>r.text()).then(console.log)';
  const url = `http://${RPC}/${path}`;
  const args = [...rest, process.execPath, '-e', script, url, JSON.stringify(body)];
  const { stdout } = await run(command!, args);
  const answer = JSON.parse(stdout) as { readonly data: Record<string, never> };
  return answer.data;
}

async function mine(host: Host, isMining: boolean): Promise<void> {
  await call(host, 'set-mining', { is_mining: isMining });
}

async function heights(hosts: readonly Host[]): Promise<readonly number[]> {
  return Promise.all(
    hosts.map(async (host) => (await call(host, 'get-block-count'))['block_count']!),
  );
}

async function hashAt(host: Host, height: number): Promise<string> {
  return (await call(host, 'get-block', { block_height: height }))['hash']!;
}

/** Waits until all have one tip, at `height` or above. */
async function agreement(hosts: readonly Host[], height: number): Promise<void> {
  await until(async () => {
    if ((await heights(hosts)).some((each) => each < height)) return false;
    const tips = await Promise.all(
      hosts.map(async (host) => (await call(host, 'get-block-hash'))['block_hash']),
    );
    return new Set(tips).size === 1;
  });
}

/** The test's own limit ends it. */
async function until(condition: () => Promise<boolean>): Promise<void> {
  while (!(await condition())) await new Promise((resolve) => setTimeout(resolve, 250));
}
