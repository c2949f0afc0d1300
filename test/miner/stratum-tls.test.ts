import type { AddressInfo } from 'node:net';
import { createServer } from 'node:tls';
import { afterEach, beforeAll, describe, expect, it } from 'vitest';
import { parsePoolUrl } from '../../miner/pool-url.ts';
import type { PoolAccess } from '../../miner/stratum-connection.ts';
import { createCertificate, hasOpenssl, type TestCertificate } from '../support/certificate.ts';
import { type MinerUnderTest, poolAt, shareOf, startMiner } from '../support/stratum-miner.ts';
import { StratumServer } from '../support/stratum-server.ts';

const open: (() => Promise<void>)[] = [];

afterEach(async () => {
  for (const close of open.splice(0).reverse()) await close();
});

function tlsPool(server: StratumServer, fingerprint?: string): PoolAccess {
  const url = parsePoolUrl(`stratum+ssl://127.0.0.1:${server.port}`);
  return poolAt(server, {
    url,
    ...(fingerprint === undefined ? {} : { tlsFingerprint: fingerprint }),
  });
}

// Needs the openssl program to make a certificate; says so by being skipped where there is none.
describe.skipIf(!hasOpenssl)('StratumSource over TLS (needs openssl)', () => {
  let certificate: TestCertificate;

  beforeAll(() => {
    certificate = createCertificate();
  });

  async function startTlsServer(): Promise<StratumServer> {
    const server = await StratumServer.start({
      tls: certificate,
      onConnection: (connection) => connection.autoReply(),
    });
    open.push(() => server.close());
    return server;
  }

  function start(pool: PoolAccess): MinerUnderTest {
    return startMiner([pool], { retries: 0, connectTimeoutMs: 2_000 });
  }

  it('mines at a pool whose certificate has the pinned fingerprint', async () => {
    const server = await startTlsServer();
    const miner = start(tlsPool(server, certificate.fingerprint));
    open.push(() => miner.stop());
    const outcome = await miner.source.submit(shareOf(await miner.sink.jobAt(0)));
    expect(outcome).toMatchObject({ status: 'accepted' });
  });

  it('sends nothing to a pool with another certificate than the pinned one', async () => {
    const server = await startTlsServer();
    const miner = start(tlsPool(server, 'ab'.repeat(32)));
    const actual = certificate.fingerprint.replaceAll(':', '').toLowerCase();
    await expect(miner.ended).rejects.toThrow(
      `certificate not accepted: its SHA-256 is ${actual}, not ${'ab'.repeat(32)}`,
    );
    expect(server.connections.flatMap((connection) => connection.requests)).toEqual([]);
  });

  it('asks for the certificate of the host by its name, but not by an address', async () => {
    const asked: string[] = [];
    const server = createServer({
      ...certificate,
      SNICallback: (name, found) => {
        asked.push(name);
        found(null);
      },
    });
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    open.push(() => new Promise((resolve) => server.close(() => resolve())));
    const { port } = server.address() as AddressInfo;
    for (const host of ['localhost', '127.0.0.1']) {
      const url = parsePoolUrl(`ssl://${host}:${port}`);
      const pool = { url, user: 'alice.rig1', password: 'x', tlsFingerprint: '00'.repeat(32) };
      await expect(start(pool).ended, host).rejects.toThrow(/its SHA-256 is/);
    }
    expect(asked).toEqual(['localhost']);
  });

  it('refuses a self-signed certificate that is not pinned', async () => {
    const server = await startTlsServer();
    const miner = start(tlsPool(server));
    await expect(miner.ended).rejects.toThrow(
      /certificate not accepted: self-signed certificate \(DEPTH_ZERO_SELF_SIGNED_CERT\)/,
    );
    expect(server.connections.flatMap((connection) => connection.requests)).toEqual([]);
  });

  it('tells a pool without TLS from one that is not there', async () => {
    const server = await StratumServer.start({ onConnection: (connection) => connection.end() });
    open.push(() => server.close());
    await expect(start(tlsPool(server)).ended).rejects.toThrow(/no connection: /);
  });
});

describe('StratumSource: a fingerprint', () => {
  it('has to be a SHA-256', async () => {
    const server = await StratumServer.start();
    open.push(() => server.close());
    expect(() => startMiner([tlsPool(server, 'abcd')])).toThrow('tls-fingerprint: expected');
  });
});
