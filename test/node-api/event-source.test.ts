/** The reader of the push channel, against a server that cuts, stalls, ends and floods. */
import type { ServerResponse } from 'node:http';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { followEvents, type NodeEvent } from '../../src/node-api/event-source.ts';
import { isMissingCall } from '../../src/node-api/node-client.ts';
import { createDeferred } from '../../src/util/deferred.ts';
import { json, TestNode } from '../miner/test-node.ts';

const PATH = 'events?types=tip,template';

describe('events', () => {
  let server: TestNode;
  let stop: AbortController;
  const events: NodeEvent[] = [];
  beforeEach(async () => {
    server = new TestNode();
    await server.start();
    stop = new AbortController();
    events.length = 0;
  });
  afterEach(async () => {
    stop.abort();
    await server.stop();
  });

  const streamed = (write: (response: ServerResponse) => void): void => {
    server.on(PATH, (response) => {
      response.writeHead(200, { 'content-type': 'text/event-stream; charset=utf-8' });
      write(response);
    });
  };
  const follow = (idleMs = 5000, onEvent: (event: NodeEvent) => void = () => {}): Promise<void> => {
    const note = (event: NodeEvent): void => {
      events.push(event);
      onEvent(event);
    };
    return followEvents({ url: server.url, idleMs }, note, stop.signal);
  };

  it('come however they are cut and ended; comments and other fields are none', async () => {
    const bytes = Buffer.from(
      ': hello\n\nretry: 2000\n\nevent: tip\ndata: {"height":1,"name":"€"}\n\n' +
        'event:template\r\ndata:1\r\ndata: 2\r\nid: 7\r\n\r\nevent: empty\n\ndata\n\n',
    );
    streamed(async (response) => {
      for (const byte of bytes) {
        response.write(Uint8Array.of(byte));
        await new Promise((resolve) => setImmediate(resolve));
      }
      response.end();
    });
    await expect(follow()).rejects.toMatchObject({
      detail: { code: 'network', text: 'the events have ended' },
    });
    expect(events).toEqual([
      { type: 'tip', data: '{"height":1,"name":"€"}' },
      { type: 'template', data: '1\n2' },
      { type: 'message', data: '' },
    ]);
  });

  it('are asked for with the credentials, until the signal aborts', async () => {
    streamed((response) => response.write('event: tip\ndata: 1\n\n'));
    const heard = createDeferred<NodeEvent>();
    const url = server.url.replace('//', '//me:pass@');
    const following = followEvents({ url }, heard.resolve, stop.signal);
    expect(await heard.promise).toEqual({ type: 'tip', data: '1' });
    stop.abort();
    await following;
    const basic = `Basic ${Buffer.from('me:pass').toString('base64')}`;
    expect(server.received[0]?.authorization).toBe(basic);
    await followEvents({ url }, heard.resolve, stop.signal);
  });

  it('that stop coming end it, also before the first', async () => {
    streamed((response) => response.write(': here\n\n'));
    await expect(follow(20)).rejects.toMatchObject({ detail: { code: 'timeout', afterMs: 20 } });
    server.on(PATH, () => {});
    await expect(follow(20)).rejects.toMatchObject({ detail: { code: 'timeout' } });
  });

  it('that are too long end it', async () => {
    for (const text of ['x'.repeat(70_000), `data: ${'x'.repeat(1000)}\n`.repeat(70)]) {
      streamed((response) => response.write(text));
      await expect(follow(), text.slice(0, 5)).rejects.toMatchObject({
        detail: { code: 'oversized' },
      });
    }
    expect(events).toEqual([]);
  });

  it('that a node does not have are known to be missing', async () => {
    const missing = await follow().catch((error: unknown) => error);
    expect(isMissingCall(missing)).toBe(true);
    server.on(PATH, json('', 301));
    expect(isMissingCall(await follow().catch((error: unknown) => error))).toBe(true);
    server.on(PATH, json({ status: 'success' }));
    await expect(follow()).rejects.toMatchObject({ detail: { code: 'bad-answer' } });
    server.on(PATH, json('busy', 503));
    const busy: unknown = await follow().catch((error: unknown) => error);
    expect(busy).toMatchObject({ detail: { code: 'http-status', status: 503, text: 'busy' } });
    expect(isMissingCall(busy)).toBe(false);
  });

  it('of a node that is not there are a network error', async () => {
    const { url } = server;
    await server.stop();
    await expect(followEvents({ url }, () => {}, stop.signal)).rejects.toMatchObject({
      detail: { code: 'network' },
    });
    await server.start();
  });
});
