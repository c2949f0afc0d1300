import { request as httpRequest, type IncomingHttpHeaders } from 'node:http';
import { connect } from 'node:net';
import { afterEach, describe, expect, it } from 'vitest';
import { PoolHttpServer } from '../../../pool/http/http-server.ts';
import { PoolMetrics } from '../../../pool/http/pool-metrics.ts';
import type { PoolStatus } from '../../../pool/http/status.ts';
import { RecordingLog } from '../../support/recording-log.ts';
import { NOW, statusOf } from './status-of.ts';

interface Answer {
  readonly status: number;
  readonly headers: IncomingHttpHeaders;
  readonly body: string;
}

const closing: (() => Promise<void>)[] = [];

afterEach(async () => {
  for (const close of closing.splice(0)) await close();
});

async function rig(maxConnections?: number) {
  const metrics = new PoolMetrics();
  const log = new RecordingLog('http');
  let status: PoolStatus | Error = statusOf();
  const server = new PoolHttpServer(
    { hostNames: ['Pool.Example'], ...(maxConnections === undefined ? {} : { maxConnections }) },
    {
      metrics,
      log,
      now: () => NOW,
      status: () => {
        if (status instanceof Error) throw status;
        return status;
      },
    },
  );
  closing.push(async () => {
    await server.close();
    metrics.close();
  });
  const { host, port } = await server.listen({ host: 'localhost', port: 0 });
  const ask = (path: string, headers = {}, method = 'GET', body = ''): Promise<Answer> =>
    new Promise((resolve, reject) => {
      const call = httpRequest({ host, port, path, headers, method, agent: false }, (response) => {
        let text = '';
        response.setEncoding('utf8').on('data', (part: string) => {
          text += part;
        });
        response.on('end', () =>
          resolve({ status: response.statusCode ?? 0, headers: response.headers, body: text }),
        );
      });
      call.on('error', reject).end(body);
    });
  const set = (next: PoolStatus | Error): void => {
    status = next;
  };
  return { server, log, host, port, ask, set };
}

describe('PoolHttpServer', () => {
  it('serves health with 200 for ok and degraded, and 503 for down', async () => {
    const { ask, set, host } = await rig();
    expect(host).toBe('127.0.0.1');
    const ok = await ask('/health');
    expect([ok.status, JSON.parse(ok.body).status]).toEqual([200, 'ok']);
    expect(ok.headers['content-type']).toBe('application/json; charset=utf-8');
    expect(ok.headers['cache-control']).toBe('no-store');
    set(statusOf({ lastShareAt: NOW - 1e6 }));
    const degraded = await ask('/health?x=1');
    expect([degraded.status, JSON.parse(degraded.body).status]).toEqual([200, 'degraded']);
    set(statusOf({ draining: true }));
    const down = await ask('/health');
    expect([down.status, JSON.parse(down.body).status]).toEqual([503, 'down']);
    expect((await ask('/health', {}, 'HEAD')).status).toBe(503);
  });

  it('serves the metrics page and a list of what there is', async () => {
    const { ask } = await rig();
    const metrics = await ask('/metrics');
    expect(metrics.status).toBe(200);
    expect(metrics.headers['content-type']).toMatch(/^text\/plain; version=0\.0\.4/);
    expect(metrics.body).toContain('bytom_pool_sessions 10\n');
    const overview = await ask('/');
    expect(overview.headers['content-type']).toBe('text/plain; charset=utf-8');
    expect(overview.body).toMatch(/^bytom-pool 1\.2\.3, solonet\n/);
    for (const path of ['/health', '/metrics']) expect(overview.body).toContain(`GET ${path} `);
  });

  it('answers 404 in JSON to everything else, and logs nothing of it', async () => {
    const { ask, log } = await rig();
    for (const [path, method] of [
      ['/nothing', 'GET'],
      ['/health/x', 'GET'],
      ['/health', 'POST'],
      ['/%zz', 'GET'],
    ] as const) {
      const answer = await ask(path, {}, method);
      expect([answer.status, answer.body], path).toEqual([404, '{"error":"not found"}']);
    }
    const headers = { 'content-type': 'text/x-odd' };
    expect((await ask('/', headers, 'POST', 'x')).status).toBeLessThan(500);
    const long = { 'content-type': 'application/json' };
    const flood = await ask('/', long, 'POST', 'x'.repeat(2_000_000)).catch(() => undefined);
    expect(flood === undefined || flood.status < 500).toBe(true);
    expect(log.entries.filter((entry) => entry.level === 'error')).toEqual([]);
  });

  it('refuses a page that had its own name pointed here', async () => {
    const { ask } = await rig();
    for (const path of ['/health', '/metrics', '/', '/nothing']) {
      expect((await ask(path, { host: 'evil.example' })).status, path).toBe(403);
    }
    expect((await ask('/health', { host: 'pool.example:80' })).status).toBe(200);
  });

  it('tells nobody but the log why it failed', async () => {
    const { ask, set, log } = await rig();
    set(new Error('secret path'));
    const answer = await ask('/health');
    expect([answer.status, answer.body]).toEqual([500, '{"error":"internal error"}']);
    expect(log.entries.at(-1)!.fields).toEqual({ reason: 'secret path' });
  });

  it('closes at once, whoever is connected', async () => {
    const { server, host, port } = await rig();
    const silent = connect(port, host);
    const half = connect(port, host, () => half.write('GET /health HTTP/1.1\r\n'));
    const gone = [silent, half].map(
      (socket) => new Promise((resolve) => socket.on('error', () => {}).on('close', resolve)),
    );
    await new Promise((resolve) => half.once('connect', resolve));
    await Promise.all([server.close(), server.close()]);
    await Promise.all(gone);
    await expect(
      new Promise((resolve, reject) => connect(port, host, () => resolve(0)).on('error', reject)),
    ).rejects.toThrow(/ECONNREFUSED/);
  });

  it('takes only so many connections', async () => {
    const { host, port, ask } = await rig(1);
    const first = connect(port, host);
    await new Promise((resolve) => first.once('connect', resolve));
    // The server hears of the first before the second.
    await expect(ask('/health')).rejects.toThrow();
    const closed = new Promise((resolve) => first.once('close', resolve));
    first.destroy();
    await closed;
    let status = 0;
    for (let tries = 0; tries < 50 && status !== 200; tries++) {
      status = await ask('/health').then(
        (answer) => answer.status,
        () => 0,
      );
    }
    expect(status).toBe(200);
  });

  it('rejects where the port is in use', async () => {
    const { host, port } = await rig();
    const other = new PoolHttpServer(
      {},
      {
        metrics: new PoolMetrics(),
        log: new RecordingLog(),
        now: () => NOW,
        status: () => statusOf(),
      },
    );
    await expect(other.listen({ host, port })).rejects.toThrow(/EADDRINUSE/);
    await other.close();
  });
});
