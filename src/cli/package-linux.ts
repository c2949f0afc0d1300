/**
 * `npm run package:linux-x64`: one archive that mines on an x86-64 Linux machine without a network.
 * It holds Node, Dawn, the production dependencies and what was built; the machine brings a Vulkan
 * driver and the loader. Two runs over the same checkout give the same bytes.
 */
import { execFileSync } from 'node:child_process';
import {
  chmodSync,
  closeSync,
  copyFileSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  openSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { dirname, join, relative, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { errorText, InputError } from '../util/errors.ts';
import { EXIT } from './exit-codes.ts';
import { contentsOf, hasCode, type PackagedFile, type Part } from './package-contents.ts';
import { thirdPartyText } from './package-licences.ts';
import { type LockedPackage, productionPackages } from './package-tree.ts';
import { carriedWorks } from './package-works.ts';

const ROOT = fileURLToPath(new URL('../../..', import.meta.url)).replace(/\/$/, '');
const PLATFORM = { os: 'linux', cpu: 'x64', libc: 'glibc' };
/** What may be carried to a machine by hand, by mail or in a repository. */
const MOST_BYTES = 60 * 2 ** 20;
/**
 * Runtimes that the archive goes without: the first alone has 45 MiB for this platform, the second is
 * what one takes when nothing else runs.
 */
const LEFT_OUT = ['onnxruntime-node', 'gpu.js'];
/** Every file's time: 2000-01-01. */
const FILE_TIME = '@946684800';

try {
  main();
} catch (error) {
  process.stderr.write(`${errorText(error)}\n`);
  process.exitCode = error instanceof InputError ? EXIT.badConfiguration : EXIT.fatal;
}

function main(): void {
  const { values } = parseArgs({ options: { out: { type: 'string', default: 'dist-packages' } } });
  const here = `${process.platform}-${process.arch}`;
  if (here !== 'linux-x64') {
    throw new InputError('platform', 'linux-x64, whose programs are packed as they are here', here);
  }
  const { version } = readJson('package.json');
  const nodeVersion = readJson('node_modules/node/package.json').version;
  const packages = installedPackages();
  const thirdParty = thirdPartyText(carriedWorks(ROOT, nodeVersion, packages));
  const checkout = { root: ROOT, version, platform: PLATFORM, packages, nodeVersion };
  const parts = contentsOf(checkout, thirdParty);

  const name = `bytom-tensority-${version}-linux-x64`;
  const archive = join(resolve(ROOT, values.out), `${name}.tar.gz`);
  mkdirSync(dirname(archive), { recursive: true });
  // Beside the archive: a file moves in one step only within a file system.
  const stage = mkdtempSync(join(dirname(archive), '.stage-'));
  try {
    for (const file of parts.flatMap(({ files }) => files)) put(join(stage, name), file);
    pack(stage, name);
    const { size } = statSync(join(stage, 'packed'));
    console.log(account(parts, join(stage, name), size));
    if (size > MOST_BYTES) {
      throw new Error(`the archive has ${size} bytes, which is more than ${MOST_BYTES}`);
    }
    renameSync(join(stage, 'packed'), archive);
  } finally {
    rmSync(stage, { recursive: true });
  }
  console.log(relative(process.cwd(), archive));
}

/** The production packages that are here and have code. */
function installedPackages(): readonly LockedPackage[] {
  const lockFile = readFileSync(join(ROOT, 'package-lock.json'), 'utf8');
  return productionPackages(lockFile, PLATFORM, LEFT_OUT).filter((each) => {
    if (existsSync(join(ROOT, each.path, 'package.json'))) return hasCode(ROOT, PLATFORM, each);
    if (each.isOptional) return false;
    throw new InputError(each.path, 'an installed package ("npm ci")', 'nothing');
  });
}

function readJson(path: string): { readonly version: string } {
  if (!existsSync(join(ROOT, path))) throw new InputError(path, 'a file ("npm ci")', 'nothing');
  return JSON.parse(readFileSync(join(ROOT, path), 'utf8')) as { readonly version: string };
}

function put(folder: string, { to, from, isProgram }: PackagedFile): void {
  const path = join(folder, to);
  mkdirSync(dirname(path), { recursive: true });
  if ('text' in from) writeFileSync(path, from.text);
  else copyFileSync(from.path, path);
  chmodSync(path, isProgram ? 0o755 : 0o644);
}

/** Packs `stage/name` into `stage/packed`; of the machine and the moment nothing goes in. */
function pack(stage: string, name: string): void {
  const order = ['--sort=name', `--mtime=${FILE_TIME}`, '--format=ustar'];
  const owner = ['--owner=0', '--group=0', '--numeric-owner', '--mode=u=rwX,go=rX'];
  // Both programs also take options from the environment.
  const options = { cwd: stage, env: { PATH: process.env['PATH'], LC_ALL: 'C' } };
  execFileSync('tar', [...order, ...owner, '-cf', 'tar', name], { ...options, stdio: 'inherit' });
  // Level 9 takes four times as long for half a percent.
  const packed = openSync(join(stage, 'packed'), 'w');
  try {
    execFileSync('gzip', ['-6', '-n', '-c', 'tar'], {
      ...options,
      stdio: ['ignore', packed, 'inherit'],
    });
  } finally {
    closeSync(packed);
  }
}

function account(parts: readonly Part[], folder: string, packedBytes: number): string {
  const rows = parts.map(({ name, files }) => {
    const bytes = files.reduce((sum, { to }) => sum + statSync(join(folder, to)).size, 0);
    return { name, bytes, count: files.length };
  });
  const lines = rows.map(({ name, bytes, count }) => row(name, bytes, `${count} files`));
  const unpacked = rows.reduce((sum, { bytes }) => sum + bytes, 0);
  return [...lines, row('unpacked', unpacked, ''), row('packed', packedBytes, '')].join('\n');
}

function row(name: string, bytes: number, note: string): string {
  return `${name.padEnd(20)} ${(bytes / 2 ** 20).toFixed(1).padStart(7)} MiB  ${note}`.trimEnd();
}
