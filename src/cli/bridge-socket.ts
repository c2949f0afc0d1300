/** The place of a simulated board's socket: checked before anything else, and kept from a second board. */
import { closeSync, lstatSync, openSync, readFileSync, rmSync, statSync, writeSync } from 'node:fs';
import { connect } from 'node:net';
import { dirname, resolve } from 'node:path';
import { parsePortAddress } from '../../firmware-bridge/port-address.ts';
import { errorText, InputError } from '../util/errors.ts';

const FIELD = 'socket';

export interface SocketPlace {
  /** From the root. */
  readonly path: string;
  /** Lets others have it. Idempotent. */
  release(): void;
}

/**
 * Takes the place, and takes away a socket that nobody listens at any more. Rejects `InputError` if there can
 * be no socket, or if another program has it.
 */
export async function takeSocketPlace(text: string): Promise<SocketPlace> {
  if (text === '') throw new InputError(FIELD, 'the path of a socket', 'an empty text');
  const path = resolve(text);
  checkPath(path);
  const release = lock(path);
  try {
    await makeRoom(path);
    return { path, release };
  } catch (error) {
    release();
    throw error;
  }
}

function checkPath(path: string): void {
  parsePortAddress(`unix:${path}`, FIELD);
  if (path.includes(',')) {
    throw new InputError(FIELD, 'a path without a comma, which stands between two devices', path);
  }
  const folder = dirname(path);
  const isFolder = statSync(folder, { throwIfNoEntry: false })?.isDirectory() === true;
  if (!isFolder) throw new InputError(FIELD, 'a path in a folder that is there', path);
}

/** Two boards that start at once would both find the place free. What is returned ends the lock. */
function lock(path: string): () => void {
  const file = `${path}.lock`;
  for (const isLast of [false, true]) {
    try {
      const handle = openSync(file, 'wx');
      writeSync(handle, `${process.pid}\n`);
      closeSync(handle);
      let isHeld = true;
      return () => {
        if (isHeld) rmSync(file, { force: true });
        isHeld = false;
      };
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'EEXIST') {
        throw new InputError(FIELD, 'a path where a socket can be', errorText(error), {
          cause: error,
        });
      }
      if (isLast || isHeldBySomebody(file)) throw inUse(path);
      // Whoever had it was killed.
      rmSync(file, { force: true });
    }
  }
  throw inUse(path);
}

function isHeldBySomebody(file: string): boolean {
  try {
    const pid = Number(readFileSync(file, 'utf8'));
    // Empty for the moment between its making and its being written.
    if (!Number.isInteger(pid) || pid <= 0) return Date.now() - statSync(file).mtimeMs < 1000;
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === 'EPERM';
  }
}

/** What listens at a socket may have been killed; the socket stays. */
async function makeRoom(path: string): Promise<void> {
  const there = lstatSync(path, { throwIfNoEntry: false });
  if (there === undefined) return;
  if (!there.isSocket()) throw new InputError(FIELD, 'a path that is not there yet', path);
  if (!(await isAbandoned(path))) throw inUse(path);
  rmSync(path, { force: true });
}

function isAbandoned(path: string): Promise<boolean> {
  return new Promise((answer) => {
    const socket = connect(path);
    const end = (isNobody: boolean): void => {
      socket.destroy();
      answer(isNobody);
    };
    socket.once('connect', () => end(false));
    socket.once('error', (error: NodeJS.ErrnoException) => end(error.code === 'ECONNREFUSED'));
  });
}

function inUse(path: string): InputError {
  return new InputError(FIELD, 'a path that no other program uses', path);
}
