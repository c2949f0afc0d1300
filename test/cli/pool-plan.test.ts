import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, afterEach, describe, expect, it } from 'vitest';
import { applyConfigFile } from '../../src/cli/config-file.ts';
import { exitCodeOf } from '../../src/cli/exit-codes.ts';
import { type PoolPlan, poolPlan, readCertificate } from '../../src/cli/pool-plan.ts';
import { MAINNET } from '../../src/consensus/network.ts';
import { createCertificate, hasOpenssl } from '../support/certificate.ts';
import { poolRunOptions } from './pool-run-options.ts';

const NODE = ['--node', 'http://127.0.0.1:9888'];
const ADDRESS = 'sm1qy72hflw5wzurdmv294kvat5y3k7y8a9ca26kq5';
const MAINNET_ADDRESS = 'bm1qsha7w2mqvs5fqp99x8uk0zvd75ceacpfjjjuwn';

const folder = mkdtempSync(join(tmpdir(), 'bytom-pool-plan-'));
afterAll(() => rmSync(folder, { recursive: true }));
const variables: string[] = [];
afterEach(() => {
  for (const name of variables.splice(0)) delete process.env[name];
});

function setVariable(name: string, value: string): void {
  variables.push(name);
  process.env[name] = value;
}

function planOf(args: readonly string[], file?: unknown): PoolPlan {
  if (file === undefined) return poolPlan(poolRunOptions(args));
  const path = join(folder, 'config.json');
  writeFileSync(path, JSON.stringify(file));
  return poolPlan(poolRunOptions(args, (command) => applyConfigFile(command, path)));
}

function fileOf(name: string, text: string): string {
  const path = join(folder, name);
  writeFileSync(path, text);
  return path;
}

describe('a pool with no more than a node', () => {
  it('serves miners everywhere, and operators here', () => {
    const { checkAccount, ...plan } = planOf(NODE);
    expect(plan).toMatchObject({
      network: MAINNET,
      nodes: ['http://127.0.0.1:9888'],
      embeddedNode: undefined,
      address: undefined,
      listen: [{ host: '0.0.0.0', port: 3333 }],
      tls: undefined,
      trustedProxies: [],
      http: { address: { host: '127.0.0.1', port: 3380 }, allowHosts: [] },
      trust: undefined,
    });
    expect(plan.data.endsWith(join('bytom-tensority', 'pool-mainnet'))).toBe(true);
    expect(checkAccount(MAINNET_ADDRESS)).toBeUndefined();
  });

  it('and one that is told to "run" are the same', () => {
    const { checkAccount: _, ...run } = planOf(['run', ...NODE, '--no-http']);
    const { checkAccount: __, ...plain } = planOf([...NODE, '--no-http']);
    expect(run).toEqual(plain);
  });
});

describe('nodes', () => {
  it('stand in the order of the command line, in one option or several', () => {
    const { nodes } = planOf(['--node', 'http://a:1,http://b:2', '--node', 'https://c']);
    expect(nodes).toEqual(['http://a:1', 'http://b:2', 'https://c']);
  });

  it('are not needed beside an own one, which may have a file of options', () => {
    expect(planOf(['--embedded-node'])).toMatchObject({
      nodes: [],
      embeddedNode: { config: undefined },
    });
    expect(planOf(['--embedded-node', '--node-config', 'n.json', ...NODE])).toMatchObject({
      nodes: ['http://127.0.0.1:9888'],
      embeddedNode: { config: 'n.json' },
    });
  });

  it('that cannot be used are refused without a word of their secrets', () => {
    for (const url of ['ftp://user:hunter2@a', 'http://user:hunter2@a:99999']) {
      expect(() => planOf(['--node', url])).toThrow(/^(?!.*hunter2)/);
    }
    const twice = ['--node', 'http://a:1', '--node', 'http://user:hunter2@a:1'];
    expect(() => planOf(twice)).toThrow(/^node: expected each node once, got a:1 twice$/);
  });
});

describe('addresses to listen at', () => {
  it('are IP addresses or localhost, in any number, port 0 too', () => {
    const { listen } = planOf([
      ...NODE,
      '--listen',
      '[::]:3333,localhost:0',
      '--listen',
      '0.0.0.0:0',
    ]);
    expect(listen).toEqual([
      { host: '::', port: 3333 },
      { host: '127.0.0.1', port: 0 },
      { host: '0.0.0.0', port: 0 },
    ]);
    expect(planOf([...NODE, '--no-http']).http).toBeUndefined();
  });
});

describe('accounts', () => {
  it('have to be addresses of the network, unless any name will do', () => {
    const { checkAccount } = planOf(['--network', 'solonet', ...NODE]);
    expect(checkAccount(ADDRESS)).toBeUndefined();
    for (const account of [MAINNET_ADDRESS, 'alice', '', `${ADDRESS.slice(0, -1)}q`]) {
      expect(checkAccount(account), account).toContain('an address of solonet, sm1…');
    }
    const any = planOf([...NODE, '--accounts', 'any']);
    expect(any.checkAccount('alice')).toBeUndefined();
  });
});

describe('trust', () => {
  it('is off unless it is asked for, and a share of one as the percent says', () => {
    expect(planOf([...NODE, '--trust-after', '1000']).trust).toEqual({ after: 1000, floor: 0.05 });
    expect(planOf(NODE).trust).toBeUndefined();
    expect(() => planOf([...NODE, '--trust-floor', '20'])).toThrow(/^trust-floor: .*--trust-after/);
    const floor = ['--trust-after', '10', '--trust-floor', '100'];
    expect(planOf([...NODE, ...floor]).trust).toEqual({ after: 10, floor: 1 });
  });
});

describe('what is set', () => {
  it('by a flag wins over the environment, that over the file', () => {
    const file = { node: ['http://f:1', 'http://g:2'], 'trust-after': 30, 'no-http': true };
    expect(planOf([], file)).toMatchObject({
      nodes: ['http://f:1', 'http://g:2'],
      trust: { after: 30 },
      http: undefined,
    });
    setVariable('BYTOM_POOL_NODE', 'http://e:1,http://e:2');
    setVariable('BYTOM_POOL_TRUST_AFTER', '40');
    const plan = planOf(['--node', 'http://c:1', '--http', '[::1]:1'], file);
    expect(plan).toMatchObject({
      nodes: ['http://c:1'],
      trust: { after: 40 },
      http: { address: { host: '::1', port: 1 } },
    });
    expect(planOf(['run'], file).nodes).toEqual(['http://e:1', 'http://e:2']);
  });
});

describe('a certificate', () => {
  it.skipIf(!hasOpenssl)('is one with its key', () => {
    const [own, other] = [createCertificate(), createCertificate()];
    const certFile = fileOf('cert.pem', own.cert);
    const keyFile = fileOf('key.pem', own.key);
    const { tls } = planOf([...NODE, '--tls-cert', certFile, '--tls-key', keyFile]);
    expect(tls).toEqual({ certFile, keyFile });
    expect(readCertificate(tls!)).toEqual({ cert: own.cert, key: own.key });
    const otherKey = fileOf('other.pem', other.key);
    expect(() => planOf([...NODE, '--tls-cert', certFile, '--tls-key', otherKey])).toThrow(
      /^tls-cert: expected a certificate in PEM, and its key, got .*mismatch/,
    );
    expect(() => planOf([...NODE, '--tls-cert', certFile, '--tls-key', certFile])).toThrow(
      'tls-cert: expected a certificate in PEM, and its key, got',
    );
  });
});

describe('what makes no sense', () => {
  const junk = fileOf('junk.pem', 'no certificate');
  const cases: readonly (readonly [args: readonly string[], text: string])[] = [
    [[], 'node: expected a node to work for: --node, or --embedded-node, got neither'],
    [[...NODE, '--node-config', 'x.json'], 'node-config: expected none without --embedded-node'],
    [['--node', 'http://a,,http://b'], 'node: expected a text'],
    [['--node', 'a:1'], 'expected'],
    [[...NODE, '--address', ADDRESS], 'address: expected an address of the network'],
    [[...NODE, '--difficulty', '63'], 'difficulty: expected from --min-difficulty 64 to'],
    [[...NODE, '--difficulty', '0'], 'difficulty: expected a whole number from 1'],
    [[...NODE, '--max-difficulty', '1000'], 'to --max-difficulty 1000, got 1024'],
    [[...NODE, '--min-difficulty', '2k'], 'difficulty: expected from --min-difficulty 2000'],
    [[...NODE, '--listen', '3333'], 'listen: expected host:port'],
    [[...NODE, '--listen', '127.0.0.1:1,'], 'listen: expected'],
    [[...NODE, '--listen', 'pool.example:3333'], 'listen: expected an IP address of this machine'],
    [[...NODE, '--listen', '[::]:1', '--listen', '[::]:1'], 'listen: expected each address once'],
    [[...NODE, '--http', 'here:1'], 'http: expected an IP address of this machine'],
    [[...NODE, '--tls-cert', junk], 'tls-key: expected a file, beside --tls-cert, got none'],
    [[...NODE, '--tls-key', junk], 'tls-cert: expected a file, beside --tls-key, got none'],
    [[...NODE, '--tls-cert', junk, '--tls-key', junk], 'tls-cert: expected a certificate in PEM'],
    [[...NODE, '--tls-cert', '/no/such', '--tls-key', junk], 'tls-cert: expected a readable file'],
    [[...NODE, '--tls-cert', junk, '--tls-key', '/no/such'], 'tls-key: expected a readable file'],
    [[...NODE, '--trusted-proxy', 'proxy.lan'], 'trusted-proxy: expected an address or a network'],
    [[...NODE, '--trusted-proxy', '10.0.0.0/33'], 'trusted-proxy: expected an address or a net'],
    [[...NODE, '--accounts', 'none'], 'accounts: expected one of address, any'],
    [[...NODE, '--server-id', '8'], 'server-id: expected a whole number from 0 to 7'],
    [[...NODE, '--trust-after', '9'], 'trust-after: expected a whole number from 10'],
    [[...NODE, '--trust-floor', '0'], 'trust-floor: expected a whole number from 1 to 100'],
    [[...NODE, '--share-interval', '0'], 'share-interval: expected seconds'],
    [[...NODE, '--max-connections', '32769'], 'max-connections: expected a whole number'],
    [[...NODE, '--network', 'bitcoin'], 'network: expected'],
  ];

  it.each(cases)('%j is refused: %s', (args, text) => {
    let refusal: unknown;
    try {
      planOf(args);
    } catch (error) {
      refusal = error;
    }
    expect(String(refusal)).toContain(text);
    expect(exitCodeOf(refusal)).toBe(2);
  });

  it('names the option that a command does not know', () => {
    expect(() => poolRunOptions([...NODE, 'shares'])).toThrow(
      "option '--node' has no meaning for shares",
    );
  });
});
