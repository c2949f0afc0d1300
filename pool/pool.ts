/**
 * A whole pool: records, nodes, verification, shares, connections and HTTP, started in this order and
 * stopped in the other. What touches the machine (device, nodes, clocks) is handed in.
 *
 * ```ts
 * const pool = await Pool.open(options, parts);
 * const { stratum } = await pool.start();
 * await stopRequested;
 * await pool.close();
 * ```
 */
import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import type { PowVerifier } from '../src/pow/pow-verifier.ts';
import { type Clock, endsWithin } from '../src/util/clock.ts';
import { errorText } from '../src/util/errors.ts';
import type { Logger } from '../src/util/log.ts';
import { BanList } from './bans.ts';
import { BlockDesk } from './blocks/block-desk.ts';
import type { BlockState } from './blocks/block-record.ts';
import { PoolHttpServer } from './http/http-server.ts';
import { PoolMetrics } from './http/pool-metrics.ts';
import type { PoolStatus } from './http/status.ts';
import { BlockLog } from './ledger/block-log.ts';
import type { BlockEvent, BlockSink } from './ledger/records.ts';
import { ShareLog } from './ledger/share-log.ts';
import { overheardMeter, type PoolMeter } from './meter.ts';
import type { Certificate } from './net/opening.ts';
import { PoolServer, type PoolServerOptions } from './net/server.ts';
import type { TimedNode } from './nodes/upstream.ts';
import { Upstreams } from './nodes/upstreams.ts';
import { PoolDesk, type PoolDeskOptions } from './shares/pool-desk.ts';
import { ShareVerifier, type ShareVerifierOptions } from './verify/share-verifier.ts';

export interface HostPort {
  readonly host: string;
  readonly port: number;
}

export interface PoolOptions {
  /** Name of the network; the records are told apart by it. */
  readonly network: string;
  readonly version: string;
  /** Folder of shares, blocks and bans; made if it is not there. */
  readonly data: string;
  /** Where miners connect; port 0: any that is free. */
  readonly listen: readonly HostPort[];
  readonly tls?: Certificate;
  /** See `PoolServerOptions`. */
  readonly trustedProxies?: readonly string[];
  readonly maxConnections?: number;
  /** From one address. */
  readonly maxPerAddress?: number;
  readonly limits?: Omit<
    PoolServerOptions,
    'listen' | 'certificate' | 'trustedProxies' | 'maxConnections' | 'maxPerHost'
  >;
  /** No HTTP if left out. */
  readonly http?: HostPort & { readonly hostNames: readonly string[] };
  /** Whom blocks pay; every node is told. Whoever the nodes pay, if left out. */
  readonly address?: string;
  readonly shares?: Partial<PoolDeskOptions>;
  /** Without it every share is verified. */
  readonly trust?: NonNullable<ShareVerifierOptions['trust']>;
  /** How long a stop waits for the shares under way. Default 20 s. */
  readonly drainMs?: number;
}

export interface PoolParts {
  /** In the order of preference; closed with the pool. */
  readonly nodes: readonly TimedNode[];
  /** Stays the caller's, who closes it after the pool. */
  readonly verifier: PowVerifier;
  readonly clock: Clock;
  /** The wall clock, in milliseconds since 1970. */
  readonly now: () => number;
  /** 0 … 1; nobody may foresee it. */
  readonly random: () => number;
  readonly log: Logger;
  /** Whether the device behind the verifier is still being opened. */
  readonly isOpening?: () => boolean;
  /** Called for every event of a block of ours, once it is on disk. */
  readonly onBlock?: (event: BlockEvent) => void;
}

export interface PoolAddresses {
  readonly stratum: readonly HostPort[];
  readonly http?: HostPort;
}

/** What a pool in operation keeps on disk, in the folder of its data. */
export const POOL_FOLDERS = { shares: 'shares', blocks: 'blocks' } as const;
const BANS_FILE = 'bans.json';
/** Below the 30 s that the program has for its stop. */
const DRAIN_MS = 20_000;
const FINISH_LOOK_MS = 20;
/** So long miners are kept outside for the first work: before it they would be sent away again. */
const FIRST_WORK_MS = 1000;

/** What was opened from disk. */
interface Records {
  readonly shares: ShareLog;
  readonly blocks: BlockLog;
  /** What was written of blocks before the start, for which alone it is held: there are whole blocks. */
  events: readonly BlockEvent[];
  readonly bans: BanList;
}

export class Pool {
  readonly #options: PoolOptions;
  readonly #parts: PoolParts;
  readonly #metrics: PoolMetrics;
  readonly #records: Records;
  readonly #upstreams: Upstreams;
  readonly #blocks: BlockDesk;
  readonly #verification: ShareVerifier;
  readonly #desk: PoolDesk;
  readonly #server: PoolServer;
  readonly #http: PoolHttpServer | undefined;
  readonly #tally = { accepted: 0, rejected: 0 };
  readonly #startedAt: number;
  #closing: Promise<void> | undefined;

  /**
   * Opens what is on disk. Nothing listens yet, and no node is asked. Rejects `ShareLogError` for
   * records that are damaged or another pool's, `InputError` and `RangeError` for bad options.
   */
  static async open(options: PoolOptions, parts: PoolParts): Promise<Pool> {
    const metrics = new PoolMetrics();
    try {
      const records = await openRecords(options, parts, metrics);
      try {
        return new Pool(options, parts, metrics, records);
      } catch (error) {
        await closeRecords(records);
        throw error;
      }
    } catch (error) {
      metrics.close();
      throw error;
    }
  }

  private constructor(
    options: PoolOptions,
    parts: PoolParts,
    metrics: PoolMetrics,
    records: Records,
  ) {
    this.#options = options;
    this.#parts = parts;
    this.#metrics = metrics;
    this.#records = records;
    this.#startedAt = parts.now();
    const { clock, now, random, log } = parts;
    const meter = this.#counting(metrics);
    this.#upstreams = new Upstreams(
      { keepsTime: options.network === 'mainnet' },
      { nodes: parts.nodes, clock, now, log },
    );
    this.#blocks = new BlockDesk(
      {},
      { upstreams: this.#upstreams, sink: this.#blockSink(), clock, now, log, meter },
    );
    this.#verification = new ShareVerifier(
      options.trust === undefined ? {} : { trust: options.trust },
      { verifier: parts.verifier, meter, log, clock, random },
    );
    this.#desk = new PoolDesk(
      // Where shares are taken at the miner's word, one lie is one too many.
      { bansLies: options.trust !== undefined, ...options.shares },
      {
        templates: this.#upstreams,
        verification: this.#verification,
        sink: records.shares,
        blocks: this.#blocks,
        bans: records.bans,
        clock,
        now,
        meter,
        log,
      },
    );
    try {
      const serverParts = { pool: this.#desk, log, meter, clock };
      this.#server = new PoolServer(serverOptions(options), serverParts);
    } catch (error) {
      // It works already, and would keep the process.
      void this.#desk.close();
      throw error;
    }
    this.#http =
      options.http === undefined
        ? undefined
        : new PoolHttpServer(
            { hostNames: options.http.hostNames },
            { status: () => this.status(), metrics, log, now },
          );
  }

  /**
   * Follows the nodes, compares whom they pay, then lets miners in, also if no node has given work in a
   * second. Rejects `MiningAddressError` if a node pays somebody else, and the system's error for a port
   * in use; the pool is to be closed then, too.
   */
  async start(): Promise<PoolAddresses> {
    const { http, address } = this.#options;
    this.#blocks.start(this.#records.events);
    this.#records.events = [];
    this.#upstreams.start();
    await this.#upstreams.ensureMiningAddress(address);
    await endsWithin(this.#firstWork(), FIRST_WORK_MS, this.#parts.clock);
    await this.#server.listen();
    const stratum = this.#server.addresses;
    const bound = http === undefined ? undefined : await this.#http?.listen(http);
    return { stratum, ...(bound === undefined ? {} : { http: bound }) };
  }

  /** For connections from now on. Throws what OpenSSL says of a bad one; the old one stays then. */
  setCertificate(certificate: Certificate): void {
    this.#server.setCertificate(certificate);
  }

  status(): PoolStatus & {
    readonly shares: { readonly accepted: number; readonly rejected: number };
  } {
    const { network, version } = this.#options;
    const { verifier } = this.#parts;
    const { shares, blocks, bans } = this.#records;
    const { loadFactor, ...desk } = this.#desk.status();
    const { hasherDown } = verifier;
    const { counts, unwritten } = this.#blocks.status;
    const { open, btm, v1, tls, refused } = this.#server.counts;
    return {
      ...desk,
      connections: open,
      clients: { btm, v1, undecided: open - btm - v1, tls },
      refused,
      shares: { ...this.#tally },
      verification: {
        queued: this.#verification.queued,
        backlogSeconds: this.#verification.backlogSeconds,
        loadFactor,
        isOpening: this.#parts.isOpening?.() ?? false,
        ...(hasherDown === undefined ? {} : { hasherDown }),
      },
      nodes: this.#upstreams.status.map(({ name, isUp, reason, height, lag, ageMs }) => ({
        name,
        up: isUp,
        ...(reason === undefined ? {} : { reason }),
        height: height ?? 0,
        lagBlocks: lag ?? 0,
        ...(ageMs === undefined ? {} : { ageSeconds: ageMs / 1000 }),
      })),
      blocks: { ...blockCounts(counts), unwritten },
      log: {
        ...(shares.failing === undefined ? {} : { failing: shares.failing }),
        ...(blocks.failing === undefined ? {} : { blocksFailing: blocks.failing }),
        knownShares: shares.knownIds,
        forgottenShares: shares.forgottenIds,
      },
      bans: bans.list().length,
      startedAt: this.#startedAt,
      version,
      network,
      draining: this.#closing !== undefined,
    };
  }

  /**
   * Takes no more shares, answers those under way, and closes everything, the records last: whatever
   * was acknowledged is in them. Never rejects. Idempotent.
   */
  close(): Promise<void> {
    this.#closing ??= this.#close();
    return this.#closing;
  }

  async #close(): Promise<void> {
    const { drainMs = DRAIN_MS } = this.#options;
    const { shares, blocks, bans } = this.#records;
    const until = this.#parts.clock.now() + drainMs;
    const steps: readonly (readonly [string, () => Promise<void> | undefined])[] = [
      ['connections', () => this.#server.drain(drainMs)],
      ['shares under way', () => this.#finishShares(until)],
      ['desk', () => this.#desk.close()],
      ['verification', () => this.#verification.close()],
      ['blocks', () => this.#blocks.close()],
      ['nodes', () => this.#upstreams.close()],
      ['http', () => this.#http?.close()],
      ['share log', () => shares.close()],
      ['block log', () => blocks.close()],
      ['bans', () => bans.close()],
    ];
    for (const [part, close] of steps) {
      try {
        await close();
      } catch (error) {
        this.#parts.log.error('not stopped in good order', { part, reason: errorText(error) });
      }
    }
    this.#metrics.close();
  }

  #firstWork(): Promise<void> {
    if (this.#upstreams.current !== undefined) return Promise.resolve();
    return new Promise((resolve) => {
      const end = this.#upstreams.onTemplate(() => {
        end();
        resolve();
      });
    });
  }

  /** A share counts, and a block is one, although its miner has hung up: those are waited for, too. */
  async #finishShares(until: number): Promise<void> {
    const { clock, log } = this.#parts;
    while (this.#desk.pendingShares > 0 && clock.now() < until) {
      await clock.sleep(FINISH_LOOK_MS);
    }
    const left = this.#desk.pendingShares;
    if (left > 0) log.warn('shares given up', { shares: left, hint: 'they were not acknowledged' });
  }

  #blockSink(): BlockSink {
    const { onBlock, log } = this.#parts;
    const { blocks } = this.#records;
    if (onBlock === undefined) return blocks;
    return {
      append: async (event) => {
        await blocks.append(event);
        try {
          onBlock(event);
        } catch (error) {
          log.error('block listener failed', { reason: errorText(error) });
        }
      },
    };
  }

  /** The same meter, which counts shares for `status` on the way. */
  #counting(meter: PoolMeter): PoolMeter {
    return overheardMeter(meter, (result) => {
      if (result === 'accepted' || result === 'late') this.#tally.accepted++;
      else this.#tally.rejected++;
    });
  }
}

async function openRecords(
  { data, network }: PoolOptions,
  { log, clock, now }: PoolParts,
  meter: PoolMeter,
): Promise<Records> {
  await mkdir(data, { recursive: true, mode: 0o700 });
  const parts = { log, meter, clock, now };
  const shares = await ShareLog.open(
    { directory: join(data, POOL_FOLDERS.shares), network },
    parts,
  );
  try {
    const { log: blocks, events } = await BlockLog.open(
      { directory: join(data, POOL_FOLDERS.blocks), network },
      parts,
    );
    try {
      const bans = await BanList.open({ path: join(data, BANS_FILE) }, { log, clock, now });
      return { shares, blocks, events, bans };
    } catch (error) {
      await blocks.close();
      throw error;
    }
  } catch (error) {
    await shares.close();
    throw error;
  }
}

async function closeRecords({ shares, blocks, bans }: Records): Promise<void> {
  await Promise.allSettled([shares.close(), blocks.close(), bans.close()]);
}

function serverOptions(options: PoolOptions): PoolServerOptions {
  const { listen, tls, trustedProxies, maxConnections, maxPerAddress, limits } = options;
  return {
    ...limits,
    listen,
    ...(tls === undefined ? {} : { certificate: tls }),
    ...(trustedProxies === undefined ? {} : { trustedProxies }),
    ...(maxConnections === undefined ? {} : { maxConnections }),
    ...(maxPerAddress === undefined ? {} : { maxPerHost: maxPerAddress }),
  };
}

function blockCounts(
  counts: Readonly<Record<BlockState, number>>,
): Omit<PoolStatus['blocks'], 'unwritten'> {
  const { accepted, orphaned, matured, lost, submitting } = counts;
  const found = submitting + accepted + orphaned + matured + lost;
  return { found, accepted, orphaned, matured, lost };
}
