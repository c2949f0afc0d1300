/**
 * Everything at once, in random orders: miners come and go, templates change, shares are good, low,
 * repeated, late, stale and of others, verification and log fail and dawdle. A plain model says what
 * must come of each share.
 */
import { expect, it } from 'vitest';
import type { Job, SubmitOutcome } from '../../../pool/client.ts';
import { difficultyToTarget, meetsTarget } from '../../../src/tensority/target.ts';
import { bytesToHex } from '../../../src/util/bytes.ts';
import { settle } from '../../support/fake-clock.ts';
import { seededRandom } from '../../support/random.ts';
import {
  type DeskRig,
  logIn,
  type Miner,
  makeTemplate,
  noVerdict,
  sha3Rule,
  shareId,
  startDesk,
  submitOf,
  TestClient,
} from './desk-rig.ts';

const GRACE_MS = 2000;
const STEPS = 1500;

interface Submitted {
  readonly id: string;
  readonly job: Job;
  /** What must be answered; `weighed` if that depends on the log. */
  readonly expected: string;
  readonly isBlock: boolean;
  readonly outcome: Promise<SubmitOutcome>;
}

class Model {
  readonly rig: DeskRig;
  readonly random: () => number;
  readonly miners: Miner[] = [];
  readonly gone: Miner[] = [];
  readonly pending = new Set<string>();
  readonly accepted = new Map<string, Job>();
  readonly blocks = new Set<string>();
  readonly tally = new Map<string, number>();
  /** Height of the templates now, and when those below ended. */
  height = 1000;
  readonly endedAt = new Map<number, number>();
  /** What may be submitted again. */
  readonly history: { readonly miner: Miner; readonly job: Job; readonly nonce: bigint }[] = [];
  refreshed = 0;
  /** When miners were told to wait. */
  readonly waits = new Map<TestClient, { from: number; until: number }[]>();

  constructor(seed: number) {
    this.random = seededRandom(seed);
    this.rig = startDesk(
      { graceMs: GRACE_MS, minDifficulty: 1n, maxSessions: 16, banMs: 0 },
      { template: this.template() },
    );
  }

  template(): ReturnType<typeof makeTemplate> {
    const timestamp = 1_700_000_000 + this.refreshed++;
    return makeTemplate({ height: this.height, timestamp, target: difficultyToTarget(9n) });
  }

  pick<T>(list: readonly T[]): T | undefined {
    return list[Math.floor(this.random() * list.length)];
  }

  async step(): Promise<void> {
    const { rig, random } = this;
    const dice = random();
    if (dice < 0.04 && this.miners.length < 12) {
      const password = `fd=${1 + Math.floor(random() * 8)}`;
      const login = `a${Math.floor(random() * 4)}.${this.miners.length}`;
      const miner = logIn(rig, login, { password, client: this.client() });
      this.givenAt.set(miner.job, rig.clock.now());
      this.miners.push(miner);
    } else if (dice < 0.06 && this.miners.length > 2) {
      const [miner] = this.miners.splice(Math.floor(random() * this.miners.length), 1);
      if (miner === undefined) return;
      rig.desk.leave(miner.session);
      this.gone.push(miner);
    } else if (dice < 0.09) {
      this.endedAt.set(this.height++, rig.clock.now());
      rig.feed.set(this.template(), true);
    } else if (dice < 0.12) {
      rig.feed.set(this.template(), false);
    } else if (dice < 0.2) {
      await rig.clock.advance(Math.floor(random() * 1500));
    } else if (dice < 0.26) {
      rig.verification.isHolding = random() < 0.5;
      if (!rig.verification.isHolding) rig.verification.release();
    } else if (dice < 0.32) {
      rig.sink.isHolding = random() < 0.5;
      if (!rig.sink.isHolding) rig.sink.release();
    } else if (dice < 0.36) {
      rig.verification.failure = random() < 0.3 ? noVerdict : undefined;
    } else if (dice < 0.4) {
      rig.sink.failure = random() < 0.3 ? new Error('disk full') : undefined;
    } else if (dice < 0.43) {
      rig.verification.isFull = random() < 0.3;
    } else {
      this.submit();
    }
    await settle();
  }

  submit(): void {
    const { random } = this;
    const again = random() < 0.25 ? this.pick(this.history.slice(-12)) : undefined;
    const miner = again?.miner ?? this.pick(random() < 0.03 ? this.gone : this.miners);
    // Nothing is read from one that has to wait.
    if (miner === undefined || miner.client.isPaused) return;
    const other = this.pick(this.miners) ?? miner;
    const jobs = random() < 0.05 ? other.jobs : miner.jobs;
    const newest = jobs.at(-1)!;
    const job = again?.job ?? (random() < 0.7 ? newest : this.pick(jobs.slice(-10))!);
    const owner = random() < 0.05 ? other : miner;
    const nonce = again?.nonce ?? owner.job.startNonce + BigInt(Math.floor(random() * 1e6));
    this.check(this.expect(miner, job, nonce));
  }

  /** Of another, or behind eight newer ones, and replaced over a minute before the newest; or behind 32. */
  isForgotten({ jobs }: Miner, job: Job): boolean {
    const at = jobs.indexOf(job);
    const behind = jobs.length - 1 - at;
    if (at < 0 || behind >= 32) return true;
    if (behind < 8) return false;
    return this.givenAt.get(jobs.at(-1)!)! - this.givenAt.get(jobs[at + 1]!)! > 60_000;
  }

  /** Past the grace; where the pool made the miner wait before that was over, past one from then on. */
  isStale({ client }: Miner, ended: number): boolean {
    const now = this.rig.clock.now();
    if (now - ended <= GRACE_MS) return false;
    const waits = this.waits.get(client) ?? [];
    const last = waits.at(-1);
    if (last === undefined || now - last.until > GRACE_MS) return true;
    // Waits that follow each other within two seconds are one.
    let first = waits.length - 1;
    while (first > 0 && waits[first]!.from - waits[first - 1]!.until <= 2000) first--;
    return waits[first]!.from - ended > GRACE_MS;
  }

  client(): TestClient {
    const client = new TestClient();
    const { clock } = this.rig;
    const waits: { from: number; until: number }[] = [];
    this.waits.set(client, waits);
    client.sendJob = (job) => {
      this.givenAt.set(job, clock.now());
      client.jobs.push(job);
    };
    client.pause = (isPaused) => {
      client.isPaused = isPaused;
      if (isPaused) waits.push({ from: clock.now(), until: Number.POSITIVE_INFINITY });
      else waits.at(-1)!.until = clock.now();
    };
    return client;
  }

  /** What the rules say, and the submit itself. */
  expect(miner: Miner, job: Job, nonce: bigint): Submitted {
    const { rig, pending, accepted } = this;
    const idBytes = shareId(job, nonce);
    const id = bytesToHex(idBytes);
    const powHash = sha3Rule(idBytes, job.template.seed);
    const isBlock = meetsTarget(powHash, job.template.target);
    const ended = this.endedAt.get(job.template.header.height);
    const startNonce = miner.jobs[0]!.startNonce;
    const expected = this.gone.includes(miner)
      ? 'unauthorized'
      : this.isForgotten(miner, job)
        ? 'job-not-found'
        : nonce < startNonce || nonce >= startNonce + (1n << 45n)
          ? 'out-of-range'
          : ended !== undefined && this.isStale(miner, ended)
            ? 'stale'
            : pending.has(id) || accepted.has(id)
              ? 'duplicate'
              : rig.verification.failure !== undefined
                ? 'unavailable'
                : isBlock || meetsTarget(powHash, job.target)
                  ? 'weighed'
                  : 'low-difficulty';
    const isNew = ['unavailable', 'weighed', 'low-difficulty'].includes(expected);
    if (isNew) {
      pending.add(id);
      this.history.push({ miner, job, nonce });
      if (isBlock && expected === 'weighed') this.blocks.add(id);
    }
    const outcome = rig.desk.submit(miner.session, submitOf(miner, job, nonce));
    return { id, job, expected, isBlock, outcome };
  }

  check({ id, job, expected, outcome }: Submitted): void {
    void outcome.then((got) => {
      const answer = got.accepted ? 'accepted' : got.reason;
      if (expected !== 'duplicate') this.pending.delete(id);
      let must = expected;
      if (expected === 'weighed') {
        const failed = this.rig.sink.failed.indexOf(id);
        must = failed < 0 ? 'accepted' : 'unavailable';
        if (failed >= 0) this.rig.sink.failed.splice(failed, 1);
      }
      if (answer !== must) this.wrong.push(`${id}: ${answer}, must be ${must}`);
      if (got.accepted && this.accepted.has(id)) this.wrong.push(`${id}: accepted twice`);
      if (got.accepted) this.accepted.set(id, job);
      this.tally.set(answer, (this.tally.get(answer) ?? 0) + 1);
    });
  }

  readonly wrong: string[] = [];
  readonly givenAt = new Map<Job, number>();
}

it.each(Array.from({ length: 8 }, (_, i) => i))(
  'every share gets its due (seed %d)',
  async (seed) => {
    const model = new Model(seed);
    const { rig } = model;
    for (let i = 0; i < STEPS; i++) {
      await model.step();
      if (model.wrong.length > 0) break;
    }
    rig.verification.isHolding = false;
    rig.sink.isHolding = false;
    rig.verification.isFull = false;
    rig.verification.release();
    await settle();
    rig.sink.release();
    await rig.clock.advance(5000);
    expect(model.wrong).toEqual([]);
    expect(model.pending.size).toBe(0);
    // Once in the log, each with the difficulty that its own job had.
    const written = rig.sink.records.map(({ id }) => bytesToHex(id));
    expect(new Set(written).size).toBe(written.length);
    expect(written.toSorted()).toEqual([...model.accepted.keys()].toSorted());
    for (const { id, difficulty } of rig.sink.records) {
      expect(difficulty).toBe(model.accepted.get(bytesToHex(id))?.difficulty);
    }
    const found = rig.found.map(({ hash }) => bytesToHex(hash));
    expect(found.toSorted()).toEqual([...model.blocks].toSorted());
    for (const { client } of model.miners) expect(client.isPaused).toBe(false);
    expect(rig.desk.status()).toMatchObject({ pendingShares: 0, pausedClients: 0 });
    for (const reason of ['accepted', 'unavailable', 'duplicate', 'stale', 'low-difficulty']) {
      expect(model.tally.get(reason), reason).toBeGreaterThan(5);
    }
    await rig.desk.close();
  },
);
