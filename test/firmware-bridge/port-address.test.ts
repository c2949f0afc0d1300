import { describe, expect, it } from 'vitest';
import {
  type PortAddress,
  parsePortAddress,
  portAddressText,
} from '../../firmware-bridge/port-address.ts';
import { InputError } from '../../src/util/errors.ts';

const GOOD: readonly (readonly [string, PortAddress])[] = [
  ['/dev/ttyUSB0', { kind: 'serial', path: '/dev/ttyUSB0' }],
  ['serial:/dev/ttyACM1', { kind: 'serial', path: '/dev/ttyACM1' }],
  [
    '/dev/serial/by-id/usb-A_b:c-if00',
    { kind: 'serial', path: '/dev/serial/by-id/usb-A_b:c-if00' },
  ],
  [' /tmp/pty0 ', { kind: 'serial', path: '/tmp/pty0' }],
  ['COM3', { kind: 'serial', path: 'COM3' }],
  ['serial:com12', { kind: 'serial', path: 'COM12' }],
  ['\\\\.\\COM12', { kind: 'serial', path: 'COM12' }],
  ['tcp://localhost:7000', { kind: 'tcp', host: 'localhost', port: 7000 }],
  ['serial:tcp://Board-1.lan:1', { kind: 'tcp', host: 'board-1.lan', port: 1 }],
  ['tcp://192.168.0.9:65535', { kind: 'tcp', host: '192.168.0.9', port: 65_535 }],
  ['tcp://[::1]:7000', { kind: 'tcp', host: '::1', port: 7000 }],
  ['unix:/run/board.sock', { kind: 'unix', path: '/run/board.sock' }],
  ['serial:unix:/tmp/a b', { kind: 'unix', path: '/tmp/a b' }],
];

describe('the address of a port', () => {
  it.each(GOOD)('is read from %j', (text, address) => {
    expect(parsePortAddress(text, 'port')).toEqual(address);
  });

  it.each(GOOD)('is written so that it is read again: %j', (_text, address) => {
    expect(parsePortAddress(portAddressText(address), 'port')).toEqual(address);
    expect(parsePortAddress(`serial:${portAddressText(address)}`, 'port')).toEqual(address);
  });

  it('is written without what may stand before it', () => {
    expect(portAddressText({ kind: 'serial', path: '/dev/ttyUSB0' })).toBe('/dev/ttyUSB0');
    expect(portAddressText({ kind: 'tcp', host: '::1', port: 5 })).toBe('tcp://[::1]:5');
    expect(portAddressText({ kind: 'unix', path: '/a' })).toBe('unix:/a');
  });

  it.each([
    ['', /^a port: /],
    ['serial:', /^a port: /],
    ['serial:serial:/dev/ttyUSB0', /^a port: /],
    ['ttyUSB0', /^a port: /],
    ['/', /^a port: /],
    ['/dev/', /^a port: /],
    ['//host/dev', /^a port: /],
    ['/dev/tty\u0000USB0', /^a port: /],
    ['/dev/tty\nUSB0', /^a port: /],
    ['COM0', /^a port: /],
    ['COM', /^a port: /],
    ['http://localhost:80', /^a port: /],
    ['tcp:localhost:80', /^tcp:\/\/host:port/],
    ['tcp://localhost', /^tcp:\/\/host:port/],
    ['tcp://:80', /^tcp:\/\/host:port/],
    ['tcp://localhost:0', /^tcp:\/\/host:port/],
    ['tcp://localhost:65536', /^tcp:\/\/host:port/],
    ['tcp://localhost:8x', /^tcp:\/\/host:port/],
    ['tcp://localhost:80/', /^tcp:\/\/host:port/],
    ['tcp://me@localhost:80', /^tcp:\/\/host:port/],
    ['tcp://::1:80', /^tcp:\/\/host:port/],
    ['tcp://[localhost]:80', /^tcp:\/\/host:port/],
    ['tcp://10.1:80', /^tcp:\/\/host:port/],
    ['tcp://-a:80', /^tcp:\/\/host:port/],
    ['unix:', /^unix:\/path/],
    ['unix:board.sock', /^unix:\/path/],
    ['unix:/tmp/', /^unix:\/path/],
    ['unix://tmp/a', /^unix:\/path/],
    [`unix:/${'é'.repeat(54)}`, /^the path of a unix socket, at most 10\d bytes$/],
  ])('is not %j', (text, expected) => {
    let error: unknown;
    try {
      parsePortAddress(text, '--port');
    } catch (thrown) {
      error = thrown;
    }
    expect(error).toBeInstanceOf(InputError);
    const { field, expected: wanted, got } = (error as InputError).detail;
    expect(field).toBe('--port');
    expect(wanted).toMatch(expected);
    expect(got).not.toMatch(/\n/);
  });
});
