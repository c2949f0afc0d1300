/** The push channel, over loopback and over responses that nobody reads. */
import { EventEmitter } from 'node:events';
import { get, type IncomingMessage, type ServerResponse } from 'node:http';
import { afterEach, describe, expect, it } from 'vitest';
import { EventStream, type EventStreamOptions } from '../../../src/node/http/event-stream.ts';
import { bytesToHex } from '../../../src/util/bytes.ts';
import { ChainBuilder } from '../../support/chain-builder.ts';
import { FakeClock, settle } from '../../support/fake-clock.ts';
import { ANYONE, FEE, transaction } from '../../support/spending.ts';
import { ApiRig, type ApiRigOptions } from './api-rig.ts';

const ADDRESS = 'sm1qy72hflw5wzurdmv294kvat5y3k7y8a9ca26kq5';

interface Event {
  readonly event: string;
  readonly data: Readonly<Record<string, unknown>>;
}

/** Reads a stream event by event. */
class Reader {
  #text = '';
  readonly #waiting: (() => void)[] = [];
  readonly response: IncomingMessage;
  ended = false;

  constructor(response: IncomingMessage) {
    this.response = response;
    response.setEncoding('utf8').on('data', (chunk: string) => {
      this.#text += chunk;
      for (const wake of this.#waiting.splice(0)) wake();
    });
    response.on('error', () => {});
    response.on('close', () => {
      this.ended = true;
      for (const wake of this.#waiting.splice(0)) wake();
    });
  }

  async next(): Promise<Event> {
    for (;;) {
      const end = this.#text.indexOf('\n\n');
      if (end < 0) {
        if (this.ended) throw new Error('the stream has ended');
        await new Promise<void>((resolve) => this.#waiting.push(resolve));
        continue;
      }
      const block = this.#text.slice(0, end);
      this.#text = this.#text.slice(end + 2);
      const found = /^event: (.*)\ndata: (.*)$/.exec(block);
      if (found !== null) return { event: found[1]!, data: JSON.parse(found[2]!) };
    }
  }

  /** Resolves when the other side has ended it. */
  async end(): Promise<void> {
    while (!this.ended) await new Promise<void>((resolve) => this.#waiting.push(resolve));
  }
}

describe('the events', () => {
  const rigs: ApiRig[] = [];
  const readers: Reader[] = [];
  afterEach(async () => {
    for (const { response } of readers.splice(0)) response.destroy();
    for (const rig of rigs.splice(0)) await rig.close();
  });

  async function openRig(options: ApiRigOptions): Promise<ApiRig> {
    const rig = await ApiRig.open({ address: ADDRESS, ...options });
    rigs.push(rig);
    return rig;
  }

  async function listen(rig: ApiRig, path = '/events'): Promise<Reader> {
    const response = await new Promise<IncomingMessage>((resolve, reject) => {
      get({ host: '127.0.0.1', port: rig.port, path, agent: false }, resolve).on('error', reject);
    });
    const reader = new Reader(response);
    readers.push(reader);
    return reader;
  }

  it('begin with the present tip, and go on with each new one and its template', async () => {
    const chain = new ChainBuilder();
    const rig = await openRig({ hasher: chain.pow.hasher() });
    const reader = await listen(rig);
    expect(reader.response.statusCode).toBe(200);
    expect(reader.response.headers['content-type']).toBe('text/event-stream; charset=utf-8');
    expect(await reader.next()).toEqual({
      event: 'tip',
      data: {
        height: 0,
        hash: bytesToHex(chain.tip.hash),
        previous_block_hash: '00'.repeat(32),
        timestamp: chain.tip.header.timestamp,
        disconnected: 0,
      },
    });
    expect(await reader.next()).toMatchObject({ event: 'template', data: { height: 1 } });
    await rig.addBlocks([chain.block()]);
    expect(await reader.next()).toMatchObject({
      event: 'tip',
      data: { height: 1, hash: bytesToHex(chain.tip.hash), disconnected: 0 },
    });
    expect(await reader.next()).toEqual({
      event: 'template',
      data: { height: 2, previous_block_hash: bytesToHex(chain.tip.hash), reason: 'parent' },
    });
    // Another branch takes over.
    const other = chain.fork(0).extend(2);
    await rig.addBlocks(other.blocks.slice(1));
    expect(await reader.next()).toMatchObject({
      event: 'tip',
      data: { height: 2, hash: bytesToHex(other.tip.hash), disconnected: 1 },
    });
  });

  it('are those that were asked for, transactions among them', async () => {
    const chain = new ChainBuilder().extend(101);
    const rig = await openRig({ hasher: chain.pow.hasher({ maxBatch: 64 }) });
    await rig.addBlocks(chain.blocks.slice(1));
    const reader = await listen(rig, '/events?types=transaction');
    const coin = chain.coinbase(1);
    const tx = transaction({
      from: [coin],
      to: [{ to: ANYONE, amount: coin.amount - FEE }],
    });
    await rig.data('/submit-transaction', { raw_transaction: bytesToHex(tx.raw) });
    expect(await reader.next()).toMatchObject({
      event: 'transaction',
      data: { tx_id: bytesToHex(tx.id), fee: Number(FEE), size: tx.raw.length },
    });
    for (const types of ['x', 'tip,x', ',', 'Tip', 'tip,__proto__']) {
      const { status, json } = await rig.raw(`/events?types=${types}`);
      expect([status, json], types).toMatchObject([400, { code: 'BTM002' }]);
    }
  });

  it('make no templates that nobody listens to', async () => {
    const chain = new ChainBuilder();
    const rig = await openRig({ hasher: chain.pow.hasher() });
    const tips = await listen(rig, '/events?types=tip');
    await tips.next();
    await rig.addBlocks([chain.block()]);
    await tips.next();
    expect(rig.templates.kept).toBe(0);
    const both = await listen(rig);
    await both.next();
    expect((await both.next()).event).toBe('template');
    expect(rig.templates.kept).toBe(1);
  });

  it('go to so many listeners and no more, each of which makes room', async () => {
    const chain = new ChainBuilder();
    const rig = await openRig({ hasher: chain.pow.hasher(), events: { maxListeners: 2 } });
    const first = await listen(rig);
    await listen(rig);
    const refused = await rig.raw('/events');
    expect([refused.status, refused.json]).toMatchObject([
      503,
      { code: 'BTM000', temporary: true },
    ]);
    first.response.destroy();
    let third = await listen(rig);
    while (third.response.statusCode === 503) third = await listen(rig);
    expect((await third.next()).event).toBe('tip');
  });

  it('need a token from elsewhere like everything else, and end with the server', async () => {
    const chain = new ChainBuilder();
    const rig = await openRig({ hasher: chain.pow.hasher() });
    const remote = await rig.raw('/events', { headers: { 'x-forwarded-for': '192.0.2.1' } });
    expect(remote.status).toBe(401);
    expect((await rig.raw('/events', { method: 'HEAD' })).status).toBe(200);
    const reader = await listen(rig);
    await reader.next();
    await rig.server.close();
    await reader.end();
  });
});

/** A response whose client reads nothing: what is written stays. */
class StuckResponse extends EventEmitter {
  writableLength = 0;
  writableEnded = false;
  destroyed = false;
  text = '';

  writeHead(): void {}

  write(text: string): void {
    this.text += text;
    this.writableLength += text.length;
  }

  end(): void {
    this.writableEnded = true;
    this.emit('close');
  }

  destroy(): void {
    this.destroyed = true;
    this.emit('close');
  }
}

describe('a listener that does not read', () => {
  it('is cut off when it is too far behind; a heartbeat comes meanwhile', async () => {
    const chain = new ChainBuilder();
    const rig = await ApiRig.open({ hasher: chain.pow.hasher() });
    const clock = new FakeClock();
    const options: EventStreamOptions = { heartbeatMs: 1000, maxQueuedBytes: 400 };
    const stream = new EventStream(options, {
      chain: rig.chainRig.chain,
      templates: rig.templates,
      mempool: rig.mempool,
      clock,
      log: rig.log,
    });
    const response = new StuckResponse();
    stream.open(response as unknown as ServerResponse, 'tip', {});
    expect(stream.size).toBe(1);
    expect(response.text).toMatch(/^retry: \d+\n\nevent: tip\ndata: \{.*\}\n\n$/);
    await clock.advance(1000);
    expect(response.text).toMatch(/\n\n: [^\n]+\n\n$/);
    await rig.addBlocks([chain.block()]);
    expect(response.destroyed).toBe(true);
    expect(stream.size).toBe(0);
    const { length } = response.text;
    await clock.advance(5000);
    expect(response.text).toHaveLength(length);
    await stream.close();
    expect(clock.sleeping).toBe(0);
    expect(() => stream.open(new StuckResponse() as unknown as ServerResponse, null, {})).toThrow();
    await settle();
    await rig.close();
  });
});
