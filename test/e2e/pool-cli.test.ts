/** What the built `bytom-pool` says before it serves anybody: wrong options, things in its way, trials. */
import { existsSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import { expectRefusalOf, expectSuccess, jsonOf } from './program-process.ts';
import { RunningPool, runPool } from './running-pool.ts';

const ADDRESS = 'sm1qy72hflw5wzurdmv294kvat5y3k7y8a9ca26kq5';
const MAINNET_ADDRESS = 'bm1qsha7w2mqvs5fqp99x8uk0zvd75ceacpfjjjuwn';
const TESTNET_ADDRESS = 'tm1qy72hflw5wzurdmv294kvat5y3k7y8a9ccd3nqt';
/** Nobody answers there. */
const NODE = ['--node', 'http://127.0.0.1:1'];

const folder = mkdtempSync(join(tmpdir(), 'bytom-pool-cli-'));
afterAll(() => rmSync(folder, { recursive: true }));

let count = 0;
const freshData = (): string => join(folder, `data-${count++}`);

function fileOf(name: string, text: string): string {
  const path = join(folder, name);
  writeFileSync(path, text);
  return path;
}

function alone(data: string): readonly string[] {
  const here = ['--listen', '127.0.0.1:0', '--no-http', '--threads', '1'];
  return ['--network', 'solonet', '--data', data, ...here];
}

describe.concurrent('wrong options', () => {
  const junk = fileOf('junk.pem', 'no certificate');
  const cases: readonly (readonly [args: readonly string[], code: number, text: string])[] = [
    [[], 2, 'node: expected a node to work for: --node, or --embedded-node, got neither'],
    [[...NODE, '--node-config', junk], 2, 'node-config: expected none without --embedded-node'],
    [['--embedded-node', '--node-config', junk], 2, `config ${junk}: expected JSON`],
    [['--embedded-node', '--node-config', '/no/such'], 2, 'expected a readable file'],
    [['--node', 'ftp://user:hunter2@127.0.0.1'], 2, 'expected'],
    [[...NODE, '--address', MAINNET_ADDRESS], 2, 'address: expected an address of the network'],
    [[...NODE, '--difficulty', '2'], 2, 'difficulty: expected from --min-difficulty 64'],
    [[...NODE, '--tls-key', junk], 2, 'tls-cert: expected a file, beside --tls-key'],
    [[...NODE, '--tls-cert', junk, '--tls-key', junk], 2, 'tls-cert: expected a certificate in'],
    [[...NODE, '--config', '/no/such/file'], 2, 'config: expected a readable file'],
    [[...NODE, '--config', fileOf('odd.json', '{"nodes":1}')], 2, 'got "nodes"'],
    [[...NODE, '--trusted-proxy', 'proxy.example'], 2, 'trusted-proxy: expected'],
    [[...NODE, '--device', 'gpu7'], 3, 'no such device: gpu7'],
    [[...NODE, '--log-file', '/no/such/folder/log'], 2, 'log-file: expected a file'],
    [[...NODE, '--listen', '192.0.2.1:0'], 1, 'EADDRNOTAVAIL'],
    [[...NODE, '--http', '192.0.2.1:0'], 1, 'EADDRNOTAVAIL'],
    [[...NODE, '--data', junk], 1, junk],
    [['share'], 2, "unknown command 'share'"],
    [['shares', '--mine'], 2, "unknown option '--mine'"],
  ];

  it.each(cases)('%j end with %i and one line', async (args, code, text) => {
    const own = args[0]?.startsWith('share') ? [] : alone(freshData());
    const ended = await runPool([...own, ...args]);
    expectRefusalOf('bytom-pool', ended, code, text);
    expect(ended.stderr).not.toContain('hunter2');
  });
});

describe.concurrent('what is in its way', () => {
  it('is a port that is taken', async ({ expect }) => {
    const server = createServer();
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    const { port } = server.address() as { port: number };
    const data = freshData();
    const taken = `127.0.0.1:${port}`;
    const both = await Promise.all([
      runPool(['--network', 'solonet', '--data', data, ...NODE, '--listen', taken, '--no-http']),
      runPool([
        ...['--network', 'solonet', '--data', freshData(), ...NODE],
        ...['--listen', '127.0.0.1:0', '--http', taken],
      ]),
    ]);
    server.close();
    for (const ended of both) {
      expectRefusalOf('bytom-pool', ended, 1, `address already in use ${taken}`);
    }
    // Its records are free again.
    const shares = await runPool(['shares', '--network', 'solonet', '--data', data]);
    expectSuccess(shares);
    expect(shares.stdout).toBe('no share yet\n');
  });

  it('are records of another network', async ({ expect }) => {
    const data = freshData();
    const pool = new RunningPool(data, NODE);
    await pool.ready();
    expect((await pool.process.interrupt()).code).toBe(130);
    const args = ['--data', data, '--listen', '127.0.0.1:0', '--no-http', ...NODE];
    const other = await runPool(['--network', 'testnet', ...args, '--address', TESTNET_ADDRESS]);
    expectRefusalOf('bytom-pool', other, 1, 'expected');
    expect(other.stderr).toContain('solonet');
    const listed = await runPool(['shares', '--data', data]);
    expectRefusalOf('bytom-pool', listed, 1, 'solonet');
  });

  it('is that there are no records', async () => {
    for (const command of ['shares', 'blocks']) {
      const ended = await runPool([command, '--data', join(folder, 'nothing')]);
      expectRefusalOf('bytom-pool', ended, 1, join(folder, 'nothing'));
    }
  });
});

describe('--dry-run', () => {
  it('tells what the options come to, and touches nothing', async () => {
    const data = freshData();
    const config = fileOf(
      'dry.json',
      JSON.stringify({
        ...{ network: 'solonet', data, listen: ['127.0.0.1:4000', '[::1]:0'] },
        node: ['http://user:hunter2@10.0.0.1:9888', 'https://10.0.0.2'],
      }),
    );
    const env = { BYTOM_POOL_HTTP: '[::1]:1', BYTOM_POOL_ADDRESS: ADDRESS };
    const args = ['--config', config, '--embedded-node', '--dry-run', '--json'];
    const ended = await runPool(args, { env });
    expectSuccess(ended);
    expect(jsonOf(ended)).toEqual({
      ended: 'dry-run',
      network: 'solonet',
      data,
      nodes: ['embedded', '10.0.0.1:9888', '10.0.0.2:443'],
      address: ADDRESS,
      listen: ['127.0.0.1:4000', '[::1]:0'],
      http: '[::1]:1',
      tls: false,
      devices: ['cpu'],
    });
    expect(ended.stdout).not.toContain('hunter2');
    expect(existsSync(data)).toBe(false);
  });
});

describe('--help', () => {
  it('is there for every command', async () => {
    for (const command of [[], ['shares'], ['blocks'], ['run']]) {
      const ended = await runPool([...command, '--help']);
      expectSuccess(ended);
      expect(ended.stdout).toContain('--network');
    }
  });
});
