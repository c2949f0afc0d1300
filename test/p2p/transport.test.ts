/** Over loopback sockets: they are what is tested. Time is the fake clock's, waiting is for events. */
import { once } from 'node:events';
import { connect, createServer, type Socket } from 'node:net';
import { setImmediate as nextTurn } from 'node:timers/promises';
import { afterEach, describe, expect, it } from 'vitest';
import { HandshakeError } from '../../src/p2p/handshake.ts';
import type { PeerMessage } from '../../src/p2p/messages.ts';
import type { NodeInfo } from '../../src/p2p/node-info.ts';
import type { PeerLink } from '../../src/p2p/peer-link.ts';
import { DialError, ListenError, P2pTransport } from '../../src/p2p/transport.ts';
import { createDeferred } from '../../src/util/deferred.ts';
import { FakeClock } from '../support/fake-clock.ts';
import { testNodeInfo } from '../support/memory-link.ts';
import { RecordingLog } from '../support/recording-log.ts';
import { identityOf } from '../support/secret-links.ts';

const HOST = '127.0.0.1';

class TestNode {
  readonly clock = new FakeClock();
  readonly log = new RecordingLog();
  readonly inbound: PeerLink[] = [];
  readonly transport: P2pTransport;
  readonly asked: string[] = [];
  isOpen = true;
  port = 0;

  constructor(
    seed: number,
    info: Partial<NodeInfo> = {},
    options: Partial<ConstructorParameters<typeof P2pTransport>[0]> = {},
  ) {
    this.transport = new P2pTransport(
      { nodeInfo: () => testNodeInfo(seed, info), ...options },
      { identity: identityOf(seed), clock: this.clock, log: this.log },
    );
    nodes.push(this);
  }

  async listen(host = HOST): Promise<this> {
    const { port } = await this.transport.listen(
      { host, port: 0 },
      (link) => this.inbound.push(link),
      (address) => {
        this.asked.push(address);
        return this.isOpen;
      },
    );
    this.port = port;
    return this;
  }

  dial(port: number, host = HOST, signal?: AbortSignal): Promise<PeerLink> {
    return this.transport.dial({ host, port }, signal);
  }
}

const nodes: TestNode[] = [];
const sockets: Socket[] = [];
afterEach(async () => {
  for (const socket of sockets.splice(0)) socket.destroy();
  for (const node of nodes.splice(0)) {
    await node.transport.close();
    expect(node.clock.sleeping, 'no timer is left').toBe(0);
  }
});

/** Waits, turn by turn, for what sockets are about to bring. */
async function until(isSo: () => boolean): Promise<void> {
  for (let i = 0; !isSo(); i++) {
    if (i > 200_000) throw new Error('it did not come about');
    await nextTurn();
  }
}

/** A connection that says nothing; `isCut` when the other side has had enough. */
function openSocket(port: number): { readonly socket: Socket; isCut: boolean } {
  const socket = connect({ host: HOST, port });
  sockets.push(socket);
  const state = { socket, isCut: false };
  socket.on('error', () => {});
  socket.on('close', () => {
    state.isCut = true;
  });
  socket.resume();
  return state;
}

const detailOf = (error: unknown): unknown => {
  expect(error).toBeInstanceOf(Error);
  return (error as HandshakeError).detail;
};

describe('two nodes on one machine', () => {
  it('shake hands and talk', async () => {
    const [a, b] = [new TestNode(1), await new TestNode(2).listen()];
    const atA = await a.dial(b.port);
    await until(() => b.inbound.length === 1);
    const atB = b.inbound[0]!;
    expect([atA.id, atB.id]).toEqual([identityOf(2).id, identityOf(1).id]);
    expect(atA.remote).toEqual({ address: HOST, port: b.port });
    expect(atB.remote.address).toBe(HOST);
    expect(b.asked).toEqual([HOST]);

    const answered = createDeferred<PeerMessage>();
    const status: PeerMessage = {
      type: 'status',
      height: 5,
      bestHash: new Uint8Array(32).fill(1),
      genesisHash: new Uint8Array(32).fill(2),
    };
    atA.receive(answered.resolve);
    atB.receive((message) => {
      if (message.type === 'status-request') atB.send(status);
    });
    expect(atA.send({ type: 'status-request' })).toBe(true);
    expect(await answered.promise).toEqual(status);
    expect(atA.stats.sentBytes).toBe(atB.stats.receivedBytes);
    expect(atA.stats.receivedBytes).toBe(atB.stats.sentBytes);
  });

  it('carry a large message, and the sender waits while the other does not read', async () => {
    const link = { sendRate: Number.POSITIVE_INFINITY, receiveRate: Number.POSITIVE_INFINITY };
    const [a, b] = [new TestNode(1, {}, { link }), await new TestNode(2, {}, { link }).listen()];
    const atA = await a.dial(b.port);
    await until(() => b.inbound.length === 1);
    const block = Uint8Array.from({ length: 200_000 }, (_, i) => i * 3);
    expect(atA.send({ type: 'block', block })).toBe(true);
    // Nobody receives: nothing more is taken from the socket.
    for (let i = 0; i < 50; i++) await nextTurn();
    const arrived = createDeferred<PeerMessage>();
    expect(b.inbound[0]!.stats.receivedBytes).toBeLessThan(100_000);
    b.inbound[0]!.receive(arrived.resolve);
    const message = await arrived.promise;
    expect(message.type === 'block' && Buffer.compare(message.block, block)).toBe(0);
  });

  it('meet over IPv6, and over IPv4 at a socket of both', async (ctx) => {
    const [a, b] = [new TestNode(1), new TestNode(2)];
    const isReady = await b.listen('::').then(
      () => true,
      () => false,
    );
    if (!isReady) return ctx.skip('this machine has no IPv6');
    await a.dial(b.port, '127.0.0.1');
    await a.dial(b.port, '::1');
    await until(() => b.inbound.length === 2);
    expect(b.asked).toEqual(['127.0.0.1', '::1']);
    expect(b.inbound.map((link) => link.remote.address)).toEqual(['127.0.0.1', '::1']);
  });

  it('part when either closes, and when the line breaks', async () => {
    const [a, b] = [new TestNode(1), await new TestNode(2).listen()];
    const first = await a.dial(b.port);
    await until(() => b.inbound.length === 1);
    b.inbound[0]!.receive(() => {});
    first.close('enough');
    expect(await first.closed).toEqual({ code: 'closed', reason: 'enough' });
    expect((await b.inbound[0]!.closed).code).toMatch(/remote|socket/);
    const second = await a.dial(b.port);
    await until(() => b.inbound.length === 2);
    second.receive(() => {});
    await b.transport.close();
    expect(await b.inbound[1]!.closed).toEqual({ code: 'closed', reason: 'this node stops' });
    expect((await second.closed).code).toMatch(/remote|socket/);
  });
});

describe('dialling', () => {
  it('fails where nobody listens, or no name is known', async () => {
    const a = new TestNode(1);
    const server = createServer();
    server.listen(0, HOST);
    await once(server, 'listening');
    const { port } = server.address() as { port: number };
    server.close();
    await once(server, 'close');
    const error = await a.dial(port).catch((caught: unknown) => caught);
    expect(error).toBeInstanceOf(DialError);
    expect(detailOf(error)).toMatchObject({ code: 'connect' });
  });

  it('fails after its time', async () => {
    const transport = new P2pTransport(
      { nodeInfo: () => testNodeInfo(1) },
      {
        identity: identityOf(1),
        // Time is up before a socket has its turn.
        clock: { now: () => 0, sleep: () => Promise.resolve() },
        log: new RecordingLog(),
      },
    );
    const b = await new TestNode(2).listen();
    const error = await transport.dial({ host: HOST, port: b.port }).catch((e: unknown) => e);
    expect(detailOf(error)).toEqual({ code: 'timeout', afterMs: 10_000 });
    await transport.close();
  });

  it('ends with its signal and with the transport', async () => {
    const [a, b] = [new TestNode(1), await new TestNode(2).listen()];
    const early = AbortSignal.abort();
    expect(detailOf(await a.dial(b.port, HOST, early).catch((e: unknown) => e))).toEqual({
      code: 'aborted',
    });
    const stop = new AbortController();
    const dialling = a.dial(b.port, HOST, stop.signal).catch((e: unknown) => e);
    stop.abort();
    expect(detailOf(await dialling)).toEqual({ code: 'aborted' });
    // In the middle of a handshake with a socket that says nothing.
    const mute = createServer().listen(0, HOST);
    await once(mute, 'listening');
    const waiting = a.dial((mute.address() as { port: number }).port).catch((e: unknown) => e);
    await once(mute, 'connection');
    await a.transport.close();
    expect(detailOf(await waiting)).toEqual({ code: 'aborted' });
    expect(detailOf(await a.dial(b.port).catch((e: unknown) => e))).toEqual({ code: 'aborted' });
    mute.close();
  });

  it('finds out that it is talking to itself, or to a stranger’s network', async () => {
    const [a, b] = [await new TestNode(1).listen(), await new TestNode(2).listen()];
    const self = await a.dial(a.port).catch((e: unknown) => e);
    expect(self).toBeInstanceOf(HandshakeError);
    expect(detailOf(self)).toEqual({ code: 'self' });
    const other = new TestNode(3, { network: 'mainnet' });
    expect(detailOf(await other.dial(b.port).catch((e: unknown) => e))).toEqual({
      code: 'network',
      network: 'solonet',
    });
    const newer = new TestNode(4, { version: '2.0.0' });
    expect(detailOf(await newer.dial(b.port).catch((e: unknown) => e))).toMatchObject({
      code: 'version',
    });
    expect(b.inbound).toEqual([]);
    await until(() => b.log.of('handshake failed').length === 2);
    expect(b.log.entries.every(({ level }) => level === 'debug')).toBe(true);
  });
});

describe('listening', () => {
  it('fails where somebody listens already', async () => {
    const [a, b] = [new TestNode(1), await new TestNode(2).listen()];
    await expect(
      a.transport.listen(
        { host: HOST, port: b.port },
        () => {},
        () => true,
      ),
    ).rejects.toThrow(ListenError);
  });

  it('exchanges no byte with whom it does not admit', async () => {
    const [a, b] = [new TestNode(1), await new TestNode(2).listen()];
    b.isOpen = false;
    const stranger = openSocket(b.port);
    let bytes = 0;
    stranger.socket.on('data', (chunk) => {
      bytes += chunk.length;
    });
    await until(() => stranger.isCut);
    expect(bytes).toBe(0);
    expect(detailOf(await a.dial(b.port).catch((e: unknown) => e))).toMatchObject({
      code: 'ended',
    });
  });

  it('lets few strangers of one host be in the middle of a handshake', async () => {
    const b = await new TestNode(2).listen();
    const strangers = Array.from({ length: 8 }, () => openSocket(b.port));
    await until(() => strangers.filter(({ isCut }) => isCut).length === 5);
    expect(b.clock.sleeping).toBe(3);
    // Until their time is over, and then there is room again.
    await b.clock.advance(30_000);
    await until(() => strangers.every(({ isCut }) => isCut));
    await new TestNode(1).dial(b.port);
    await until(() => b.inbound.length === 1);
  });

  it('lets few strangers be in the middle of a handshake in all', async () => {
    const b = await new TestNode(2, {}, { maxHandshakes: 4, maxHandshakesPerHost: 100 }).listen();
    const strangers = Array.from({ length: 10 }, () => openSocket(b.port));
    await until(() => strangers.filter(({ isCut }) => isCut).length === 6);
    expect(b.clock.sleeping).toBe(4);
    // One that hangs up makes room as well.
    strangers.find(({ isCut }) => !isCut)!.socket.destroy();
    await until(() => b.clock.sleeping === 3);
    await new TestNode(1).dial(b.port);
  });

  it('cuts off whoever is slow to shake hands, where others wait for the place', async () => {
    const b = await new TestNode(2, {}, { maxHandshakes: 2, maxHandshakesPerHost: 100 }).listen();
    const strangers: ReturnType<typeof openSocket>[] = [];
    for (let i = 0; i < 2; i++) {
      strangers.push(openSocket(b.port));
      await until(() => b.clock.sleeping === i + 1);
      await b.clock.advance(1000);
    }
    const early = openSocket(b.port);
    await until(() => early.isCut);
    expect(strangers.map(({ isCut }) => isCut)).toEqual([false, false]);
    await b.clock.advance(1000);
    await new TestNode(1).dial(b.port);
    await until(() => strangers[0]!.isCut);
    expect(strangers[1]!.isCut).toBe(false);
    await until(() => b.inbound.length === 1);
  });

  it('computes for one host no more often than any needs, and for all of them', async () => {
    const b = await new TestNode(2).listen();
    const greet = async (): Promise<boolean> => {
      const { socket } = openSocket(b.port);
      const isGreeted = once(socket, 'data').then(() => true);
      const isRefused = once(socket, 'close').then(() => false);
      const outcome = await Promise.race([isGreeted, isRefused]);
      socket.destroy();
      await until(() => b.clock.sleeping === 0);
      return outcome;
    };
    let greeted = 0;
    while (await greet()) greeted++;
    expect(greeted).toBe(64);
    await b.clock.advance(2000);
    expect([await greet(), await greet(), await greet()]).toEqual([true, true, false]);
  });

  it('does not count those who have shaken hands', async () => {
    const b = await new TestNode(2).listen();
    for (let i = 0; i < 6; i++) await new TestNode(10 + i).dial(b.port);
    await until(() => b.inbound.length === 6);
  });

  it('survives connections that are reset at any moment', async () => {
    const b = await new TestNode(2).listen();
    for (const bytes of [0, 1, 32, 100, 2000]) {
      const { socket } = openSocket(b.port);
      await once(socket, 'connect');
      if (bytes > 0) socket.write(new Uint8Array(bytes).fill(9));
      await nextTurn();
      socket.resetAndDestroy();
    }
    await until(() => b.log.of('handshake failed').length >= 4);
    const link = await new TestNode(1).dial(b.port);
    await until(() => b.inbound.length === 1);
    expect(link.id).toBe(identityOf(2).id);
    expect(b.log.entries.filter(({ level }) => level === 'error')).toEqual([]);
  });

  it('closes a link that its owner fails on, and says so', async () => {
    const [a, b] = [new TestNode(1), new TestNode(2)];
    const { port } = await b.transport.listen(
      { host: HOST, port: 0 },
      () => {
        throw new Error('no room');
      },
      () => true,
    );
    const link = await a.dial(port);
    link.receive(() => {});
    expect((await link.closed).code).toMatch(/remote|socket/);
    expect(b.log.entries).toMatchObject([{ level: 'error', fields: { reason: 'no room' } }]);
  });
});
