/** Transport: methods, paths, bodies, refusals, limits. Bytom 1.x mining interfaces, A.1 and A.2. */
import { connect, type Socket } from 'node:net';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import type { JsonValue } from '../../../src/util/json.ts';
import { StandInHasher } from '../../support/stand-in-hasher.ts';
import { ApiRig, type ApiRigOptions, type RawRequest, type Reply, SmallWorld } from './api-rig.ts';

const HINT = 'check request parameters for missing and/or incorrect values';
const COUNT = '{"status":"success","data":{"block_count":0}}\n';

let rig: ApiRig;
beforeAll(async () => {
  rig = await openRig({ origins: ['https://wallet.example'] });
});
afterAll(async () => {
  await rig.close();
});

function openRig(options: Partial<ApiRigOptions> = {}): Promise<ApiRig> {
  return ApiRig.open({ hasher: new StandInHasher(), ...options });
}

function refusal(code: string, detail: string): JsonValue {
  const titles: Record<string, string> = {
    BTM000: 'Bytom API Error',
    BTM002: 'Invalid request body',
    BTM860: 'Request could not be authenticated',
  };
  return { code, msg: titles[code]!, status: 'fail', detail, temporary: code === 'BTM000' };
}

/** Sends bytes and collects what comes back until the other side ends it. */
function exchange(text: string, port = rig.port): Promise<string> {
  return new Promise((resolve) => {
    const socket = connect(port, '127.0.0.1');
    let received = '';
    socket.setEncoding('utf8').on('data', (chunk: string) => {
      received += chunk;
    });
    socket.on('error', () => {});
    socket.on('close', () => resolve(received));
    socket.write(text);
  });
}

describe('methods and paths', () => {
  it('every method is the same, with a body and without', async () => {
    for (const method of [
      'GET',
      'POST',
      'PUT',
      'DELETE',
      'PATCH',
      'OPTIONS',
      'PROPFIND',
      'QUERY',
    ]) {
      const bare = await rig.raw('/get-block-count', { method });
      expect(bare.text, method).toBe(COUNT);
      const options: RawRequest = { method, body: '{"block_height":0}' };
      const { json } = await rig.raw('/get-difficulty', options);
      expect(json, method).toMatchObject({ status: 'success', data: { height: 0 } });
    }
    const head = await rig.raw('/get-block-count', { method: 'HEAD' });
    expect([head.status, head.text, head.headers['content-length']]).toEqual([200, '', '46']);
  });

  it('the path is exact; a query is ignored', async () => {
    expect((await rig.raw('/get-block-count?a=b&c')).text).toBe(COUNT);
    expect((await rig.raw('/get%2Dblock-count')).text).toBe(COUNT);
    for (const path of [
      '/get-block-count/',
      '/Get-Block-Count',
      '/get-block-count/x',
      '/getblockcount',
      '/get-block-count%20',
      '/__proto__',
      '/constructor',
      `/${'x'.repeat(5000)}`,
      '/%zz',
      '/%ff',
      '*',
    ]) {
      const { status, json, text } = await rig.raw(path);
      expect(status, path).toBe(500);
      expect(json, path).toEqual(refusal('BTM000', 'not Found'));
      expect(text.endsWith('}\n'), path).toBe(true);
    }
  });

  it('doubled slashes and dots lead to the clean path on this very host', async () => {
    for (const [path, location] of [
      ['//get-block-count', '/get-block-count'],
      ['/a//b/?x=1', '/a/b/?x=1'],
      ['/a/../get-work', '/get-work'],
      ['//evil.example', '/evil.example'],
      ['///', '/'],
      ['//%5Cevil.example', '/%5Cevil.example'],
      ['//a%0D%0Ax:y', '/a%0D%0Ax%3Ay'],
    ] as const) {
      const { status, headers } = await rig.raw(path);
      expect([status, headers.location], path).toEqual([301, location]);
    }
  });

  it('a whole URL in place of the path is as good', async () => {
    const text = await exchange(
      'GET http://localhost:1/get-block-count HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n',
    );
    expect(text).toContain(COUNT);
  });

  it('HTTP/1.0 works', async () => {
    expect(await exchange('POST /get-block-count HTTP/1.0\r\n\r\n')).toContain(COUNT);
  });

  it('the root names the node and where it is described', async () => {
    const { status, json } = await rig.raw('/');
    expect(status).toBe(200);
    expect(json).toMatchObject({ version: '1.1.1', network: 'solonet', api: '/openapi.json' });
  });

  it('calls of a wallet lead to an error that says there is none', async () => {
    for (const path of ['/list-accounts', '/backup-wallet', '/validate-address']) {
      const { status, headers } = await rig.post(path);
      expect([status, headers.location], path).toEqual([301, '/error']);
    }
    expect(await rig.failure('/error')).toBe(
      'wallet not found, please check that the wallet is open',
    );
  });
});

describe('bodies', () => {
  it('are not looked at by calls without fields', async () => {
    for (const body of ['', '[]', 'garbage', '\u0000\u0001', '{"a":']) {
      expect((await rig.raw('/get-block-count', { method: 'POST', body })).text, body).toBe(COUNT);
    }
  });

  it('are needed by the others: an empty one is refused, {} and null have no fields', async () => {
    for (const body of [undefined, '', '  \n']) {
      const options = { method: 'POST', ...(body === undefined ? {} : { body }) };
      const { status, json } = await rig.raw('/get-block', options);
      expect([status, json]).toEqual([400, refusal('BTM002', `EOF: ${HINT}`)]);
    }
    for (const body of ['{}', 'null', ' null ', '{"block_hash":null}']) {
      const { json } = await rig.raw('/get-difficulty', { method: 'POST', body });
      expect(json, body).toMatchObject({ status: 'success', data: { height: 0 } });
    }
  });

  it('are read whatever the content type is, and only to the end of the first value', async () => {
    for (const type of ['text/plain', 'application/x-www-form-urlencoded', 'x', ';;', 'a/b/c']) {
      const options = { method: 'POST', headers: { 'content-type': type }, body: '{} garbage' };
      expect((await rig.raw('/get-difficulty', options)).status, type).toBe(200);
    }
    // Not decompressed: it is what it is.
    const packed = { 'content-encoding': 'gzip' };
    expect((await rig.raw('/get-difficulty', { headers: packed, body: '{}' })).status).toBe(200);
  });

  it('of other forms are refused in form 2', async () => {
    for (const body of ['[]', '"{}"', '7', 'true', '{', '{]', 'x', '{"block_height":1.0}']) {
      const { status, json } = await rig.raw('/get-block', { method: 'POST', body });
      expect(status, body).toBe(400);
      expect(json, body).toMatchObject({ code: 'BTM002', status: 'fail', temporary: false });
    }
  });

  it('are no longer than their call may take, announced or not', async () => {
    const body = `{"x":"${'a'.repeat(65_536)}"}`;
    const announced = await rig.raw('/get-block', { method: 'POST', body });
    expect(announced.status).toBe(413);
    expect(announced.json).toMatchObject({ code: 'BTM002' });
    const chunks = `${body.length.toString(16)}\r\n${body}\r\n0\r\n\r\n`;
    const head = 'POST /get-block HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n';
    const chunked = await exchange(`${head}Transfer-Encoding: chunked\r\n\r\n${chunks}`);
    expect(chunked).toMatch(/^HTTP\/1\.1 413 /);
    // Room for a whole block, and for a transaction.
    for (const [path, bytes] of [
      ['/submit-block', 500_000],
      ['/submit-transaction', 500_000],
    ] as const) {
      const long = await rig.post(path, { raw_block: '0'.repeat(bytes), raw_transaction: 'zz' });
      expect(long.status, path).toBe(400);
    }
    for (const [path, bytes] of [
      ['/submit-transaction', 4 * 2 ** 20 + 1],
      ['/submit-block', 24 * 2 ** 20 + 1],
    ] as const) {
      const head = `POST ${path} HTTP/1.0\r\nContent-Length: ${bytes}\r\n\r\n`;
      expect(await exchange(head), path).toMatch(/^HTTP\/1\.1 413 /);
    }
  });

  it('that nobody reads leave the connection usable, unless they have no end', async () => {
    const head = 'POST /get-block-count HTTP/1.1\r\nHost: localhost\r\n';
    const twice = await exchange(
      `${head}Content-Length: 5\r\n\r\n12345${head}Connection: close\r\n\r\n`,
    );
    expect(twice.split(COUNT)).toHaveLength(3);
    const film = 'x'.repeat(2 * 2 ** 20);
    const cut = await exchange(`${head}Content-Length: ${2 ** 40}\r\n\r\n${film}`);
    expect(cut.split(COUNT).length).toBeLessThanOrEqual(2);
  });

  it('that end too early, or come too slowly, are given up', async () => {
    const slow = await openRig({ limits: { requestMs: 60, headMs: 60 } });
    const head = 'POST /get-block HTTP/1.1\r\nHost: localhost\r\n';
    const answers = await Promise.all([
      exchange(`${head}Content-Length: 10\r\n\r\n{"a"`, slow.port),
      exchange('POST /get-block HTTP/1.1\r\nHost: loc', slow.port),
      exchange('', slow.port),
    ]);
    for (const answer of answers) expect(answer).toMatch(/^HTTP\/1\.1 408 [\s\S]*"BTM002"/);
    await slow.close();
  });
});

describe('answers', () => {
  it('are JSON with a line feed, under headers that keep browsers out', async () => {
    for (const path of ['/get-block-count', '/none', '/get-block']) {
      const { headers, text } = await rig.post(path, path === '/get-block' ? [] : {});
      expect(headers['content-type'], path).toBe('application/json; charset=utf-8');
      expect(headers['vary'], path).toBe('Accept-Encoding');
      expect(headers['x-content-type-options'], path).toBe('nosniff');
      expect(text.endsWith('}\n'), path).toBe(true);
    }
  });

  it('are compressed for who accepts that', async () => {
    const reply = (accept: string): Promise<Reply> =>
      rig.raw('/get-block-count', { headers: { 'accept-encoding': accept } });
    for (const accept of ['gzip', 'deflate, gzip;q=0.5', 'x-gzip, br']) {
      const { headers, text } = await reply(accept);
      expect([headers['content-encoding'], text], accept).toEqual(['gzip', COUNT]);
    }
    for (const accept of ['', 'br', 'gzip;q=0', 'br, gzip; q=0.0, x']) {
      expect((await reply(accept)).headers['content-encoding'], accept).toBeUndefined();
    }
  });

  it('say nothing of a fault of ours but that there was one', async () => {
    const broken = await openRig();
    const { chain } = broken.chainRig;
    const secret = '/home/somebody/data.mdb is broken';
    Object.defineProperty(chain, 'entry', {
      value: () => {
        throw new Error(secret);
      },
    });
    const { status, json, text } = await broken.post('/get-block', {});
    expect([status, json]).toEqual([500, refusal('BTM000', 'internal error')]);
    expect(text).not.toContain('somebody');
    expect(broken.log.entries).toContainEqual(
      expect.objectContaining({
        event: 'rpc failed',
        fields: { call: 'get-block', reason: secret },
      }),
    );
    await broken.close();
  });
});

describe('requests that are none', () => {
  it('are refused in form 2, and the connection is closed', async () => {
    for (const text of ['garbage\r\n\r\n', 'FOO / HTTP/1.1\r\n\r\n']) {
      const answer = await exchange(text);
      expect(answer, text).toMatch(/^HTTP\/1\.1 400 [\s\S]*"BTM002"/);
    }
    const large = await exchange(`GET / HTTP/1.1\r\nHost: x\r\nA: ${'a'.repeat(20_000)}\r\n\r\n`);
    expect(large).toMatch(/^HTTP\/1\.1 4\d\d /);
    expect(await exchange('CONNECT x:1 HTTP/1.1\r\nHost: x:1\r\n\r\n')).toBe('');
  });
});

describe('who calls', () => {
  /** As if through a proxy: not this machine's own. */
  const remote = { 'x-forwarded-for': '192.0.2.1' };
  const basic = (token: string): Record<string, string> => ({
    ...remote,
    authorization: `Basic ${Buffer.from(token).toString('base64')}`,
  });

  it('needs a token from elsewhere, from its making to its deletion', async () => {
    const noToken = await rig.raw('/get-block-count', { headers: remote });
    expect([noToken.status, noToken.json]).toEqual([401, refusal('BTM860', 'no token')]);
    // Nobody learns which paths there are, either.
    expect((await rig.raw('/none', { headers: remote })).status).toBe(401);
    expect((await rig.raw('/metrics', { headers: remote })).status).toBe(401);
    const { token } = (await rig.data('/create-access-token', { id: 'r', type: 'pool' })) as {
      readonly token: string;
    };
    expect((await rig.raw('/get-block-count', { headers: basic(token) })).text).toBe(COUNT);
    const wrong = await rig.raw('/get-block-count', { headers: basic(`${token}0`) });
    expect(wrong.json).toEqual(refusal('BTM860', 'invalid token'));
    const list = await rig.raw('/list-access-tokens', { headers: basic(token) });
    expect(list.status).toBe(401);
    expect(list.text).not.toContain(token);
    await rig.data('/delete-access-token', { id: 'r' });
    expect((await rig.raw('/get-block-count', { headers: basic(token) })).status).toBe(401);
  });

  it('gets the texts of the reference for tokens that are wrong', async () => {
    expect(await rig.failure('/create-access-token', { id: 'a b' })).toBe(
      'invalid id "a b": invalid id',
    );
    expect(await rig.failure('/create-access-token')).toBe('invalid id "": invalid id');
    await rig.data('/create-access-token', { id: 'x' });
    expect(await rig.failure('/create-access-token', { id: 'x' })).toBe(
      'id "x" already in use: duplicate access token ID',
    );
    expect(await rig.failure('/check-access-token', { id: 'y', secret: '' })).toBe(
      'check id "y" nonexisting: nonexisting access token ID',
    );
    expect(await rig.failure('/check-access-token', { id: 'x', secret: '' })).toBe('invalid token');
    expect(await rig.failure('/delete-access-token', { id: 'y' })).toBe(
      'check id "y": nonexisting access token ID',
    );
    await rig.data('/delete-access-token', { id: 'x' });
  });

  it('is turned away under a strange name and from a strange page', async () => {
    const host = await rig.raw('/get-block-count', { headers: { host: 'evil.example' } });
    expect([host.status, host.json]).toEqual([403, refusal('BTM860', 'unknown host name')]);
    const origin = { origin: 'https://evil.example' };
    const page = await rig.raw('/submit-block', { method: 'POST', headers: origin, body: '{}' });
    expect([page.status, page.json]).toEqual([403, refusal('BTM860', 'origin not allowed')]);
    expect(page.headers['access-control-allow-origin']).toBeUndefined();
  });

  it('may be a page of a configured origin, which asks first', async () => {
    const headers = {
      origin: 'https://wallet.example',
      'access-control-request-method': 'POST',
      'access-control-request-headers': 'content-type',
    };
    const asked = await rig.raw('/get-block', { method: 'OPTIONS', headers });
    expect(asked.status).toBe(204);
    expect(asked.headers['access-control-allow-origin']).toBe('https://wallet.example');
    // From elsewhere, too: a browser sends no token with the question.
    const far = await rig.raw('/get-block', {
      method: 'OPTIONS',
      headers: { ...headers, ...remote },
    });
    expect([far.status, far.text]).toEqual([204, '']);
    const { origin: _, ...pageless } = { ...headers, ...remote };
    const none = await rig.raw('/get-block', { method: 'OPTIONS', headers: pageless });
    expect(none.status).toBe(401);
    const evil = { ...headers, origin: 'https://evil.example' };
    expect((await rig.raw('/get-block', { method: 'OPTIONS', headers: evil })).status).toBe(403);
    const { origin } = headers;
    const answer = await rig.raw('/get-block-count', { headers: { origin } });
    expect(answer.headers['access-control-allow-origin']).toBe(origin);
  });
});

describe('limits', () => {
  const sockets: Socket[] = [];
  afterEach(() => {
    for (const socket of sockets.splice(0)) socket.destroy();
  });

  it('connections beyond the greatest number are closed at once, and room is made by those that end', async () => {
    const small = await openRig({ limits: { maxConnections: 3 } });
    const open = async (): Promise<Socket> => {
      const socket = connect(small.port, '127.0.0.1');
      socket.on('error', () => {});
      sockets.push(socket);
      await new Promise((resolve) => socket.once('connect', resolve));
      return socket;
    };
    const first = await open();
    await open();
    await open();
    const fourth = await open();
    await new Promise((resolve) => fourth.once('close', resolve));
    first.destroy();
    await new Promise((resolve) => first.once('close', resolve));
    // The server learns of it a moment later.
    let text = '';
    while (text === '') {
      text = await exchange('GET /get-block-count HTTP/1.0\r\n\r\n', small.port);
    }
    expect(text).toContain(COUNT);
    await small.close();
  });

  it('bodies together take no more than their budget', async () => {
    const tight = await openRig({ limits: { maxBytes: 100_000 } });
    const body = `{"raw_block":"${'0'.repeat(200_000)}"}`;
    const refused = await tight.raw('/submit-block', { method: 'POST', body });
    expect(refused.status).toBe(503);
    expect(refused.json).toEqual(refusal('BTM000', 'too many requests are under way'));
    // What it took was given back.
    const within = `{"raw_block":"${'zz'.repeat(30_000)}"}`;
    for (let i = 0; i < 5; i++) {
      const again = await tight.raw('/submit-block', { method: 'POST', body: within });
      expect(again.status).toBe(400);
    }
    await tight.close();
  });

  it('a body that comes byte by byte is counted as what it takes', async () => {
    const tight = await openRig({ limits: { maxBytes: 100_000 } });
    const head = 'POST /get-block HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n';
    const sent = (bytes: number): Promise<string> => {
      const pieces = `{}${' '.repeat(bytes - 2)}`.replaceAll(/./gs, '1\r\n$&\r\n');
      return exchange(`${head}Transfer-Encoding: chunked\r\n\r\n${pieces}0\r\n\r\n`, tight.port);
    };
    expect(await sent(300)).toMatch(/^HTTP\/1\.1 503 /);
    expect(await sent(100)).toMatch(/^HTTP\/1\.1 200 /);
    expect(await sent(100)).toMatch(/^HTTP\/1\.1 200 /);
    await tight.close();
  });

  it('long answers keep within the same budget, and give it back when the client is gone', async () => {
    const tight = await openRig({ limits: { maxBytes: 100_000 } });
    let answer: () => void = () => {};
    let asked: () => void = () => {};
    tight.peers.connect = async () => {
      asked();
      await new Promise<void>((resolve) => {
        answer = resolve;
      });
      return { ...(await new SmallWorld().connect('192.0.2.1', 1)), id: 'x'.repeat(70_000) };
    };
    const body = '{"ip":"192.0.2.1","port":1}';
    const head = `POST /connect-peer HTTP/1.1\r\nHost: localhost\r\nContent-Length: ${body.length}\r\n\r\n`;
    for (let i = 0; i < 3; i++) {
      const reached = new Promise<void>((resolve) => {
        asked = resolve;
      });
      const gone = connect(tight.port, '127.0.0.1');
      sockets.push(gone);
      gone.write(head + body);
      await reached;
      gone.destroy();
      // The next request is answered after the server has seen the other one's end.
      await tight.post('/get-block-count');
      answer();
    }
    const reached = new Promise<void>((resolve) => {
      asked = resolve;
    });
    const reply = tight.raw('/connect-peer', { body });
    await reached;
    answer();
    expect((await reply).status).toBe(200);
    expect((await reply).text.length).toBeGreaterThan(70_000);
    await tight.close();
    const tighter = await openRig({ limits: { maxBytes: 70_000 } });
    tighter.peers.connect = async () => ({
      ...(await new SmallWorld().connect('192.0.2.1', 1)),
      id: 'x'.repeat(70_000),
    });
    expect((await tighter.raw('/connect-peer', { body })).status).toBe(503);
    await tighter.close();
  });

  it('closing ends streams and idle connections, and is told twice in vain', async () => {
    const other = await openRig();
    const socket = connect(other.port, '127.0.0.1');
    sockets.push(socket);
    const ended = new Promise((resolve) => socket.once('close', resolve));
    socket.resume().write('GET /events HTTP/1.1\r\nHost: localhost\r\n\r\n');
    await new Promise((resolve) => socket.once('data', resolve));
    const idle = connect(other.port, '127.0.0.1');
    sockets.push(idle);
    await new Promise((resolve) => idle.once('connect', resolve));
    await Promise.all([other.server.close(), other.server.close(), ended]);
    await other.close();
  });

  it('a port in use is said, and there is something to close all the same', async () => {
    await expect(openRig({ port: rig.port })).rejects.toMatchObject({ code: 'EADDRINUSE' });
  });

  it('closing lets answers under way out', async () => {
    const other = await openRig();
    const connect = other.peers.connect.bind(other.peers);
    let answer: () => void = () => {};
    const asked = new Promise<void>((resolve) => {
      other.peers.connect = async (ip, port) => {
        resolve();
        await new Promise<void>((go) => {
          answer = go;
        });
        return connect(ip, port);
      };
    });
    const reply = other.post('/connect-peer', { ip: '192.0.2.1', port: 1 });
    await asked;
    const closed = other.server.close();
    answer();
    expect((await reply).json).toMatchObject({ status: 'success' });
    expect((await reply).headers.connection).toBe('close');
    await closed;
    await other.close();
  });
});
