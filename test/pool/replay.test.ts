/**
 * Every recorded session of a known pool, replayed over real sockets against this pool's server and
 * core. What must come back is what was recorded, but where `must` says what a right pool answers, and
 * where this pool differs on purpose: `DEVIATIONS` has each of these with its reason.
 */
import { readFileSync } from 'node:fs';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { FoundBlock } from '../../pool/chain-access.ts';
import { createSilentMeter } from '../../pool/meter.ts';
import { PoolServer } from '../../pool/net/server.ts';
import { PoolDesk } from '../../pool/shares/pool-desk.ts';
import type { PoolTemplate } from '../../pool/template.ts';
import { decodeHeader, headerHash } from '../../src/chain/header.ts';
import { decodeJob, type StratumJob } from '../../src/stratum/job.ts';
import { openConfirmingHasher } from '../../src/tensority/cpu-hasher.ts';
import { buildMatrixTable } from '../../src/tensority/table-builder.ts';
import { bitsToTarget } from '../../src/tensority/target.ts';
import type { ThreadHasher } from '../../src/tensority/thread-hasher.ts';
import { bytesToHex, concatBytes, hexToBytes } from '../../src/util/bytes.ts';
import { systemClock } from '../../src/util/clock.ts';
import { type JsonValue, parseExact } from '../../src/util/json.ts';
import { PoolClient, type PoolMessage } from '../support/pool-client.ts';
import { RecordingLog } from '../support/recording-log.ts';
import { TestBans, TestFeed, TestSink, TestVerification } from './shares/desk-rig.ts';

interface RawMessage {
  readonly dir: 'client' | 'server' | 'note';
  readonly conn?: string;
  readonly text?: string;
  readonly hex?: string;
  readonly text_parts?: readonly (string | { readonly repeat: string; readonly count: number })[];
  readonly closed?: boolean;
  readonly repeat?: number;
  readonly template?: string;
  readonly header_hash?: string;
  readonly tensority?: string;
  readonly must?: { readonly error?: number; readonly status?: string; readonly block?: boolean };
}

interface RawSession {
  readonly name: string;
  readonly share_difficulty: number;
  readonly messages: readonly RawMessage[];
}

interface RawTemplate {
  readonly name: string;
  readonly block_header: string;
  readonly seed: string;
}

const file = parseExact(
  readFileSync(new URL('../vectors/stratum_sessions.json', import.meta.url), 'utf8'),
) as unknown as { sessions: readonly RawSession[]; templates: readonly RawTemplate[] };

/**
 * Header and PoW hashes that are needed and not in the file; the kernel below computes them again. The
 * first: a short nonce outside of the session's range, which this pool tries below its prefix.
 */
const UNRECORDED = [
  {
    template: 't1',
    nonce: 0x3000_0000_0000_0014n,
    headerHash: '2b41f70bed45f25d3b1d2db0e5602e0ce96d1c782f3eca31905f6e8d1b52492f',
    powHash: 'fa36c8cc0aa109e80a0faa64b35a655b9b69c8f5bb68ae53b7fb30baf9e57f34',
  },
  {
    template: 't2',
    nonce: 0x3000_0000_0000_0000n,
    headerHash: '49fd43bb40c7abce2f207ec161e607b2828384b0318d0097253ee43df91c8f5c',
    powHash: '9b87c11e0a3e04250f81c9c926f28d6bcc476c0ee0bdf567333b578a2c6a0a88',
  },
  {
    template: 't2',
    nonce: 0x3000_0000_0000_0008n,
    headerHash: '0a8d2dde88b16cc63aea07d8c06e4f1be7e23399c6b20e93ad8bfed524c773e0',
    powHash: 'ecd5734e50ee460a04f95eb90f570bd799c6f8fd6ec364f87cec9529c3ec5919',
  },
];

const powHashes = new Map(UNRECORDED.map((each) => [each.headerHash, each.powHash]));
for (const { messages } of file.sessions) {
  for (const { header_hash, tensority } of messages) {
    if (header_hash !== undefined && tensority !== undefined) powHashes.set(header_hash, tensority);
  }
}

/** The error code that comes instead of the recorded answer, by session and the request's id. */
const DEVIATIONS: Readonly<Record<string, Readonly<Record<string, number>>>> = {
  // The recorded pool does not check ranges; this one keeps other sessions' nonces out.
  'two miners': { 3: 32 },
  // More than the last eight jobs are remembered: what is wrong here is the nonce.
  'old jobs': { 2: 32 },
  // Nobody to pay: refused instead of served.
  'login empty': { 1: 31 },
  'login without params': { 7: 31 },
  'login, params null': { 8: 31 },
  // A number names a job as well as its text does; there is none of this name.
  'job_id as number': { 5: 21 },
};

/** Sessions that the recorded pool ends without an answer, and what this kinder one does. */
const KINDER: Readonly<Record<string, 'kept-alive' | number | 'ignored' | 'second-login'>> = {
  // Keep-alives are answered, before and after the login.
  'method "keepalived"': 'kept-alive',
  'keepalived after login': 'kept-alive',
  // Unknown methods are answered 34, and count as protocol errors.
  'method "getwork"': 34,
  'method "Login"': 34,
  'method ""': 34,
  // The generic envelope is served here; params that are no list are its protocol error.
  'method "mining.subscribe"': 'ignored',
  'job_id as number': 'ignored',
  // What is no request is ignored; four of them are too many.
  garbage: 'ignored',
  binary: 'ignored',
  'empty line': 'ignored',
  'CR LF only': 'ignored',
  'blank line': 'ignored',
  array: 'ignored',
  null: 'ignored',
  'empty object': 'ignored',
  number: 'ignored',
  'unterminated object': 'ignored',
  'method not a string': 'ignored',
  batch: 'ignored',
  // Messages are told apart by their brackets, so these are two logins.
  'two objects on a line': 'second-login',
};

describe('recorded sessions', () => {
  it.each(file.sessions.map((session) => [session.name, session] as const))(
    '%s',
    async (_, session) => {
      const replay = await Replay.start(session);
      try {
        for (const message of session.messages) await replay.take(message);
        await replay.proveAlive();
      } finally {
        await replay.close();
      }
    },
  );

  it('name every deviation that is listed', () => {
    const names = new Set(file.sessions.map(({ name }) => name));
    for (const name of [...Object.keys(DEVIATIONS), ...Object.keys(KINDER)]) {
      expect(names, name).toContain(name);
    }
  });
});

describe('recorded PoW hashes', () => {
  let hasher: ThreadHasher;
  const seed = hexToBytes(file.templates[0]!.seed, 'seed');

  beforeAll(async () => {
    hasher = openConfirmingHasher(undefined);
    await hasher.loadSeed(seed, buildMatrixTable(seed));
  });
  afterAll(() => hasher.close());

  it('are what the kernel computes, and so are those that were not recorded', async () => {
    for (const { template, nonce, headerHash: expected } of UNRECORDED) {
      const raw = file.templates.find(({ name }) => name === template)!;
      const { header } = decodeHeader(hexToBytes(raw.block_header, 'block_header'));
      // One epoch, one seed.
      expect(raw.seed).toBe(bytesToHex(seed));
      expect(bytesToHex(headerHash({ ...header, nonce }))).toBe(expected);
    }
    const recorded = file.sessions[0]!.messages.flatMap(({ header_hash }) => header_hash ?? []);
    const ids = [...new Set([...UNRECORDED.map((each) => each.headerHash), ...recorded])].slice(
      0,
      6,
    );
    const out = new Uint8Array(32 * ids.length);
    await hasher.hash(seed, concatBytes(...ids.map((hex) => hexToBytes(hex, 'id'))), out);
    expect(ids.map((_, i) => bytesToHex(out.subarray(32 * i, 32 * i + 32)))).toEqual(
      ids.map((hex) => powHashes.get(hex)),
    );
  });
});

/** One recorded session, against a pool of its own. */
class Replay {
  readonly #session: RawSession;
  readonly #desk: PoolDesk;
  readonly #server: PoolServer;
  readonly #feed: TestFeed;
  readonly #found: FoundBlock[];
  readonly #clients = new Map<string, PoolClient>();
  /** Recorded job ids and this pool's. */
  readonly #jobIds = new Map<string, string>();
  /** Requests that were sent and not answered, by connection. */
  readonly #asked = new Map<string, { readonly id: string; readonly must: RawMessage['must'] }[]>();
  /** The job of the last login, as recorded. */
  #lastJobId: string | undefined;
  /** So many had to be found by now. */
  #blocks = 0;

  static async start(session: RawSession): Promise<Replay> {
    const log = new RecordingLog('pool');
    const meter = createSilentMeter();
    const feed = new TestFeed();
    feed.current = firstTemplate(session);
    const verification = new TestVerification((id) => {
      const hash = powHashes.get(bytesToHex(id));
      if (hash === undefined) throw new Error(`no PoW hash is known of ${bytesToHex(id)}`);
      return hexToBytes(hash, 'tensority');
    });
    const found: FoundBlock[] = [];
    const desk = new PoolDesk(
      {
        startDifficulty: BigInt(session.share_difficulty),
        minDifficulty: 1n,
        vardiff: false,
        capsAtNetwork: false,
        // The recorded pool knows no grace.
        graceMs: 0,
        serverId: session.share_difficulty === 1024 ? 1 : 3,
        // Its ban: 100 counted, half of them refused, 20 minutes.
        banShares: 100,
        banInvalidPart: 0.5,
        banMs: 20 * 60_000,
      },
      {
        templates: feed,
        verification,
        sink: new TestSink(),
        blocks: { found: (block) => void found.push(block) },
        bans: new TestBans(Date.now),
        clock: systemClock,
        now: Date.now,
        meter,
        log,
      },
    );
    const server = new PoolServer(
      {
        listen: [{ host: '127.0.0.1', port: 0 }],
        // A hundred submits in a row are more than this pool lets a miner send at once.
        messages: { perSecond: 1e6, burst: 1e6 },
        logins: { perSecond: 1e3, burst: 1e3 },
      },
      { pool: desk, log, meter },
    );
    await server.listen();
    return new Replay(session, desk, server, feed, found);
  }

  private constructor(
    session: RawSession,
    desk: PoolDesk,
    server: PoolServer,
    feed: TestFeed,
    found: FoundBlock[],
  ) {
    this.#session = session;
    this.#desk = desk;
    this.#server = server;
    this.#feed = feed;
    this.#found = found;
  }

  async take(message: RawMessage): Promise<void> {
    const conn = message.conn ?? 'A';
    if (message.dir === 'note') return;
    if (message.dir === 'client') {
      if (message.closed === true) this.#clients.get(conn)?.end();
      else await this.#send(conn, message);
    } else if (message.closed === true) {
      await this.#expectEnd(conn);
    } else {
      for (let i = 0; i < (message.repeat ?? 1); i++) await this.#expect(conn, message);
    }
  }

  /** Whatever was sent, the next miner is served. */
  async proveAlive(): Promise<void> {
    const client = await this.#connect();
    expect(await client.login('zoe.alive')).toMatchObject({ error: null });
    client.end();
    await client.closed;
  }

  async close(): Promise<void> {
    for (const client of this.#clients.values()) client.drop();
    await this.#server.close();
    await this.#desk.close();
  }

  #connect(): Promise<PoolClient> {
    return PoolClient.connect({ port: this.#server.addresses[0]!.port });
  }

  async #send(conn: string, message: RawMessage): Promise<void> {
    let client = this.#clients.get(conn);
    if (client === undefined) {
      client = await this.#connect();
      this.#clients.set(conn, client);
    }
    if (message.hex !== undefined) {
      client.sendRaw(hexToBytes(message.hex, 'hex'));
      this.#ask(conn, Buffer.from(message.hex, 'hex').toString(), message.must);
      return;
    }
    let text = textOf(message);
    for (const [recorded, ours] of this.#jobIds) text = text.replaceAll(recorded, ours);
    for (let i = 0; i < (message.repeat ?? 1); i++) {
      client.sendRaw(text);
      this.#ask(conn, text, message.must);
    }
  }

  #ask(conn: string, text: string, must: RawMessage['must']): void {
    const asked = this.#asked.get(conn) ?? [];
    this.#asked.set(conn, asked);
    // One for each line; the half of one that is sent in two writes is completed by the next.
    for (const line of text.split('\n')) {
      const id = /"id": ?("[^"]*"|[0-9.]+|\{.*\}|null)\}\r?$/.exec(line)?.[1] ?? 'null';
      if (line.trim() !== '' && /\}\r?$/.test(line)) asked.push({ id, must });
    }
  }

  async #expect(conn: string, message: RawMessage): Promise<void> {
    const recorded = parseExact(textOf(message)) as PoolMessage;
    const job = jobOf(recorded);
    if (job !== undefined && recorded['method'] === 'job') {
      // The recorded pool sends the login's job once more, which confuses simple miners.
      if (job.jobId === this.#lastJobId) return;
      this.#work(job);
    }
    const client = this.#clients.get(conn)!;
    if (recorded['method'] === 'job') {
      expectSameJob(await client.next(), recorded, this.#jobIds);
      return;
    }
    const asked = this.#asked.get(conn)?.shift();
    const instead = DEVIATIONS[this.#session.name]?.[asked?.id ?? ''];
    const got = await client.next();
    // A badly typed submit is answered under its id; the recorded pool forgets that.
    if (codeOf(recorded) !== 20) expect(got['id']).toEqual(recorded['id']);
    expect(Object.keys(got).toSorted()).toEqual(['error', 'id', 'jsonrpc', 'result']);
    const code = asked?.must?.error ?? (asked?.must?.status === 'OK' ? 0 : codeOf(recorded));
    const expected = instead ?? code;
    expect(codeOf(got), `answer to ${asked?.id}: ${JSON.stringify(got['error'])}`).toBe(expected);
    if (asked?.must?.block === true) this.#blocks++;
    // A block is handed on before its share is acknowledged, and nothing else is.
    expect(this.#found.length).toBe(this.#blocks);
    if (job === undefined) return;
    this.#lastJobId = job.jobId;
    if (expected !== 0) {
      await client.closed;
      return;
    }
    expectSameJob(got, recorded, this.#jobIds);
    const result = got['result'] as PoolMessage;
    expect(result).toMatchObject({ id: (recorded['result'] as PoolMessage)['id'], status: 'OK' });
  }

  async #expectEnd(conn: string): Promise<void> {
    const client = this.#clients.get(conn)!;
    const { name } = this.#session;
    const kinder = KINDER[name];
    if (kinder === undefined) {
      await client.closed;
      // Here the last thing said may be why: banned, or what was wrong.
      const rest = client.received.slice(-1)[0];
      if (name === 'ban') expect(codeOf(rest!)).toBe(24);
      return;
    }
    if (kinder === 'kept-alive') {
      expect((await client.next())['result']).toEqual({ status: 'KEEPALIVED' });
    } else if (kinder === 'second-login') {
      expect(codeOf(await client.next())).toBe(0);
      expect(codeOf(await client.next())).toBe(40);
      await client.closed;
      return;
    } else if (typeof kinder === 'number') {
      expect(codeOf(await client.next())).toBe(kinder);
    }
    expect(client.isClosed).toBe(false);
    client.end();
    await client.closed;
  }

  /** The node of the recording has new work. */
  #work(job: StratumJob): void {
    const template = templateOf(job);
    const { current } = this.#feed;
    const name = (each: PoolTemplate): string => bytesToHex(headerHash(each.header));
    if (current === undefined || name(current) !== name(template)) this.#feed.set(template);
  }
}

function textOf(message: RawMessage): string {
  if (message.text !== undefined) return message.text;
  const parts = message.text_parts ?? [];
  return parts.map((p) => (typeof p === 'string' ? p : p.repeat.repeat(p.count))).join('');
}

/** 0 for success. */
function codeOf(message: PoolMessage): number {
  const error = message['error'];
  if (error === null || error === undefined) return 0;
  return Number((error as PoolMessage)['code']);
}

function jobValueOf(message: PoolMessage): JsonValue | undefined {
  if (message['method'] === 'job') return message['params'];
  const result = message['result'];
  return result === null || result === undefined ? undefined : (result as PoolMessage)['job'];
}

function jobOf(message: PoolMessage): StratumJob | undefined {
  const value = jobValueOf(message);
  return value === undefined ? undefined : decodeJob(value);
}

/** Member by member, as text: all but the ids, and the range where that of a lone session differs. */
function expectSameJob(got: PoolMessage, recorded: PoolMessage, jobIds: Map<string, string>): void {
  const ours = { ...(jobValueOf(got) as PoolMessage) };
  const theirs = { ...(jobValueOf(recorded) as PoolMessage) };
  jobIds.set(String(theirs['job_id']), String(ours['job_id']));
  const server = (job: PoolMessage): string => String(job['nonce']).slice(14);
  expect(server(ours)).toBe(server(theirs));
  for (const each of [ours, theirs])
    for (const name of ['job_id', 'nonce', 'clean']) delete each[name];
  expect(ours).toEqual(theirs);
}

function firstTemplate({ messages }: RawSession): PoolTemplate {
  for (const message of messages) {
    if (message.dir !== 'server' || message.text === undefined) continue;
    const job = jobOf(parseExact(message.text) as PoolMessage);
    if (job !== undefined) return templateOf(job);
  }
  const raw = file.templates[0]!;
  const { header } = decodeHeader(hexToBytes(raw.block_header, 'block_header'));
  const seed = hexToBytes(raw.seed, 'seed');
  return { header, seed, target: bitsToTarget(header.bits), node: 'recorded' };
}

function templateOf(job: StratumJob): PoolTemplate {
  const { jobId: _, seed, target: __, clean: ___, ...header } = job;
  return {
    header: { ...header, nonce: 0n },
    seed,
    target: bitsToTarget(header.bits),
    node: 'recorded',
  };
}
