/**
 * The serial ports of this machine, found without opening any: opening raises DTR and RTS, which resets many
 * boards. On Linux the kernel is asked and not the package, whose list starts `udevadm` each time, lacks the
 * product texts of USB devices, and does not know every name that ports have on small computers.
 */
import { constants } from 'node:fs';
import { access, readdir, readFile, readlink, realpath } from 'node:fs/promises';
import { basename, dirname, join, resolve } from 'node:path';
import { oneLine } from '../src/util/errors.ts';
import { plainText } from './plain-text.ts';
import { loadSerialPackage, packageProblem, type SerialPackage } from './serial-package.ts';
import { type BoardGuess, guessBoard } from './usb-ids.ts';

/** Characters of a text that are kept: more than any descriptor should have. */
const MAX_TEXT = 80;

export interface PortList {
  /** In the order of their names. */
  readonly ports: readonly PortInfo[];
  /** Why the list is less than it could be, or of no use, in one line. */
  readonly problem?: string;
}

export interface PortInfo {
  readonly path: string;
  /** Four hexadecimal digits, lower case. */
  readonly vendorId?: string;
  readonly productId?: string;
  readonly serialNumber?: string;
  readonly manufacturer?: string;
  readonly product?: string;
  /** What it probably is; absent where there is nothing to tell from. */
  readonly guess?: BoardGuess;
  /** `in-use`: by another process, as far as this user may see. A brief list does not look, and says `ok`. */
  readonly access: 'ok' | 'no-permission' | 'in-use';
}

export interface ListPortsOptions {
  /**
   * Only which ports there are and what they say of themselves, in a few ms: not whether they are free, nor,
   * where the system tells without the package, whether the package is there to open them with.
   */
  readonly isBrief?: boolean;
}

export interface ListPortsParts {
  readonly platform?: NodeJS.Platform;
  /** Where `/dev`, `/sys`, `/proc` and `/var/lock` are. */
  readonly root?: string;
  readonly loadSerial?: () => Promise<Pick<SerialPackage, 'list'>>;
  /** Whether this user may read and write the file. */
  readonly mayUse?: (path: string) => Promise<boolean>;
}

/** Never rejects: without the package, or without rights, there is a list that says so. */
export async function listPorts(
  options: ListPortsOptions = {},
  parts: ListPortsParts = {},
): Promise<PortList> {
  const { isBrief = false } = options;
  const { platform = process.platform, root = '/', loadSerial = loadSerialPackage } = parts;
  const isLinux = platform === 'linux';
  const names = isLinux ? await portNames(root) : undefined;
  const knowsAll = names !== undefined;
  // The kernel's list has all that the package's would: then it is asked only whether it is there.
  const listed: PackageList =
    knowsAll && isBrief ? { ports: [] } : await packageList(loadSerial, !knowsAll);
  const found = isLinux ? await linuxPorts(root, names, listed.ports) : (listed.ports ?? []);
  const ports = isBrief ? found.map(withGuess) : await withAccess(found, platform, root, parts);
  ports.sort((a, b) => byName.compare(a.path, b.path));
  const isBlind = isLinux && !knowsAll && listed.ports === undefined;
  const blind = 'neither udevadm nor /sys is there: what the ports are is not known';
  const problem = listed.missing ?? (isBlind ? blind : isLinux ? undefined : listed.problem);
  return { ports, ...(problem !== undefined && { problem }) };
}

type FoundPort = Omit<PortInfo, 'guess' | 'access'>;

const byName = new Intl.Collator('en', { numeric: true });

function withGuess(port: FoundPort): PortInfo {
  const guess = guessBoard(port);
  return { ...port, ...(guess && { guess }), access: 'ok' };
}

async function withAccess(
  found: readonly FoundPort[],
  platform: NodeJS.Platform,
  root: string,
  { mayUse = mayReadAndWrite }: ListPortsParts,
): Promise<PortInfo[]> {
  const isLinux = platform === 'linux';
  const holders = isLinux && found.length > 0 ? await openFiles(root) : new Set<string>();
  return Promise.all(
    found.map(async (port): Promise<PortInfo> => {
      const { path } = port;
      if (platform !== 'win32' && !(await mayUse(join(root, path)))) {
        return { ...withGuess(port), access: 'no-permission' };
      }
      const isInUse = isLinux && (holders.has(path) || (await isLocked(root, path)));
      return { ...withGuess(port), access: isInUse ? 'in-use' : 'ok' };
    }),
  );
}

interface PackageList {
  /** Undefined if there is no list. */
  readonly ports: readonly FoundPort[] | undefined;
  /** What is wrong with the package itself: then ports can be seen, but not opened. */
  readonly missing?: string;
  /** What is wrong with its list. */
  readonly problem?: string;
}

/** What the package lists; nothing, if it is only to be seen whether it is there. */
async function packageList(
  load: () => Promise<Pick<SerialPackage, 'list'>>,
  isAsked: boolean,
): Promise<PackageList> {
  let serial: Pick<SerialPackage, 'list'>;
  try {
    serial = await load();
  } catch (error) {
    const missing = `serial ports need the npm package serialport: ${packageProblem(error)}`;
    return { ports: undefined, missing };
  }
  try {
    return { ports: isAsked ? (await serial.list()).map(fromPackage) : [] };
  } catch (error) {
    const text = error instanceof Error ? error.message : String(error);
    return { ports: undefined, problem: `serial ports cannot be listed: ${oneLine(text)}` };
  }
}

function fromPackage(port: Awaited<ReturnType<SerialPackage['list']>>[number]): FoundPort {
  return {
    path: port.path,
    ...known('vendorId', port.vendorId?.toLowerCase()),
    ...known('productId', port.productId?.toLowerCase()),
    ...known('serialNumber', port.serialNumber),
    ...known('manufacturer', port.manufacturer),
  };
}

/** What may be ports, by /sys; undefined where it cannot be read. */
async function portNames(root: string): Promise<readonly string[] | undefined> {
  const tty = join(root, 'sys/class/tty');
  const names = await readdir(tty).catch(() => undefined);
  if (names === undefined) return undefined;
  const isPort = await Promise.all(
    names.map(async (name) => {
      if (/^rfcomm\d+$/.test(name)) return true;
      // Consoles and pseudo-terminals have no device behind them.
      return /^(tty[A-Z]+|ttymxc)\d+$/.test(name) && exists(join(tty, name, 'device'));
    }),
  );
  return names.filter((_, i) => isPort[i]);
}

/** `names` of /sys, the ports that the package has listed, if it was asked, and those that have links. */
async function linuxPorts(
  root: string,
  names: readonly string[] | undefined,
  listed: readonly FoundPort[] | undefined,
): Promise<readonly FoundPort[]> {
  const links = await linksById(root);
  const byPath = new Map((listed ?? []).map((port) => [port.path, port]));
  for (const path of [...links.keys(), ...(names ?? []).map((name) => `/dev/${name}`)]) {
    byPath.set(path, byPath.get(path) ?? { path });
  }
  const ports = await Promise.all(
    [...byPath.values()].map(async (port): Promise<FoundPort | undefined> => {
      // In a container /sys shows the ports of the host as well.
      if (!(await exists(join(root, port.path)))) return undefined;
      const folder = join(root, 'sys/class/tty', basename(port.path));
      // A place for a chip that is not there: the kernel has four of them on any PC.
      if ((await textOf(join(folder, 'type'))) === '0') return undefined;
      const usb = await usbDevice(join(folder, 'device'));
      return { ...known('product', links.get(port.path)), ...usb, ...port };
    }),
  );
  return ports.filter((port) => port !== undefined);
}

/** Ports by their paths, with what their links are called: the maker's and product's names, mostly. */
async function linksById(root: string): Promise<ReadonlyMap<string, string>> {
  const folder = join(root, 'dev/serial/by-id');
  const links = new Map<string, string>();
  for (const name of await readdir(folder).catch(() => [])) {
    const target = await readlink(join(folder, name)).catch(() => undefined);
    if (target === undefined) continue;
    const text = name.replace(/^usb-|-if\d+(-port\d+)?$/g, '').replaceAll('_', ' ');
    links.set(resolve('/dev/serial/by-id', target), text);
  }
  return links;
}

/** The texts and ids of the USB device that a port belongs to: it is some folders above the port's own. */
async function usbDevice(device: string): Promise<Omit<FoundPort, 'path'>> {
  let folder = await realpath(device).catch(() => undefined);
  while (folder !== undefined && dirname(folder) !== folder) {
    const vendorId = await textOf(join(folder, 'idVendor'));
    if (vendorId !== undefined) {
      return {
        ...known('vendorId', vendorId.toLowerCase()),
        ...known('productId', (await textOf(join(folder, 'idProduct')))?.toLowerCase()),
        ...known('serialNumber', await textOf(join(folder, 'serial'))),
        ...known('manufacturer', await textOf(join(folder, 'manufacturer'))),
        ...known('product', await textOf(join(folder, 'product'))),
      };
    }
    folder = dirname(folder);
  }
  return {};
}

/** What other processes have open, of those that this user may look into. */
async function openFiles(root: string): Promise<ReadonlySet<string>> {
  const files = new Set<string>();
  const processes = (await readdir(join(root, 'proc')).catch(() => [])).filter(
    (name) => /^\d+$/.test(name) && name !== `${process.pid}`,
  );
  for (const id of processes) {
    const folder = join(root, 'proc', id, 'fd');
    const names = await readdir(folder).catch(() => []);
    const targets = await Promise.all(
      names.map((name) => readlink(join(folder, name)).catch(() => undefined)),
    );
    for (const target of targets) if (target?.startsWith('/dev/')) files.add(target);
  }
  return files;
}

/** Whether a program that still runs has left the lock file that terminal programs agree on. */
async function isLocked(root: string, path: string): Promise<boolean> {
  const file = join(root, 'var/lock', `LCK..${basename(path)}`);
  const holder = /^\s*(\d+)/.exec((await textOf(file)) ?? '')?.[1];
  if (holder === undefined || holder === `${process.pid}`) return false;
  return exists(join(root, 'proc', holder));
}

async function mayReadAndWrite(path: string): Promise<boolean> {
  return access(path, constants.R_OK | constants.W_OK).then(
    () => true,
    () => false,
  );
}

function exists(path: string): Promise<boolean> {
  return access(path).then(
    () => true,
    () => false,
  );
}

/** Undefined for a file that is empty or that cannot be read. */
async function textOf(path: string): Promise<string | undefined> {
  const text = await readFile(path, 'utf8').catch(() => '');
  return text.trim() === '' ? undefined : text.trim();
}

/** Nothing for an empty text. A device tells what it likes: it may not reach a terminal as it is. */
function known<K extends string>(
  key: K,
  value: string | undefined,
): { readonly [P in K]?: string } {
  const text = plainText(value ?? '', MAX_TEXT);
  return text === '' ? {} : ({ [key]: text } as { [P in K]: string });
}
