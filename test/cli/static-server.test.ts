import { type IncomingMessage, request } from 'node:http';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type StaticServer, serveFiles } from '../../src/cli/static-server.ts';

const bytes = (text: string): Uint8Array => new TextEncoder().encode(text);
const FILES = new Map([
  ['index.html', { type: 'text/html; charset=utf-8', content: bytes('<p>ä') }],
  ['a/b.js', { type: 'text/javascript; charset=utf-8', content: bytes('let b;') }],
]);

let server: StaticServer;
beforeAll(async () => {
  server = await serveFiles(FILES, { host: '127.0.0.1', port: 0 });
});
afterAll(() => server.close());

interface Answer {
  readonly status: number | undefined;
  readonly headers: IncomingMessage['headers'];
  readonly body: string;
}

/** Sends the path as it stands: `fetch` would tidy it up first. */
function ask(path: string, method = 'GET'): Promise<Answer> {
  return new Promise((resolve, reject) => {
    const sent = request({ host: '127.0.0.1', port: server.port, path, method }, (response) => {
      let body = '';
      response.setEncoding('utf8').on('data', (text: string) => {
        body += text;
      });
      response.on('end', () =>
        resolve({ status: response.statusCode, headers: response.headers, body }),
      );
    });
    sent.once('error', reject);
    sent.end();
  });
}

describe('the static server', () => {
  it.each([
    ['/', 'text/html; charset=utf-8', '<p>ä'],
    ['/index.html', 'text/html; charset=utf-8', '<p>ä'],
    ['/?run&hashes=2', 'text/html; charset=utf-8', '<p>ä'],
    ['/a/b.js?x#y', 'text/javascript; charset=utf-8', 'let b;'],
  ])('gives %s', async (path, type, body) => {
    const answer = await ask(path);
    expect(answer).toMatchObject({ status: 200, body });
    expect(answer.headers).toMatchObject({
      'content-type': type,
      'content-length': String(bytes(body).length),
      'x-content-type-options': 'nosniff',
    });
  });

  it.each([
    '/a',
    '/a/',
    '/package.json',
    '/../package.json',
    '/a/../index.html',
    '/%2e%2e/package.json',
    '/..%2fpackage.json',
    '//etc/passwd',
    '/a\\b.js',
    '/constructor',
    '/index.html%00',
    'http://127.0.0.1/index.html',
  ])('has nothing at %s', async (path) => {
    expect(await ask(path)).toMatchObject({ status: 404, body: 'no such file\n' });
  });

  it('answers HEAD without a body, and nothing that would change something', async () => {
    expect(await ask('/', 'HEAD')).toMatchObject({
      status: 200,
      body: '',
      headers: { 'content-length': '5' },
    });
    for (const method of ['POST', 'PUT', 'DELETE']) {
      expect(await ask('/', method)).toMatchObject({
        status: 405,
        headers: { allow: 'GET, HEAD' },
      });
    }
  });

  it('says why it cannot listen', async () => {
    const again = serveFiles(FILES, { host: '127.0.0.1', port: server.port });
    await expect(again).rejects.toMatchObject({ code: 'EADDRINUSE' });
  });

  it('ends with connections open', async () => {
    const other = await serveFiles(FILES, { host: '127.0.0.1', port: 0 });
    const response = await fetch(`http://127.0.0.1:${other.port}/`);
    // Its body is not read, so its connection is busy.
    expect(response.status).toBe(200);
    await other.close();
    await expect(fetch(`http://127.0.0.1:${other.port}/`)).rejects.toThrow();
  });
});
