/** The unit for systemd and its file of options: what they name must be there. */
import { spawnSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import { repoRoot } from '../support/repo-files.ts';
import { runNode } from './node-process.ts';
import { expectSuccess, PROGRAMS } from './program-process.ts';

const unit = readFileSync(join(repoRoot, 'src/cli/systemd/bytom-node.service'), 'utf8');
const environment = readFileSync(join(repoRoot, 'src/cli/systemd/bytom-node.env'), 'utf8');

const folder = mkdtempSync(join(tmpdir(), 'bytom-systemd-'));
afterAll(() => rmSync(folder, { recursive: true }));

/** Where the unit expects the package. */
const PLACE = '/opt/bytom-tensority';

describe('the unit', () => {
  it('is one that systemd has nothing to say about', (ctx) => {
    const { error } = spawnSync('systemd-analyze', ['--version']);
    if (error !== undefined) return ctx.skip('no systemd-analyze here');
    // The same with programs that are there: whether they can be started is looked at, too.
    const path = join(folder, 'bytom-node.service');
    const node = `${PLACE}/node_modules/.bin/node`;
    expect(unit).toContain(`ExecStart=${node} ${PLACE}/dist/src/cli/node.js run`);
    writeFileSync(path, unit.replaceAll(node, process.execPath));
    const verified = spawnSync('systemd-analyze', ['verify', path], { encoding: 'utf8' });
    expect(verified.stderr).toBe('');
    expect(verified.status).toBe(0);
  });

  it('starts a command line that the program understands, and gives it time to stop', async () => {
    const [, ...args] = /^ExecStart=(.*)$/m.exec(unit)![1]!.split(' ');
    expect(join(repoRoot, args.shift()!.replace(PLACE, ''))).toBe(PROGRAMS['bytom-node']);
    const env = { BYTOM_NODE_DATA: join(folder, 'data') };
    const ended = await runNode([...args, '--dry-run'], { env });
    expectSuccess(ended);
    expect(unit).toContain('SuccessExitStatus=130\n');
    expect(Number(/^TimeoutStopSec=(\d+)s$/m.exec(unit)![1])).toBeGreaterThan(30);
  });
});

describe('the file of options', () => {
  it('names options that there are, with values that they take', async () => {
    const variables = [...environment.matchAll(/^#?(BYTOM_NODE_[A-Z0-9_]+)=(.*)$/gm)];
    expect(variables.length).toBeGreaterThan(5);
    const { stdout: help } = await runNode(['--help']);
    for (const [, name] of variables) {
      const option = name!.replace('BYTOM_NODE_', '').toLowerCase().replaceAll('_', '-');
      expect(help, name).toContain(`--${option} <`);
    }
    const config = join(folder, 'bytom-node.json');
    writeFileSync(config, /\{".*\}/.exec(environment)![0]);
    const address = 'bm1qsha7w2mqvs5fqp99x8uk0zvd75ceacpfjjjuwn';
    const env = Object.fromEntries(
      variables.map(([, name, value]) => [name!, value!.replace('bm1q…', address)]),
    );
    const ended = await runNode(['run', '--dry-run', '--json'], {
      env: { ...env, BYTOM_NODE_CONFIG: config, BYTOM_NODE_DATA: join(folder, 'data') },
    });
    expectSuccess(ended);
  });
});
