/**
 * Who is not served, and until when by the wall clock. Kept in one JSON file that is written whole,
 * shortly after each change, so that a restart is no pardon.
 */
import { createHash } from 'node:crypto';
import { readFile, rename } from 'node:fs/promises';
import type { Clock } from '../src/util/clock.ts';
import { clip, errorText, InputError } from '../src/util/errors.ts';
import {
  type JsonObject,
  memberOf,
  objectAt,
  parseMessage,
  shown,
  textAt,
} from '../src/util/json-fields.ts';
import type { Logger } from '../src/util/log.ts';
import { replaceFile } from '../src/util/whole-file.ts';

/** Changes of so long are written at once. */
const WRITE_DELAY_MS = 500;
/** After a file that could not be written. */
const RETRY_MS = 5_000;
const MAX_BANS = 100_000;
/** Longer keys, which nobody needs but anybody can make, are kept as their hash. */
const MAX_KEY_LENGTH = 160;
const MAX_REASON_LENGTH = 200;
const VERSION = 1;

export interface Ban {
  /** `address`, or `address|login`; cut and hashed if it is very long. */
  readonly key: string;
  /** Milliseconds since 1970. */
  readonly untilMs: number;
  readonly reason: string;
}

export interface BanListOptions {
  /** The file, in a directory that is there. */
  readonly path: string;
  /** The bans that end soonest make room for more. Default 100,000. */
  readonly maxBans?: number;
}

export interface BanListParts {
  readonly log: Logger;
  readonly clock: Clock;
  /** Milliseconds since 1970. */
  readonly now: () => number;
}

/** The key of one worker at an address: neighbours behind it are none the worse for its bans. */
export function workerBanKey(address: string, login: string): string {
  return `${address}|${login}`;
}

export class BanList {
  readonly #path: string;
  readonly #maxBans: number;
  readonly #parts: BanListParts;
  readonly #bans: Map<string, Ban>;
  readonly #closing = new AbortController();
  #isChanged = false;
  #writing: Promise<void> | undefined;
  #hasFailed = false;

  /**
   * With the bans of the file that have not ended. A broken file is set aside, with a log line. Rejects
   * with the system's error if the file is there and cannot be read.
   */
  static async open(options: BanListOptions, parts: BanListParts): Promise<BanList> {
    return new BanList(options, parts, await readBans(options.path, parts));
  }

  private constructor(options: BanListOptions, parts: BanListParts, bans: readonly Ban[]) {
    this.#path = options.path;
    this.#maxBans = options.maxBans ?? MAX_BANS;
    this.#parts = parts;
    this.#bans = new Map(bans.map((ban) => [ban.key, ban]));
    this.#makeRoom(0);
  }

  /** Bans `key` for `ms` from now on; a ban that ends later stays as it is. */
  ban(key: string, ms: number, reason: string): void {
    const short = shortKey(key);
    const untilMs = Math.ceil(this.#parts.now() + ms);
    const before = this.#bans.get(short);
    if (before !== undefined && before.untilMs >= untilMs) return;
    if (before === undefined) this.#makeRoom(1);
    this.#bans.set(short, { key: short, untilMs, reason: clip(reason, MAX_REASON_LENGTH) });
    this.#changed();
  }

  isBanned(key: string): boolean {
    const short = shortKey(key);
    const ban = this.#bans.get(short);
    if (ban === undefined) return false;
    if (ban.untilMs > this.#parts.now()) return true;
    // The file may keep it: it ends there too.
    this.#bans.delete(short);
    return false;
  }

  /** The bans that have not ended, in no order. */
  list(): readonly Ban[] {
    const now = this.#parts.now();
    return [...this.#bans.values()].filter(({ untilMs }) => untilMs > now);
  }

  /** Writes what is not written yet. Idempotent. Never rejects: what fails is logged. */
  async close(): Promise<void> {
    this.#closing.abort();
    await this.#writing;
  }

  #changed(): void {
    this.#isChanged = true;
    this.#writing ??= this.#write();
  }

  async #write(): Promise<void> {
    const { clock } = this.#parts;
    let pauseMs = WRITE_DELAY_MS;
    while (this.#isChanged) {
      await clock.sleep(pauseMs, this.#closing.signal);
      this.#isChanged = false;
      const isWritten = await this.#writeOnce();
      pauseMs = isWritten ? WRITE_DELAY_MS : RETRY_MS;
      if (isWritten) continue;
      if (this.#closing.signal.aborted) break;
      this.#isChanged = true;
    }
    this.#writing = undefined;
  }

  async #writeOnce(): Promise<boolean> {
    const { log } = this.#parts;
    const bans = this.list().map(({ key, untilMs, reason }) => ({ key, untilMs, reason }));
    try {
      await replaceFile(this.#path, `${JSON.stringify({ version: VERSION, bans })}\n`);
      if (this.#hasFailed) log.info('bans written again', { file: this.#path });
      this.#hasFailed = false;
      return true;
    } catch (error) {
      const problem = errorText(error);
      if (!this.#hasFailed) log.warn('bans not written', { file: this.#path, problem });
      this.#hasFailed = true;
      return false;
    }
  }

  /** For `count` more: first what has ended goes, then what ends soonest. */
  #makeRoom(count: number): void {
    if (this.#bans.size + count <= this.#maxBans) return;
    const now = this.#parts.now();
    for (const { key, untilMs } of this.#bans.values()) if (untilMs <= now) this.#bans.delete(key);
    const excess = this.#bans.size + count - this.#maxBans;
    if (excess <= 0) return;
    // One in a hundred more than must go: a flood of bans shall not sort them all for each.
    const going = Math.max(excess, Math.floor(this.#maxBans / 100));
    const soonest = [...this.#bans.values()].sort((a, b) => a.untilMs - b.untilMs);
    for (const { key } of soonest.slice(0, going)) this.#bans.delete(key);
  }
}

function shortKey(key: string): string {
  if (key.length <= MAX_KEY_LENGTH) return key;
  // 1 character and 64 digits follow: no short key can be one of these.
  const hash = createHash('sha256').update(key).digest('hex');
  return `${key.slice(0, MAX_KEY_LENGTH)}#${hash}`;
}

async function readBans(path: string, { log, now }: BanListParts): Promise<readonly Ban[]> {
  let text: string;
  try {
    text = await readFile(path, 'utf8');
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return [];
    throw error;
  }
  try {
    return decodeBans(text).filter(({ untilMs }) => untilMs > now());
  } catch (error) {
    const aside = `${path}.broken`;
    await rename(path, aside);
    log.warn('bans not readable, set aside', { file: path, aside, problem: errorText(error) });
    return [];
  }
}

function decodeBans(text: string): readonly Ban[] {
  const file: JsonObject = objectAt(parseMessage(text), 'bans file');
  const version = memberOf(file, 'version');
  if (version !== VERSION) {
    throw new InputError('bans file.version', `${VERSION}`, shown(version));
  }
  const bans = memberOf(file, 'bans');
  if (!Array.isArray(bans)) throw new InputError('bans file.bans', 'an array', shown(bans));
  return bans.map((each, i) => {
    const where = `bans file.bans[${i}]`;
    const ban = objectAt(each, where);
    const untilMs = memberOf(ban, 'untilMs');
    if (typeof untilMs !== 'number') {
      throw new InputError(`${where}.untilMs`, 'a number', shown(untilMs));
    }
    return { key: textAt(ban, where, 'key'), untilMs, reason: textAt(ban, where, 'reason') };
  });
}
