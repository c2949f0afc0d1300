import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, afterEach, describe, expect, it } from 'vitest';
import { applyConfigFile } from '../../src/cli/config-file.ts';
import { exitCodeOf } from '../../src/cli/exit-codes.ts';
import { type RunPlan, runPlan } from '../../src/cli/run-plan.ts';
import { MAINNET, SOLONET, TESTNET } from '../../src/consensus/network.ts';
import { bytesToHex } from '../../src/util/bytes.ts';
import { runOptions } from './run-options.ts';

const ADDRESS = 'sm1qy72hflw5wzurdmv294kvat5y3k7y8a9ca26kq5';

const folder = mkdtempSync(join(tmpdir(), 'bytom-run-plan-'));
afterAll(() => rmSync(folder, { recursive: true }));
const variables: string[] = [];
afterEach(() => {
  for (const name of variables.splice(0)) delete process.env[name];
});

function setVariable(name: string, value: string): void {
  variables.push(name);
  process.env[name] = value;
}

function planOf(args: readonly string[], file?: unknown): RunPlan {
  if (file === undefined) return runPlan(runOptions(args));
  const path = join(folder, 'config.json');
  writeFileSync(path, JSON.stringify(file));
  return runPlan(runOptions(args, (command) => applyConfigFile(command, path)));
}

describe('a node without options', () => {
  it('is one of mainnet that listens to peers everywhere, and to miners here', () => {
    const plan = planOf([]);
    expect(plan).toMatchObject({
      network: MAINNET,
      checkpoints: 'enforce',
      rpc: { address: { host: '127.0.0.1', port: 9888 }, auth: true },
      p2p: {
        address: { host: '0.0.0.0', port: 46_657 },
        listen: true,
        connect: [],
        seeds: {
          configured: [],
          dnsSeeds: MAINNET.dnsSeeds,
          fixedSeeds: MAINNET.fixedSeeds,
        },
        maxPeers: 50,
        moniker: 'anonymous',
      },
      mining: { address: undefined, arbitrary: undefined, mine: false },
      mempoolSize: 10_000,
    });
    expect(plan.data.endsWith(join('bytom-tensority', 'mainnet'))).toBe(true);
  });

  it('and one that is told to "run" are the same', () => {
    expect(planOf(['run'])).toEqual(planOf([]));
    expect(planOf(['--network', 'testnet', 'run', '--mine'])).toEqual(
      planOf(['run', '--mine', '--network', 'testnet']),
    );
    // What stands before the command counts there, pairs of yes and no included.
    expect(planOf(['--no-rpc', 'run']).rpc).toBeUndefined();
    expect(planOf(['--rpc', '[::1]:1', 'run']).rpc?.address).toEqual({ host: '::1', port: 1 });
    expect(planOf(['--no-listen', '--connect', 'a', 'run', '--connect', 'b']).p2p).toMatchObject({
      listen: false,
      connect: [{ host: 'b' }],
    });
  });
});

describe('addresses', () => {
  it('without a port get that of the network', () => {
    const { p2p } = planOf(['--network', 'solonet', '--p2p', '[::]', '--connect', 'a,b:1']);
    expect(p2p).toMatchObject({
      address: { host: '::', port: SOLONET.defaultP2pPort },
      connect: [
        { host: 'a', port: SOLONET.defaultP2pPort },
        { host: 'b', port: 1 },
      ],
      seeds: { configured: [], dnsSeeds: [], fixedSeeds: [] },
    });
  });

  it('are each taken once', () => {
    const connect = ['--connect', 'a', '--connect', 'A:46656', '--connect', 'a:46656,c'];
    const { p2p } = planOf(['--network', 'testnet', ...connect]);
    expect(p2p?.connect.map(({ host }) => host)).toEqual(['a', 'c']);
  });

  it('of seeds take the place of those of the network', () => {
    const { p2p } = planOf(['--network', 'testnet', '--seed', '10.0.0.1']);
    expect(p2p?.seeds).toEqual({
      configured: [{ host: '10.0.0.1', port: TESTNET.defaultP2pPort }],
      dnsSeeds: [],
      fixedSeeds: [],
    });
    expect(planOf(['--no-discovery']).p2p?.seeds).toBeUndefined();
  });
});

describe('what is set', () => {
  it('by a flag wins over the environment, that over the file, that over the defaults', () => {
    const file = { 'max-peers': 3, moniker: 'file', 'mempool-size': 30 };
    expect(planOf([], file)).toMatchObject({ p2p: { maxPeers: 3, moniker: 'file' } });
    setVariable('BYTOM_NODE_MAX_PEERS', '4');
    setVariable('BYTOM_NODE_MONIKER', 'environment');
    const plan = planOf(['--max-peers', '5'], file);
    expect(plan).toMatchObject({
      p2p: { maxPeers: 5, moniker: 'environment' },
      mempoolSize: 30,
    });
    // A command does not lose what the environment says.
    expect(planOf(['run'], file).p2p).toMatchObject({ maxPeers: 4, moniker: 'environment' });
  });

  it('by the environment may be several addresses', () => {
    setVariable('BYTOM_NODE_CONNECT', '10.0.0.1:5, [::1]:6');
    expect(planOf([]).p2p?.connect).toEqual([
      { host: '10.0.0.1', port: 5 },
      { host: '::1', port: 6 },
    ]);
  });

  it('by a file may be arrays, switches, and the no of a pair', () => {
    const { p2p, rpc, mining, network } = planOf([], {
      network: 'solonet',
      connect: ['a:1', 'b:2'],
      'rpc-allow-host': ['node.lan', 'node'],
      'no-discovery': true,
      'no-listen': false,
      'no-rpc': false,
      mine: true,
      'mining-address': ADDRESS,
      'coinbase-arbitrary': 'C0ffee',
    });
    expect(network).toBe(SOLONET);
    expect(p2p).toMatchObject({ listen: true, seeds: undefined });
    expect(p2p?.connect).toHaveLength(2);
    expect(rpc).toMatchObject({ address: { port: 9888 }, allowHosts: ['node.lan', 'node'] });
    expect(mining).toMatchObject({ address: ADDRESS, mine: true });
    expect(bytesToHex(mining.arbitrary!)).toBe('c0ffee');
    expect(planOf([], { 'no-rpc': true }).rpc).toBeUndefined();
    expect(planOf(['--rpc', '127.0.0.1:1'], { 'no-rpc': true }).rpc?.address.port).toBe(1);
    expect(planOf(['--no-rpc'], { rpc: '127.0.0.1:1' }).rpc).toBeUndefined();
  });
});

describe('who may ask', () => {
  it('is named as browsers name it, however it is written', () => {
    const names = ['Node.LAN', 'bücher.example.', 'a_b'].flatMap((name) => [
      '--rpc-allow-host',
      name,
    ]);
    expect(planOf(names).rpc?.allowHosts).toEqual(['node.lan', 'xn--bcher-kva.example', 'a_b']);
    const origins = [
      ['https://wallet.example', 'https://wallet.example'],
      ['HTTPS://Wallet.example:443/', 'https://wallet.example'],
      ['http://[::1]:8080', 'http://[::1]:8080'],
      ['chrome-extension://abcdef', 'chrome-extension://abcdef'],
    ] as const;
    for (const [written, origin] of origins) {
      expect(planOf(['--rpc-allow-origin', written]).rpc?.allowOrigins, written).toEqual([origin]);
    }
  });
});

describe('what makes no sense', () => {
  const cases: readonly (readonly [args: readonly string[], file: unknown, text: string])[] = [
    [['--rpc', '9888'], undefined, 'rpc: expected host:port'],
    [['--rpc', '127.0.0.1'], undefined, 'rpc: expected host:port with a port from 0'],
    [['--p2p', '::'], undefined, 'p2p: expected host:port, IPv6 in brackets'],
    [['--connect', 'a:0'], undefined, 'connect: expected host:port with a port from 1'],
    [['--seed', ''], undefined, 'seed: expected host:port'],
    [['--max-peers', '0'], undefined, 'max-peers: expected a whole number from 1 to 1000'],
    [['--mempool-size', '1e3'], undefined, 'mempool-size: expected a whole number'],
    [['--moniker', 'a\nb'], undefined, 'moniker: expected 1 to 64 characters'],
    [['--checkpoints', 'no'], undefined, 'checkpoints: expected one of enforce, ignore'],
    [['--rpc-allow-host', 'a,,b'], undefined, 'rpc-allow-host: expected a text'],
    [
      ['--rpc-allow-host', 'a.example:80'],
      undefined,
      'rpc-allow-host: expected a host name without',
    ],
    [['--rpc-allow-host', 'http://a.example'], undefined, 'rpc-allow-host: expected a host name w'],
    [['--rpc-allow-host', '*'], undefined, 'rpc-allow-host: expected'],
    [['--rpc-allow-origin', '*'], undefined, 'rpc-allow-origin: expected an origin, like https'],
    [['--rpc-allow-origin', 'null'], undefined, 'rpc-allow-origin: expected an origin'],
    [['--rpc-allow-origin', 'wallet.example'], undefined, 'rpc-allow-origin: expected an origin'],
    [['--rpc-allow-origin', 'https://a/b'], undefined, 'rpc-allow-origin: expected an origin'],
    [['--rpc-allow-origin', 'https://a/?b'], undefined, 'rpc-allow-origin: expected an origin'],
    [['--rpc-allow-origin', 'https://u@a'], undefined, 'rpc-allow-origin: expected an origin'],
    [['--mining-address', ADDRESS], undefined, 'mining-address: expected an address of the net'],
    [['--mining-address', 'x'], undefined, 'mining-address: expected an address'],
    [['--coinbase-arbitrary', 'abc'], undefined, 'coinbase-arbitrary: expected an even number'],
    [['--coinbase-arbitrary', 'ab'.repeat(108)], undefined, 'at most 107 bytes, got 108'],
    [['--no-p2p', '--connect', 'a'], undefined, 'connect: expected none with --no-p2p'],
    [['--no-discovery', '--seed', 'a'], undefined, 'seed: expected none with --no-discovery'],
    [['--no-p2p', '--no-rpc'], undefined, 'no-p2p: expected peers, an HTTP API or --mine'],
    [[], { 'no-rpc': true, rpc: '127.0.0.1:1' }, 'expected one of "no-rpc" and "rpc", got both'],
    [[], { rpc: false }, 'rpc: expected text or a number, got false'],
    [[], { 'rpc-no-auth': 'yes' }, 'rpc-no-auth: expected true or false'],
    [[], { peers: 3 }, 'expected long names of options, got "peers"'],
    [[], { 'max-peers': 0 }, 'max-peers: expected a whole number from 1'],
  ];

  it.each(cases)('%j over %j is refused: %s', (args, file, text) => {
    let refusal: unknown;
    try {
      planOf(args, file);
    } catch (error) {
      refusal = error;
    }
    expect(String(refusal)).toContain(text);
    expect(exitCodeOf(refusal)).toBe(2);
  });

  it('names the option that a command does not know', () => {
    for (const [args, option] of [
      [['--no-rpc', 'status'], '--no-rpc'],
      [['--rpc', '127.0.0.1:1', 'status'], '--rpc'],
      [['--mine', 'export', 'f'], '--mine'],
    ] as const) {
      expect(() => runOptions(args)).toThrow(
        `option '${option}' has no meaning for ${args.at(option === '--rpc' ? 2 : 1)}`,
      );
    }
  });
});
