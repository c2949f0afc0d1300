/** What connections call, for tests of connections: takes every login and share unless told otherwise. */
import type {
  ClientPort,
  Job,
  LoginOutcome,
  LoginRequest,
  PoolService,
  Session,
  SubmitOutcome,
  SubmitRefusal,
  SubmitRequest,
} from '../../pool/client.ts';
import type { PoolTemplate } from '../../pool/template.ts';
import { decodeHeader } from '../../src/chain/header.ts';
import { splitLogin } from '../../src/stratum/messages.ts';
import { bitsToTarget } from '../../src/tensority/target.ts';
import { hexToBytes } from '../../src/util/bytes.ts';
import { recordedTemplates } from './stratum-sessions.ts';

/** A template of the recorded sessions: an object of its own at each call. */
export function templateNumber(index: number): PoolTemplate {
  const recorded = [...recordedTemplates.values()][index];
  if (recorded === undefined) throw new RangeError(`no recorded template ${index}`);
  const { header } = decodeHeader(hexToBytes(recorded.blockHeader, 'header'));
  return {
    header,
    seed: hexToBytes(recorded.seed, 'seed'),
    target: bitsToTarget(recorded.bits),
    node: 'recorded',
  };
}

export class FakePool implements PoolService {
  readonly sessions: Session[] = [];
  readonly left: Session[] = [];
  readonly requests: LoginRequest[] = [];
  /** Without the time of their arrival, which is in `arrivals`. */
  readonly submits: SubmitRequest[] = [];
  readonly arrivals: (number | undefined)[] = [];
  readonly faults: string[] = [];
  /** What was wrong with submits that could not be read. */
  readonly badSubmits: string[] = [];
  readonly suggested: number[] = [];
  readonly reserved = new Map<ClientPort, bigint>();
  readonly banned = new Set<string>();
  template: PoolTemplate = templateNumber(0);
  difficulty = 1024n;
  onLogin: (client: ClientPort, request: LoginRequest) => LoginOutcome | undefined = () =>
    undefined;
  onSubmit: (session: Session, request: SubmitRequest) => SubmitOutcome | Promise<SubmitOutcome> =
    () => ({ accepted: true });
  onBadSubmit: () => SubmitRefusal = () => ({ accepted: false, reason: 'bad-submit' });
  #lastJob = 1_000_000;
  #lastRange = 0n;

  isBanned(address: string): boolean {
    return this.banned.has(address);
  }

  reserveNonces(client: ClientPort): bigint {
    const start = this.reserved.get(client) ?? this.#nextRange();
    this.reserved.set(client, start);
    return start;
  }

  release(client: ClientPort): void {
    this.reserved.delete(client);
  }

  login(client: ClientPort, request: LoginRequest): LoginOutcome {
    this.requests.push(request);
    const outcome = this.onLogin(client, request);
    if (outcome !== undefined) return outcome;
    const session = { client, login: request.login, ...splitLogin(request.login) };
    this.sessions.push(session);
    this.reserveNonces(client);
    return { ok: true, session, job: this.jobFor(client) };
  }

  suggestDifficulty(_session: Session, difficulty: number): void {
    this.suggested.push(difficulty);
  }

  async submit(session: Session, request: SubmitRequest): Promise<SubmitOutcome> {
    const { arrivedAt, ...rest } = request;
    this.submits.push(rest);
    this.arrivals.push(arrivedAt);
    return this.onSubmit(session, request);
  }

  badSubmit(_session: Session, what: string): SubmitRefusal {
    this.badSubmits.push(what);
    return this.onBadSubmit();
  }

  protocolError(_client: ClientPort, _session: Session | undefined, what: string): void {
    this.faults.push(what);
  }

  leave(session: Session): void {
    if (!this.left.includes(session)) this.left.push(session);
  }

  jobFor(client: ClientPort, isClean = true): Job {
    return {
      id: String(++this.#lastJob),
      template: this.template,
      difficulty: this.difficulty,
      target: client.targetFor(this.difficulty),
      startNonce: this.reserved.get(client) ?? 0n,
      isClean,
    };
  }

  /** A new job for everybody who is logged in. */
  broadcast(isClean = true): void {
    for (const { client } of this.sessions) client.sendJob(this.jobFor(client, isClean));
  }

  #nextRange(): bigint {
    return (3n << 60n) | (this.#lastRange++ << 45n);
  }
}
