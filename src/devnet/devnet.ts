/**
 * A whole network in one process: a solonet node, a pool that works for it, a miner for the pool. They
 * know each other only by their real interfaces (HTTP with its events, Stratum over TCP), so what runs
 * here runs across the world. What they share is the hasher that checks proofs of work: the pool has
 * just hashed the share that the node is about to see as a block.
 */
import { mkdir, rm } from 'node:fs/promises';
import { createServer } from 'node:net';
import { hostname } from 'node:os';
import { join } from 'node:path';
import type { DriverTable } from '../../drivers/open.ts';
import type { MinerOutcome } from '../../miner/miner.ts';
import { parsePoolUrl } from '../../miner/pool-url.ts';
import { StratumSource } from '../../miner/stratum-source.ts';
import type { BlockEvent } from '../../pool/ledger/records.ts';
import { HttpNode } from '../../pool/nodes/http-node.ts';
import { Pool } from '../../pool/pool.ts';
import { hostPortText } from '../cli/host-port.ts';
import { assembleMiner } from '../cli/miner-parts.ts';
import { closing, openNode } from '../cli/node-assembly.ts';
import { openStore } from '../cli/node-parts.ts';
import { createVerifier, type NodeVerifier } from '../cli/pow-parts.ts';
import type { RunPlan } from '../cli/run-plan.ts';
import { VERSION } from '../cli/version.ts';
import { SOLONET } from '../consensus/network.ts';
import type { Node } from '../node/node.ts';
import type { ChainStore } from '../store/chain-store.ts';
import { bytesToHex } from '../util/bytes.ts';
import { systemClock } from '../util/clock.ts';
import { DirectoryLock } from '../util/directory-lock.ts';
import type { Logger } from '../util/log.ts';
import { devnetAddress } from './wallet.ts';

export interface DevnetOptions {
  /** Folder of everything; made if it is not there. */
  readonly data: string;
  /** Deletes the chain and the pool's records first; the key stays. */
  readonly fresh?: boolean;
  /** Ends after so many accepted blocks. */
  readonly blocks?: number;
  readonly timeLimitMs?: number;
  /** Ids of the miner's devices. */
  readonly devices: readonly string[];
}

export interface DevnetParts {
  readonly drivers: DriverTable;
  readonly log: Logger;
}

export interface DevnetSummary {
  readonly ended: 'blocks' | 'time-limit' | 'interrupted';
  /** Blocks that the node accepted in this run. */
  readonly blocks: number;
  readonly shares: { readonly accepted: number; readonly rejected: number; readonly stale: number };
  /** Of the miner, over its whole run. */
  readonly hashesPerSecond: number;
  readonly device: string;
  readonly tipHeight: number;
  readonly tipHash: string;
}

/**
 * The pace of the chain, on any device: any share that takes so long is a block too, as the easiest
 * blocks take some twenty hashes. A card that handed in every one of those would drown the pool.
 */
const SHARE_SECONDS = 1;
/** Hashes a share, to begin with: of the cores, and of what is likely faster. */
const FIRST_DIFFICULTY = { cpu: 8n, other: 4096n } as const;
/** The programs' own ports. */
const PORTS = { node: 9888, pool: 3333, http: 3380 } as const;
const HOST = '127.0.0.1';

interface Running {
  readonly options: DevnetOptions;
  readonly parts: DevnetParts;
  readonly address: string;
  readonly signal: AbortSignal;
}

/**
 * Runs until the signal, the last block or the time limit. Rejects `LockError` if another one has the
 * folder, and what a part rejects.
 */
export async function runDevnet(
  options: DevnetOptions,
  parts: DevnetParts,
  signal: AbortSignal,
): Promise<DevnetSummary> {
  const { data } = options;
  await mkdir(data, { recursive: true, mode: 0o700 });
  const lock = DirectoryLock.acquire(data);
  try {
    if (options.fresh === true) {
      await Promise.all(
        [FOLDERS.chain, FOLDERS.pool].map((folder) =>
          rm(join(data, folder), { recursive: true, force: true }),
        ),
      );
    }
    const address = await devnetAddress(join(data, 'mnemonic'), SOLONET);
    return await withNode({ options, parts, address, signal });
  } finally {
    lock.release();
  }
}

const FOLDERS = { chain: 'chain', pool: 'pool' } as const;

async function withNode(running: Running): Promise<DevnetSummary> {
  const { options, parts, signal } = running;
  const log = quiet(parts.log);
  const plan = await nodePlan(running);
  const store = await openStore({ network: SOLONET, data: plan.data }, { readOnly: false });
  return closing(store, async () => {
    const device = { device: 'cpu', threads: 1, revectorize: true };
    const pow = await createVerifier(device, log.tagged('verify'), signal);
    return closing(pow, async () => {
      const node = await openNode(plan, log.tagged('node'), store, pow);
      return closing(node, async () => {
        const { http } = await node.start();
        const url = `http://${hostPortText(http!)}`;
        parts.log
          .tagged('node')
          .info('node', { url, data: options.data }, `solonet at ${url}, data in ${options.data}`);
        logTip(store, parts.log.tagged('node'));
        await pow.open();
        return withPool(running, node, pow, url);
      });
    });
  });
}

async function withPool(
  running: Running,
  node: Node,
  pow: NodeVerifier,
  nodeUrl: string,
): Promise<DevnetSummary> {
  const { options, parts, address, signal } = running;
  const log = quiet(parts.log);
  const blocks = new BlockCount(options.blocks, parts.log.tagged('chain'));
  const pool = await Pool.open(
    {
      network: SOLONET.name,
      version: VERSION,
      data: join(options.data, FOLDERS.pool),
      listen: [{ host: HOST, port: await portLike(PORTS.pool) }],
      http: { host: HOST, port: await portLike(PORTS.http), hostNames: [] },
      address,
      shares: {
        startDifficulty: firstDifficulty(options.devices),
        minDifficulty: FIRST_DIFFICULTY.cpu,
        capsAtNetwork: false,
        shareSeconds: SHARE_SECONDS,
        checkAccount: () => undefined,
      },
    },
    {
      nodes: [new HttpNode({ url: nodeUrl }, { clock: systemClock, log: log.tagged('pool') })],
      verifier: pow.verifier,
      clock: systemClock,
      now: Date.now,
      random: Math.random,
      log: log.tagged('pool'),
      onBlock: (event) => blocks.add(event),
    },
  );
  return closing(pool, async () => {
    const { stratum, http } = await pool.start();
    const url = `stratum+tcp://${hostPortText(stratum[0]!)}`;
    parts.log
      .tagged('pool')
      .info(
        'pool',
        { url, http: http === undefined ? undefined : hostPortText(http), address },
        `at ${url}, /health and /metrics at http://${hostPortText(http!)}, pays ${address}`,
      );
    const failed = new AbortController();
    void node.failed.then((reason) => failed.abort(reason));
    const ends = AbortSignal.any([signal, blocks.reached, failed.signal]);
    const outcome = await mine(running, url, ends);
    failed.signal.throwIfAborted();
    const { hash, header } = node.chain.tip;
    return {
      ended: endOf(outcome, blocks.isReached),
      blocks: blocks.accepted,
      ...minerSummary(outcome),
      device: options.devices.join(','),
      tipHeight: header.height,
      tipHash: bytesToHex(hash),
    };
  });
}

async function mine(
  { options, parts, address }: Running,
  url: string,
  signal: AbortSignal,
): Promise<MinerOutcome> {
  const { drivers, log } = parts;
  const source = new StratumSource(
    {
      pools: [{ url: parsePoolUrl(url, 'url'), user: `${address}.${workerName()}`, password: 'x' }],
      agent: `bytom-miner/${VERSION}`,
    },
    { log: log.tagged('net') },
  );
  const { devices, timeLimitMs } = options;
  const { miner, close } = assembleMiner(
    { devices, ...(timeLimitMs === undefined ? {} : { timeLimitMs }) },
    { source, log, drivers },
  );
  try {
    const outcome = await miner.run(signal);
    // What kept it from mining is this program's failure too.
    if (outcome.reason === 'devices' || outcome.reason === 'source') throw outcome.error;
    return outcome;
  } finally {
    await close();
  }
}

/** Counts accepted blocks, and says when there are enough. */
class BlockCount {
  readonly #wanted: number | undefined;
  readonly #log: Logger;
  readonly #reached = new AbortController();
  readonly #heights = new Map<string, number>();
  #accepted = 0;

  constructor(wanted: number | undefined, log: Logger) {
    this.#wanted = wanted;
    this.#log = log;
  }

  get accepted(): number {
    return this.#accepted;
  }

  get isReached(): boolean {
    return this.#reached.signal.aborted;
  }

  get reached(): AbortSignal {
    return this.#reached.signal;
  }

  add(event: BlockEvent): void {
    const hash = bytesToHex(event.hash);
    if (event.event === 'found') {
      this.#heights.set(hash, event.height);
      return;
    }
    const height = this.#heights.get(hash);
    if (event.event !== 'accepted' || height === undefined) return;
    this.#heights.delete(hash);
    this.#accepted++;
    const of = this.#wanted === undefined ? '' : ` of ${this.#wanted}`;
    this.#log.info(
      'block accepted',
      { height, hash, blocks: this.#accepted },
      `block ${this.#accepted}${of}: height ${height} ${hash}`,
    );
    if (this.#wanted !== undefined && this.#accepted >= this.#wanted) this.#reached.abort();
  }
}

function firstDifficulty(devices: readonly string[]): bigint {
  return devices.every((id) => id === 'cpu') ? FIRST_DIFFICULTY.cpu : FIRST_DIFFICULTY.other;
}

async function nodePlan({ options, address }: Running): Promise<RunPlan> {
  return {
    network: SOLONET,
    data: join(options.data, FOLDERS.chain),
    checkpoints: 'enforce',
    rpc: {
      address: { host: HOST, port: await portLike(PORTS.node) },
      allowHosts: [],
      allowOrigins: [],
      auth: true,
    },
    p2p: undefined,
    mining: { address, arbitrary: undefined, mine: false },
    mempoolSize: 10_000,
  };
}

/** The port if it is free, else 0: any. */
function portLike(port: number): Promise<number> {
  return new Promise((resolve) => {
    const server = createServer();
    server.once('error', () => resolve(0));
    server.listen(port, HOST, () => server.close(() => resolve(port)));
  });
}

function workerName(): string {
  const name = hostname().replace(/[^A-Za-z0-9_-]/g, '');
  return name === '' ? 'rig' : name.slice(0, 32);
}

/** Three programs' worth of outcomes would hide the miner's: node and pool say them at debug here. */
function quiet(log: Logger): Logger {
  return {
    ...log,
    info: (...line) => log.debug(...line),
    tagged: (tag) => quiet(log.tagged(tag)),
  };
}

function logTip(store: ChainStore, log: Logger): void {
  const { height, hash } = store.tip();
  const text = bytesToHex(hash);
  log.info('chain', { height, hash: text }, `chain at height ${height}, ${text}`);
}

function endOf({ reason }: MinerOutcome, isReached: boolean): DevnetSummary['ended'] {
  if (isReached) return 'blocks';
  return reason === 'time-limit' ? 'time-limit' : 'interrupted';
}

function minerSummary({
  summary,
}: MinerOutcome): Pick<DevnetSummary, 'shares' | 'hashesPerSecond'> {
  const { totals, devices, uptimeMs } = summary;
  const hashes = devices.reduce((sum, device) => sum + device.hashes, 0);
  const { accepted, rejected, stale } = totals;
  return {
    shares: { accepted, rejected, stale },
    hashesPerSecond: uptimeMs > 0 ? Math.round((hashes / uptimeMs) * 100_000) / 100 : 0,
  };
}
