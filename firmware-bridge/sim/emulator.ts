/**
 * Starts a board that is not there: the firmware, built on the spot, in QEMU or as a program of its own,
 * behind a unix socket. What may surprise: a shell watches over us, so that the machine ends with
 * this process even where it is killed.
 */
import { type ChildProcess, spawn } from 'node:child_process';
import { constants } from 'node:fs';
import { access, copyFile, mkdir, mkdtemp, rename, rm, stat } from 'node:fs/promises';
import { connect } from 'node:net';
import { tmpdir } from 'node:os';
import { delimiter, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { systemClock } from '../../src/util/clock.ts';
import { createDeferred } from '../../src/util/deferred.ts';
import { CodedError, errorText } from '../../src/util/errors.ts';
import { parsePortAddress } from '../port-address.ts';

/** Beside this module, among the sources and in what is built from them. */
const FIRMWARE: string = fileURLToPath(new URL('../firmware/', import.meta.url));
const START_MS = 10_000;
const LOOK_MS = 20;
/** How long a machine may take to end when it is asked to. */
const STOP_MS = 3000;
/** As much of what a program says as an error repeats. */
const LAST_BYTES = 8000;
const LAST_LINES = 3;

export type MachineName = 'virt' | 'mps2-an385' | 'mps2-an505' | 'native';

interface MachineKind {
  /** The emulator; none for a program of the host. */
  readonly qemu?: string;
  readonly compiler: string;
  /** What the build makes. */
  readonly image: string;
  readonly arguments: readonly string[];
  /** Where the firmware looks for the number of its board. */
  readonly uidAt?: number;
}

const MACHINES: Readonly<Record<MachineName, MachineKind>> = {
  virt: {
    qemu: 'qemu-system-riscv64',
    compiler: 'riscv64-unknown-elf-gcc',
    image: 'virt.elf',
    arguments: ['-M', 'virt', '-cpu', 'rv64', '-m', '32', '-bios', 'none'],
    uidAt: 0x8010_0000,
  },
  'mps2-an385': {
    qemu: 'qemu-system-arm',
    compiler: 'arm-none-eabi-gcc',
    image: 'mps2-an385.elf',
    arguments: ['-M', 'mps2-an385'],
    uidAt: 0x2100_0000,
  },
  'mps2-an505': {
    qemu: 'qemu-system-arm',
    compiler: 'arm-none-eabi-gcc',
    image: 'mps2-an505.elf',
    arguments: ['-M', 'mps2-an505'],
    uidAt: 0x8000_0000,
  },
  native: { compiler: 'cc', image: 'board-native', arguments: [] },
};

export type EmulatorErrorDetail =
  | { readonly code: 'missing'; readonly machine: MachineName; readonly missing: string }
  | { readonly code: 'build'; readonly machine: MachineName; readonly reason: string }
  | { readonly code: 'start'; readonly machine: MachineName; readonly reason: string };

/** A machine that does not start. */
export class EmulatorError extends CodedError<EmulatorErrorDetail> {
  constructor(detail: EmulatorErrorDetail, options?: ErrorOptions) {
    super(emulatorErrorText(detail), detail, options);
  }
}

export interface MachineChoice {
  readonly machine: MachineName;
  /** Programs that this system lacks for it, by name; absent if it can be started. */
  readonly missing?: string;
}

/** The machines there are, the quickest first, and why one cannot be started here. */
export async function machines(): Promise<readonly MachineChoice[]> {
  const names: readonly MachineName[] = ['native', 'virt', 'mps2-an385', 'mps2-an505'];
  return Promise.all(
    names.map(async (machine) => {
      const missing = await missingFor(machine);
      return missing === '' ? { machine } : { machine, missing };
    }),
  );
}

export interface StartMachineOptions {
  /** For the build and the socket; made if need be, and not taken away. */
  readonly directory: string;
  /** Where the socket is to be; in `directory` under a name of its own by default. */
  readonly socket?: string;
  /** The number of its chip, 24 hex digits. */
  readonly uid?: string;
  /** More arguments for the program: of QEMU, or of `board-native`. */
  readonly arguments?: readonly string[];
  /** Ends it, at whatever stage. */
  readonly signal?: AbortSignal;
}

export interface RunningMachine {
  readonly machine: MachineName;
  /** Where its line is: `unix:…`. */
  readonly address: string;
  readonly pid: number;
  /** The firmware that it runs. */
  readonly image: string;
  /** Resolves when it has ended: how, and with what last words. */
  readonly ended: Promise<string>;
  /** Ends it at once, as if its power were cut. */
  kill(): void;
  /** Ends it and resolves when it is gone. Idempotent; never rejects. */
  stop(): Promise<void>;
}

/**
 * Builds the firmware, starts the machine and waits until its line can be opened. Rejects
 * `EmulatorError`, or the signal's reason.
 */
export async function startMachine(
  machine: MachineName,
  options: StartMachineOptions,
): Promise<RunningMachine> {
  const { directory, uid, signal } = options;
  signal?.throwIfAborted();
  if (uid !== undefined && !/^[0-9a-f]{24}$/i.test(uid)) {
    throw new RangeError(`"uid" expected 24 hex digits, got ${JSON.stringify(uid)}`);
  }
  const missing = await missingFor(machine);
  if (missing !== '') throw new EmulatorError({ code: 'missing', machine, missing });
  const socket = options.socket ?? join(directory, `${machine}-${process.pid}-${started++}.sock`);
  try {
    parsePortAddress(`unix:${socket}`, 'socket');
    await mkdir(directory, { recursive: true });
  } catch (error) {
    throw failedStart(machine, errorText(error), error);
  }
  const image = await build(machine, join(directory, 'build'), signal);
  // An emulator takes a socket away that is there, whoever listens at it.
  if (await isAccepting(socket)) throw failedStart(machine, `${socket}: in use by another program`);
  const wasThere = (await fileId(socket)) !== undefined;
  const [program, args] = commandOf(machine, image, socket, uid);
  const child = startChild(program, [...args, ...(options.arguments ?? [])]);
  const abort = (): void => child.kill();
  signal?.addEventListener('abort', abort, { once: true });
  let ours: string | undefined;
  const ended = child.ended.then(async (how) => {
    signal?.removeEventListener('abort', abort);
    // Somebody else's by now, perhaps.
    if (ours !== undefined && (await fileId(socket)) === ours) await rm(socket, { force: true });
    return how;
  });
  const stop = async (): Promise<void> => {
    child.terminate();
    const isOver = new AbortController();
    const late = systemClock.sleep(STOP_MS, isOver.signal).then(() => child.kill());
    await ended;
    isOver.abort();
    await late;
  };
  const failure = await untilListening(socket, child.ended);
  ours = await fileId(socket);
  if (failure !== undefined || child.pid === undefined) {
    child.kill();
    await ended;
    if (!wasThere && !(await isAccepting(socket))) await rm(socket, { force: true });
    signal?.throwIfAborted();
    throw failedStart(machine, failure ?? 'it has no process');
  }
  const { pid, kill } = child;
  return { machine, address: `unix:${socket}`, pid, image, ended, kill, stop };
}

function failedStart(machine: MachineName, reason: string, cause?: unknown): EmulatorError {
  return new EmulatorError({ code: 'start', machine, reason }, { cause });
}

/** Tells a file from another at the same path; undefined where nothing is. */
async function fileId(path: string): Promise<string | undefined> {
  return stat(path).then(
    ({ ino, birthtimeMs }) => `${ino} ${birthtimeMs}`,
    () => undefined,
  );
}

/** Machines started by this process. */
let started = 0;

/**
 * Resolves with the image's path: below `directory`, in a folder named by the build id, so that an image of
 * other sources is never taken for one of these. Several programs may do this at once.
 */
async function build(
  machine: MachineName,
  directory: string,
  signal: AbortSignal | undefined,
): Promise<string> {
  const { image } = MACHINES[machine];
  const id = /^[0-9a-f]{8}$/m.exec(await make(machine, ['build-id'], signal))?.[0];
  if (id === undefined) {
    throw new EmulatorError({ code: 'build', machine, reason: 'make tells no build id' });
  }
  const folder = join(directory, id);
  const path = join(folder, image);
  if ((await fileId(path)) !== undefined) return path;
  const own = await mkdtemp(join(plainTemporaryFolder(), 'bytom-firmware-'));
  try {
    await make(machine, [`BUILD=${own}`, machine], signal);
    await mkdir(folder, { recursive: true });
    const beside = join(folder, `${image}-${process.pid}-${started++}`);
    await copyFile(join(own, image), beside);
    await rename(beside, path);
    return path;
  } catch (error) {
    if (error instanceof EmulatorError || signal?.aborted === true) throw error;
    throw new EmulatorError({ code: 'build', machine, reason: errorText(error) }, { cause: error });
  } finally {
    await rm(own, { recursive: true, force: true });
  }
}

/** Resolves with what `make` says. */
async function make(
  machine: MachineName,
  args: readonly string[],
  signal: AbortSignal | undefined,
): Promise<string> {
  signal?.throwIfAborted();
  const child = startChild('make', ['-s', '-C', FIRMWARE, ...args]);
  signal?.addEventListener('abort', child.kill, { once: true });
  const how = await child.ended;
  signal?.removeEventListener('abort', child.kill);
  signal?.throwIfAborted();
  if (how !== WELL) throw new EmulatorError({ code: 'build', machine, reason: how });
  return child.words();
}

/** `make` takes a space in a path for the end of the path. */
function plainTemporaryFolder(): string {
  return /^[\w./+-]+$/.test(tmpdir()) ? tmpdir() : '/tmp';
}

function commandOf(
  machine: MachineName,
  image: string,
  socket: string,
  uid: string | undefined,
): [program: string, args: readonly string[]] {
  const { qemu, arguments: own, uidAt } = MACHINES[machine];
  if (qemu === undefined) return [image, [socket, ...(uid === undefined ? [] : ['--uid', uid])]];
  // A comma in a path would begin the next setting.
  const path = socket.replaceAll(',', ',,');
  const line = ['-chardev', `socket,id=line,path=${path},server=on,wait=off`];
  const plain = ['-display', 'none', '-monitor', 'none', '-serial', 'chardev:line'];
  const loaders =
    uid === undefined || uidAt === undefined
      ? []
      : [...loader(uidAt, uid.slice(0, 16)), ...loader(uidAt + 8, uid.slice(16))];
  return [qemu, [...own, '-kernel', image, ...line, ...plain, ...loaders]];
}

/** Puts up to 8 bytes, given as hex, into the machine's memory. */
function loader(at: number, hex: string): readonly string[] {
  const reversed = hex.match(/../g)?.reverse().join('') ?? '';
  const bytes = hex.length / 2;
  return ['-device', `loader,addr=0x${at.toString(16)},data=0x${reversed},data-len=${bytes}`];
}

/** Undefined once a client is accepted, or why that will not be. */
async function untilListening(path: string, ended: Promise<string>): Promise<string | undefined> {
  const state: { how?: string } = {};
  void ended.then((how) => {
    state.how = how;
  });
  for (const until = Date.now() + START_MS; Date.now() < until; ) {
    if (state.how !== undefined) return `it ended: ${state.how}`;
    if (await isAccepting(path)) return undefined;
    await systemClock.sleep(LOOK_MS);
  }
  return `its socket takes no client within ${START_MS / 1000} s`;
}

function isAccepting(path: string): Promise<boolean> {
  const { promise, resolve } = createDeferred<boolean>();
  const socket = connect(path);
  socket.once('connect', () => resolve(true));
  socket.once('error', () => resolve(false));
  return promise.finally(() => socket.destroy());
}

const WELL = 'exit code 0';

interface Child {
  readonly pid: number | undefined;
  /** How it ended, and its last words, in one line; `WELL` if there is nothing to say. */
  readonly ended: Promise<string>;
  /** The end of what it has said so far. */
  readonly words: () => string;
  readonly terminate: () => void;
  readonly kill: () => void;
}

/** A process that ends with this one, however that ends. */
function startChild(program: string, args: readonly string[]): Child {
  const child = spawn(program, args, { stdio: ['ignore', 'pipe', 'pipe'] });
  const ended = createDeferred<string>();
  const watcher = child.pid === undefined ? undefined : watchOver(child.pid);
  const kill = (): void => {
    child.kill('SIGKILL');
  };
  let words = '';
  for (const stream of [child.stdout, child.stderr]) {
    stream.setEncoding('utf8').on('data', (text: string) => {
      words = (words + text).slice(-LAST_BYTES);
    });
  }
  process.on('exit', kill);
  const end = (how: string): void => {
    process.off('exit', kill);
    watcher?.kill('SIGKILL');
    ended.resolve(how);
  };
  child.once('error', (error) => end(error.message));
  child.once('close', (code, signal) => {
    const how = signal === null ? `exit code ${code}` : `killed by ${signal}`;
    // Lines that are indented only explain: the source that an error is about, or what options there are.
    const lines = words.split('\n').filter((line) => /^\S/.test(line));
    const last = lines.slice(-LAST_LINES).join(' | ');
    end(how === WELL || last === '' ? how : `${how}: ${last}`);
  });
  return {
    pid: child.pid,
    ended: ended.promise,
    words: () => words,
    terminate: () => child.kill('SIGTERM'),
    kill,
  };
}

/** Kills a process when the pipe from this one breaks. It is killed itself when there is nothing to watch. */
function watchOver(pid: number): ChildProcess {
  const watcher = spawn('/bin/sh', ['-c', 'read _; kill -KILL "$1"', 'sh', `${pid}`], {
    stdio: ['pipe', 'ignore', 'ignore'],
    // Not to be ended by an interrupt from the terminal before us.
    detached: true,
  });
  // Without it the exit handler and `stop` must do.
  watcher.once('error', () => undefined);
  watcher.stdin?.once('error', () => undefined);
  watcher.unref();
  (watcher.stdin as { unref?: () => void } | null)?.unref?.();
  return watcher;
}

async function missingFor(machine: MachineName): Promise<string> {
  const { qemu, compiler } = MACHINES[machine];
  const programs = [...(qemu === undefined ? [] : [qemu]), compiler, 'make'];
  const found = await Promise.all(programs.map(isInstalled));
  return programs.filter((_, i) => found[i] !== true).join(', ');
}

async function isInstalled(program: string): Promise<boolean> {
  for (const folder of (process.env['PATH'] ?? '').split(delimiter)) {
    if (folder === '') continue;
    const isThere = await access(join(folder, program), constants.X_OK).then(
      () => true,
      () => false,
    );
    if (isThere) return true;
  }
  return false;
}

function emulatorErrorText(detail: EmulatorErrorDetail): string {
  switch (detail.code) {
    case 'missing':
      return `the machine ${detail.machine} needs ${detail.missing}, which this system lacks`;
    case 'build':
      return `the firmware of ${detail.machine} does not build: ${detail.reason}`;
    case 'start':
      return `the machine ${detail.machine} does not start: ${detail.reason}`;
  }
}
