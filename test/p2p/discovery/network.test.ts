/** Whole networks of our own nodes, in memory. */
import { describe, expect, it } from 'vitest';
import { Discovery } from '../../../src/p2p/discovery/discovery.ts';
import type { Endpoint } from '../../../src/p2p/discovery/endpoint.ts';
import { createSilentLogger } from '../../../src/util/log.ts';
import { FakeClock } from '../../support/fake-clock.ts';
import { seededRandom } from '../../support/random.ts';
import { cheapSigner, MemoryNetwork, seededBytes, verifyCheaply } from './memory-network.ts';

const PORT = 46_657;

/** Spread over many networks, as nodes are. */
function hostOf(i: number): string {
  return `${20 + (i % 40)}.${i}.${i % 7}.${1 + (i % 200)}`;
}

function createNetwork(count: number): {
  clock: FakeClock;
  network: MemoryNetwork;
  nodes: Discovery[];
} {
  const clock = new FakeClock();
  const network = new MemoryNetwork();
  const boot: readonly Endpoint[] = [{ host: hostOf(0), port: PORT }];
  const nodes = Array.from(
    { length: count },
    (_, i) =>
      new Discovery(
        { identity: cheapSigner(i) },
        {
          open: async () => network.port(hostOf(i), PORT),
          bootNodes: async () => boot,
          clock,
          wallNow: () => clock.now(),
          log: createSilentLogger(),
          randomBytes: seededBytes(i),
          verify: verifyCheaply,
        },
      ),
  );
  return { clock, network, nodes };
}

describe('a network of nodes', () => {
  it('finds itself from one boot node', async () => {
    const { clock, nodes } = createNetwork(40);
    await Promise.all(nodes.map((node) => node.start()));
    await clock.advance(12_000);
    const known = new Map(nodes.map((node, i) => [hostOf(i), hostsOf(node)]));
    for (const [host, others] of known) {
      expect(others.length, host).toBeGreaterThanOrEqual(16);
      expect(others, host).not.toContain(host);
      const knowIt = [...known.values()].filter((each) => each.includes(host));
      expect(knowIt.length, `those who know ${host}`).toBeGreaterThanOrEqual(10);
    }
    // Asking on and on, each can reach every other.
    for (const host of known.keys()) expect(reachable(host, known).size, host).toBe(40);
    await Promise.all(nodes.map((node) => node.close()));
    expect(clock.sleeping).toBe(0);
  });

  it('finds itself through lost packets, and goes on without its boot node', async () => {
    const { clock, network, nodes } = createNetwork(6);
    const random = seededRandom(3);
    network.loses = () => random() < 0.1;
    await Promise.all(nodes.map((node) => node.start()));
    await clock.advance(60_000);
    for (const node of nodes) expect(hostsOf(node).length).toBeGreaterThanOrEqual(4);
    await nodes[0]!.close();
    network.loses = () => false;
    await clock.advance(250_000);
    for (const node of nodes.slice(1)) {
      expect(hostsOf(node)).not.toContain(hostOf(0));
      expect(node.size).toBe(4);
    }
    await Promise.all(nodes.map((node) => node.close()));
  });
});

function hostsOf(node: Discovery): readonly string[] {
  return node.candidates(1000).map(({ host }) => host);
}

function reachable(
  from: string,
  known: ReadonlyMap<string, readonly string[]>,
): ReadonlySet<string> {
  const found = new Set([from]);
  for (const host of found) for (const next of known.get(host) ?? []) found.add(next);
  return found;
}
