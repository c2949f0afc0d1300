/** Submits: how long an acknowledgement takes, disk included, and how many shares are wrongly stale. */
import { mkdirSync } from 'node:fs';
import { open } from 'node:fs/promises';
import { join } from 'node:path';
import { classifyReject } from '../../src/stratum/reject.ts';
import { bytesToHex } from '../../src/util/bytes.ts';
import {
  closeClients,
  findShare,
  type LoadClient,
  monotonicMs,
  openClients,
  type PreparedShare,
} from '../support/pool-load.ts';
import { logFaults, readShares, type SentShare } from '../support/pool-load-log.ts';
import { type LoadServer, startLoadPool } from '../support/pool-load-process.ts';
import { type PoolBench, quantile, sortedCopy } from './pool-figures.ts';
import { RECORD_BYTES, startPlain } from './pool-plain-process.ts';

/** Hashes a share: so many that most nonces are refused, so few that the generator keeps up. */
const DIFFICULTY = 4;
const PER_SECOND = 500;

interface Submitted {
  readonly latenciesMs: readonly number[];
  readonly accepted: number;
  /** How the others were refused, or that they were not answered. */
  readonly refusals: ReadonlyMap<string, number>;
}

/** `PER_SECOND` prepared shares a second from `count` clients. */
export async function measureSubmits(
  bench: PoolBench,
  options: { readonly count: number; readonly rounds: number; readonly seconds: number },
): Promise<void> {
  const { count, rounds, seconds } = options;
  const data = bench.folder();
  const sent = new Map<string, SentShare>();
  const pool = await startLoadPool({ data, difficulty: DIFFICULTY });
  let plain: LoadServer | undefined;
  try {
    const { clients, errors } = await openClients({ port: pool.port, count, atOnce: 500 });
    bench.check('errors of logins', '', errors.slice(0, 3).join('; '));
    plain = await startPlain({ data: bench.folder(), payload: '', recordBytes: RECORD_BYTES });
    const at = { port: plain.port, count, atOnce: 500, logIn: false };
    const others = await openClients(at);
    bench.check('errors of the plain connections', '', others.errors.slice(0, 3).join('; '));
    await checkThatItChecks(bench, clients[0]!, sent);
    let offset = 1000n;
    // The first round is not counted: both ends compile what they run.
    for (let round = -1; round < rounds; round++) {
      const total = PER_SECOND * seconds;
      const prepared = Array.from({ length: total }, (_, i) => {
        offset += 64n;
        return dueFrom(clients[i % count]!, offset);
      });
      const disk = await diskTimes(bench, Math.min(total, 500));
      const toPlain = await submitAll(
        total,
        (n) => ({ ...prepared[n]!, client: others.clients[n % count]! }),
        new Map(),
      );
      const { latenciesMs, accepted, refusals } = await submitAll(total, (i) => prepared[i]!, sent);
      if (round < 0) continue;
      bench.check('refusals', '', refusalText(refusals));
      bench.check('accepted', total, accepted);
      const sorted = sortedCopy(latenciesMs);
      const name = (what: string): string => `submit answered at ${PER_SECOND}/s, ${what}`;
      bench.figures.add(name('p50'), 'ms', quantile(sorted, 0.5));
      bench.figures.add(name('p99'), 'ms', quantile(sorted, 0.99), { most: 5 });
      bench.figures.add(name('slowest'), 'ms', sorted.at(-1)!);
      bench.figures.add(name('errors'), '', total - accepted, { most: 0 });
      bench.check('answers of the plain program', total, toPlain.accepted);
      const least = sortedCopy(toPlain.latenciesMs);
      bench.figures.add('the same to a plain program, p50', 'ms', quantile(least, 0.5));
      bench.figures.add('the same to a plain program, p99', 'ms', quantile(least, 0.99));
      bench.figures.add('plain append and fdatasync, p50', 'ms', quantile(disk, 0.5));
      bench.figures.add('plain append and fdatasync, p99', 'ms', quantile(disk, 0.99));
    }
    await closeClients([...clients, ...others.clients]);
    await plain.close();
    await pool.close();
  } finally {
    await plain?.kill();
    await pool.kill();
  }
  await checkLog(bench, data, sent);
}

/** The template changes every `everyMs`, while shares for the newest job that a client has come in. */
export async function measureStales(
  bench: PoolBench,
  options: { readonly count: number; readonly changes: number; readonly everyMs: number },
): Promise<void> {
  const { count, changes, everyMs } = options;
  const data = bench.folder();
  const sent = new Map<string, SentShare>();
  const pool = await startLoadPool({ data, difficulty: DIFFICULTY });
  try {
    const { clients, errors } = await openClients({ port: pool.port, count, atOnce: 500 });
    bench.check('errors of logins', '', errors.slice(0, 3).join('; '));
    const changing = pool.ask({ do: 'templates', count: changes, everyMs });
    const total = Math.round((PER_SECOND * changes * everyMs) / 1000);
    let offset = 0n;
    const { accepted, refusals } = await submitAll(
      total,
      (i) => {
        offset += 64n;
        return dueFrom(clients[i % count]!, offset);
      },
      sent,
    );
    await changing;
    const last = new Set(clients.map((client) => client.job.height));
    bench.check('clients with the last job alone', 1, last.size);
    const stale = (refusals.get('stale') ?? 0) + (refusals.get('job-not-found') ?? 0);
    bench.check('refusals but stale ones', total, accepted + stale);
    bench.figures.add(`template changes, one every ${everyMs} ms`, '', changes);
    bench.figures.add('shares submitted meanwhile', '', total);
    bench.figures.add('wrongly stale', '% of shares', (100 * stale) / total, { most: 0.1 });
    await closeClients(clients);
    await pool.close();
  } finally {
    await pool.kill();
  }
  await checkLog(bench, data, sent);
}

/** A share for the newest job that the client has. */
function dueFrom(client: LoadClient, offset: bigint): Due {
  const { job } = client;
  return { client, jobId: job.jobId, share: findShare(job, offset) };
}

interface Due {
  readonly client: LoadClient;
  readonly jobId: string;
  readonly share: PreparedShare;
}

/**
 * `total` submits at an even pace, whatever the answers do; those whose moment has passed while this
 * process was busy follow at once. `due` says what comes next.
 */
async function submitAll(
  total: number,
  due: (index: number) => Due,
  sent: Map<string, SentShare>,
): Promise<Submitted> {
  const latenciesMs: number[] = [];
  const refusals = new Map<string, number>();
  let accepted = 0;
  const submit = ({ client, jobId, share }: Due): void => {
    const known: SentShare = { logins: new Set([client.login]), acknowledged: 0 };
    sent.set(bytesToHex(share.id), known);
    const start = monotonicMs();
    client.submit(jobId, share.nonce, (verdict, readAt) => {
      latenciesMs.push(readAt - start);
      if (verdict?.accepted === true) {
        accepted++;
        known.acknowledged++;
      } else {
        const why =
          verdict === undefined ? 'no answer' : classifyReject(verdict.code, verdict.message);
        refusals.set(why, (refusals.get(why) ?? 0) + 1);
      }
    });
  };
  const start = monotonicMs();
  let next = 0;
  await new Promise<void>((resolve) => {
    const timer = setInterval(() => {
      const until = Math.floor(((monotonicMs() - start) * PER_SECOND) / 1000);
      while (next < total && next < until) submit(due(next++));
      if (latenciesMs.length < total) return;
      clearInterval(timer);
      resolve();
    }, 1);
  });
  return { latenciesMs, accepted, refusals };
}

/** It must be the pool that decides: a share that is too easy, one of another's range, one sent twice. */
async function checkThatItChecks(
  bench: PoolBench,
  client: LoadClient,
  sent: Map<string, SentShare>,
): Promise<void> {
  const { job, login } = client;
  const answer = (nonce: bigint): Promise<string> =>
    new Promise((resolve) => {
      client.submit(job.jobId, nonce, (verdict) => {
        if (verdict === undefined) resolve('no answer');
        else resolve(verdict.accepted ? 'accepted' : `${verdict.code} ${verdict.message}`);
      });
    });
  const good = findShare(job, 0n);
  const bad = findShare(job, 0n, false);
  bench.check('a share above the target', '23 Low Difficulty Share', await answer(bad.nonce));
  bench.check('a good share', 'accepted', await answer(good.nonce));
  sent.set(bytesToHex(good.id), { logins: new Set([login]), acknowledged: 1 });
  bench.check('the same again', '22 Duplicate Share', await answer(good.nonce));
  const elsewhere = job.nonce ^ (1n << 59n);
  bench.check("another's nonce", '32 Nonce Out Of Range', await answer(elsewhere));
}

/** Every acknowledged share is in the log once, and nothing else is. */
async function checkLog(
  bench: PoolBench,
  data: string,
  sent: ReadonlyMap<string, SentShare>,
): Promise<void> {
  const shares = await readShares(data);
  const { lost, doubled, foreign } = logFaults(shares, sent);
  bench.check('acknowledged shares that are not in the log', 0, lost);
  bench.check('shares that were counted twice', 0, doubled);
  bench.check('shares that nobody sent', 0, foreign);
  const acknowledged = [...sent.values()].filter((share) => share.acknowledged > 0).length;
  bench.check('shares in the log', acknowledged, shares.length);
}

/** Sorted milliseconds of an append with `fdatasync`, one after the other, on the disk of the pool. */
async function diskTimes(bench: PoolBench, count: number): Promise<readonly number[]> {
  const folder = bench.folder();
  mkdirSync(folder);
  const file = await open(join(folder, 'plain'), 'a');
  try {
    const record = Buffer.alloc(RECORD_BYTES, 1);
    const times: number[] = [];
    for (let i = 0; i < count; i++) {
      const start = monotonicMs();
      await file.write(record);
      await file.datasync();
      times.push(monotonicMs() - start);
    }
    return sortedCopy(times);
  } finally {
    await file.close();
  }
}

function refusalText(refusals: ReadonlyMap<string, number>): string {
  return [...refusals].map(([why, times]) => `${times} × ${why}`).join(', ');
}
