/**
 * The pool behind its connections: who may mine, on what, and what a share is worth. Logins and the
 * state of sessions are here; `JobSender` gives out jobs, `Submissions` weighs shares.
 *
 * One sweep a second does all that time does: there is no timer for each of 15,000 sessions.
 */
import { splitLogin } from '../../src/stratum/messages.ts';
import type { RejectReason } from '../../src/stratum/reject.ts';
import type { Clock } from '../../src/util/clock.ts';
import { clip, errorText } from '../../src/util/errors.ts';
import type { Logger } from '../../src/util/log.ts';
import { workerBanKey } from '../bans.ts';
import type { FoundBlock } from '../chain-access.ts';
import type {
  ClientPort,
  CloseReason,
  LoginOutcome,
  LoginRequest,
  PoolService,
  Session,
  SubmitOutcome,
  SubmitRefusal,
  SubmitRequest,
} from '../client.ts';
import type { ShareSink } from '../ledger/records.ts';
import type { PoolMeter } from '../meter.ts';
import { hostOf } from '../net/addresses.ts';
import { Tally } from '../tally.ts';
import type { TemplateFeed } from '../template.ts';
import type { ShareVerification } from '../verify/verdict.ts';
import { BanDesk, type Bans } from './ban-desk.ts';
import { DifficultyMemory } from './difficulty-memory.ts';
import { JobSender } from './job-sender.ts';
import { LoginLog } from './login-log.ts';
import { type NonceRange, NonceRanges } from './nonce-ranges.ts';
import { parsePassword } from './password.ts';
import { PauseDesk } from './pause-desk.ts';
import { PoolSession } from './session.ts';
import { Submissions } from './submissions.ts';
import { Vardiff } from './vardiff.ts';
import { WorkRate } from './work-rate.ts';

export interface PoolDeskOptions {
  /** Difficulties are expected hashes behind a share. */
  readonly startDifficulty: bigint;
  readonly minDifficulty: bigint;
  readonly maxDifficulty: bigint;
  /** Whether difficulties follow the miners. Without, a miner keeps what it starts with. */
  readonly vardiff: boolean;
  /** Seconds from share to share of one miner that vardiff aims at. */
  readonly shareSeconds: number;
  /** No job is harder than its block. */
  readonly capsAtNetwork: boolean;
  /** For so long after a clean job was sent the shares of older ones count. */
  readonly graceMs: number;
  /** 0 … 7: the pools of one operator may not share a number, or they try the same nonces. */
  readonly serverId: number;
  /** A power of two, 2 … 2^20. */
  readonly maxSessions: number;
  /** A worker is banned once of so many shares … */
  readonly banShares: number;
  /** … such a part, 0 … 1, was bad by its own fault. */
  readonly banInvalidPart: number;
  /** 0: nobody is banned. */
  readonly banMs: number;
  /** Whether one confirmed lie about a hash is enough: where miners are taken at their word. */
  readonly bansLies: boolean;
  /** So many protocol errors within `banMs` ban an address, and two more for each of its sessions. */
  readonly addressErrors: number;
  /** Why an account name will not do; `undefined` if it will. */
  readonly checkAccount: (account: string) => string | undefined;
}

export interface PoolDeskParts {
  readonly templates: TemplateFeed;
  readonly verification: ShareVerification;
  readonly sink: ShareSink;
  readonly blocks: { found(block: FoundBlock): void };
  readonly bans: Bans;
  readonly clock: Clock;
  /** Milliseconds since 1970. */
  readonly now: () => number;
  readonly meter: PoolMeter;
  readonly log: Logger;
}

export interface PoolDeskStatus {
  readonly sessions: number;
  /** Different ones that are logged in. */
  readonly accounts: number;
  /** From the shares of the last 10 minutes. */
  readonly hashesPerSecond: number;
  /** When a share was last accepted, ms since 1970; `undefined` before the first. */
  readonly lastShareAt: number | undefined;
  /** Shares that are being verified or written. */
  readonly pendingShares: number;
  /** Clients that are not read because the verification is full. */
  readonly pausedClients: number;
  readonly loadFactor: number;
}

const DEFAULTS: PoolDeskOptions = {
  startDifficulty: 4096n,
  minDifficulty: 64n,
  maxDifficulty: 1n << 48n,
  vardiff: true,
  shareSeconds: 15,
  capsAtNetwork: true,
  graceMs: 2000,
  serverId: 0,
  maxSessions: 32_768,
  banShares: 50,
  banInvalidPart: 0.5,
  banMs: 600_000,
  bansLies: false,
  addressErrors: 100,
  checkAccount: () => undefined,
};

const SWEEP_MS = 1000;
/** In characters. A Bytom address has 42 or 62; the rest is the worker's. */
const MAX_LOGIN = 256;
// biome-ignore lint/suspicious/noControlCharactersInRegex: those are what a name may not have
const CONTROL = /[\u0000-\u001f\u007f-\u009f]/;

export class PoolDesk implements PoolService {
  readonly #options: PoolDeskOptions;
  readonly #parts: PoolDeskParts;
  readonly #ranges: NonceRanges;
  readonly #reserved = new Map<ClientPort, NonceRange>();
  readonly #difficulties: DifficultyMemory;
  /** Sessions of each host. */
  readonly #hosts = new Tally();
  readonly #logins: LoginLog;
  readonly #bans: BanDesk;
  readonly #jobs: JobSender;
  readonly #pauses: PauseDesk;
  readonly #rate: WorkRate;
  readonly #submissions: Submissions;
  readonly #ends: (() => void)[];
  readonly #closed = new AbortController();
  readonly #sweeping: Promise<void>;

  /** Throws `RangeError` naming an option that is out of bounds. */
  constructor(options: Partial<PoolDeskOptions>, parts: PoolDeskParts) {
    this.#options = { ...DEFAULTS, ...options };
    checkOptions(this.#options);
    this.#parts = parts;
    const { templates, verification, clock } = parts;
    this.#ranges = new NonceRanges(this.#options);
    // Twice the sessions: who comes back soon is still known.
    const maxRemembered = 2 * this.#options.maxSessions;
    this.#difficulties = new DifficultyMemory(maxRemembered, clock);
    this.#logins = new LoginLog(parts);
    this.#bans = new BanDesk({ ...this.#options, maxRemembered }, parts);
    this.#jobs = new JobSender(this.#options, parts);
    this.#pauses = new PauseDesk(verification, clock);
    this.#rate = new WorkRate(clock);
    this.#submissions = new Submissions(this.#options, {
      ...parts,
      jobs: this.#jobs,
      bans: this.#bans,
      pauses: this.#pauses,
      rate: this.#rate,
    });
    this.#jobs.setLoadFactor(verification.loadFactor);
    const { current } = templates;
    if (current !== undefined) this.#jobs.accept(current, true);
    this.#ends = [
      templates.onTemplate((template, isClean) => this.#jobs.accept(template, isClean)),
      verification.onLoad((factor) => this.#jobs.setLoadFactor(factor)),
    ];
    this.#sweeping = this.#sweep();
  }

  isBanned(address: string): boolean {
    return this.#bans.isBanned(hostOf(address));
  }

  reserveNonces(client: ClientPort): bigint | undefined {
    return this.#rangeFor(client)?.start;
  }

  release(client: ClientPort): void {
    const range = this.#reserved.get(client);
    if (range === undefined) return;
    this.#reserved.delete(client);
    this.#ranges.free(range);
  }

  login(client: ClientPort, request: LoginRequest): LoginOutcome {
    const { login } = request;
    const { meter, log } = this.#parts;
    const fields = { peer: client.peer, login: clip(login), agent: clip(request.agent) };
    const host = hostOf(client.address);
    const banKey = workerBanKey(host, login);
    if (this.#bans.isBanned(banKey)) {
      meter.login('banned');
      this.#logins.refused(host, { ...fields, reason: 'banned' });
      return { ok: false, reason: 'unauthorized', text: 'Banned', close: 'banned' };
    }
    const refuse = (reason: RejectReason, text: string, close: CloseReason): LoginOutcome => {
      meter.login(close === 'limit' ? 'limit' : reason);
      const isOurs = close === 'limit' || close === 'no-work';
      this.#logins.refused(isOurs ? 'all' : host, { ...fields, reason: text });
      return { ok: false, reason, text, close };
    };
    const { account, worker } = splitLogin(login);
    const wrong = this.#whyNot(login, account);
    if (wrong !== undefined) return refuse('bad-login', wrong, 'unauthorized');
    const work = this.#parts.templates.current === undefined ? undefined : this.#jobs.work;
    if (work === undefined) return refuse('unknown', 'No Work Yet', 'no-work');
    const range = this.#rangeFor(client);
    if (range === undefined) return refuse('unknown', 'Pool Is Full', 'limit');

    const session = new PoolSession({
      client,
      login,
      account,
      worker: worker === '' ? '0' : worker,
      host,
      range,
      nonceBits: Math.min(client.nonceBits, this.#ranges.bits),
      difficulty: this.#difficultyFor(request.password, banKey),
      counter: this.#bans.enter(banKey),
      banKey,
    });
    try {
      const job = this.#jobs.next(session, work, true);
      this.#jobs.sessions.add(session);
      // It is the session's from now on.
      this.#reserved.delete(client);
      this.#hosts.add(host);
      meter.login('accepted');
      this.#logins.accepted({ ...fields, difficulty: job.difficulty });
      return { ok: true, session, job };
    } catch (error) {
      this.release(client);
      this.#bans.leave(session);
      log.error('login failed', { ...fields, reason: errorText(error) });
      return refuse('unknown', 'Internal Error', 'protocol');
    }
  }

  suggestDifficulty(session: Session, difficulty: number): void {
    const own = this.#own(session);
    const { vardiff } = own;
    if (vardiff === undefined || own.hasLeft || !Number.isFinite(difficulty)) return;
    vardiff.suggest(BigInt(Math.max(1, Math.round(difficulty))), this.#parts.clock.now());
    this.#jobs.refresh(own);
  }

  submit(session: Session, request: SubmitRequest): Promise<SubmitOutcome> {
    return this.#submissions.submit(this.#own(session), request);
  }

  badSubmit(session: Session, what: string): SubmitRefusal {
    return this.#submissions.badSubmit(this.#own(session), what);
  }

  protocolError(client: ClientPort, session: Session | undefined, what: string): void {
    const { address, peer } = client;
    const login = session === undefined ? undefined : clip(session.login);
    this.#parts.log.debug('protocol error', { peer, login, what: clip(what) });
    const host = hostOf(address);
    this.#bans.protocolError(host, this.#hosts.of(host), peer, what);
  }

  leave(session: Session): void {
    const own = this.#own(session);
    if (own.hasLeft) return;
    own.hasLeft = true;
    this.#remember(own);
    this.#hosts.remove(own.host);
    this.#bans.leave(own);
    this.#jobs.sessions.delete(own);
    this.#pauses.forget(own);
    this.#ranges.free(own.range);
  }

  /** Shares that are being verified or written. */
  get pendingShares(): number {
    return this.#submissions.pending;
  }

  status(): PoolDeskStatus {
    const { sessions, loadFactor } = this.#jobs;
    const accounts = new Set<string>();
    for (const session of sessions) accounts.add(session.account);
    return {
      sessions: sessions.size,
      accounts: accounts.size,
      hashesPerSecond: this.#rate.hashesPerSecond,
      lastShareAt: this.#submissions.lastShareAt,
      pendingShares: this.pendingShares,
      pausedClients: this.#pauses.paused,
      loadFactor,
    };
  }

  /** No more jobs. Shares that were submitted before are still answered. Idempotent. */
  async close(): Promise<void> {
    for (const end of this.#ends.splice(0)) end();
    this.#jobs.close();
    this.#closed.abort();
    await this.#sweeping;
  }

  async #sweep(): Promise<void> {
    const { clock, meter, log } = this.#parts;
    const { signal } = this.#closed;
    for (;;) {
      await clock.sleep(SWEEP_MS, signal);
      if (signal.aborted) return;
      try {
        this.#pauses.sweep();
        this.#logins.sweep();
        const now = clock.now();
        for (const session of this.#jobs.sessions) {
          this.#remember(session);
          // What is on its way, or may not be sent, is not silence.
          if (session.pending > 0 || session.isPaused) continue;
          if (session.vardiff?.tick(now) !== true) continue;
          meter.retarget();
          this.#jobs.refresh(session);
        }
      } catch (error) {
        log.error('sweep failed', { reason: errorText(error) });
      }
    }
  }

  /** What it has now is right for it, if a share has come since the last time: else it may be silent. */
  #remember(session: PoolSession): void {
    const { vardiff, lastShareMs } = session;
    if (vardiff === undefined || lastShareMs === session.rememberedMs) return;
    session.rememberedMs = lastShareMs;
    this.#difficulties.remember(session.banKey, vardiff.difficulty);
  }

  /** The range of a client that is not logged in yet; its own until `release` or a login. */
  #rangeFor(client: ClientPort): NonceRange | undefined {
    const range = this.#reserved.get(client) ?? this.#ranges.take();
    if (range !== undefined) this.#reserved.set(client, range);
    return range;
  }

  #whyNot(login: string, account: string): string | undefined {
    if (account === '') return 'Login: expected account.worker, got no account';
    if (login.length > MAX_LOGIN) {
      return `Login: expected at most ${MAX_LOGIN} characters, got ${login.length}`;
    }
    if (CONTROL.test(login)) return 'Login: expected no control characters';
    return this.#options.checkAccount(account);
  }

  /** `key`: of the worker, whose difficulty may be known. */
  #difficultyFor(password: string, key: string): bigint | Vardiff {
    const { minDifficulty, maxDifficulty, startDifficulty, vardiff, shareSeconds } = this.#options;
    const bounded = (wish: bigint): bigint =>
      wish < minDifficulty ? minDifficulty : wish > maxDifficulty ? maxDifficulty : wish;
    const { start, fixed, minimum } = parsePassword(password);
    if (fixed !== undefined) return bounded(fixed);
    const lowest = bounded(minimum ?? minDifficulty);
    const wanted = bounded(start ?? this.#difficulties.of(key) ?? startDifficulty);
    const first = wanted < lowest ? lowest : wanted;
    if (!vardiff) return first;
    const options = { shareSeconds, minDifficulty: lowest, maxDifficulty };
    return new Vardiff(options, first, this.#parts.clock.now());
  }

  #own(session: Session): PoolSession {
    if (session instanceof PoolSession) return session;
    throw new TypeError('"session" expected one that this pool gave out');
  }
}

function checkOptions(options: PoolDeskOptions): void {
  const { startDifficulty, minDifficulty, maxDifficulty } = options;
  if (minDifficulty < 1n || minDifficulty > maxDifficulty) {
    throw new RangeError(
      `"minDifficulty" expected 1 … ${maxDifficulty} ("maxDifficulty"), got ${minDifficulty}`,
    );
  }
  if (startDifficulty < 1n) {
    throw new RangeError(`"startDifficulty" expected 1 or more, got ${startDifficulty}`);
  }
  for (const name of ['shareSeconds', 'banShares', 'addressErrors'] as const) {
    if (!(options[name] > 0)) {
      throw new RangeError(`"${name}" expected more than 0, got ${options[name]}`);
    }
  }
  for (const name of ['graceMs', 'banMs'] as const) {
    if (!(options[name] >= 0)) {
      throw new RangeError(`"${name}" expected 0 or more, got ${options[name]}`);
    }
  }
  const { banInvalidPart } = options;
  if (!(banInvalidPart > 0 && banInvalidPart <= 1)) {
    throw new RangeError(`"banInvalidPart" expected above 0, up to 1, got ${banInvalidPart}`);
  }
}
