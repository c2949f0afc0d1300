/** How a process with a hasher ends: in processes of their own, since it is about their ends. */
import { spawnSync } from 'node:child_process';
import { describe, expect, it } from 'vitest';
import { repoRoot } from '../support/repo-files.ts';
import { hashScript } from './hash-script.ts';
import { powGroup } from './vectors.ts';

const GROUP = powGroup('9e6291970cb44dd94008c79bcaf9d86f18b4b49ba5b2a04781db7199ed3b9e4e');

/** Runs a module's text; a process that does not end by itself is killed and has no exit code. */
function run(script: string): { readonly status: number | null; readonly stdout: string } {
  const { status, stdout } = spawnSync(
    process.execPath,
    ['--disable-warning=ExperimentalWarning', '--input-type=module', '--eval', script],
    { cwd: repoRoot, encoding: 'utf8', timeout: 30_000 },
  );
  return { status, stdout };
}

describe('a process', () => {
  it('that forgets to close its hasher ends by itself', () => {
    const script = hashScript('.ts', GROUP.vectors[0]!, GROUP.seed, 'await finished;');
    expect(run(script)).toEqual({ status: 0, stdout: `${GROUP.vectors[0]!.powHash}\n` });
  });

  it('whose hash is under way waits for it', () => {
    const script = hashScript('.ts', GROUP.vectors[1]!, GROUP.seed, '');
    expect(run(script)).toEqual({ status: 0, stdout: `${GROUP.vectors[1]!.powHash}\n` });
  });

  it('that never uses its hasher ends by itself', () => {
    const script = `
      import { openCpuHasher } from './src/tensority/cpu-hasher.ts';
      openCpuHasher();
      console.log('opened');`;
    expect(run(script)).toEqual({ status: 0, stdout: 'opened\n' });
  });
});
