/** The units for systemd and their files of options: what they name must be there. */
import { spawnSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import { repoRoot } from '../support/repo-files.ts';
import { expectSuccess, PROGRAMS, ProgramProcess } from './program-process.ts';

const folder = mkdtempSync(join(tmpdir(), 'bytom-systemd-'));
afterAll(() => rmSync(folder, { recursive: true }));

/** Where the units expect the package. */
const PLACE = '/opt/bytom-tensority';
const ADDRESS = 'bm1qsha7w2mqvs5fqp99x8uk0zvd75ceacpfjjjuwn';

interface Service {
  readonly program: 'bytom-node' | 'bytom-pool';
  readonly built: string;
  /** What its variables begin with. */
  readonly prefix: string;
  /** What it does not run without. */
  readonly needed: Readonly<Record<string, string>>;
}

const SERVICES: readonly Service[] = [
  { program: 'bytom-node', built: 'dist/src/cli/node.js', prefix: 'BYTOM_NODE', needed: {} },
  {
    program: 'bytom-pool',
    built: 'dist/src/cli/pool.js',
    prefix: 'BYTOM_POOL',
    needed: { BYTOM_POOL_NODE: 'http://127.0.0.1:9888' },
  },
];

describe.each(SERVICES)('the unit of $program', ({ program, built, prefix, needed }) => {
  const unit = readFileSync(join(repoRoot, `src/cli/systemd/${program}.service`), 'utf8');
  const environment = readFileSync(join(repoRoot, `src/cli/systemd/${program}.env`), 'utf8');

  it('is one that systemd has nothing to say about', (ctx) => {
    const { error } = spawnSync('systemd-analyze', ['--version']);
    if (error !== undefined) return ctx.skip('no systemd-analyze here');
    // The same with programs that are there: whether they can be started is looked at, too.
    const path = join(folder, `${program}.service`);
    const node = `${PLACE}/node_modules/.bin/node`;
    expect(unit).toContain(`ExecStart=${node} ${PLACE}/${built} run`);
    writeFileSync(path, unit.replaceAll(node, process.execPath));
    const verified = spawnSync('systemd-analyze', ['verify', path], { encoding: 'utf8' });
    expect(verified.stderr).toBe('');
    expect(verified.status).toBe(0);
  });

  it('starts a command line that the program understands, and gives it time to stop', async () => {
    const [, ...args] = /^ExecStart=(.*)$/m.exec(unit)![1]!.split(' ');
    expect(join(repoRoot, args.shift()!.replace(PLACE, ''))).toBe(PROGRAMS[program]);
    const env = { ...needed, [`${prefix}_DATA`]: join(folder, 'data') };
    expectSuccess(await new ProgramProcess(program, [...args, '--dry-run'], { env }).ended);
    expect(unit).toContain('SuccessExitStatus=130\n');
    expect(Number(/^TimeoutStopSec=(\d+)s$/m.exec(unit)![1])).toBeGreaterThan(30);
  });

  it('has a file of options that there are, with values that they take', async () => {
    const certificate = ['TLS_CERT', 'TLS_KEY'].map((name) => `${prefix}_${name}`);
    const variables = [...environment.matchAll(/^#?(BYTOM_[A-Z]+_[A-Z0-9_]+)=(.*)$/gm)];
    expect(variables.length).toBeGreaterThan(5);
    const { stdout: help } = await new ProgramProcess(program, ['--help']).ended;
    for (const [, name] of variables) {
      expect(name).toMatch(`${prefix}_`);
      const option = name!.replace(`${prefix}_`, '').toLowerCase().replaceAll('_', '-');
      expect(help, name).toContain(`--${option} <`);
    }
    const config = join(folder, `${program}.json`);
    writeFileSync(config, /\{".*\}/.exec(environment)![0]);
    const env = Object.fromEntries(
      variables
        // There is no certificate to be read.
        .filter(([, name]) => !certificate.includes(name!))
        .map(([, name, value]) => [name!, value!.replace('bm1q…', ADDRESS)]),
    );
    const ended = await new ProgramProcess(program, ['run', '--dry-run', '--json'], {
      env: { ...env, [`${prefix}_CONFIG`]: config, [`${prefix}_DATA`]: join(folder, 'data') },
    }).ended;
    expectSuccess(ended);
  });
});
