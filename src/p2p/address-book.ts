/**
 * The addresses of other nodes that outlive a restart: `peers.json` in the data directory, written
 * whole (a temporary file, then a new name), never trusted when read. What it knows of an address is
 * how it went there: when it last went well or badly, and how often badly in a row. From that comes
 * when it is tried again, and who goes when the book is full.
 */
import { mkdir, readFile, rename, stat } from 'node:fs/promises';
import { dirname } from 'node:path';
import type { Clock } from '../util/clock.ts';
import { errorText } from '../util/errors.ts';
import { type JsonValue, parseExact } from '../util/json.ts';
import { isObject, memberOf } from '../util/json-fields.ts';
import type { Logger } from '../util/log.ts';
import { replaceFile } from '../util/whole-file.ts';
import { type Endpoint, endpointKey, ipKind, networkOf, toEndpoint } from './discovery/endpoint.ts';

/** Who told of an address. */
export type AddressSource = 'configured' | 'seed' | 'discovery' | 'peer';

export interface AddressBookOptions {
  /** The file; its directory is made if need be. */
  readonly path: string;
  /** Addresses kept; 1000 if not given. */
  readonly maxAddresses?: number;
}

export interface AddressBookParts {
  readonly clock: Clock;
  /** Milliseconds since 1970: what is written must mean something after a restart. */
  readonly wallNow: () => number;
  /** Numbers in [0, 1). */
  readonly random: () => number;
  readonly log: Logger;
}

/** Times in milliseconds since 1970. */
export interface KnownAddress {
  readonly endpoint: Endpoint;
  readonly source: AddressSource;
  readonly addedAt: number;
  readonly succeededAt: number | undefined;
  readonly failedAt: number | undefined;
  /** Failures since the last success. */
  readonly failures: number;
  /** Not to be tried before. */
  readonly retryAt: number;
}

const MAX_ADDRESSES = 1000;
/** Of one /16 (IPv6: /32), of those where it never went well, so that one owner cannot fill the book. */
const MAX_UNPROVED_PER_NETWORK = 64;
/** The first pause is between half of it and all of it; each further failure doubles it. */
const RETRY_MS = 30_000;
const MAX_RETRY_MS = 6 * 3_600_000;
/** Given up after so many failures in a row, if it did not go well within the last week. */
const MAX_FAILURES = 10;
const FORGIVEN_MS = 7 * 24 * 3_600_000;
/** Changes are written together, after so long. */
const SAVE_MS = 30_000;
/** A book of thousands of addresses is much smaller. */
const MAX_FILE_BYTES = 4 * 1024 * 1024;
const FORMAT_VERSION = 1;
const SOURCES: readonly AddressSource[] = ['configured', 'seed', 'discovery', 'peer'];

interface Entry extends KnownAddress {
  readonly network: string;
  succeededAt: number | undefined;
  failedAt: number | undefined;
  failures: number;
  retryAt: number;
}

export class AddressBook {
  readonly #path: string;
  readonly #maxAddresses: number;
  readonly #parts: AddressBookParts;
  readonly #entries = new Map<string, Entry>();
  readonly #ended = new AbortController();
  #isChanged = false;
  #saving: Promise<void> | undefined;
  #writing: Promise<void> = Promise.resolve();

  /**
   * Reads the file. Without one the book is empty; so it is, with a warning, if the file cannot be
   * read as a book, and what stood there is kept as `<path>.damaged`. Never rejects.
   */
  static async open(options: AddressBookOptions, parts: AddressBookParts): Promise<AddressBook> {
    const book = new AddressBook(options, parts);
    await book.#load();
    return book;
  }

  private constructor(options: AddressBookOptions, parts: AddressBookParts) {
    this.#path = options.path;
    this.#maxAddresses = options.maxAddresses ?? MAX_ADDRESSES;
    this.#parts = parts;
  }

  get size(): number {
    return this.#entries.size;
  }

  /** What is known of an address; a snapshot. */
  get(address: Endpoint): KnownAddress | undefined {
    const entry = this.#entries.get(endpointKey(address));
    return entry === undefined ? undefined : { ...entry };
  }

  /**
   * Takes addresses that are new; names, and IPs that no node can have, are left out. Returns how
   * many were taken. A full book makes room by what it has tried in vain, never by an address that
   * has been good.
   */
  add(addresses: Iterable<Endpoint>, source: AddressSource): number {
    let added = 0;
    for (const { host, port } of addresses) {
      const endpoint = toEndpoint(host, port);
      if (endpoint === undefined || this.#entries.has(endpointKey(endpoint))) continue;
      if (this.#insert(endpoint, source)) added++;
    }
    if (added > 0) this.#changed();
    return added;
  }

  /** A connection to it was made and kept its word. One that is not in the book comes in. */
  succeeded(address: Endpoint): void {
    const entry = this.#entryOf(address);
    if (entry === undefined) return;
    entry.succeededAt = this.#parts.wallNow();
    entry.failures = 0;
    entry.retryAt = 0;
    this.#changed();
  }

  /** It could not be reached, or was of no use. Each time in a row doubles the pause. */
  failed(address: Endpoint): void {
    const entry = this.#entries.get(placeOf(address));
    if (entry === undefined) return;
    const now = this.#parts.wallNow();
    entry.failedAt = now;
    entry.failures++;
    const bound = Math.min(MAX_RETRY_MS, RETRY_MS * 2 ** Math.min(entry.failures - 1, 30));
    entry.retryAt = now + Math.ceil(bound * (0.5 + 0.5 * this.#parts.random()));
    const { succeededAt } = entry;
    const isForgiven = succeededAt !== undefined && now - succeededAt < FORGIVEN_MS;
    if (entry.failures >= MAX_FAILURES && !isForgiven) this.#entries.delete(placeOf(address));
    this.#changed();
  }

  /**
   * Up to `limit` addresses to try now: none in its pause, none that `exclude` names. Of every /16
   * (IPv6: /32) one before any second, and of two the one with fewer failures, then the one that has
   * been good; otherwise by chance, so that whoever fills the book does not choose our peers.
   */
  candidates(
    limit: number,
    exclude: (address: Endpoint) => boolean = () => false,
  ): readonly Endpoint[] {
    const now = this.#parts.wallNow();
    const due = [...this.#entries.values()]
      .filter((entry) => isDue(entry, now) && !exclude(entry.endpoint))
      .map((entry) => ({ entry, rank: this.#parts.random() }))
      .sort((a, b) => compareWorth(a.entry, b.entry) || a.rank - b.rank);
    const rounds = new Map<string, number>();
    return due
      .map(({ entry }) => {
        const round = rounds.get(entry.network) ?? 0;
        rounds.set(entry.network, round + 1);
        return { endpoint: entry.endpoint, round };
      })
      .sort((a, b) => a.round - b.round)
      .slice(0, Math.max(0, limit))
      .map(({ endpoint }) => endpoint);
  }

  /** Writes the book if it has changed. Never rejects: a book that is not written is a warning. */
  save(): Promise<void> {
    this.#writing = this.#writing.then(() => this.#write());
    return this.#writing;
  }

  /** Writes what has changed; no timer runs afterwards. Idempotent. */
  async close(): Promise<void> {
    this.#ended.abort();
    await this.#saving;
    await this.save();
  }

  #entryOf(address: Endpoint): Entry | undefined {
    const endpoint = toEndpoint(address.host, address.port);
    if (endpoint === undefined) return undefined;
    return this.#entries.get(endpointKey(endpoint)) ?? this.#insert(endpoint, 'peer', true);
  }

  /** Puts a new address in, if there is or can be made room. */
  #insert(endpoint: Endpoint, source: AddressSource, isGood = false): Entry | undefined {
    const network = networkOf(endpoint.host, 16);
    if (!isGood && !this.#networkHasRoom(endpoint, network)) return undefined;
    if (this.#entries.size >= this.#maxAddresses && !this.#makeRoom(isGood)) return undefined;
    const entry: Entry = {
      endpoint,
      source,
      network,
      addedAt: this.#parts.wallNow(),
      succeededAt: undefined,
      failedAt: undefined,
      failures: 0,
      retryAt: 0,
    };
    this.#entries.set(endpointKey(endpoint), entry);
    return entry;
  }

  #networkHasRoom(endpoint: Endpoint, network: string): boolean {
    if (ipKind(endpoint.host) !== 'global') return true;
    let count = 0;
    for (const entry of this.#entries.values()) {
      if (entry.network === network && entry.succeededAt === undefined) count++;
    }
    return count < MAX_UNPROVED_PER_NETWORK;
  }

  /**
   * Drops the address of least worth. For one that nobody has tried, only an address goes that has
   * failed and was never good; for a good one, whichever is the worst.
   */
  #makeRoom(forGood: boolean): boolean {
    let worst: Entry | undefined;
    for (const entry of this.#entries.values()) {
      const isFreed = forGood || (entry.succeededAt === undefined && entry.failures > 0);
      if (isFreed && (worst === undefined || isWorse(entry, worst))) worst = entry;
    }
    return worst !== undefined && this.#entries.delete(endpointKey(worst.endpoint));
  }

  #changed(): void {
    this.#isChanged = true;
    if (this.#saving !== undefined || this.#ended.signal.aborted) return;
    this.#saving = this.#parts.clock.sleep(SAVE_MS, this.#ended.signal).then(async () => {
      this.#saving = undefined;
      await this.save();
    });
  }

  async #write(): Promise<void> {
    if (!this.#isChanged) return;
    this.#isChanged = false;
    const addresses = [...this.#entries.values()].map(entryToJson);
    const text = `${JSON.stringify({ version: FORMAT_VERSION, addresses }, undefined, 1)}\n`;
    try {
      await mkdir(dirname(this.#path), { recursive: true });
      await replaceFile(this.#path, text);
    } catch (error) {
      this.#isChanged = true;
      this.#parts.log.warn('address book not written', { problem: errorText(error) });
    }
  }

  async #load(): Promise<void> {
    const { log } = this.#parts;
    try {
      const text = await readBounded(this.#path);
      if (text === undefined) return;
      for (const entry of parseBook(text, this.#parts.wallNow())) {
        if (this.#entries.size >= this.#maxAddresses) break;
        this.#entries.set(endpointKey(entry.endpoint), entry);
      }
      log.debug('address book read', { addresses: this.#entries.size });
    } catch (error) {
      const aside = `${this.#path}.damaged`;
      log.warn('address book damaged', { problem: errorText(error), kept: aside });
      this.#entries.clear();
      await rename(this.#path, aside).catch((cause: unknown) =>
        log.warn('address book not kept', { problem: errorText(cause) }),
      );
    }
  }
}

/** Negative if `a` is to be tried before `b`. */
function compareWorth(a: Entry, b: Entry): number {
  const byFailures = a.failures - b.failures;
  return byFailures !== 0 ? byFailures : Number(isGood(b)) - Number(isGood(a));
}

function isDue({ retryAt }: Entry, now: number): boolean {
  // Longer than the longest pause: the clock was set back.
  return retryAt <= now || retryAt > now + MAX_RETRY_MS;
}

function isGood(entry: Entry): boolean {
  return entry.succeededAt !== undefined;
}

/** Whether `a` goes before `b` when room is needed. */
function isWorse(a: Entry, b: Entry): boolean {
  if (isGood(a) !== isGood(b)) return !isGood(a);
  if (a.failures !== b.failures) return a.failures > b.failures;
  return (a.succeededAt ?? a.addedAt) < (b.succeededAt ?? b.addedAt);
}

function placeOf({ host, port }: Endpoint): string {
  const endpoint = toEndpoint(host, port);
  return endpoint === undefined ? '' : endpointKey(endpoint);
}

/** The file's text; `undefined` if there is no file. */
async function readBounded(path: string): Promise<string | undefined> {
  try {
    const { size } = await stat(path);
    if (size > MAX_FILE_BYTES) throw new Error(`${size} bytes are too many`);
    return await readFile(path, 'utf8');
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined;
    throw error;
  }
}

function entryToJson(entry: Entry): object {
  const { endpoint, source, addedAt, succeededAt, failedAt, failures, retryAt } = entry;
  return { ...endpoint, source, addedAt, succeededAt, failedAt, failures, retryAt };
}

function parseBook(text: string, now: number): readonly Entry[] {
  const book = parseExact(text);
  if (!isObject(book) || memberOf(book, 'version') !== FORMAT_VERSION) {
    throw new Error(`"version" expected ${FORMAT_VERSION}`);
  }
  const addresses = memberOf(book, 'addresses');
  if (!Array.isArray(addresses)) throw new Error('"addresses" expected a list');
  return (addresses as readonly JsonValue[]).map((item, at) => parseEntry(item, at, now));
}

function parseEntry(item: JsonValue, at: number, now: number): Entry {
  const bad = (field: string): Error => new Error(`"addresses[${at}].${field}" is no such value`);
  if (!isObject(item)) throw bad('');
  const number = (name: string): number | undefined => {
    const value = memberOf(item, name);
    if (value === undefined) return undefined;
    if (typeof value !== 'number' || !(value >= 0)) throw bad(name);
    return value;
  };
  // A clock that was ahead when it was written must not keep an address back for years.
  const moment = (name: string): number | undefined => {
    const value = number(name);
    return value === undefined ? undefined : Math.min(value, now);
  };
  const host = memberOf(item, 'host');
  const endpoint = typeof host === 'string' ? toEndpoint(host, number('port') ?? 0) : undefined;
  if (endpoint === undefined) throw bad('host');
  const source = SOURCES.find((each) => each === memberOf(item, 'source'));
  if (source === undefined) throw bad('source');
  return {
    endpoint,
    source,
    network: networkOf(endpoint.host, 16),
    addedAt: moment('addedAt') ?? now,
    succeededAt: moment('succeededAt'),
    failedAt: moment('failedAt'),
    failures: Math.floor(number('failures') ?? 0),
    retryAt: Math.min(number('retryAt') ?? 0, now + MAX_RETRY_MS),
  };
}
