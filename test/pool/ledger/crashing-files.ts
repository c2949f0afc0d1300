/**
 * A file system in memory that loses what was not synced when it crashes, and fails when it is told
 * to. Directories are the parts of the paths before the last slash; names count as files do.
 */
import type { LogFile, LogFiles } from '../../../pool/ledger/log-files.ts';

/** A power cut may leave any of these of what was written and not synced. */
const SECTOR_BYTES = 64;

interface Inode {
  content: Uint8Array;
  /** What a crash leaves for certain. */
  synced: Uint8Array;
  /** Every state since: the system may have written any of it already, or not. */
  versions: Uint8Array[];
}

export type Operation = 'write' | 'sync' | 'truncate' | 'open' | 'rename' | 'syncDirectory';

export class CrashingFiles implements LogFiles {
  /** Asked before each operation: an error to fail with, or how many bytes of a write to take. */
  fault: (operation: Operation, path: string) => Error | number | undefined = () => undefined;
  /** Called when a sync is about to take effect: until it resolves, nothing is synced. */
  beforeSync: () => Promise<void> = async () => {};
  writes = 0;
  syncs = 0;
  #names = new Map<string, Inode>();
  #syncedNames = new Map<string, Inode>();
  #generation = 0;

  /** What is in a file now. */
  content(path: string): Uint8Array {
    return this.#inode(path).content.slice();
  }

  /** Changes a file behind the back of whoever has it open. */
  overwrite(path: string, content: Uint8Array): void {
    const inode = this.#inode(path);
    inode.content = content.slice();
    inode.synced = content.slice();
    inode.versions = [];
  }

  paths(): readonly string[] {
    return [...this.#names.keys()].sort();
  }

  /**
   * The power goes. Of what was not synced a part survives: of each file any prefix of the last state, or
   * sectors of any of its states since the last sync. Files that are open from before fail from now on.
   */
  crash(random: () => number): void {
    this.#generation++;
    // A name that was not synced may be there all the same.
    const names = new Map(this.#syncedNames);
    for (const [path, inode] of this.#names) {
      if (!names.has(path) && random() < 0.5) names.set(path, inode);
    }
    for (const path of this.#syncedNames.keys()) {
      if (!this.#names.has(path) && random() < 0.5) names.delete(path);
    }
    for (const inode of new Set(names.values())) {
      inode.content =
        random() < 0.5 ? survivingPrefix(inode, random) : survivingParts(inode, random);
      inode.synced = inode.content.slice();
      inode.versions = [];
    }
    this.#names = names;
    this.#syncedNames = new Map(names);
  }

  async makeDirectory(): Promise<void> {}

  async list(directory: string): Promise<readonly string[]> {
    const prefix = `${directory}/`;
    return [...this.#names.keys()]
      .filter((path) => path.startsWith(prefix))
      .map((path) => path.slice(prefix.length));
  }

  async open(path: string, mode: 'read' | 'update' | 'create'): Promise<LogFile> {
    this.#check('open', path);
    if (mode === 'create') {
      this.#names.set(path, {
        content: new Uint8Array(),
        synced: new Uint8Array(),
        versions: [],
      });
    }
    return this.#handle(path, this.#inode(path));
  }

  async rename(from: string, to: string): Promise<void> {
    this.#check('rename', to);
    this.#names.set(to, this.#inode(from));
    this.#names.delete(from);
  }

  async remove(path: string): Promise<void> {
    this.#names.delete(path);
  }

  async syncDirectory(path: string): Promise<void> {
    this.#check('syncDirectory', path);
    this.#syncedNames = new Map(this.#names);
  }

  #handle(path: string, inode: Inode): LogFile {
    const generation = this.#generation;
    const check = (operation: Operation): number | undefined => {
      if (generation !== this.#generation) throw fileError('EIO', 'gone in the crash');
      return this.#check(operation, path);
    };
    return {
      size: async () => inode.content.length,
      read: async (bytes, position) => {
        const part = inode.content.subarray(position, position + bytes.length);
        bytes.set(part);
        return part.length;
      },
      write: async (bytes, position) => {
        this.writes++;
        const count = Math.min(check('write') ?? bytes.length, bytes.length);
        const size = Math.max(inode.content.length, position + count);
        const content = new Uint8Array(size);
        content.set(inode.content);
        content.set(bytes.subarray(0, count), position);
        inode.content = content;
        inode.versions.push(content);
        return count;
      },
      truncate: async (size) => {
        check('truncate');
        const content = new Uint8Array(size);
        content.set(inode.content.subarray(0, size));
        inode.content = content;
        inode.versions.push(content);
      },
      sync: async () => {
        this.syncs++;
        const { content } = inode;
        const states = inode.versions.length;
        await this.beforeSync();
        check('sync');
        inode.synced = content;
        inode.versions.splice(0, states);
      },
      close: async () => {},
    };
  }

  #check(operation: Operation, path: string): number | undefined {
    const fault = this.fault(operation, path);
    if (fault instanceof Error) throw fault;
    return fault;
  }

  #inode(path: string): Inode {
    const inode = this.#names.get(path);
    if (inode === undefined) throw fileError('ENOENT', path);
    return inode;
  }
}

/** As the system makes them. */
export function fileError(code: 'ENOSPC' | 'EIO' | 'ENOENT', what = 'write'): Error {
  return Object.assign(new Error(`${code}: ${what}`), { code });
}

/** What was synced, and of what was written behind it the first bytes. */
function survivingPrefix({ content, synced }: Inode, random: () => number): Uint8Array {
  if (content.length < synced.length) return pick([content, synced], random);
  const size = synced.length + Math.floor(random() * (content.length - synced.length + 1));
  return content.slice(0, size);
}

/** Each sector, and the size, as it was synced or as it was at some moment since. */
function survivingParts({ synced, versions }: Inode, random: () => number): Uint8Array {
  const states = [synced, ...versions];
  const out = new Uint8Array(pick(states, random).length);
  for (let at = 0; at < out.length; at += SECTOR_BYTES) {
    out.set(pick(states, random).subarray(at, Math.min(at + SECTOR_BYTES, out.length)), at);
  }
  return out;
}

function pick<T>(from: readonly T[], random: () => number): T {
  return from[Math.floor(random() * from.length)]!;
}
