/** The built program mining on the dummy source: how it is told what to do, what it logs. */
import { spawnSync } from 'node:child_process';
import { chmodSync, existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import { type JsonValue, parseExact } from '../../src/util/json.ts';
import { expectRefusal, MinerProcess, runMiner } from './miner-process.ts';
import { expectSuccess, lastLine, PROGRAMS } from './program-process.ts';

const MINER = PROGRAMS['bytom-miner'];

/** A share every few hashes: a second of mining is enough. */
const EASY = ['--difficulty', '4'];

const folder = mkdtempSync(join(tmpdir(), 'bytom-run-'));
afterAll(() => rmSync(folder, { recursive: true }));

function config(name: string, options: unknown): string {
  const path = join(folder, name);
  writeFileSync(path, typeof options === 'string' ? options : JSON.stringify(options));
  return path;
}

function objectOf(line: string): Readonly<Record<string, JsonValue>> {
  return parseExact(line) as Readonly<Record<string, JsonValue>>;
}

describe('mining on the dummy', () => {
  it('ends with 0 after --shares, its last line one JSON object', async () => {
    const ended = await runMiner([...EASY, '--shares', '1', '--threads', '1', '--json']);
    expectSuccess(ended);
    expect(ended.stdout).toMatch(/ {2}cpu {6}accepted \(1\/0\/0\/0\) diff 4 /);
    const { accepted, ...summary } = objectOf(lastLine(ended));
    expect(accepted).toBeGreaterThanOrEqual(1);
    expect(summary).toMatchObject({
      ended: 'shares',
      source: 'dummy',
      rejected: 0,
      stale: 0,
      hardwareErrors: 0,
      devices: [{ id: 'cpu', accepted }],
    });
  });

  it('ends with 0 after --time-limit, with what was hashed by then', async () => {
    const ended = await runMiner(['--difficulty', '1T', '--time-limit', '5', '--json']);
    expectSuccess(ended);
    const { ended: reason, seconds, hashes, accepted } = objectOf(lastLine(ended));
    expect([reason, accepted]).toEqual(['time-limit', 0]);
    expect(seconds).toBeGreaterThanOrEqual(5);
    expect(seconds).toBeLessThan(8);
    expect(hashes).toBeGreaterThan(0);
  });

  it('says that nothing is to be earned there', async () => {
    const ended = await runMiner(['--dry-run']);
    expectSuccess(ended);
    expect(ended.stdout).toContain('what is found here is worth nothing');
  });
});

describe('--dry-run', () => {
  it('names source and devices and ends, without a connection or a hash', async () => {
    const pool = ['-o', 'stratum+tcp://127.0.0.1:1', '-u', 'alice.rig1'];
    const ended = await runMiner([...pool, '--dry-run', '--json']);
    expectSuccess(ended);
    expect(lastLine(ended)).toBe('{"ended":"dry-run","source":"127.0.0.1:1","devices":["cpu"]}');
    expect(ended.stdout).not.toContain('device open');
  });
});

describe('the log', () => {
  it('is one JSON object a line with --log-format json, in the file as well', async () => {
    const path = join(folder, 'log');
    writeFileSync(path, 'before\n');
    const json = ['--log-format', 'json', '--log-file', path, '--json'];
    const ended = await runMiner([...EASY, '--shares', '1', ...json]);
    expectSuccess(ended);
    const lines = ended.stdout.trimEnd().split('\n');
    const events = lines.slice(0, -1).map((line) => objectOf(line)['event']);
    expect(events).toEqual(expect.arrayContaining(['start', 'device open', 'share accepted']));
    const logged = readFileSync(path, 'utf8').trimEnd().split('\n');
    // Appended; and the summary is no line of the log.
    expect(logged).toEqual(['before', ...lines.slice(0, -1)]);
  });

  it('goes on without a file that cannot be written any more', async (ctx) => {
    if (!existsSync('/dev/full')) ctx.skip('no /dev/full here');
    const ended = await runMiner([...EASY, '--shares', '1', '--log-file', '/dev/full']);
    expect(ended.stderr).toMatch(/^bytom-miner: log-file: ENOSPC[^\n]*; going on without \S+\n$/);
    expect(ended.stdout).toContain('accepted (1/0/0/0)');
    expect(ended.code).toBe(0);
  });

  it('that cannot be shown any more is said once, mining goes on, and the end is no success', (ctx) => {
    if (!existsSync('/dev/full')) ctx.skip('no /dev/full here');
    const log = join(folder, 'instead');
    const command = `"${process.execPath}" "${MINER}" ${EASY.join(' ')} --shares 1 --log-file "${log}"`;
    const { status, stderr } = spawnSync(`${command} > /dev/full`, {
      shell: true,
      encoding: 'utf8',
    });
    expect(stderr).toMatch(/^bytom-miner: output: ENOSPC[^\n]*; going on without it\n$/);
    expect(readFileSync(log, 'utf8')).toContain('accepted (1/0/0/0)');
    expect(status).toBe(1);
  });

  it('is quieter or louder with --log-level', async () => {
    expect((await runMiner(['--dry-run', '--log-level', 'warn'])).stdout).toBe('');
    const { stdout } = await runMiner([...EASY, '--shares', '1', '--log-level', 'debug']);
    expect(stdout).toContain(' job ');
  });

  it('has colors on a terminal only, and not even there with --no-color or NO_COLOR', (ctx) => {
    const onTerminal = (args: string, env: Record<string, string> = {}): string => {
      const command = `"${process.execPath}" "${MINER}" --dry-run ${args}`;
      const { NO_COLOR: _, ...clean } = process.env;
      const { error, stdout } = spawnSync('script', ['-qec', command, '/dev/null'], {
        encoding: 'utf8',
        env: { ...clean, ...env },
      });
      if (error) ctx.skip('no `script` to make a terminal with');
      expect(stdout).toContain('dry run');
      return stdout;
    };
    const code = '\u001b[';
    expect(onTerminal('')).toContain(code);
    expect(onTerminal('--no-color')).not.toContain(code);
    expect(onTerminal('', { NO_COLOR: '1' })).not.toContain(code);
    expect(onTerminal('| cat')).not.toContain(code);
  });
});

describe('--config', () => {
  const threads = async (args: readonly string[], env: Record<string, string> = {}) => {
    const ended = await runMiner([...args, '--list-devices=json'], { env });
    expectSuccess(ended);
    return /"threads":(\d+)/.exec(ended.stdout)?.[1];
  };

  it('comes after flags and environment and before the defaults', async () => {
    const path = config('threads.json', { threads: 3 });
    const env = { BYTOM_MINER_THREADS: '4' };
    expect(await threads(['--config', path, '--threads', '5'], env)).toBe('5');
    expect(await threads(['--config', path], env)).toBe('4');
    expect(await threads(['--config', path])).toBe('3');
    expect(await threads([], { BYTOM_MINER_CONFIG: path })).toBe('3');
    expect(await threads(['--threads', '6'], { BYTOM_MINER_CONFIG: path })).toBe('6');
  });

  it('is never written to', async () => {
    const text = '{ "difficulty" : 4,\n\t"shares": 1 , "log-level": "warn", "json": true }';
    const path = config('kept.json', text);
    chmodSync(path, 0o400);
    const ended = await runMiner(['--config', path]);
    expectSuccess(ended);
    expect(objectOf(lastLine(ended))).toMatchObject({ ended: 'shares' });
    expect(readFileSync(path, 'utf8')).toBe(text);
  });

  it('takes lists, several pools and switches', async () => {
    const path = config('all.json', {
      url: ['stratum+tcp://127.0.0.1:1', 'stratum+tcp://127.0.0.1:2'],
      user: 'alice.rig1',
      device: ['cpu'],
      intensity: [50],
      'dry-run': true,
      'no-color': true,
      'no-revectorize': true,
    });
    const ended = await runMiner(['--config', path]);
    expectSuccess(ended);
    expect(ended.stdout).toContain('source 127.0.0.1:1');
  });

  it('that cannot be used is refused with its name and the option', async () => {
    const bad: readonly (readonly [content: unknown, text: string])[] = [
      ['{"threads": 1', 'bad.json: expected JSON, got '],
      ['[1]', 'bad.json: expected a JSON object of options, got [1]'],
      [{ thread: 1 }, 'bad.json: expected long names of options, got "thread"'],
      [{ threads: 1.5 }, 'bad.json: threads: expected a whole number from 1 to 1024, got "1.5"'],
      [{ threads: [1, 2] }, 'bad.json: threads: expected text or a number, got an array of 2'],
      [{ 'dry-run': 'yes' }, 'bad.json: dry-run: expected true or false, got "yes"'],
      [{ url: ['pool'] }, 'bad.json: url: expected stratum+tcp://host:port'],
    ];
    for (const [content, text] of bad) {
      expectRefusal(await runMiner(['--config', config('bad.json', content)]), 2, text);
    }
    const missing = await runMiner(['--config', join(folder, 'missing.json')]);
    expectRefusal(missing, 2, 'config: expected a readable file, got ENOENT');
  });
});

describe('a wrong environment', () => {
  it('is refused like a wrong flag', async () => {
    const ended = await runMiner([], { env: { BYTOM_MINER_THREADS: 'many' } });
    expectRefusal(ended, 2, 'threads: expected a whole number from 1 to 1024, got "many"');
  });
});

describe('stopping', () => {
  /** Started and mining, with more nonces waiting for their check than a stop has time for. */
  const mining = async (...args: string[]): Promise<MinerProcess> => {
    const miner = new MinerProcess(['--difficulty', '1', ...args]);
    await miner.line(/accepted \(3\//);
    return miner;
  };

  it('by SIGINT takes less than 2.5 s and ends with 130 and the summary', async () => {
    const { ms, ...ended } = await (await mining('--json')).interrupt();
    expect([ended.code, ended.stderr]).toEqual([130, '']);
    expect(objectOf(lastLine(ended))).toMatchObject({ ended: 'interrupted' });
    expect(ms).toBeLessThan(2500);
  });

  it('by SIGTERM is the same', async () => {
    const miner = new MinerProcess(['--difficulty', '1T', '--json']);
    await miner.line(/device open/);
    miner.signal('SIGTERM');
    const ended = await miner.ended;
    expect([ended.code, ended.stderr]).toEqual([130, '']);
    expect(objectOf(lastLine(ended))).toMatchObject({ ended: 'interrupted' });
  });

  it('by a second SIGINT is at once', async () => {
    const miner = await mining();
    miner.signal('SIGINT');
    // So that the two are not taken for one.
    await miner.line(/accepted \(4\//);
    const { code, ms } = await miner.interrupt();
    expect(code).toBe(130);
    expect(ms).toBeLessThan(500);
  });

  it('works before a device is open, also if that takes very long', async () => {
    for (const kernel of [[], ['--kernel', 'javascript']]) {
      const miner = new MinerProcess([...kernel]);
      await miner.line(/ {2}cpu /);
      const { code, stdout, stderr, ms } = await miner.interrupt();
      expect([code, stderr]).toEqual([130, '']);
      expect(stdout).not.toContain('device open');
      expect(ms).toBeLessThan(2500);
    }
  });

  it('works while a benchmark runs, which shows no figure then', async () => {
    const miner = new MinerProcess(['--benchmark', '--time-limit', '60']);
    // It says nothing on the way: half a second is for the start and the self-test.
    await new Promise((resolve) => setTimeout(resolve, 1000));
    const { code, stdout, stderr, ms } = await miner.interrupt();
    expect([code, stdout, stderr]).toEqual([130, '', '']);
    expect(ms).toBeLessThan(2500);
  });

  it('works while a hash is computed', async () => {
    const zeros = '00'.repeat(32);
    const hash = ['hash', '--seed', zeros, '--header', zeros, '--kernel', 'javascript'];
    const miner = new MinerProcess(hash);
    await new Promise((resolve) => setTimeout(resolve, 1000));
    const { code, stdout, stderr, ms } = await miner.interrupt();
    expect([code, stdout, stderr]).toEqual([130, '', '']);
    expect(ms).toBeLessThan(2500);
  });

  it('is quiet when whoever reads the output goes away', async () => {
    const miner = await mining();
    miner.stopReading();
    const { code, stderr } = await miner.ended;
    expect([code, stderr]).toEqual([0, '']);
    const piped = spawnSync(`"${process.execPath}" "${MINER}" --difficulty 1 2>&1 | head -1`, {
      shell: true,
      encoding: 'utf8',
      timeout: 30_000,
    });
    expect(piped.stdout).toMatch(/^\[.*\] {2}miner {4}bytom-miner \d[^\n]*\n$/);
    expect([piped.stderr, piped.status]).toEqual(['', 0]);
  });
});
