import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, afterEach, describe, expect, it } from 'vitest';
import { applyConfigFile } from '../../src/cli/config-file.ts';
import { exitCodeOf } from '../../src/cli/exit-codes.ts';
import type { MineOptions } from '../../src/cli/miner-options.ts';
import { mineOptions } from './mine-options.ts';
import { poolRunOptions } from './pool-run-options.ts';

const folder = mkdtempSync(join(tmpdir(), 'bytom-config-'));
afterAll(() => rmSync(folder, { recursive: true }));
afterEach(() => {
  delete process.env['BYTOM_MINER_THREADS'];
});

/** The options of the command line `args` over a file with this content. */
function optionsOf(content: unknown, args: readonly string[] = []): MineOptions {
  const path = join(folder, 'config.json');
  writeFileSync(path, typeof content === 'string' ? content : JSON.stringify(content));
  return mineOptions(args, (command) => applyConfigFile(command, path));
}

describe('a config file', () => {
  it('sets what neither flag nor environment sets', () => {
    const file = { threads: 3 };
    expect(optionsOf({}).threads).toBeUndefined();
    expect(optionsOf(file).threads).toBe(3);
    expect(optionsOf(file, ['--threads', '5']).threads).toBe(5);
    process.env['BYTOM_MINER_THREADS'] = '4';
    expect(optionsOf(file).threads).toBe(4);
    expect(optionsOf(file, ['--threads', '5']).threads).toBe(5);
  });

  it('wins over defaults, and loses to a flag that repeats one', () => {
    expect(optionsOf({ 'log-cycle': 60, 'log-format': 'json' })).toMatchObject({
      logCycle: 60_000,
      logFormat: 'json',
    });
    expect(optionsOf({ 'log-cycle': 60 }, ['--log-cycle', '30']).logCycle).toBe(30_000);
  });

  it('reads values as the command line does', () => {
    expect(
      optionsOf({ url: 'pool:1', difficulty: '1M', shares: 5, 'list-devices': 'json' }),
    ).toMatchObject({ url: ['pool:1'], difficulty: 1_000_000n, shares: 5, listDevices: 'json' });
    // Larger than a double holds.
    const { difficulty } = optionsOf('{"difficulty": 9007199254740993}');
    expect(difficulty).toBe(9_007_199_254_740_993n);
  });

  it('takes arrays where there may be several', () => {
    expect(
      optionsOf({
        url: ['a:1', 'b:2'],
        user: ['x', 'y'],
        device: ['gpu0', 'gpu1'],
        intensity: [80, '*'],
      }),
    ).toMatchObject({
      url: ['a:1', 'b:2'],
      user: ['x', 'y'],
      device: 'gpu0,gpu1',
      intensity: [80, undefined],
    });
    // A flag does not add to the file, it takes its place.
    expect(optionsOf({ url: ['a:1', 'b:2'] }, ['-o', 'c:3']).url).toEqual(['c:3']);
  });

  it('turns switches on and off, those that begin with no- too', () => {
    expect(optionsOf({ 'dry-run': true, benchmark: true })).toMatchObject({
      dryRun: true,
      benchmark: true,
    });
    expect(optionsOf({ 'no-color': true, 'no-revectorize': true })).toMatchObject({
      color: false,
      revectorize: false,
    });
    expect(optionsOf({ 'no-color': false, json: false })).toMatchObject({
      color: true,
      json: false,
    });
    expect(optionsOf({ 'no-color': false }, ['--no-color']).color).toBe(false);
  });

  it.each([
    [{ treads: 1 }, 'expected long names of options, got "treads"'],
    [{ color: true }, 'got "color"'],
    [{ o: 'pool:1' }, 'got "o"'],
    [{ config: 'other.json' }, 'got "config"'],
    [{ version: true }, 'got "version"'],
    [{ help: true }, 'got "help"'],
    [{ threads: '1.5' }, 'threads: expected a whole number from 1 to 1024, got "1.5"'],
    [{ threads: null }, 'threads: expected text or a number, got null'],
    [{ threads: true }, 'threads: expected text or a number, got true'],
    [{ threads: {} }, 'threads: expected text or a number, got an object'],
    [{ threads: [1, 2] }, 'threads: expected text or a number, got an array of 2'],
    [{ url: [] }, 'url: expected text or an array of texts, got an array of 0'],
    [{ url: ['a:1', ['b:2']] }, 'url: expected text or an array of texts, got an array of 2'],
    [{ url: ['a:1', 'b'] }, 'url: expected stratum+tcp://host:port'],
    [{ 'dry-run': 1 }, 'dry-run: expected true or false, got 1'],
    [{ 'no-color': 'yes' }, 'no-color: expected true or false, got "yes"'],
    ['', 'expected JSON, got '],
    ['"text"', 'expected a JSON object of options, got "text"'],
    ['null', 'expected a JSON object of options, got null'],
  ])('%j is refused: %s', (content, text) => {
    let refusal: unknown;
    try {
      optionsOf(content);
    } catch (error) {
      refusal = error;
    }
    expect(String(refusal)).toContain(`config ${join(folder, 'config.json')}: `);
    expect(String(refusal)).toContain(text);
    expect(exitCodeOf(refusal)).toBe(2);
  });

  it('is checked where a flag wins, too', () => {
    expect(() => optionsOf({ threads: 0 }, ['--threads', '1'])).toThrow('threads: expected');
  });
});

describe('a config file of a pool', () => {
  const path = join(folder, 'pool.json');

  it('takes arrays where there may be several', () => {
    const several = {
      node: ['http://a:1', 'http://b:2'],
      listen: ['127.0.0.1:3333', '[::1]:0'],
      'trusted-proxy': ['10.0.0.0/8', '192.0.2.7'],
      'http-allow-host': ['pool.lan', 'pool'],
    };
    writeFileSync(path, JSON.stringify({ ...several, 'embedded-node': true, 'no-vardiff': true }));
    const read = (args: readonly string[]): object =>
      poolRunOptions(args, (command) => applyConfigFile(command, path));
    expect(read([])).toMatchObject({
      node: several.node,
      listen: several.listen,
      trustedProxy: several['trusted-proxy'],
      httpAllowHost: several['http-allow-host'],
      embeddedNode: true,
      vardiff: false,
    });
    // A flag does not add to the file, it takes its place.
    expect(read(['--node', 'http://c:3'])).toMatchObject({
      node: ['http://c:3'],
      listen: several.listen,
    });
  });

  it.each([
    [{ address: ['a', 'b'] }, 'address: expected text or a number, got an array of 2'],
    [{ listen: ['127.0.0.1:1', '3333'] }, 'listen: expected host:port'],
    [{ node: [] }, 'node: expected text or an array of texts, got an array of 0'],
    [{ 'embedded-node': 'yes' }, 'embedded-node: expected true or false, got "yes"'],
    [{ http: '127.0.0.1:1', 'no-http': true }, 'expected one of "http" and "no-http", got both'],
  ])('%j is refused: %s', (content, text) => {
    writeFileSync(path, JSON.stringify(content));
    let refusal: unknown;
    try {
      poolRunOptions([], (command) => applyConfigFile(command, path));
    } catch (error) {
      refusal = error;
    }
    expect(String(refusal)).toContain(`config ${path}: `);
    expect(String(refusal)).toContain(text);
    expect(exitCodeOf(refusal)).toBe(2);
  });
});
