import { describe, expect, it } from 'vitest';
import {
  hostPorts,
  hostPortText,
  parseHostPort,
  parseListenAddress,
} from '../../src/cli/host-port.ts';
import { InputError } from '../../src/util/errors.ts';

describe('an address of a socket', () => {
  it.each([
    ['127.0.0.1:9888', '127.0.0.1', 9888],
    ['localhost:1', 'localhost', 1],
    [' Node-1.Example.:65535 ', 'node-1.example.', 65_535],
    ['bücher.example:80', 'xn--bcher-kva.example', 80],
    ['[::1]:9888', '::1', 9888],
    ['[fe80::1%eth0]:46657', 'fe80::1%eth0', 46_657],
    ['[::ffff:10.0.0.1]:2', '::ffff:10.0.0.1', 2],
  ])('%s is %s and %i', (text, host, port) => {
    expect(parseHostPort(text, 'rpc')).toEqual({ host, port });
  });

  it.each([
    ['', 'host name or address'],
    [':9888', 'host name or address'],
    ['9888', 'host name or address'],
    ['10.1:80', 'host name or address'],
    ['256.0.0.1:80', 'host name or address'],
    ['a b:80', 'host name or address'],
    ['-a:80', 'host name or address'],
    [`${'a'.repeat(254)}:80`, 'host name or address'],
    ['user@host:80', 'host name or address'],
    ['http://host:80', 'IPv6 in brackets'],
    ['::1:9888', 'IPv6 in brackets'],
    ['::1', 'IPv6 in brackets'],
    ['[::1', 'IPv6 in brackets'],
    ['[::1]9888', 'IPv6 in brackets'],
    ['[127.0.0.1]:80', 'an IPv6 address in the brackets'],
    ['[]:80', 'an IPv6 address in the brackets'],
    ['host', 'a port from 1 to 65535'],
    ['host:', 'a port from 1 to 65535'],
    ['host:0', 'a port from 1 to 65535'],
    ['host:65536', 'a port from 1 to 65535'],
    ['host:99999999', 'a port from 1 to 65535'],
    ['host:+1', 'a port from 1 to 65535'],
    ['host:1 2', 'a port from 1 to 65535'],
    ['host:80/path', 'a port from 1 to 65535'],
  ])('"%s" is refused: expected %s', (text, expected) => {
    expect(() => parseHostPort(text, 'rpc')).toThrow(InputError);
    expect(() => parseHostPort(text, 'rpc')).toThrow(/^rpc: expected /);
    expect(() => parseHostPort(text, 'rpc')).toThrow(expected);
  });

  it('may leave out its port where there is a default, and name none where any will do', () => {
    const form = { defaultPort: 46_657 };
    expect(parseHostPort('node.example', 'connect', form).port).toBe(46_657);
    expect(parseHostPort('[::1]', 'connect', form)).toEqual({ host: '::1', port: 46_657 });
    expect(parseHostPort('node.example:5', 'connect', form).port).toBe(5);
    expect(() => parseHostPort('node.example:', 'connect', form)).toThrow('a port from 1');
    expect(parseHostPort('0.0.0.0:0', 'p2p', { anyPort: true }).port).toBe(0);
  });

  it('is written as it is read', () => {
    for (const text of ['127.0.0.1:9888', '[::1]:46657', 'node.example:1']) {
      expect(hostPortText(parseHostPort(text, 'p2p'))).toBe(text);
    }
  });
});

describe('an address to listen at', () => {
  it('is one of this machine, at any port', () => {
    expect(parseListenAddress('0.0.0.0:0', 'p2p')).toEqual({ host: '0.0.0.0', port: 0 });
    expect(parseListenAddress('localhost:9888', 'rpc')).toEqual({ host: '127.0.0.1', port: 9888 });
    expect(parseListenAddress('[::]', 'p2p', 46_657)).toEqual({ host: '::', port: 46_657 });
    const expected = 'rpc: expected an IP address of this machine, or localhost, got "node.lan"';
    expect(() => parseListenAddress('node.lan:9888', 'rpc')).toThrow(expected);
  });
});

describe('a list of addresses', () => {
  it('grows with every option, and with every comma', () => {
    const read = hostPorts('connect');
    expect(read('c:3', read('a:1, [::1]', undefined))).toEqual(['a:1', '[::1]', 'c:3']);
  });

  it('is refused at its first bad one', () => {
    expect(() => hostPorts('seed')('a:1,,b:2', undefined)).toThrow('seed: expected host:port');
    expect(() => hostPorts('seed')('a:1,b:0', undefined)).toThrow('got "b:0"');
  });
});
