import { describe, expect, it } from 'vitest';
import { isUnforgeableHost } from '../../src/util/host-name.ts';

const NAMES = new Set(['pool.example']);

describe('isUnforgeableHost', () => {
  it('takes localhost, addresses, the given names, and no host at all', () => {
    for (const host of [
      ...['localhost', 'LOCALHOST:9888', 'localhost.:80', '127.0.0.1', '127.0.0.1:1', '[::1]:8080'],
      ...['192.168.1.7:80', 'pool.example', 'Pool.Example:8080', undefined],
    ]) {
      expect(isUnforgeableHost(host, NAMES), `${host}`).toBe(true);
    }
  });

  it('refuses every other name, and what is no host', () => {
    for (const host of [
      ...['evil.example', 'evil.example:8080', 'localhost.evil.example', 'pool.example.evil'],
      ...['', ':80', 'a@localhost', 'localhost/x', '::1', '[localhost]', '127.0.0.1.evil:80'],
    ]) {
      expect(isUnforgeableHost(host, NAMES), host).toBe(false);
    }
  });
});
