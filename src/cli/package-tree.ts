/**
 * What of `node_modules` a running program needs: the packages that are no development tools, as the
 * lock file lists them, and of each the files that can be loaded on one platform.
 */
export interface Platform {
  /** As `process.platform`, `process.arch` and npm's `libc` say them. */
  readonly os: string;
  readonly cpu: string;
  readonly libc: string;
}

export interface LockedPackage {
  /** Its folder from the root: `node_modules/ajv/node_modules/fast-uri`. */
  readonly path: string;
  readonly name: string;
  readonly version: string;
  /** As its author declares it: `MIT`. */
  readonly licence: string;
  /** It may be missing: the platform or the user does without. */
  readonly isOptional: boolean;
}

/** The fields of an entry in `package-lock.json` (version 3) that are read here. */
interface LockEntry {
  readonly version?: string;
  readonly license?: string;
  readonly dev?: boolean;
  readonly optional?: boolean;
  readonly devOptional?: boolean;
  readonly os?: readonly string[];
  readonly cpu?: readonly string[];
  readonly libc?: readonly string[];
  readonly dependencies?: Readonly<Record<string, string>>;
  readonly optionalDependencies?: Readonly<Record<string, string>>;
  readonly peerDependencies?: Readonly<Record<string, string>>;
}

/** By path from the root, whose own is ''. */
type LockEntries = Readonly<Record<string, LockEntry>>;

/**
 * The packages that `npm install --omit=dev` would have on this platform, by path; without those
 * dependencies of the root that `without` names, and without what only they need.
 */
export function productionPackages(
  lockFile: string,
  platform: Platform,
  without: readonly string[] = [],
): LockedPackage[] {
  const { packages } = JSON.parse(lockFile) as { readonly packages: LockEntries };
  const names = neededBy(packages['']);
  const kept = reachable(
    packages,
    names.filter((name) => !without.includes(name)),
  );
  const dropped = reachable(packages, without);
  return Object.entries(packages)
    .filter(([path, entry]) => path !== '' && entry.dev !== true && runsOn(entry, platform))
    .filter(([path]) => kept.has(path) || !dropped.has(path))
    .map(([path, entry]) => ({
      path,
      name: path.slice(path.lastIndexOf('node_modules/') + 'node_modules/'.length),
      version: entry.version ?? '',
      licence: entry.license ?? 'unknown',
      isOptional: entry.optional === true || entry.devOptional === true,
    }))
    .sort((a, b) => (a.path < b.path ? -1 : 1));
}

/** The paths of packages that the root needs by these names, and of all that those need. */
function reachable(packages: LockEntries, names: readonly string[]): ReadonlySet<string> {
  const found = new Set<string>();
  const follow = (from: string, needed: readonly string[]): void => {
    for (const name of needed) {
      const path = placeOf(packages, from, name);
      if (path === undefined || found.has(path)) continue;
      found.add(path);
      follow(path, neededBy(packages[path]));
    }
  };
  follow('', names);
  return found;
}

function neededBy(entry: LockEntry | undefined): readonly string[] {
  const { dependencies, optionalDependencies, peerDependencies } = entry ?? {};
  return Object.keys({ ...dependencies, ...optionalDependencies, ...peerDependencies });
}

/** Where the package at `from` finds `name`: in its own folder or in the nearest above it. */
function placeOf(packages: LockEntries, from: string, name: string): string | undefined {
  for (let folder = from; ; ) {
    const path = `${folder === '' ? '' : `${folder}/`}node_modules/${name}`;
    if (packages[path] !== undefined) return path;
    if (folder === '') return undefined;
    const above = folder.lastIndexOf('/node_modules/');
    folder = above < 0 ? '' : folder.slice(0, above);
  }
}

function runsOn(entry: LockEntry, { os, cpu, libc }: Platform): boolean {
  return allows(entry.os, os) && allows(entry.cpu, cpu) && allows(entry.libc, libc);
}

/** npm's lists: names that will do, or names with `!` that will not. */
function allows(list: readonly string[] | undefined, value: string): boolean {
  if (list === undefined) return true;
  if (list.includes(`!${value}`)) return false;
  const wanted = list.filter((each) => !each.startsWith('!'));
  return wanted.length === 0 || wanted.includes(value) || wanted.includes('any');
}

/** What Node loads, and data that code reads. */
const LOADED = /\.(?:[cm]?js|json|node|wasm|txt|dat|bin)$/;
/** Folders at the top of a package that its published copy need not have. */
const ASIDE = /^(?:\.[^/]*|tests?|__tests__|docs?|examples?|benchmarks?|integration)\//;
/** Folders of native code for one platform: `linux-x64`, `darwin-universal`, `darwin-x64+arm64`. */
const PLATFORM_FOLDER =
  /(?:^|\/)(aix|android|darwin|freebsd|linux|openbsd|sunos|win32)-([a-z0-9+]+)\//;

/**
 * Whether a file of a package, `path` from the package's folder, can be loaded at run time by the
 * Node whose version of the native interface is `abi` (`process.versions.modules`).
 */
export function isLoadable(path: string, platform: Platform, abi: string): boolean {
  if (!(LOADED.test(path) || isLicence(path)) || ASIDE.test(path)) return false;
  const [, os, cpus] = PLATFORM_FOLDER.exec(path) ?? [];
  const isOther = os !== platform.os || cpus?.split('+').includes(platform.cpu) !== true;
  if (os !== undefined && isOther) return false;
  if (!path.endsWith('.node')) return true;
  // Prebuilt code: `node.abi115.glibc.node`, `node.napi.musl.node`. That for any Node is called napi.
  const tags = path.slice(path.lastIndexOf('/') + 1).split('.');
  const libc = tags.find((tag) => tag === 'glibc' || tag === 'musl');
  const builtFor = tags.find((tag) => /^abi\d+$/.test(tag));
  return (
    (libc === undefined || libc === platform.libc) &&
    (builtFor === undefined || builtFor === `abi${abi}`)
  );
}

/** Whether a file of a package is a licence, a copyright note or what must be told with it. */
export function isLicence(path: string): boolean {
  const name = path.slice(path.lastIndexOf('/') + 1);
  return /^(?:un)?(?:licen[cs]es?|copying|copyright|notice)(?:[.-](?:md|txt|mit|bsd|apache)[^/]*)?$/i.test(
    name,
  );
}
