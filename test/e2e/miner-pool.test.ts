/** The built program at a pool, or for a node, whose manners the test chooses. */
import { readFileSync } from 'node:fs';
import { afterEach, describe, expect, it } from 'vitest';
import { decodeHeader, encodeHeader, headerHash } from '../../src/chain/header.ts';
import { decodeJob, type StratumJob } from '../../src/stratum/job.ts';
import { openConfirmingHasher } from '../../src/tensority/cpu-hasher.ts';
import { buildMatrixTable } from '../../src/tensority/table-builder.ts';
import { meetsTarget } from '../../src/tensority/target.ts';
import { bytesToHex, hexToBytes } from '../../src/util/bytes.ts';
import { type JsonValue, parseExact } from '../../src/util/json.ts';
import { json, TestNode } from '../miner/test-node.ts';
import {
  JOB_PARAMS,
  jobParams,
  type ReceivedRequest,
  type ServerConnection,
  StratumServer,
  type StratumServerOptions,
} from '../support/stratum-server.ts';
import { expectRefusal, MinerProcess } from './miner-process.ts';
import { type Ended, expectSuccess, lastLine } from './program-process.ts';

const USER = 'bm1qexample.rig1';
const PASSWORD = 'hunter2hunter2';

const servers: StratumServer[] = [];
afterEach(async () => {
  await Promise.all(servers.splice(0).map((server) => server.close()));
});

async function startServer(options: StratumServerOptions = {}): Promise<StratumServer> {
  const server = await StratumServer.start(options);
  servers.push(server);
  return server;
}

/** A pool without faults. */
function startGoodServer(): Promise<StratumServer> {
  return startServer({ onConnection: (connection) => connection.autoReply() });
}

/** Where a pool was, but is no more. */
async function deadUrl(): Promise<string> {
  const server = await StratumServer.start();
  const { url } = server;
  await server.close();
  return url;
}

/** Mines at the pools until one share is accepted, unless told otherwise. */
function mineAt(pools: readonly string[], ...more: string[]): MinerProcess {
  const urls = pools.flatMap((url) => ['-o', url]);
  const quick = ['--retry-pause', '0.1', '--shares', '1', '--json'];
  return new MinerProcess([...urls, '-u', USER, '-p', PASSWORD, ...quick, ...more]);
}

function summaryOf(ended: Ended): Readonly<Record<string, JsonValue>> {
  return parseExact(lastLine(ended)) as Readonly<Record<string, JsonValue>>;
}

function expectShare(ended: Ended): void {
  expectSuccess(ended);
  expect(summaryOf(ended)).toMatchObject({ ended: 'shares', rejected: 0, hardwareErrors: 0 });
  expect(summaryOf(ended)['accepted']).toBeGreaterThanOrEqual(1);
}

/** Answers the login of `connection`, says something else, and has the manners of a good pool after. */
async function welcomeAnd(connection: ServerConnection, say: () => unknown): Promise<void> {
  await connection.acceptLogin();
  say();
  connection.autoReply();
}

function jobHeader(job: StratumJob, nonce: bigint): Uint8Array {
  const { jobId: _, seed: __, target: ___, ...header } = job;
  return headerHash({ ...header, nonce });
}

/** The PoW hash by a kernel that the miner did not use, hex. */
async function powHash(seed: Uint8Array, hash: Uint8Array): Promise<Uint8Array> {
  const hasher = openConfirmingHasher(undefined);
  const out = new Uint8Array(32);
  try {
    await hasher.loadSeed(seed, buildMatrixTable(seed));
    await hasher.hash(seed, hash, out);
  } finally {
    await hasher.close();
  }
  return out;
}

describe('at a pool', () => {
  it('mines a share, whose submit carries the hash that the nonce gives', async () => {
    const server = await startGoodServer();
    const ended = await mineAt([server.url], '--protocol-dump').ended;
    expectShare(ended);
    expect(summaryOf(ended)['source']).toBe(`127.0.0.1:${server.port}`);

    const [login, submit] = server.connections[0]!.requests as [ReceivedRequest, ReceivedRequest];
    expect(login).toMatchObject({ method: 'login', params: { login: USER, pass: PASSWORD } });
    expect(login.params['agent']).toMatch(/^bytom-miner\/\d/);
    expect(submit).toMatchObject({ method: 'submit', params: { id: USER, job_id: '1' } });
    const { nonce, result } = submit.params;
    expect(nonce).toMatch(/^[0-9a-f]{16}$/);
    const job = decodeJob(JOB_PARAMS);
    const expected = await powHash(job.seed, jobHeader(job, BigInt(`0x${String(nonce)}`)));
    expect(result).toBe(bytesToHex(expected));
    expect(meetsTarget(expected, job.target)).toBe(true);

    expect(ended.stdout).toContain('-> {"method":"login"');
    expect(ended.stdout).toContain('<- {"id":');
    expect(ended.stdout).not.toContain(PASSWORD);
  });

  it('names the reason of a rejected share and goes on', async () => {
    const server = await startServer();
    const miner = mineAt([server.url]);
    const connection = await server.nextConnection();
    await connection.acceptLogin();
    connection.sendError(await connection.next(), 23, 'Low difficulty share');
    await miner.line(/ rejected \(0\/1\/0\/0\) diff 4 "Low difficulty share" code 23 \(/);
    connection.onRequest = (request) => connection.sendAccepted(request);
    for (const request of connection.requests.slice(2)) connection.onRequest(request);
    const ended = await miner.ended;
    expectSuccess(ended);
    expect(summaryOf(ended)).toMatchObject({ ended: 'shares', rejected: 1 });
  });

  it('survives garbage and bad jobs, says what is wrong with them and mines on', async () => {
    const server = await startServer();
    const miner = mineAt([server.url]);
    const connection = await server.nextConnection();
    await welcomeAnd(connection, () => {
      connection.sendRaw('HTTP/1.1 400 Bad Request\r\n\r\n<html>\u0000\u001b[2J</html>\n');
      connection.sendJob(jobParams({ job_id: '2', bits: undefined }));
      connection.sendJob(jobParams({ job_id: '3', target: '00000000' }));
      connection.sendJob(jobParams({ job_id: '4', seed: 'abcd' }));
    });
    const ended = await miner.ended;
    expectShare(ended);
    // Not by way of a new connection, and with the job that was good.
    expect(server.connections).toHaveLength(1);
    expect(connection.requests[1]?.params['job_id']).toBe('1');
    expect(ended.stdout).not.toContain('\u001b');
    for (const text of [
      /job\.bits: expected [^\n]*, got nothing\n/,
      /job\.target: expected a target above zero, got 00000000\n/,
      /job\.seed: expected [^\n]*"abcd"\n/,
    ]) {
      expect(ended.stdout).toMatch(text);
    }
  });

  it.each([
    ['1 MB without an end', (c: ServerConnection) => c.sendRaw(`{"a":"${'x'.repeat(1 << 20)}`)],
    [
      'half a message and the end',
      (c: ServerConnection) => {
        c.sendRaw(JSON.stringify({ method: 'job', params: JOB_PARAMS }).slice(0, 200));
        c.end();
      },
    ],
    ['a broken connection', (c: ServerConnection) => c.drop()],
  ])('comes back after %s', async (_name, harm) => {
    const server = await startServer();
    const miner = mineAt([server.url]);
    const first = await server.nextConnection();
    await first.acceptLogin();
    harm(first);
    const second = await server.nextConnection();
    second.autoReply();
    expectShare(await miner.ended);
  });

  it('turns to the next pool when the first is not there', async () => {
    const [gone, good] = [await deadUrl(), await startGoodServer()];
    const ended = await mineAt([gone, good.url]).ended;
    expectShare(ended);
    expect(summaryOf(ended)['source']).toBe(`127.0.0.1:${good.port}`);
    expect(ended.stdout).toMatch(/ECONNREFUSED.*; next is 127\.0\.0\.1:/);
  });

  it('ends with 4 and the reason when the login is refused', async () => {
    const server = await startServer();
    const miner = mineAt([server.url]);
    const connection = await server.nextConnection();
    connection.sendError(await connection.next(), -1, 'Invalid\naddress \u001b[31mused for login');
    const ended = await miner.ended;
    expectRefusal(ended, 4, `127.0.0.1:${server.port} refused the login: `);
    expect(ended.stderr).toContain('Invalid address');
    expect(ended.stderr).not.toContain('\u001b');
    expect(summaryOf(ended)).toMatchObject({ ended: 'source', accepted: 0 });
  });

  it('ends with 1 after --retries without a pool', async () => {
    const ended = await mineAt([await deadUrl()], '--retries', '1').ended;
    expectRefusal(ended, 1, 'gave up after 1 retry');
  });

  it('says goodbye when it is interrupted', async () => {
    const server = await startGoodServer();
    const miner = mineAt([server.url], '--shares', '1000');
    await miner.line(/accepted/);
    const { ms, ...ended } = await miner.interrupt();
    expect([ended.code, ended.stderr]).toEqual([130, '']);
    expect(summaryOf(ended)).toMatchObject({ ended: 'interrupted' });
    expect(ms).toBeLessThan(2500);
    await server.connections[0]!.closed;
  });
});

describe('for a node', () => {
  /** The template of a solonet, changed so that any hash is a block. */
  const template = decodeHeader(hexToBytes(recordedWork().block_header, 'recorded')).header;
  const easy = { ...template, bits: (0x21n << 56n) | 0x7f_ffffn };

  it('finds a block and hands in its header', async () => {
    const node = new TestNode();
    await node.start();
    const block_header = bytesToHex(encodeHeader(easy));
    const work = { status: 'success', data: { block_header, seed: recordedWork().seed } };
    node.on('get-work', json(work));
    node.on('submit-work', json({ status: 'success', data: true }));
    try {
      const miner = new MinerProcess(['--solo', node.url, '--shares', '1', '--json']);
      const ended = await miner.ended;
      expectShare(ended);
      expect(summaryOf(ended)['blocks']).toBeGreaterThanOrEqual(1);
      expect(ended.stdout).toContain('block found');
      const sent = parseExact(node.calls('submit-work')[0]!.body) as { block_header: string };
      const { header } = decodeHeader(hexToBytes(sent.block_header, 'sent'));
      expect({ ...header, nonce: 0n }).toEqual({ ...easy, nonce: 0n });
    } finally {
      await node.stop();
    }
  });
});

function recordedWork(): { readonly block_header: string; readonly seed: string } {
  const { calls } = JSON.parse(
    readFileSync(new URL('../vectors/http_transcripts.json', import.meta.url), 'utf8'),
  ) as {
    readonly calls: readonly {
      readonly path: string;
      readonly response: {
        readonly data?: { readonly block_header: string; readonly seed: string };
      };
    }[];
  };
  return calls.find((call) => call.path === '/get-work')!.response.data!;
}
