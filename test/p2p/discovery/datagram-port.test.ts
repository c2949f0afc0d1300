import { setImmediate as nextTurn } from 'node:timers/promises';
import { describe, expect, it } from 'vitest';
import { DiscoveryError, openUdpPort } from '../../../src/p2p/discovery/datagram-port.ts';
import type { Endpoint } from '../../../src/p2p/discovery/endpoint.ts';
import { createDeferred } from '../../../src/util/deferred.ts';
import { createSilentLogger } from '../../../src/util/log.ts';

const LOG = createSilentLogger();
const HOST = '127.0.0.1';

describe('a UDP port', () => {
  it('sends from the port that it is bound to, and says where a datagram is from', async () => {
    const [a, b] = await Promise.all([
      openUdpPort({ host: HOST, port: 0 }, LOG),
      openUdpPort({ host: HOST, port: 0 }, LOG),
    ]);
    const got = createDeferred<{ bytes: Uint8Array; from: Endpoint }>();
    b.receive((bytes, from) => got.resolve({ bytes, from }));
    // Longer than any packet: dropped.
    a.send(new Uint8Array(1281), { host: HOST, port: b.port });
    a.send(Uint8Array.of(1, 2, 3), { host: HOST, port: b.port });
    const { bytes, from } = await got.promise;
    expect([...bytes]).toEqual([1, 2, 3]);
    expect(from).toEqual({ host: HOST, port: a.port });
    expect(a.family).toBe(4);
    await Promise.all([a.close(), b.close()]);
  });

  it('says which port it could not have', async () => {
    const first = await openUdpPort({ host: HOST, port: 0 }, LOG);
    const second = openUdpPort({ host: HOST, port: first.port }, LOG);
    await expect(second).rejects.toThrow(DiscoveryError);
    await expect(second).rejects.toMatchObject({
      detail: { code: 'bind', host: HOST, port: first.port },
    });
    await first.close();
  });

  it('takes what cannot be sent for lost, and closes twice', async () => {
    const port = await openUdpPort({ host: HOST, port: 0 }, LOG);
    port.send(new Uint8Array(70_000), { host: HOST, port: port.port });
    port.send(Uint8Array.of(1), { host: '255.255.255.255', port: 9 });
    port.send(Uint8Array.of(1), { host: HOST, port: 0 });
    await nextTurn();
    await port.close();
    await port.close();
    port.send(Uint8Array.of(1), { host: HOST, port: 9 });
  });
});
