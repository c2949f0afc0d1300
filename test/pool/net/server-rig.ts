/** A `PoolServer` on a port of its own, before a pool that takes everything. */
import { setImmediate as nextTurn } from 'node:timers/promises';
import { expect } from 'vitest';
import { createSilentMeter, type PoolMeter } from '../../../pool/meter.ts';
import { PoolServer, type PoolServerOptions } from '../../../pool/net/server.ts';
import { FakeClock, settle } from '../../support/fake-clock.ts';
import { FakePool } from '../../support/fake-pool.ts';
import { PoolClient, type PoolClientOptions } from '../../support/pool-client.ts';
import { RecordingLog } from '../../support/recording-log.ts';

export interface Rig {
  readonly pool: FakePool;
  readonly log: RecordingLog;
  readonly clock: FakeClock;
  readonly server: PoolServer;
  /** Reasons of closed connections, as the metrics have them. */
  readonly closed: string[];
  readonly opened: () => number;
  /** What logins came to that the pool was not asked about. */
  readonly logins: string[];
  connect(options?: Partial<PoolClientOptions>): Promise<PoolClient>;
}

const rigs: Rig[] = [];
export const clients: PoolClient[] = [];

/** To be called after each test: ends them all, and looks whether anything is left. */
export async function endRigs(): Promise<void> {
  for (const client of clients.splice(0)) client.drop();
  for (const rig of rigs.splice(0)) {
    await rig.server.close();
    expect(rig.closed).toHaveLength(rig.opened());
    expect(rig.server.counts.open).toBe(0);
    expect(rig.pool.left).toHaveLength(rig.pool.sessions.length);
    expect(rig.clock.sleeping).toBe(0);
  }
}

export async function startRig(options: Partial<PoolServerOptions> = {}): Promise<Rig> {
  const pool = new FakePool();
  const log = new RecordingLog();
  const clock = new FakeClock();
  const closed: string[] = [];
  const logins: string[] = [];
  let opened = 0;
  const meter: PoolMeter = {
    ...createSilentMeter(),
    connectionOpened: () => void opened++,
    connectionClosed: (reason) => void closed.push(reason),
    login: (outcome) => void logins.push(outcome),
  };
  const server = new PoolServer(
    { listen: [{ host: '127.0.0.1', port: 0 }], ...options },
    { pool, log, meter, clock },
  );
  await server.listen();
  const rig: Rig = {
    pool,
    log,
    clock,
    server,
    closed,
    opened: () => opened,
    logins,
    connect: async (more = {}) => {
      const client = await PoolClient.connect({ port: server.addresses[0]?.port ?? 0, ...more });
      clients.push(client);
      return client;
    },
  };
  rigs.push(rig);
  return rig;
}

export function submitLine(id: number, nonce = '3000000000000001'): string {
  return `{"method":"submit","params":{"id":"alice.rig1","job_id":"1","nonce":"${nonce}"},"id":${id}}\n`;
}

export const LOGIN: string =
  '{"method":"login","params":{"login":"alice.rig1","pass":"x","agent":"test/1"},"id":1}\n';

/** Lets the loop turn until something is so; fails after far more turns than it can take. */
export async function until(isSo: () => boolean): Promise<void> {
  for (let turn = 0; turn < 2000; turn++) {
    if (isSo()) return;
    await settle();
  }
  expect(isSo(), 'not so after 24,000 turns').toBe(true);
}

/** The pool notices an end a few turns after its client. */
export async function closedAs(rig: Rig, reasons: readonly string[]): Promise<void> {
  await until(() => rig.closed.length >= reasons.length);
  expect(rig.closed).toEqual(reasons);
}

export const FAST = { perSecond: 1_000_000, burst: 1_000_000 } as const;

/** How often the loop turns before it is there: what others do costs at most this much. */
export async function turnsUntil(work: Promise<unknown>): Promise<number> {
  let isDone = false;
  const done = work.then(() => {
    isDone = true;
  });
  let turns = 0;
  while (!isDone && turns < 10_000) {
    await nextTurn();
    turns++;
  }
  await done;
  return turns;
}
