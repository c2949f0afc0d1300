/** Many connections: what each costs in memory, how fast thousands log in, how fast jobs reach them. */
import { readFileSync } from 'node:fs';
import { closeClients, type LoadClient, monotonicMs, openClients } from '../support/pool-load.ts';
import { type LoadServer, startLoadPool } from '../support/pool-load-process.ts';
import { type PoolBench, quantile, sortedCopy } from './pool-figures.ts';
import { RECORD_BYTES, startPlain } from './pool-plain-process.ts';

/** The pool takes 10,000 connections at once, and then 1000 a second. */
const PER_SECOND = 1500;
const REMEMBERED_JOBS = 8;
/** Broadcasts before those that count. */
const WARM_UP = 3;
const QUIET_MS = 300;
const LIMIT_MS = 30_000;

/** Logged-in, idle connections with one job each. */
export async function measureConnections(bench: PoolBench, count: number): Promise<void> {
  const pool = await startLoadPool({ data: bench.folder(), difficulty: 1 });
  try {
    const before = await memoryOf(pool);
    const kernelBefore = kernelMemory();
    const { clients, errors } = await openClients({
      port: pool.port,
      count,
      atOnce: 500,
      perSecond: PER_SECOND,
    });
    bench.check('errors of logins', '', errors.slice(0, 3).join('; '));
    bench.check('clients that are logged in', count, clients.length);
    const now = await memoryOf(pool);
    const kernelAfter = kernelMemory();
    // They are all alive: each gets the jobs that follow, and eight of those are remembered.
    for (let i = 0; i < REMEMBERED_JOBS; i++) await broadcast(pool, clients);
    const later = await memoryOf(pool);
    const least = count >= 15_000 ? { least: 15_000 } : undefined;
    bench.figures.add('connections in one process', '', clients.length, least);
    const kib = (bytes: number): number => bytes / count / 1024;
    const target = { most: 10 };
    const { rssBytes, heapBytes, externalBytes } = now;
    bench.figures.add('memory of a connection', 'KiB RSS', kib(rssBytes - before.rssBytes), target);
    bench.figures.add('of that heap', 'KiB', kib(heapBytes - before.heapBytes));
    bench.figures.add('of that external', 'KiB', kib(externalBytes - before.externalBytes));
    const after = (what: string): string => `${what} after ${REMEMBERED_JOBS} more jobs`;
    const grown = (of: 'rssBytes' | 'heapBytes'): number => kib(later[of] - before[of]);
    bench.figures.add(after('memory'), 'KiB RSS', grown('rssBytes'));
    bench.figures.add(after('of that heap'), 'KiB', grown('heapBytes'));
    if (kernelBefore !== undefined && kernelAfter !== undefined) {
      const both = kib(kernelAfter - kernelBefore);
      bench.figures.add("kernel's memory, both ends of a connection", 'KiB slab', both);
    }
    await closeClients(clients);
    await pool.close();
  } finally {
    await pool.kill();
  }
}

/** All connect at the same moment, then get jobs, in turn with a plain loop that writes to as many. */
export async function measureBroadcast(
  bench: PoolBench,
  options: { readonly count: number; readonly rounds: number },
): Promise<void> {
  const { count, rounds } = options;
  const pool = await startLoadPool({ data: bench.folder(), difficulty: 1 });
  let plain: LoadServer | undefined;
  try {
    const { clients, errors, ms } = await openClients({
      port: pool.port,
      count,
      atOnce: count,
      // As vardiff gives them: no two miners have the same target.
      password: (index) => `d=${1000 + index}`,
    });
    bench.figures.add(`connect storm, ${count} logged in`, 's', ms / 1000, { most: 10 });
    bench.figures.add('errors of the storm', '', errors.length, { most: 0 });
    bench.check('errors of the storm', '', errors.slice(0, 3).join('; '));

    const payload = await jobText(pool, clients);
    plain = await startPlain({ data: bench.folder(), payload, recordBytes: RECORD_BYTES });
    const receivers = await openClients({ port: plain.port, count, atOnce: 500, logIn: false });
    bench.check('errors of the plain connections', '', receivers.errors.slice(0, 3).join('; '));

    for (let i = 0; i < WARM_UP; i++) {
      await broadcast(plain, receivers.clients);
      await broadcast(pool, clients);
    }
    const name = (of: string, what: string): string => `${of} to ${count}, ${what}`;
    for (let round = 0; round < rounds; round++) {
      const loop = sortedCopy(await broadcast(plain, receivers.clients));
      const jobs = sortedCopy(await broadcast(pool, clients));
      bench.figures.add(name('plain loop', 'p99'), 'ms', quantile(loop, 0.99));
      bench.figures.add(name('plain loop', 'last'), 'ms', loop.at(-1)!);
      bench.figures.add(name('job', 'p50'), 'ms', quantile(jobs, 0.5));
      bench.figures.add(name('job', 'p99'), 'ms', quantile(jobs, 0.99));
      bench.figures.add(name('job', 'last'), 'ms', jobs.at(-1)!);
      const ratio = quantile(jobs, 0.99) / quantile(loop, 0.99);
      bench.figures.add('job p99 : plain loop p99', '×', ratio, { most: 1.5 });
    }
    checkJobs(bench, clients);
    await closeClients([...clients, ...receivers.clients]);
    await plain.close();
    await pool.close();
  } finally {
    await plain?.kill();
    await pool.kill();
  }
}

/** For each client, the milliseconds from the template's arrival to the read of its job. */
async function broadcast(
  server: LoadServer,
  clients: readonly LoadClient[],
): Promise<readonly number[]> {
  await pause(QUIET_MS);
  const before = clients.map((client) => client.jobLines);
  const { at } = await server.ask({ do: 'template' });
  const limit = monotonicMs() + LIMIT_MS;
  while (clients.some((client, i) => client.jobLines === before[i])) {
    if (monotonicMs() > limit) throw new Error(`a job did not reach all in ${LIMIT_MS} ms`);
    await pause(20);
  }
  const twice = clients.filter((client, i) => client.jobLines !== before[i]! + 1).length;
  if (twice > 0) throw new Error(`${twice} clients got more than one job for one template`);
  return clients.map((client) => client.jobReadAt - at);
}

/** Everybody has the same work, and a target and a range of nonces of their own. */
function checkJobs(bench: PoolBench, clients: readonly LoadClient[]): void {
  const jobs = clients.map((client) => client.job);
  bench.check('heights among the jobs', 1, new Set(jobs.map((job) => job.height)).size);
  bench.check('ranges of nonces', jobs.length, new Set(jobs.map((job) => job.nonce)).size);
  bench.check('targets', jobs.length, new Set(jobs.map((job) => job.target)).size);
}

/** A job as it is sent, to be written by the plain loop. */
async function jobText(pool: LoadServer, clients: readonly LoadClient[]): Promise<string> {
  await broadcast(pool, clients);
  const text = clients[0]?.jobText;
  if (text === undefined) throw new Error('expected a job, got none');
  return text;
}

async function memoryOf(pool: LoadServer): Promise<{
  readonly rssBytes: number;
  readonly heapBytes: number;
  readonly externalBytes: number;
}> {
  const { memory } = await pool.ask({ do: 'memory' });
  if (memory === undefined) throw new Error('expected the memory of the pool, got none');
  return memory;
}

/** Bytes of the kernel's own objects, sockets among them; `undefined` where it does not tell. */
function kernelMemory(): number | undefined {
  try {
    const kib = /^Slab:\s+(\d+) kB/m.exec(readFileSync('/proc/meminfo', 'utf8'))?.[1];
    return kib === undefined ? undefined : 1024 * Number(kib);
  } catch {
    return undefined;
  }
}

function pause(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms));
}
