import { setTimeout as delay } from 'node:timers/promises';
import { afterEach, describe, expect, it } from 'vitest';
import type { StratumOptions } from '../../miner/stratum-source.ts';
import { bytesToHex } from '../../src/util/bytes.ts';
import { stringifyExact } from '../../src/util/json.ts';
import {
  type MinerUnderTest,
  PASSWORD,
  poolAt,
  shareOf,
  startMiner,
} from '../support/stratum-miner.ts';
import {
  JOB_PARAMS,
  jobParams,
  type ServerConnection,
  StratumServer,
} from '../support/stratum-server.ts';
import { constructedSessions } from '../support/stratum-sessions.ts';

const open: { close(): Promise<void> }[] = [];

afterEach(async () => {
  for (const thing of open.splice(0).reverse()) await thing.close();
});

async function startServer(): Promise<StratumServer> {
  const server = await StratumServer.start();
  open.push(server);
  return server;
}

/** A pool with one miner that is logged in and mining job 1. */
async function startMining(options: Partial<StratumOptions> = {}): Promise<{
  server: StratumServer;
  miner: MinerUnderTest;
  pool: ServerConnection;
}> {
  const server = await startServer();
  const miner = startMiner([poolAt(server)], options);
  open.push({ close: () => miner.stop() });
  const pool = await server.nextConnection();
  await pool.acceptLogin();
  await miner.sink.jobAt(0);
  return { server, miner, pool };
}

function linesOf(miner: MinerUnderTest, start: string): string[] {
  return miner.lines.filter((line) => line.startsWith(start));
}

describe('StratumSource: login and jobs', () => {
  it('logs in with name, password and agent, and mines the job in the answer', async () => {
    const { server, miner, pool } = await startMining();
    expect(pool.requests).toEqual([
      {
        id: 1,
        method: 'login',
        params: { login: 'alice.rig1', pass: PASSWORD, agent: 'bytom-miner/test' },
      },
    ]);
    expect(miner.sink.jobs[0]).toMatchObject({ jobId: '1', clean: true, header: { height: 2036 } });
    expect(linesOf(miner, 'info new job')[0]).toContain(
      `{"from":"127.0.0.1:${server.port}","height":2036,"difficulty":4,"seed":"57436907","job":"1"`,
    );
    expect(miner.texts).toContain(
      `new job from 127.0.0.1:${server.port} height 2036 diff 4 seed 57436907 job 1`,
    );
    expect(miner.source.name).toBe(`127.0.0.1:${server.port}`);
  });

  it('takes split and joined packets alike', async () => {
    const server = await startServer();
    const miner = startMiner([poolAt(server)]);
    open.push({ close: () => miner.stop() });
    const pool = await server.nextConnection();
    const login = await pool.next();
    const result = { id: 'alice.rig1', job: JOB_PARAMS, status: 'OK' };
    await pool.sendByteByByte(`${stringifyExact({ id: login.id, result, error: null })}\n`);
    await miner.sink.jobAt(0);
    const note = (params: unknown): string => stringifyExact({ method: 'job', params });
    pool.sendRaw(
      note(jobParams({ job_id: '2', height: 'f507000000000000' })) +
        note(jobParams({ job_id: '3', height: 'f607000000000000' })),
    );
    expect((await miner.sink.jobAt(2)).jobId).toBe('3');
    expect(miner.sink.jobs.map((job) => job.jobId)).toEqual(['1', '2', '3']);
  });

  it('delivers a repeated job once and the same work under another id as such', async () => {
    const { miner, pool } = await startMining();
    pool.sendJob();
    pool.sendJob(jobParams({ job_id: '2' }));
    pool.sendJob(jobParams({ job_id: '2' }));
    pool.sendJob(jobParams({ job_id: '3', timestamp: '50ef006b00000000' }));
    pool.sendJob(jobParams({ job_id: '4', height: 'f507000000000000' }));
    await miner.sink.jobAt(3);
    expect(miner.sink.jobs.map((job) => [job.jobId, job.clean, job.sameWorkAs])).toEqual([
      ['1', true, undefined],
      ['2', false, '1'],
      ['3', false, undefined],
      ['4', true, undefined],
    ]);
    expect(linesOf(miner, 'info new job')).toHaveLength(3);
  });

  it('speaks the btc.com dialect: two answers, no line feeds, ids that come back', async () => {
    const messages = constructedSessions[0]?.messages.filter((m) => m.bytes !== undefined) ?? [];
    const sent = messages.filter((m) => m.dir === 'server').map((m) => m.bytes!);
    const server = await startServer();
    const miner = startMiner([poolAt(server)]);
    open.push({ close: () => miner.stop() });
    const pool = await server.nextConnection();
    await pool.next();
    pool.sendRaw(sent[0]!);
    pool.sendRaw(sent[1]!);
    const first = await miner.sink.jobAt(0);
    expect(first).toMatchObject({ jobId: '1', nonceStart: 0x07000001n });

    const good = miner.source.submit(shareOf(first));
    await pool.next();
    pool.sendRaw(sent[2]!);
    expect(await good).toMatchObject({ status: 'accepted' });

    pool.sendRaw(sent[3]!);
    const second = await miner.sink.jobAt(1);
    expect(second).toMatchObject({ jobId: '2', clean: false, sameWorkAs: '1' });
    const outcomes = [second, first, second].map((job) => miner.source.submit(shareOf(job)));
    for (let i = 0; i < 3; i++) await pool.next();
    for (const bytes of sent.slice(4)) pool.sendRaw(bytes);
    expect(await Promise.all(outcomes)).toMatchObject([
      { status: 'rejected', code: -1, reason: 'Low difficulty share' },
      { status: 'rejected', code: 22, reason: 'Duplicate share' },
      { status: 'stale', code: -1, reason: 'Block expired' },
    ]);
    expect(linesOf(miner, 'warn')).toEqual([]);
  });

  it('takes a job that comes before the answer to the login', async () => {
    const server = await startServer();
    const miner = startMiner([poolAt(server)]);
    open.push({ close: () => miner.stop() });
    const pool = await server.nextConnection();
    await pool.next();
    pool.sendJob();
    pool.send({ id: 1, result: true, error: null });
    expect((await miner.sink.jobAt(0)).jobId).toBe('1');
  });

  it('drops bit 63 of a start nonce and says so once', async () => {
    const { miner, pool } = await startMining();
    pool.sendJob(jobParams({ job_id: '2', nonce: '0000000000000090' }));
    pool.sendJob(jobParams({ job_id: '3', nonce: '0000000000200090' }));
    expect(await miner.sink.jobAt(2)).toMatchObject({ nonceStart: 0x1000200000000000n });
    expect(linesOf(miner, 'warn start nonce')).toHaveLength(1);
  });
});

describe('StratumSource: shares', () => {
  it('sends nonce and hash the way pools read them, and reports the answers by id', async () => {
    const { miner, pool } = await startMining();
    const job = await miner.sink.jobAt(0);
    const powHash = new Uint8Array(32).fill(0xff, 0, 31);
    powHash[31] = 0x3f;
    const plain = miner.source.submit({ ...shareOf(job, 0x3000000000000abcn), powHash });
    const block = miner.source.submit(shareOf(job, 5n));
    const [first, second] = [await pool.next(), await pool.next()];
    expect(first.params).toEqual({
      id: 'alice.rig1',
      job_id: '1',
      nonce: '3000000000000abc',
      result: bytesToHex(powHash),
    });
    expect(second.params['nonce']).toBe('0000000000000005');
    expect([first.id, second.id]).toEqual([2, 3]);
    pool.sendAccepted(second);
    pool.send({ id: first.id, result: true });
    expect(await plain).toMatchObject({ status: 'accepted', block: false });
    expect(await block).toMatchObject({ status: 'accepted', block: true });
  });

  it('repeats the id that the login gave, not the login', async () => {
    const server = await startServer();
    const miner = startMiner([poolAt(server)]);
    open.push({ close: () => miner.stop() });
    const pool = await server.nextConnection();
    await pool.next();
    pool.send({ id: 1, result: { id: 'session-9', job: JOB_PARAMS, status: 'OK' }, error: null });
    const outcome = miner.source.submit(shareOf(await miner.sink.jobAt(0)));
    const request = await pool.next();
    expect(request.params['id']).toBe('session-9');
    pool.sendAccepted(request);
    await outcome;
  });

  it.each([
    [23, 'Low Difficulty Share', 'rejected'],
    [22, 'Duplicate Share', 'rejected'],
    [21, 'Job Not Found', 'stale'],
    [32, 'Invalid Submit Format', 'stale'],
    [-1, 'Block expired', 'stale'],
    [99, 'something new', 'rejected'],
  ] as const)('reports %s "%s" as %s', async (code, reason, status) => {
    const { miner, pool } = await startMining();
    const outcome = miner.source.submit(shareOf(await miner.sink.jobAt(0)));
    pool.sendError(await pool.next(), code, reason);
    expect(await outcome).toMatchObject({ status, code, reason });
  });

  it('gives up a share that is not answered in time, and ignores the late answer', async () => {
    const { miner, pool } = await startMining({ submitTimeoutMs: 20 });
    const job = await miner.sink.jobAt(0);
    expect(await miner.source.submit(shareOf(job))).toEqual({
      status: 'unanswered',
      reason: 'no answer within 0.02 s',
    });
    pool.sendAccepted(await pool.next());
    const again = miner.source.submit(shareOf(job));
    pool.sendAccepted(await pool.next());
    expect(await again).toMatchObject({ status: 'accepted' });
  });

  it('leaves shares unanswered when the connection is lost', async () => {
    const { miner, pool } = await startMining();
    const job = await miner.sink.jobAt(0);
    const outcomes = [miner.source.submit(shareOf(job)), miner.source.submit(shareOf(job, 1n))];
    await pool.next();
    await pool.next();
    pool.end();
    expect(await Promise.all(outcomes)).toEqual([
      { status: 'unanswered', reason: 'the pool closed the connection' },
      { status: 'unanswered', reason: 'the pool closed the connection' },
    ]);
  });

  it('calls a share of an older connection stale without sending it', async () => {
    const { server, miner, pool } = await startMining();
    const old = await miner.sink.jobAt(0);
    pool.drop();
    await miner.sink.idleAt(0);
    const stale = { status: 'stale', reason: 'the connection that the job came over is gone' };
    expect(await miner.source.submit(shareOf(old))).toMatchObject(stale);
    const again = await server.nextConnection();
    await again.acceptLogin(jobParams({ nonce: '0000000000200030' }));
    await miner.sink.jobAt(1);
    expect(await miner.source.submit(shareOf(old))).toMatchObject(stale);
    expect(again.requests.map((request) => request.method)).toEqual(['login']);
  });

  it('sends a share of an older connection if the new one goes on with the same work', async () => {
    const { server, miner, pool } = await startMining();
    const old = await miner.sink.jobAt(0);
    pool.drop();
    const again = await server.nextConnection();
    await again.acceptLogin(jobParams({ job_id: '8' }));
    expect(await miner.sink.jobAt(1)).toMatchObject({ clean: false, sameWorkAs: '1' });
    const outcome = miner.source.submit(shareOf(old));
    const request = await again.next();
    expect(request.params['job_id']).toBe('8');
    again.sendAccepted(request);
    expect(await outcome).toMatchObject({ status: 'accepted' });
  });
});

describe('StratumSource: what a pool should not send', () => {
  it.each([
    ['text', 'hello there\n', 'message'],
    ['broken JSON', '{"method":job}\n', 'message'],
    ['a message cut off by a line feed', '{"method":"job","par\n', 'message'],
    ['brackets that do not match', '{"result":{"status":"OK"}]\n', 'message'],
    ['an array', '[1,2]\n', 'message'],
    ['an empty object', '{}\n', 'message'],
    ['brackets without end', `${'['.repeat(30_000)}\n`, 'message'],
    ['bytes that are no text', '\u0000\u0001\u00ff\n', 'message'],
    ['an id that cannot be a text', '{"id":{"toString":1},"result":7}\n', undefined],
    ['an array of such ids', '{"id":[{"toString":1}],"error":"no"}\n', undefined],
    ['a job that is no object', '{"method":"job","params":[]}\n', 'job'],
    [
      'a job without bits',
      `${stringifyExact({ method: 'job', params: jobParams({ bits: undefined }) })}\n`,
      'job.bits',
    ],
    [
      'a job with a number for a text',
      `${stringifyExact({ method: 'job', params: jobParams({ seed: 5 }) })}\n`,
      'job.seed',
    ],
    [
      'an answer with half a job',
      '{"id":1,"result":{"status":"OK","job":{"job_id":"4"}}}\n',
      'job.version',
    ],
  ])('warns once about %s and mines on', async (_name, bad, field) => {
    const { miner, pool } = await startMining();
    pool.sendRaw(bad);
    pool.sendRaw(bad);
    pool.sendJob(jobParams({ job_id: '2', height: 'f507000000000000' }));
    expect((await miner.sink.jobAt(1)).jobId).toBe('2');
    const warnings = linesOf(miner, 'warn');
    expect(warnings).toHaveLength(1);
    expect(warnings[0]).toContain(field === undefined ? 'unexpected reply' : `"field":"${field}"`);
    expect(miner.sink.idles).toEqual([]);
  });

  it('ignores methods it does not know and answers to nothing', async () => {
    const { miner, pool } = await startMining();
    pool.send({ method: 'mining.set_difficulty', params: [1] });
    pool.send({ id: 77, result: true });
    pool.send({ id: null, result: null, error: { code: 20, message: 'Unknown Error' } });
    pool.sendJob(jobParams({ job_id: '2', height: 'f507000000000000' }));
    await miner.sink.jobAt(1);
    expect(linesOf(miner, 'warn')).toEqual([
      expect.stringContaining('"message":"Unknown Error"') as string,
    ]);
  });

  it('reconnects after twenty bad messages in a row', async () => {
    const { server, miner, pool } = await startMining();
    for (let i = 0; i < 19; i++) pool.sendRaw('nonsense\n');
    pool.sendJob(jobParams({ job_id: '2', height: 'f507000000000000' }));
    await miner.sink.jobAt(1);
    expect(miner.sink.idles).toEqual([]);
    for (let i = 0; i < 20; i++) pool.sendRaw('nonsense\n');
    expect(await miner.sink.idleAt(0)).toContain('20 bad messages in a row');
    await (await server.nextConnection()).acceptLogin();
    await miner.sink.jobAt(2);
  });

  it('reconnects after 1 MB without a line feed', async () => {
    const { server, miner, pool } = await startMining();
    pool.sendRaw(`{"a":"${'x'.repeat(1_000_000)}`);
    expect(await miner.sink.idleAt(0)).toContain('a message of more than 65536 bytes');
    await (await server.nextConnection()).acceptLogin();
    await miner.sink.jobAt(1);
  });

  it('reconnects when the pool stops in the middle of a message', async () => {
    const { server, miner, pool } = await startMining();
    pool.sendRaw('{"method":"job","params":{"version":"01');
    pool.end();
    expect(await miner.sink.idleAt(0)).toContain('the pool closed the connection');
    expect(linesOf(miner, 'warn bad message')[0]).toContain('{\\"method\\":\\"job\\"');
    await (await server.nextConnection()).acceptLogin();
    await miner.sink.jobAt(1);
  });

  it('keeps the password out of log and dump, even if the pool repeats it', async () => {
    const { server, miner, pool } = await startMining();
    pool.sendRaw(`your password is ${PASSWORD}\n`);
    pool.send({ method: 'job', params: { version: `${'x'.repeat(60)}${PASSWORD}` } });
    const outcome = miner.source.submit(shareOf(await miner.sink.jobAt(0)));
    pool.sendError(await pool.next(), -1, `bad password ${PASSWORD}`);
    expect(await outcome).toMatchObject({ reason: 'bad password ***' });
    pool.end();
    const again = await server.nextConnection();
    again.sendError(await again.next(), -1, `wrong: ${PASSWORD}`);
    await server.nextConnection();
    const everything = [...miner.lines, ...miner.texts, ...miner.dump].join('\n');
    expect(everything).toContain('wrong: ***');
    expect(everything).toContain('"pass":"***"');
    expect(everything).not.toContain(PASSWORD);
    // The start of it could be left over where a text was cut to fit a line.
    expect(everything).not.toContain(PASSWORD.slice(0, 4));
  });

  it('dumps every message of both directions', async () => {
    const { miner, pool } = await startMining();
    const outcome = miner.source.submit(shareOf(await miner.sink.jobAt(0)));
    pool.sendAccepted(await pool.next());
    await outcome;
    expect(miner.dump).toEqual([
      'out {"method":"login","params":{"login":"alice.rig1","pass":"***","agent":"bytom-miner/test"},"id":1}',
      expect.stringMatching(/^in \{"id":1,.*"job":\{/) as string,
      expect.stringMatching(/^out \{"method":"submit",/) as string,
      'in {"id":2,"jsonrpc":"2.0","result":{"status":"OK"},"error":null}',
    ]);
  });
});

describe('StratumSource: the end', () => {
  it('closes its connection and leaves pending shares unanswered', async () => {
    const { miner, pool } = await startMining();
    const outcome = miner.source.submit(shareOf(await miner.sink.jobAt(0)));
    await pool.next();
    await miner.stop();
    await miner.ended;
    expect(await outcome).toMatchObject({ status: 'unanswered' });
    await pool.closed;
    expect(await miner.source.submit(shareOf(await miner.sink.jobAt(0)))).toMatchObject({
      status: 'stale',
    });
  });

  it('stops while it connects, waits for an answer, or pauses between attempts', async () => {
    const server = await startServer();
    const waiting = startMiner([poolAt(server)]);
    await (await server.nextConnection()).next();
    await waiting.stop();
    await waiting.ended;

    const gone = await StratumServer.start();
    const pausing = startMiner([poolAt(gone)], { retryPauseMs: 60_000 });
    await gone.close();
    await delay(20);
    await pausing.stop();
    await pausing.ended;

    // Stopped before it had the time to connect.
    const starting = startMiner([poolAt(server)]);
    await starting.stop();
    await starting.ended;
  });
});
