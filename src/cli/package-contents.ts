/** What goes into an archive: gathered from a checkout that is installed and built. */
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { InputError } from '../util/errors.ts';
import { libraryNeeds } from './package-needs.ts';
import { LAUNCHERS, launcherText, usingText } from './package-texts.ts';
import { isLicence, isLoadable, type LockedPackage, type Platform } from './package-tree.ts';

export interface PackagedFile {
  /** In the archive, from its top folder. */
  readonly to: string;
  /** A file to copy, or the text itself. */
  readonly from: { readonly path: string } | { readonly text: string };
  readonly isProgram?: true;
}

/** What is told apart in the account of the archive's size. */
export interface Part {
  readonly name: string;
  readonly files: readonly PackagedFile[];
}

export interface Checkout {
  /** Its folder. */
  readonly root: string;
  readonly version: string;
  readonly platform: Platform;
  /** The packages to carry. */
  readonly packages: readonly LockedPackage[];
  readonly nodeVersion: string;
}

export const NODE_BINARY = 'node_modules/node/bin/node';
const DAWN_PACKAGE = 'node_modules/webgpu';

/** Of our own: what a program loads beside its code, and what people read. */
const ASSET = /\.(?:wgsl|html|css|svg|py)$/;
const DOCUMENTS = [
  'README.md',
  'ARCHITECTURE.md',
  'CHANGELOG.md',
  'LICENSE',
  'package.json',
  'src/cli/systemd/bytom-node.service',
  'src/cli/systemd/bytom-node.env',
];
/** Of the tests nothing is carried but the benchmark. */
const BENCHMARK = /^test\/bench\/gpu[^/]*$/;

/** Rejects `InputError` where something that the archive must hold is not there. */
export function contentsOf(checkout: Checkout, thirdParty: string): readonly Part[] {
  const { root, version, nodeVersion, packages, platform } = checkout;
  const dawnBinary = `${DAWN_PACKAGE}/dist/${platform.os}-${platform.cpu}/dawn.node`;
  for (const path of [NODE_BINARY, dawnBinary]) {
    if (!existsSync(join(root, path))) throw missing(path, 'run "npm ci"');
  }
  const carried = packages.flatMap((each) => filesOfPackage(checkout, each));
  const needs = libraryNeeds(
    [NODE_BINARY, ...carried.map(({ to }) => to).filter((to) => to.endsWith('.node'))].map((path) =>
      readFileSync(join(root, path)),
    ),
  );
  const dawnVersion = packages.find(({ path }) => path === DAWN_PACKAGE)?.version ?? '';
  const isDawn = ({ to }: PackagedFile): boolean => to.startsWith(`${DAWN_PACKAGE}/`);
  return [
    {
      name: `Node ${nodeVersion}`,
      files: [{ to: 'bin/node', from: { path: join(root, NODE_BINARY) }, isProgram: true }],
    },
    { name: `Dawn ${dawnVersion}`, files: carried.filter(isDawn) },
    { name: 'other packages', files: carried.filter((file) => !isDawn(file)) },
    { name: 'bytom-tensority', files: ownFiles(root) },
    {
      name: 'texts and starters',
      files: [
        ...DOCUMENTS.map((name) => ({ to: name, from: { path: join(root, name) } })),
        { to: 'THIRD-PARTY.txt', from: { text: thirdParty } },
        {
          to: 'USING.txt',
          from: { text: usingText({ version, nodeVersion, dawnVersion, needs }) },
        },
        ...Object.entries(LAUNCHERS).map(
          ([name, program]): PackagedFile => ({
            to: name,
            from: { text: launcherText(program) },
            isProgram: true,
          }),
        ),
      ],
    },
  ];
}

/** Whether a package has more than types. */
export function hasCode(root: string, platform: Platform, { path }: LockedPackage): boolean {
  return loadableFiles(join(root, path), platform).some(
    (file) => file !== 'package.json' && !isLicence(file),
  );
}

function filesOfPackage({ root, platform }: Checkout, { path }: LockedPackage): PackagedFile[] {
  const folder = join(root, path);
  return loadableFiles(folder, platform).map((file) => ({
    to: `${path}/${file}`,
    from: { path: join(folder, file) },
  }));
}

function loadableFiles(folder: string, platform: Platform): readonly string[] {
  const { modules: abi } = process.versions;
  return filesUnder(folder).filter((file) => isLoadable(file, platform, abi));
}

/** What was compiled, as far as its source is still there, and what lies beside it. */
function ownFiles(root: string): PackagedFile[] {
  const built = join(root, 'dist');
  if (!existsSync(built)) throw missing('dist', 'run "npm run build"');
  const files = filesUnder(built).filter(
    (file) => !file.startsWith('test/') || BENCHMARK.test(file),
  );
  const kept = files.filter((file) =>
    file.endsWith('.js')
      ? existsSync(join(root, file.replace(/\.js$/, '.ts')))
      : ASSET.test(file) && existsSync(join(root, file)),
  );
  for (const program of Object.values(LAUNCHERS)) {
    if (!kept.includes(program.slice('dist/'.length)))
      throw missing(program, 'run "npm run build"');
  }
  return kept.map((file) => ({ to: `dist/${file}`, from: { path: join(built, file) } }));
}

/** Paths from `folder`, with `/`, sorted; without packages inside a package. */
export function filesUnder(folder: string): string[] {
  return readdirSync(folder, { withFileTypes: true, recursive: true })
    .filter((entry) => entry.isFile())
    .map((entry) => join(entry.parentPath, entry.name).slice(folder.length + 1))
    .filter((path) => !path.startsWith('node_modules/'))
    .sort();
}

function missing(path: string, remedy: string): InputError {
  return new InputError(path, `a file or folder of this checkout (${remedy})`, 'nothing');
}
