import { describe, expect, it } from 'vitest';
import { createSource } from '../../src/cli/sources.ts';
import { createSilentLogger } from '../../src/util/log.ts';
import { RecordingLog } from '../support/recording-log.ts';
import { mineOptions } from './mine-options.ts';

function sourceOf(...args: string[]): string {
  return createSource(mineOptions(args), createSilentLogger()).name;
}

describe('the source', () => {
  it('is the pool, the node or the dummy that was named', () => {
    expect(sourceOf()).toBe('dummy');
    expect(sourceOf('--dummy')).toBe('dummy');
    expect(sourceOf('--solo', 'http://me:secret@127.0.0.1:9888')).toBe('127.0.0.1:9888');
    expect(sourceOf('-o', 'pool.example:9119', '-o', 'b:1', '-u', 'a.b')).toBe('pool.example:9119');
  });

  it('is one', () => {
    for (const args of [
      ['--dummy', '--solo', 'http://node'],
      ['-o', 'pool:1', '-u', 'a', '--dummy'],
      ['-o', 'pool:1', '-u', 'a', '--solo', 'http://node'],
    ]) {
      expect(() => sourceOf(...args)).toThrow('take one of --url, --solo and --dummy');
    }
  });

  it('is not the dummy for somebody who forgot the pool', () => {
    expect(() => sourceOf('-u', 'address.rig1')).toThrow('--url is missing');
    expect(() => sourceOf('-p', 'secret')).toThrow('--url is missing');
    expect(sourceOf('-u', 'address.rig1', '--dummy')).toBe('dummy');
  });

  it('takes one user and password for all pools, or one for each', () => {
    const pools = ['-o', 'a:1', '-o', 'b:2', '-o', 'c:3'];
    expect(sourceOf(...pools, '-u', 'x')).toBe('a:1');
    expect(sourceOf(...pools, '-u', 'x', '-u', 'y', '-u', 'z', '-p', 'p')).toBe('a:1');
    expect(() => sourceOf(...pools)).toThrow('user: expected address.worker at the pool');
    expect(() => sourceOf(...pools, '-u', 'x', '-u', 'y')).toThrow(
      'user: expected one, or one for each of 3 pools, got 2',
    );
    expect(() => sourceOf(...pools, '-u', 'x', '-p', 'p', '-p', 'q')).toThrow(
      'pass: expected one, or one for each of 3 pools, got 2',
    );
    expect(() => sourceOf('-o', 'a:1', '-u', '  ')).toThrow(
      'user: expected address.worker, got ""',
    );
  });

  it('warns of a fingerprint that nothing is compared with', () => {
    const warnings = (url: string): number => {
      const log = new RecordingLog();
      const args = ['-o', url, '-u', 'a', '--tls-fingerprint', 'ab'.repeat(32)];
      createSource(mineOptions(args), log);
      return log.entries.length;
    };
    expect(warnings('stratum+tcp://a:1')).toBe(1);
    expect(warnings('stratum+ssl://a:1')).toBe(0);
  });
});
