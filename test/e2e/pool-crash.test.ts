/**
 * `kill -9` while 1,000 miners submit, over and over: what was acknowledged is in the share log once,
 * whatever miners send again to the pool that comes back. The pool is the real one but for its node and
 * its hasher. `POOL_KILLS`, 20 by default, is how often; `POOL_SEED` chooses the moments.
 */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, describe, expect, it } from 'vitest';
import { summariseShares } from '../../pool/ledger/summary.ts';
import { POOL_FOLDERS } from '../../pool/pool.ts';
import type { Verdict } from '../../src/stratum/messages.ts';
import { classifyReject } from '../../src/stratum/reject.ts';
import { bytesToHex } from '../../src/util/bytes.ts';
import { closeClients, findShare, type LoadClient, openClients } from '../support/pool-load.ts';
import { logFaults, readShares, type SentShare } from '../support/pool-load-log.ts';
import { startLoadPool } from '../support/pool-load-process.ts';
import { seededRandom } from '../support/random.ts';

const KILLS = Number(process.env['POOL_KILLS'] ?? 20);
const SEED = Number(process.env['POOL_SEED'] ?? 1);
const MINERS = 1000;
const DIFFICULTY = 2;
/** Until a miner has its next share, at most. */
const SHARE_MS = 600;
/** The last of the life before that are sent again: so many acknowledged ones, and so many others. */
const RESENT = 50;
/** A pool is killed within so long after its first answers. */
const MAX_LIFE_MS = 700;
const LEAST_ANSWERS = 4 * RESENT;
/** Two seconds on a machine of its own; and all that the lives before have written is read back. */
const MAX_RESTART_MS = 5000 + 20 * KILLS;

const folder = mkdtempSync(join(tmpdir(), 'bytom-pool-crash-'));
afterAll(() => rmSync(folder, { recursive: true }));

/** A share that was sent, and what may be sent again after the pool has died. */
interface Sent extends SentShare {
  readonly nonce: bigint;
  readonly jobId: string;
  readonly height: number;
  /** How the first attempt went; `undefined`: no answer came. */
  answer: Verdict | undefined;
}

class Miners {
  readonly sent = new Map<string, Sent>();
  /** What no answer may be. */
  readonly faults: string[] = [];
  /** How what was acknowledged before was answered when it was sent again. */
  readonly repeats = { sameLife: 0, nextLife: 0, oldJob: 0 };
  readonly #random: () => number;
  /** Of the life that goes on. */
  #lately: Sent[] = [];
  /** Grows with every share: no nonce of a range is used twice, whoever has the range. */
  #offset = 0n;
  #alive = false;
  /** In this life, whatever they say. */
  #answers = 0;

  constructor(random: () => number) {
    this.#random = random;
  }

  /** Everybody submits share after share until `stop`; what is left of the life before is sent again. */
  start(clients: readonly LoadClient[]): void {
    const before = this.#lately;
    this.#lately = [];
    this.#alive = true;
    this.#answers = 0;
    this.#sendAgain(clients, before);
    for (const client of clients) this.#mine(client);
  }

  /** Resolves after so many answers in this life. */
  async answered(count: number): Promise<void> {
    while (this.#answers < count) await sleep(5);
  }

  stop(): void {
    this.#alive = false;
  }

  #mine(client: LoadClient): void {
    setTimeout(() => {
      if (!this.#alive || client.gone !== undefined) return;
      this.#submitNew(client, (verdict) => {
        if (verdict !== undefined) this.#mine(client);
      });
    }, this.#random() * SHARE_MS);
  }

  #submitNew(client: LoadClient, then: (verdict: Verdict | undefined) => void): void {
    const { job, login } = client;
    this.#offset += 64n;
    const { nonce, id } = findShare(job, this.#offset);
    const { jobId, height } = job;
    const logins = new Set([login]);
    const share: Sent = { logins, acknowledged: 0, nonce, jobId, height, answer: undefined };
    this.sent.set(bytesToHex(id), share);
    this.#lately.push(share);
    this.#submit(client, jobId, nonce, (verdict) => {
      share.answer = verdict;
      if (verdict?.accepted === true) {
        share.acknowledged++;
        if (this.#random() < 0.05) this.#repeat(client, share);
      } else if (verdict !== undefined && classOf(verdict) !== 'stale') {
        this.#fault('a new share', verdict);
      }
      then(verdict);
    });
    if (this.#random() < 0.05) this.#repeat(client, share);
  }

  /** The same again, answered or not. */
  #repeat(client: LoadClient, share: Sent): void {
    this.#submit(client, share.jobId, share.nonce, (verdict) => {
      if (verdict === undefined) return;
      if (classOf(verdict) === 'duplicate') this.repeats.sameLife++;
      // Where the machine is so slow that the grace was over.
      else if (classOf(verdict) !== 'stale') this.#repeated('sent twice', share, verdict);
    });
  }

  /** What the pool answered before it died, and what it did not, now that it is there again. */
  #sendAgain(clients: readonly LoadClient[], before: readonly Sent[]): void {
    const byRange = new Map(clients.map((client) => [client.job.nonce >> 45n, client]));
    const isKnown = (share: Sent): boolean => share.acknowledged > 0;
    const acknowledged = before.filter(isKnown).slice(-RESENT);
    const unanswered = before.filter((share) => share.answer === undefined).slice(-RESENT);
    for (const share of [...acknowledged, ...unanswered]) {
      const client = byRange.get(share.nonce >> 45n);
      if (client === undefined) continue;
      share.logins.add(client.login);
      this.#submit(client, share.jobId, share.nonce, (verdict) => {
        if (verdict === undefined) return;
        if (classOf(verdict) === 'job-not-found') this.repeats.oldJob++;
        else this.#repeated('for a job of the life before', share, verdict);
      });
      // For another height it would be another share.
      if (client.job.height !== share.height) continue;
      const wasAcknowledged = isKnown(share);
      this.#submit(client, client.job.jobId, share.nonce, (verdict) => {
        if (verdict === undefined) return;
        if (verdict.accepted) share.acknowledged++;
        else if (classOf(verdict) !== 'duplicate') this.#fault('sent again', verdict);
        else if (wasAcknowledged) this.repeats.nextLife++;
      });
    }
  }

  #submit(
    client: LoadClient,
    jobId: string,
    nonce: bigint,
    then: (verdict: Verdict | undefined) => void,
  ): void {
    client.submit(jobId, nonce, (verdict) => {
      if (verdict !== undefined) this.#answers++;
      then(verdict);
    });
  }

  #repeated(what: string, share: Sent, verdict: Verdict): void {
    if (verdict.accepted) share.acknowledged++;
    this.#fault(what, verdict);
  }

  #fault(what: string, verdict: Verdict): void {
    this.faults.push(`${what}: ${verdict.accepted ? 'accepted' : verdict.message}`);
  }
}

function classOf(verdict: Verdict): string {
  return verdict.accepted ? 'accepted' : classifyReject(verdict.code, verdict.message);
}

describe('a pool that is killed', () => {
  it(`${KILLS} times while ${MINERS} miners submit has every acknowledged share, once`, {
    timeout: 60_000 + 10_000 * KILLS,
  }, async () => {
    const random = seededRandom(SEED);
    const miners = new Miners(random);
    const data = join(folder, 'data');
    const restarts: number[] = [];
    let template = 0;
    for (let life = 0; life <= KILLS; life++) {
      const pool = await startLoadPool({ data, difficulty: DIFFICULTY, template });
      try {
        restarts.push(pool.startMs);
        const opened = await openClients({ port: pool.port, count: MINERS, atOnce: 100 });
        expect(opened.errors).toEqual([]);
        miners.start(opened.clients);
        // Some are sent again first; a slow machine may need a while for them.
        await miners.answered(LEAST_ANSWERS);
        await sleep(random() * MAX_LIFE_MS);
        // In every third life or so the chain goes on.
        if (random() < 0.3) {
          await pool.ask({ do: 'template' });
          template++;
          await sleep(random() * 200);
        }
        if (life < KILLS) {
          await pool.kill();
        } else {
          miners.stop();
          await pool.close();
        }
        miners.stop();
        await closeClients(opened.clients);
      } finally {
        await pool.kill();
      }
    }

    const { sent, repeats } = miners;
    const shares = await readShares(data);
    const faults = [...new Set(miners.faults)];
    expect({ ...logFaults(shares, sent), faults }).toEqual({
      ...{ lost: 0, doubled: 0, foreign: 0 },
      faults: [],
    });
    const { records, duplicates } = await summariseShares(join(data, POOL_FOLDERS.shares));
    expect({ records, duplicates }).toEqual({ records: shares.length, duplicates: 0 });
    // The test did what it is for: shares were under way when the pool died, and were sent again.
    const all = [...sent.values()];
    const acknowledged = all.filter((share) => share.acknowledged > 0).length;
    const unanswered = all.filter((share) => share.answer === undefined).length;
    expect(acknowledged).toBeGreaterThan(100 * KILLS);
    expect(unanswered).toBeGreaterThan(0);
    for (const [when, times] of Object.entries(repeats)) expect(times, when).toBeGreaterThan(0);
    expect(Math.max(...restarts)).toBeLessThan(MAX_RESTART_MS);
    const slowest = Math.round(Math.max(...restarts));
    console.log(
      `${KILLS} kills, ${sent.size} shares sent, ${acknowledged} acknowledged, ${unanswered} not ` +
        `answered, ${shares.length} in the log, slowest start ${slowest} ms`,
    );
  });
});
