import { describe, expect, it } from 'vitest';
import { parseFingerprint, parsePoolUrl } from '../../miner/pool-url.ts';

describe('parsePoolUrl', () => {
  it.each([
    ['stratum+tcp://btm.example.com:9119', false, 'btm.example.com', 9119],
    ['Stratum+TCP://BTM.example.com:9119/', false, 'btm.example.com', 9119],
    ['stratum://h:1', false, 'h', 1],
    ['tcp://h:65535', false, 'h', 65_535],
    ['10.0.0.7:9119', false, '10.0.0.7', 9119],
    ['localhost:9119', false, 'localhost', 9119],
    ['my_pool:9119', false, 'my_pool', 9119],
    ['stratum+ssl://h:443', true, 'h', 443],
    ['stratum+tls://h:443', true, 'h', 443],
    ['ssl://h.:443', true, 'h.', 443],
    ['  tls://h:443 ', true, 'h', 443],
    ['stratum+tcp://bücher.example:1', false, 'xn--bcher-kva.example', 1],
  ])('reads %s', (text, tls, host, port) => {
    expect(parsePoolUrl(text)).toEqual({ tls, host, port, name: `${host}:${port}` });
  });

  it('takes IPv6 in brackets, and keeps them in the name only', () => {
    expect(parsePoolUrl('stratum+ssl://[2001:db8::1]:9119')).toEqual({
      tls: true,
      host: '2001:db8::1',
      port: 9119,
      name: '[2001:db8::1]:9119',
    });
    expect(parsePoolUrl('[::1]:1').host).toBe('::1');
  });

  it.each([
    ['', 'with a host name'],
    ['pool.example.com', 'a port of 1 to 65535'],
    ['pool.example.com:', 'a port of 1 to 65535'],
    ['pool.example.com:0', 'a port of 1 to 65535'],
    ['pool.example.com:65536', 'a port of 1 to 65535'],
    ['pool.example.com:9x', 'a port of 1 to 65535'],
    ['stratum+tcp://:9119', 'with a host name'],
    ['stratum+tcp://a b:9119', 'with a host name'],
    ['stratum+tcp://-a:9119', 'with a host name'],
    ['http://h:9888', 'the scheme "http"'],
    ['://h:1', 'the scheme ""'],
    ['stratum+tcp://h:1/path', 'a port of 1 to 65535'],
    ['2001:db8::1:9119', 'a port of 1 to 65535'],
    ['[2001:db8::zz]:1', 'an IPv6 address in the brackets'],
    ['[::1]', 'a port of 1 to 65535'],
    ['[::1:9119', 'IPv6 in brackets'],
  ])('refuses "%s"', (text, message) => {
    expect(() => parsePoolUrl(text, 'pool')).toThrow(message);
    expect(() => parsePoolUrl(text, 'pool')).toThrow(/^pool: expected /);
  });

  it('refuses a name and password in the address without repeating them', () => {
    for (const text of ['stratum+tcp://bob:hunter2@h:1', 'bob:hunter2@h:1']) {
      expect(() => parsePoolUrl(text)).toThrow('a name or password before "@"');
      expect(() => parsePoolUrl(text)).not.toThrow(/hunter2/);
    }
  });
});

describe('parseFingerprint', () => {
  const digits = 'ab'.repeat(32);

  it.each([digits, digits.toUpperCase(), `sha256:${digits}`, digits.replace(/..(?=.)/g, '$&:')])(
    'reads %s',
    (text) => {
      expect(parseFingerprint(text)).toBe(digits);
    },
  );

  it.each(['', 'ab', `${digits}ab`, digits.replace('a', 'g')])('refuses "%s"', (text) => {
    expect(() => parseFingerprint(text)).toThrow('tls-fingerprint: expected a SHA-256 fingerprint');
  });
});
