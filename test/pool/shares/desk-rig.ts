/** A `PoolDesk` among parts that tests can look into and break. */
import { sha3_256 } from '@noble/hashes/sha3.js';
import type { FoundBlock } from '../../../pool/chain-access.ts';
import type { ClientPort, CloseReason, Job, Session, SubmitRequest } from '../../../pool/client.ts';
import type { ShareRecord, ShareSink } from '../../../pool/ledger/records.ts';
import { createSilentMeter, type PoolMeter } from '../../../pool/meter.ts';
import { PoolDesk, type PoolDeskOptions } from '../../../pool/shares/pool-desk.ts';
import type { PoolTemplate, TemplateFeed, TemplateListener } from '../../../pool/template.ts';
import type { ShareClaim, ShareVerdict, ShareVerification } from '../../../pool/verify/verdict.ts';
import { headerHash } from '../../../src/chain/header.ts';
import { PowError } from '../../../src/pow/pow-error.ts';
import { decodeTarget, encodeTarget } from '../../../src/stratum/job.ts';
import {
  bitsToTarget,
  difficultyToTarget,
  type Target,
  targetToBits,
} from '../../../src/tensority/target.ts';
import { bytesToHex, concatBytes } from '../../../src/util/bytes.ts';
import { FakeClock } from '../../support/fake-clock.ts';
import { RecordingLog } from '../../support/recording-log.ts';

/** Milliseconds since 1970 when the rig's clock stands at zero. */
export const EPOCH_MS = 1_800_000_000_000;

/** What stands for the PoW hash of a header hash. */
export type HashRule = (headerHash: Uint8Array, seed: Uint8Array) => Uint8Array;

export const sha3Rule: HashRule = (id, seed) => sha3_256(concatBytes(seed, id));

export class TestFeed implements TemplateFeed {
  current: PoolTemplate | undefined;
  readonly #listeners = new Set<TemplateListener>();

  get listeners(): number {
    return this.#listeners.size;
  }

  onTemplate(listener: TemplateListener): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  set(template: PoolTemplate, isClean = true): void {
    this.current = template;
    for (const listener of this.#listeners) listener(template, isClean);
  }
}

export class TestVerification implements ShareVerification {
  isFull = false;
  /** Whose shares it is full for; everybody's where it is not set. */
  fullFor: ((login: string) => boolean) | undefined;
  backlogSeconds = 0;
  loadFactor = 1;
  rule: HashRule;
  /** Rejects with this while it is set. */
  failure: Error | undefined;
  /** What every verdict says besides. */
  verdict: Partial<ShareVerdict> = {};
  /** Holds verdicts back while it is set, each until its `release`. */
  isHolding = false;
  readonly held: (() => void)[] = [];
  readonly claims: ShareClaim[] = [];
  readonly #listeners = new Set<(factor: number) => void>();

  constructor(rule: HashRule) {
    this.rule = rule;
  }

  get listeners(): number {
    return this.#listeners.size;
  }

  isFullFor(login: string): boolean {
    return this.fullFor?.(login) ?? this.isFull;
  }

  onLoad(listener: (factor: number) => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  setLoad(factor: number): void {
    this.loadFactor = factor;
    for (const listener of this.#listeners) listener(factor);
  }

  async verify(claim: ShareClaim): Promise<ShareVerdict> {
    this.claims.push(claim);
    const { failure } = this;
    if (this.isHolding) await new Promise<void>((resolve) => this.held.push(resolve));
    if (failure !== undefined) throw failure;
    const powHash = this.rule(claim.headerHash, claim.seed);
    return {
      powHash,
      isVerified: true,
      isConfirmed: false,
      isLie: false,
      ...this.verdict,
    };
  }

  /** Lets all go that is held. */
  release(): void {
    for (const go of this.held.splice(0)) go();
  }
}

export class TestSink implements ShareSink {
  readonly records: ShareRecord[] = [];
  /** Ids that could not be kept, as often as that was so. */
  readonly failed: string[] = [];
  failure: Error | undefined;
  /** Holds appends back while it is set. */
  isHolding = false;
  readonly held: (() => void)[] = [];
  readonly #ids = new Set<string>();

  async append(share: ShareRecord): Promise<'written' | 'known'> {
    const { failure } = this;
    if (this.isHolding) await new Promise<void>((resolve) => this.held.push(resolve));
    const name = bytesToHex(share.id);
    if (failure !== undefined) {
      this.failed.push(name);
      throw failure;
    }
    if (this.#ids.has(name)) return 'known';
    this.#ids.add(name);
    this.records.push(share);
    return 'written';
  }

  has(id: Uint8Array): boolean {
    return this.#ids.has(bytesToHex(id));
  }

  release(): void {
    for (const go of this.held.splice(0)) go();
  }
}

export class TestClient implements ClientPort {
  readonly address: string;
  readonly peer: string;
  readonly nonceBits: number;
  readonly jobs: Job[] = [];
  isPaused = false;
  closedFor: CloseReason | undefined;

  constructor(address = '192.0.2.1', nonceBits = 45) {
    this.address = address;
    this.peer = `${address}:40000`;
    this.nonceBits = nonceBits;
  }

  targetFor(difficulty: bigint): Target {
    return decodeTarget(encodeTarget(difficultyToTarget(difficulty)), 'target');
  }

  sendJob(job: Job): void {
    this.jobs.push(job);
  }

  pause(isPaused: boolean): void {
    this.isPaused = isPaused;
  }

  close(reason: CloseReason): void {
    this.closedFor ??= reason;
  }
}

export class TestBans {
  readonly #bans = new Map<string, number>();
  readonly #now: () => number;

  constructor(now: () => number) {
    this.#now = now;
  }

  get keys(): readonly string[] {
    return [...this.#bans.keys()];
  }

  isBanned(key: string): boolean {
    return (this.#bans.get(key) ?? 0) > this.#now();
  }

  ban(key: string, ms: number): void {
    this.#bans.set(key, this.#now() + ms);
  }
}

export interface TemplateChanges {
  readonly height?: number;
  /** Tells parents apart. */
  readonly parent?: number;
  readonly timestamp?: number;
  /** Brought into the compact form that headers can hold. */
  readonly target?: Target;
  readonly rawBlock?: Uint8Array;
}

export function makeTemplate(changes: TemplateChanges = {}): PoolTemplate {
  const { height = 1000, parent = height, timestamp = 1_700_000_000, rawBlock } = changes;
  const bits = targetToBits(changes.target ?? difficultyToTarget(1n << 40n));
  return {
    header: {
      version: 1,
      height,
      previousBlockHash: bytesOf(parent),
      timestamp,
      transactionsMerkleRoot: bytesOf(timestamp),
      transactionStatusHash: bytesOf(1),
      nonce: 0n,
      bits,
    },
    seed: bytesOf(77),
    target: bitsToTarget(bits),
    node: 'node-a',
    ...(rawBlock === undefined ? {} : { rawBlock }),
  };
}

export interface DeskRig {
  readonly desk: PoolDesk;
  readonly feed: TestFeed;
  readonly verification: TestVerification;
  readonly sink: TestSink;
  readonly bans: TestBans;
  readonly clock: FakeClock;
  readonly log: RecordingLog;
  readonly found: FoundBlock[];
  /** What `blocks.found` throws while it is set. */
  foundFailure: Error | undefined;
  now(): number;
}

export function startDesk(
  options: Partial<PoolDeskOptions> = {},
  parts: {
    readonly meter?: PoolMeter;
    readonly rule?: HashRule;
    readonly template?: PoolTemplate;
  } = {},
): DeskRig {
  const clock = new FakeClock();
  const began = clock.now();
  const now = (): number => EPOCH_MS + clock.now() - began;
  const feed = new TestFeed();
  feed.current = parts.template ?? makeTemplate();
  const verification = new TestVerification(parts.rule ?? sha3Rule);
  const sink = new TestSink();
  const bans = new TestBans(now);
  const log = new RecordingLog('pool');
  const found: FoundBlock[] = [];
  const blocks = {
    found: (block: FoundBlock): void => {
      if (rig.foundFailure !== undefined) throw rig.foundFailure;
      found.push(block);
    },
  };
  const meter = parts.meter ?? createSilentMeter();
  const all = { templates: feed, verification, sink, blocks, bans, clock, now, meter, log };
  const desk = new PoolDesk({ vardiff: false, startDifficulty: 64n, ...options }, all);
  const rig: DeskRig = {
    desk,
    feed,
    verification,
    sink,
    bans,
    clock,
    log,
    found,
    foundFailure: undefined,
    now,
  };
  return rig;
}

export interface Miner {
  readonly client: TestClient;
  readonly session: Session;
  /** The newest job. */
  readonly job: Job;
  /** All of them, the login's first. */
  readonly jobs: readonly Job[];
}

export function logIn(
  rig: DeskRig,
  login = 'alice.rig1',
  more: { readonly password?: string; readonly client?: TestClient } = {},
): Miner {
  const client = more.client ?? new TestClient();
  const outcome = rig.desk.login(client, { login, password: more.password ?? '', agent: 'test/1' });
  if (!outcome.ok) throw new Error(`login refused: ${outcome.reason} ${outcome.text}`);
  const { session, job } = outcome;
  return {
    client,
    session,
    get job() {
      return client.jobs.at(-1) ?? job;
    },
    get jobs() {
      return [job, ...client.jobs];
    },
  };
}

/** A submit as a miner writes it. */
export function submitOf(
  miner: Pick<Miner, 'session'>,
  job: Job,
  nonce: bigint,
  more: Partial<SubmitRequest> = {},
): SubmitRequest {
  return {
    workerId: miner.session.login,
    jobId: job.id,
    nonce,
    nonceDigits: 16,
    ...more,
  };
}

export function shareId(job: Job, nonce: bigint): Uint8Array {
  return headerHash({ ...job.template.header, nonce });
}

/** The first nonce of `job` from `from` on whose hash meets the target, or does not. */
export function findNonce(
  job: Job,
  isGood: (powHash: Uint8Array) => boolean,
  from: bigint = job.startNonce,
  rule: HashRule = sha3Rule,
): bigint {
  for (let nonce = from; ; nonce++) {
    if (isGood(rule(shareId(job, nonce), job.template.seed))) return nonce;
  }
}

export const noVerdict: PowError = new PowError({ code: 'unavailable', reason: 'no device' });

/** 32 bytes that differ for different values. */
function bytesOf(value: number): Uint8Array {
  const bytes = new Uint8Array(32);
  new DataView(bytes.buffer).setFloat64(0, value);
  return bytes;
}
