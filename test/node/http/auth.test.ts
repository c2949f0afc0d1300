import type { IncomingMessage } from 'node:http';
import { describe, expect, it } from 'vitest';
import {
  Authenticator,
  type AuthOptions,
  isLoopback,
  isOwnMachine,
} from '../../../src/node/http/auth.ts';
import { RequestError } from '../../../src/node/http/envelope.ts';

const tokens = { verify: (id: string, secret: string) => id === 'miner' && secret === 'a:b' };

function requestFrom(remoteAddress: string, headers: Record<string, string>): IncomingMessage {
  return { headers, socket: { remoteAddress } } as unknown as IncomingMessage;
}

/** 'ok', or status and reason. */
function outcome(
  remoteAddress: string,
  headers: Record<string, string>,
  options: AuthOptions = {},
): string {
  const request = requestFrom(remoteAddress, { host: '10.0.0.1:9888', ...headers });
  try {
    new Authenticator(options, { tokens }).check(request);
    return 'ok';
  } catch (error) {
    if (!(error instanceof RequestError)) throw error;
    expect(error.detail.refusal).toBe('BTM860');
    return `${error.detail.status} ${error.message}`;
  }
}

const basic = (text: string): string => `Basic ${Buffer.from(text).toString('base64')}`;
const REMOTE = '192.0.2.7';

describe('who may call', () => {
  it('is this machine without a token, and with a wrong one', () => {
    for (const address of ['127.0.0.1', '127.200.3.4', '::1', '::ffff:127.0.0.1']) {
      expect(isLoopback(address), address).toBe(true);
      expect(outcome(address, {}), address).toBe('ok');
      expect(outcome(address, { authorization: basic('miner:wrong') }), address).toBe('ok');
    }
    for (const address of ['128.0.0.1', '10.0.0.1', '::2', '::ffff:10.0.0.1', '', 'localhost']) {
      expect(isLoopback(address), address).toBe(false);
    }
    expect(isLoopback(undefined)).toBe(false);
  });

  it('is not who was passed on by a proxy on this machine', () => {
    for (const name of ['x-forwarded-for', 'x-real-ip', 'forwarded', 'via']) {
      expect(outcome('127.0.0.1', { [name]: '127.0.0.1' }), name).toBe('401 no token');
      expect(isOwnMachine(requestFrom('127.0.0.1', { [name]: 'x' })), name).toBe(false);
    }
  });

  it('is from elsewhere whoever has a token, after the first colon the secret', () => {
    expect(outcome(REMOTE, { authorization: basic('miner:a:b') })).toBe('ok');
    expect(outcome(REMOTE, { authorization: basic('miner:a:b').replace('Basic', 'bASIC') })).toBe(
      'ok',
    );
    expect(outcome(REMOTE, { authorization: basic('miner:a') })).toBe('401 invalid token');
    expect(outcome(REMOTE, { authorization: basic('other:a:b') })).toBe('401 invalid token');
    expect(outcome(REMOTE, { authorization: basic(':') })).toBe('401 invalid token');
    for (const bad of [
      '',
      'Basic',
      'Basic ',
      'Basic !!!',
      'Bearer x',
      basic('miner'),
      'Basic a b',
    ]) {
      expect(outcome(REMOTE, { authorization: bad }), bad).toBe('401 no token');
    }
    expect(outcome(REMOTE, {})).toBe('401 no token');
  });

  it('is anybody if that is so configured', () => {
    expect(outcome(REMOTE, {}, { authDisabled: true })).toBe('ok');
  });
});

describe('the host that is named', () => {
  it('is an address, localhost, or a configured name', () => {
    const options = { hostNames: ['Node.example'] };
    for (const host of [
      '127.0.0.1',
      '192.0.2.1:9888',
      '[::1]:9888',
      '[2001:db8::1]',
      'localhost',
      'LOCALHOST:80',
      'localhost.:80',
      'node.example:9888',
      'NODE.EXAMPLE',
    ]) {
      expect(outcome('127.0.0.1', { host }, options), host).toBe('ok');
    }
    for (const host of [
      'evil.example',
      'evil.example:9888',
      'localhost.evil.example',
      'node.example.evil',
      '127.0.0.1.evil.example',
      'evil@127.0.0.1',
      '127.0.0.1@evil',
      '127.0.0.1:9888:1',
      '[::1',
      '::1',
      '',
      ' ',
      '2130706433',
      '127.1',
    ]) {
      expect(outcome('127.0.0.1', { host }, options), host).toBe('403 unknown host name');
    }
  });

  it('is not there in HTTP/1.0, which no browser speaks', () => {
    const request = requestFrom('127.0.0.1', {});
    expect(() => new Authenticator({}, { tokens }).check(request)).not.toThrow();
  });
});

describe('the origin of a web page', () => {
  it('is this very host, or a configured one', () => {
    const options = { origins: ['https://wallet.example'] };
    const host = '127.0.0.1:9888';
    for (const origin of [`http://${host}`, `https://${host}`, 'https://wallet.example']) {
      expect(outcome('127.0.0.1', { host, origin }, options), origin).toBe('ok');
    }
    for (const origin of [
      'https://evil.example',
      'http://127.0.0.1',
      'http://127.0.0.1:80',
      'http://127.0.0.1:98880',
      'http://wallet.example',
      'https://wallet.example.evil',
      'null',
      '',
      'file://',
      'x',
    ]) {
      expect(outcome('127.0.0.1', { host, origin }, options), origin).toBe(
        '403 origin not allowed',
      );
    }
    expect(outcome('127.0.0.1', { host: '127.0.0.1:99999', origin: 'null' })).toBe(
      '403 origin not allowed',
    );
  });

  it('gets to read the answer only if it was configured', () => {
    const auth = new Authenticator({ origins: ['https://wallet.example'] }, { tokens });
    expect(auth.corsHeaders({ headers: { origin: 'https://wallet.example' } })).toEqual({
      'access-control-allow-origin': 'https://wallet.example',
    });
    expect(auth.corsHeaders({ headers: { origin: 'https://evil.example' } })).toEqual({});
    expect(auth.corsHeaders({ headers: {} })).toEqual({});
  });
});
