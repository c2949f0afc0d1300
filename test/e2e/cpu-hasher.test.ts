/** The compiled CPU hasher: its threads start from the compiled file, not from the sources. */
import { spawnSync } from 'node:child_process';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { repoRoot } from '../support/repo-files.ts';
import { hashScript } from '../tensority/hash-script.ts';
import { powGroup } from '../tensority/vectors.ts';

describe('the built CPU hasher', () => {
  it('hashes in its threads, and the process ends by itself', () => {
    const { seed, vectors } = powGroup(
      '574369077c77046c531c4cbaf2ca36215d048e6987bf42eacd878adc2990af5e',
    );
    const script = hashScript('.js', vectors[0]!, seed, '');
    const { status, stdout, stderr } = spawnSync(
      process.execPath,
      // Without type stripping, so that nothing can fall back to the sources.
      ['--no-experimental-strip-types', '--input-type=module', '--eval', script],
      { cwd: join(repoRoot, 'dist'), encoding: 'utf8', timeout: 60_000 },
    );
    expect(stdout, stderr).toBe(`${vectors[0]!.powHash}\n`);
    expect(status, stderr).toBe(0);
  });
});
