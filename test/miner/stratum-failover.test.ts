import { setTimeout as delay } from 'node:timers/promises';
import { afterEach, describe, expect, it } from 'vitest';
import { SourceError } from '../../miner/job-source.ts';
import type { PoolAccess } from '../../miner/stratum-connection.ts';
import type { StratumOptions } from '../../miner/stratum-source.ts';
import { type MinerUnderTest, poolAt, shareOf, startMiner } from '../support/stratum-miner.ts';
import { jobParams, type ServerConnection, StratumServer } from '../support/stratum-server.ts';

const open: (() => Promise<void>)[] = [];

afterEach(async () => {
  for (const close of open.splice(0).reverse()) await close();
});

/** A pool whose jobs carry its name as their id. `greet` sees each new connection. */
async function startServer(
  name: string,
  greet: (connection: ServerConnection) => void = (connection) =>
    connection.autoReply(jobParams({ job_id: name })),
  port = 0,
): Promise<StratumServer> {
  const server = await StratumServer.start({ port, onConnection: greet });
  open.push(() => server.close());
  return server;
}

/** A pool that is not there: nothing listens on its port. */
async function closedPool(): Promise<PoolAccess & { readonly port: number }> {
  const server = await StratumServer.start();
  const { port } = server;
  const pool = poolAt(server);
  await server.close();
  return { ...pool, port };
}

function start(
  pools: readonly PoolAccess[],
  options: Partial<StratumOptions> = {},
): MinerUnderTest {
  const miner = startMiner(pools, options);
  open.push(() => miner.stop());
  return miner;
}

const silent = (): void => {};

function refuse(connection: ServerConnection): void {
  connection.onRequest = (request) => connection.sendError(request, -1, 'Invalid login');
}

describe('StratumSource: choosing a pool', () => {
  it('takes the first pool that works', async () => {
    const main = await startServer('main');
    const spare = await startServer('spare');
    const miner = start([poolAt(main), poolAt(spare)]);
    expect((await miner.sink.jobAt(0)).jobId).toBe('main');
    expect(spare.connections).toHaveLength(0);
  });

  it.each([
    ['is not there', undefined],
    ['takes the connection and says nothing', silent],
    ['refuses the login', refuse],
    ['hangs up', (connection: ServerConnection) => connection.end()],
    [
      'hangs up on the login',
      (connection: ServerConnection) => {
        connection.onRequest = () => connection.end();
      },
    ],
    [
      'accepts the login and sends no job',
      (connection: ServerConnection) => {
        connection.onRequest = (request) => connection.sendAccepted(request);
      },
    ],
    [
      'sends a broken job',
      (connection: ServerConnection) => connection.autoReply(jobParams({ seed: undefined })),
    ],
  ])('goes on to the next pool if one %s', async (_name, greet) => {
    const spare = await startServer('spare');
    const main =
      greet === undefined ? await closedPool() : poolAt(await startServer('main', greet));
    const miner = start([main, poolAt(spare)], { connectTimeoutMs: 50 });
    expect((await miner.sink.jobAt(0)).jobId).toBe('spare');
    expect(miner.source.name).toBe(`127.0.0.1:${spare.port}`);
    const warnings = miner.lines.filter((line) => line.startsWith('warn pool failed'));
    expect(warnings).toHaveLength(1);
    expect(warnings[0]).toContain(main.url.name);
  });

  it('says what was missing when time runs out', async () => {
    const greet = (connection: ServerConnection): void =>
      connection.autoReply(jobParams({ seed: undefined }));
    const miner = start([poolAt(await startServer('main', greet))], {
      connectTimeoutMs: 50,
      retries: 0,
    });
    await expect(miner.ended).rejects.toThrow(
      /gave up after 0 retries: no job within 0.05 s; job.seed: expected a text, got nothing/,
    );
  });

  it('uses the name and password of each pool', async () => {
    const main = await startServer('main', refuse);
    const spare = await startServer('spare');
    const miner = start([
      poolAt(main, { user: 'a.1', password: 'first' }),
      poolAt(spare, { user: 'b.2', password: 'second' }),
    ]);
    await miner.sink.jobAt(0);
    const logins = [main, spare].map((server) => server.connections[0]?.requests[0]?.params);
    expect(logins).toMatchObject([
      { login: 'a.1', pass: 'first' },
      { login: 'b.2', pass: 'second' },
    ]);
  });
});

describe('StratumSource: giving up', () => {
  it('ends with login-refused if every pool refuses', async () => {
    const pools = [await startServer('a', refuse), await startServer('b', refuse)].map((server) =>
      poolAt(server),
    );
    const miner = start(pools);
    const error: unknown = await miner.ended.catch((reason: unknown) => reason);
    expect(error).toBeInstanceOf(SourceError);
    expect((error as SourceError).detail).toEqual({
      code: 'login-refused',
      source: pools[1]?.url.name,
      reason: 'login refused: "Invalid login" code -1',
    });
  });

  it('does not give up while one of the pools is only out of reach', async () => {
    const away = await closedPool();
    const miner = start([poolAt(await startServer('a', refuse)), away]);
    await delay(60);
    await startServer('back', undefined, away.port);
    expect((await miner.sink.jobAt(0)).jobId).toBe('back');
  });

  it('tries a pool again that refuses after it had accepted', async () => {
    let logins = 0;
    const server = await startServer('main', (connection) => {
      connection.onRequest = (request) => {
        logins++;
        if (logins === 1 || logins > 3) connection.sendLoginReply(request);
        else connection.sendError(request, -1, 'Invalid login');
      };
    });
    const miner = start([poolAt(server)]);
    await miner.sink.jobAt(0);
    server.connections[0]?.drop();
    await miner.sink.jobAt(1);
    expect(logins).toBe(4);
  });

  it('ends with gave-up after so many retries of all pools', async () => {
    const pools = [await closedPool(), await closedPool()];
    const miner = start(pools, { retries: 2 });
    const error: unknown = await miner.ended.catch((reason: unknown) => reason);
    expect((error as SourceError).detail).toMatchObject({
      code: 'gave-up',
      source: pools[1]?.url.name,
      retries: 2,
    });
    expect((error as SourceError).message).toContain('ECONNREFUSED');
    const tries = miner.lines.filter((line) => line.startsWith('warn pool failed'));
    expect(tries).toHaveLength(6);
  });

  it('counts a pool that takes the login and hangs up as failing', async () => {
    const server = await startServer('main', (connection) => {
      connection.onRequest = (request) => {
        connection.sendLoginReply(request);
        connection.end();
      };
    });
    const miner = start([poolAt(server)], { retries: 3 });
    await expect(miner.ended).rejects.toMatchObject({ detail: { code: 'gave-up' } });
    expect(server.connections).toHaveLength(4);
  });
});

describe('StratumSource: losing a pool', () => {
  it('stops the devices, and comes back to a good pool that dropped the connection', async () => {
    const main = await startServer('main');
    const spare = await startServer('spare');
    const miner = start([poolAt(main), poolAt(spare)], { stableMs: 0 });
    await miner.sink.jobAt(0);
    main.connections[0]?.drop();
    expect(await miner.sink.idleAt(0)).toMatch(
      /^127\.0\.0\.1:\d+: (the pool closed|connection broke)/,
    );
    await miner.sink.jobAt(1);
    expect(main.connections).toHaveLength(2);
    expect(spare.connections).toHaveLength(0);
    expect(miner.sink.jobs[1]).toMatchObject({ jobId: 'main', sameWorkAs: 'main' });
  });

  it('takes an accepted share as proof of a good pool', async () => {
    const main = await startServer('main');
    const spare = await startServer('spare');
    const miner = start([poolAt(main), poolAt(spare)]);
    await miner.source.submit(shareOf(await miner.sink.jobAt(0)));
    main.connections[0]?.drop();
    expect((await miner.sink.jobAt(1)).jobId).toBe('main');
    main.connections[1]?.drop();
    expect((await miner.sink.jobAt(2)).jobId, 'nothing proven this time').toBe('spare');
  });

  it('fails over when the pool is gone, and returns when it is back', async () => {
    const main = await startServer('main');
    const spare = await startServer('spare');
    const miner = start([poolAt(main), poolAt(spare)], { stableMs: 0, backToMainMs: 40 });
    await miner.sink.jobAt(0);
    const { port } = main;
    await main.close();
    expect((await miner.sink.jobAt(1)).jobId).toBe('spare');
    expect(miner.sink.idles).toHaveLength(1);
    // Looks at the main pool meanwhile, without disturbing the work.
    await delay(100);
    expect(miner.sink.jobs).toHaveLength(2);
    const back = await startServer('main again', undefined, port);
    expect(await miner.sink.jobAt(2)).toMatchObject({ jobId: 'main again' });
    expect(miner.sink.idles, 'no pause in the work').toHaveLength(1);
    await spare.connections[0]?.closed;
    expect(back.connections).toHaveLength(1);
    expect(back.connections[0]?.requests).toHaveLength(1);
  });

  it('hears the answers it is owed after a change of pool', async () => {
    const away = await closedPool();
    const spare = await startServer('spare');
    const miner = start([away, poolAt(spare)], { backToMainMs: 30 });
    const job = await miner.sink.jobAt(0);
    const old = spare.connections[0]!;
    old.onRequest = undefined;
    const outcome = miner.source.submit(shareOf(job));
    await startServer('main', undefined, away.port);
    await miner.sink.jobAt(1);
    old.sendAccepted(old.requests[1]!);
    expect(await outcome).toMatchObject({ status: 'accepted' });
    await old.closed;
  });

  it('looks less often at a main pool that keeps dropping it', async () => {
    let logins = 0;
    const main = await startServer('main', (connection) => {
      connection.onRequest = (request) => {
        logins++;
        connection.sendLoginReply(request, jobParams({ job_id: 'main' }));
        connection.end();
      };
    });
    const spare = await startServer('spare');
    const started = performance.now();
    const miner = start([poolAt(main), poolAt(spare)], { backToMainMs: 20 });
    while (logins < 4) await delay(5);
    // 40, 80 and 160 ms between the first and the fourth login, not 20 each.
    expect(performance.now() - started).toBeGreaterThan(250);
    expect(miner.sink.jobs.some((job) => job.jobId === 'spare')).toBe(true);
  });
});

describe('StratumSource: a silent pool', () => {
  it('is tried with a second connection, without a pause in the work', async () => {
    const server = await startServer('main');
    const miner = start([poolAt(server)], { jobTimeoutMs: 60, stableMs: 0 });
    await miner.sink.jobAt(0);
    await server.nextConnection();
    const second = await server.nextConnection();
    await server.connections[0]?.closed;
    second.sendJob(jobParams({ job_id: 'fresh', height: 'f507000000000000' }));
    while (!miner.sink.jobs.some((job) => job.jobId === 'fresh')) await delay(5);
    expect(miner.sink.idles).toEqual([]);
    expect(miner.lines.filter((line) => line.startsWith('warn'))).toEqual([]);
  });

  it('does not keep the source from looking at the main pool', async () => {
    const away = await closedPool();
    const spare = await startServer('spare');
    const miner = start([away, poolAt(spare)], { jobTimeoutMs: 30, backToMainMs: 100 });
    await miner.sink.jobAt(0);
    await startServer('main', undefined, away.port);
    while (miner.sink.jobs.at(-1)?.jobId !== 'main') await delay(5);
    expect(spare.connections.length).toBeGreaterThan(1);
    expect(miner.sink.idles).toEqual([]);
  });

  it('is left for the next one if the second connection fails', async () => {
    let connections = 0;
    const main = await startServer('main', (connection) => {
      if (++connections === 1) connection.autoReply(jobParams({ job_id: 'main' }));
    });
    const spare = await startServer('spare');
    const miner = start([poolAt(main), poolAt(spare)], {
      jobTimeoutMs: 60,
      connectTimeoutMs: 40,
      stableMs: 0,
    });
    await miner.sink.jobAt(0);
    expect(await miner.sink.idleAt(0)).toMatch(/no message for \d+ s$/);
    expect((await miner.sink.jobAt(1)).jobId).toBe('spare');
    expect(connections).toBe(2);
  });

  it('is not silent while it answers shares or sends jobs, but garbage does not count', async () => {
    const server = await startServer('main');
    const miner = start([poolAt(server)], { jobTimeoutMs: 150 });
    const job = await miner.sink.jobAt(0);
    for (let i = 0; i < 6; i++) {
      await delay(50);
      if (i % 2 === 0) await miner.source.submit(shareOf(job, BigInt(i)));
      else server.connections[0]?.sendJob(jobParams({ job_id: 'main' }));
    }
    expect(server.connections).toHaveLength(1);
    while (server.connections.length === 1) {
      server.connections[0]?.send({ method: 'mining.ping' });
      await delay(20);
    }
    await miner.stop();
  });
});
