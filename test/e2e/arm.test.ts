/**
 * The CPU kernels on 64-bit ARM, emulated if need be: their int8 dot product reads both operands as
 * signed, which x86 does not, so only a run there shows that the choice between the two is right.
 * Exactness only; an emulator's speed means nothing. `.ci/arm-node` makes what TEST_ARM_NODE names.
 */
import { spawnSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { repoRoot } from '../support/repo-files.ts';

/** A program that starts Node for ARM; takes Node's own arguments. */
const armNode = process.env['TEST_ARM_NODE'];

/** About 3 s a hash and as much for a table, on one emulated core of a busy machine. */
const LIMIT_MS = 300_000;

interface VectorFile {
  readonly cases: readonly { readonly seed: string }[];
}

describe('on ARM', () => {
  it('TEST_ARM_NODE runs this version of Node for ARM', (ctx) => {
    const [status, stdout] = run(ctx.skip, ['-p', 'process.arch + process.version']);
    expect(stdout).toBe(`arm64${process.version}\n`);
    expect(status).toBe(0);
  });

  it('the CPU device reproduces the published hashes', { timeout: LIMIT_MS }, (ctx) => {
    const vectors = JSON.parse(
      readFileSync(join(repoRoot, 'test/vectors/tensority.json'), 'utf8'),
    ) as VectorFile;
    // Two of one seed: one table to build.
    const cases = vectors.cases.filter(
      ({ seed }) => seed === '9e6291970cb44dd94008c79bcaf9d86f18b4b49ba5b2a04781db7199ed3b9e4e',
    );
    const folder = mkdtempSync(join(tmpdir(), 'arm-'));
    try {
      const file = join(folder, 'vectors.json');
      writeFileSync(file, JSON.stringify({ cases: cases.slice(0, 2) }));
      const program = join(repoRoot, 'dist/src/cli/miner.js');
      const args = [program, 'verify', '--vectors', file, '--device', 'cpu', '--json'];
      const [status, stdout, stderr] = run(ctx.skip, args);
      expect(stdout.trimEnd().split('\n').at(-1), stderr).toBe('{"ok":2,"wrong":0}');
      expect(status, stderr).toBe(0);
    } finally {
      rmSync(folder, { recursive: true, force: true });
    }
  });
});

/** Exit code and output of the emulated Node; skips the test where there is none. */
function run(
  skip: (note: string) => never,
  args: readonly string[],
): [status: number | null, stdout: string, stderr: string] {
  if (armNode === undefined) return skip('TEST_ARM_NODE is not set: see .ci/arm-node');
  const { status, stdout, stderr, error } = spawnSync(armNode, args, {
    encoding: 'utf8',
    timeout: LIMIT_MS,
  });
  if (error) throw error;
  return [status, stdout, stderr];
}
