/** A checkout whose optional packages npm left out: it builds, mines, and says what it lacks. */
import { execFileSync, spawnSync } from 'node:child_process';
import {
  cpSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  symlinkSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { repoFiles, repoRoot } from '../support/repo-files.ts';

const { scripts, optionalDependencies } = JSON.parse(
  readFileSync(join(repoRoot, 'package.json'), 'utf8'),
) as Record<'scripts' | 'optionalDependencies', Record<string, string>>;
const optional = Object.keys(optionalDependencies);
const root = mkdtempSync(join(tmpdir(), 'without-optional-'));
afterAll(() => rmSync(root, { recursive: true }));

beforeAll(() => {
  // Copies, not links: a link's target would find the packages of this checkout.
  for (const file of repoFiles()) {
    mkdirSync(dirname(join(root, file)), { recursive: true });
    cpSync(join(repoRoot, file), join(root, file));
  }
  const modules = join(root, 'node_modules');
  mkdirSync(modules);
  for (const name of readdirSync(join(repoRoot, 'node_modules'))) {
    if (optional.includes(name)) continue;
    symlinkSync(join(repoRoot, 'node_modules', name), join(modules, name));
  }
  const path = `${join(modules, '.bin')}:${process.env['PATH']}`;
  execFileSync('sh', ['-c', scripts['build']!], {
    cwd: root,
    env: { ...process.env, PATH: path },
    stdio: 'pipe',
  });
}, 120_000);

function mine(...args: readonly string[]): string {
  const program = join(root, 'dist/src/cli/miner.js');
  return execFileSync(process.execPath, [program, ...args], { encoding: 'utf8', cwd: root });
}

/** What it says on its way out. */
function fail(...args: readonly string[]): string {
  const program = join(root, 'dist/src/cli/miner.js');
  const { status, stderr } = spawnSync(process.execPath, [program, ...args], {
    encoding: 'utf8',
    cwd: root,
  });
  expect(status).toBeGreaterThan(0);
  return stderr;
}

describe.skipIf(process.platform === 'win32')('without the optional packages', () => {
  it('lists the cpu, and each runtime that is missing in a line; boards only if there may be some', () => {
    const lines = mine('--list-devices').trimEnd().split('\n');
    expect(lines[0]).toMatch(/^cpu {2}/);
    const mayHaveBoards = lines.some((line) => line.startsWith('serial:/'));
    expect(
      lines
        .slice(1)
        .filter((line) => !/^serial:\/| {4}/.test(line))
        .sort(),
    ).toEqual([
      expect.stringMatching(/^gpujs: not available, the npm package gpu\.js is not installed/),
      expect.stringMatching(/^onnx: not available, the npm package onnxruntime-node is not inst/),
      ...(mayHaveBoards ? [expect.stringMatching(/^serial: serial ports need the npm/)] : []),
      expect.stringMatching(/^webgpu: not available, the npm package webgpu is not installed/),
    ]);
  });

  it('says what a board at a serial port needs', () => {
    expect(fail('--device', 'serial:/dev/ttyUSB77', '--benchmark=1')).toMatch(
      /\/dev\/ttyUSB77: serial ports need the optional package serialport: it is not installed/,
    );
  });

  it('hashes on the cpu', () => {
    expect(mine('--device', 'cpu', '--benchmark=1')).toMatch(/^1 hash in .* every one checked/m);
  });
});
