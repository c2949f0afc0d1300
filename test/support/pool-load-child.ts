/**
 * A program that runs a real pool (server, share desk, share log) for tests and benchmarks: only its
 * node and its hasher are stand-ins. Templates follow from their number alone, so that a pool that was
 * killed is given the same work again; their blocks are too hard for anybody to find. Its one argument
 * is `LoadPoolOptions` as JSON; commands and answers are messages of the parent process.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import { type NodeAccess, NodeAccessError, type NodeListener } from '../../pool/chain-access.ts';
import { Pool } from '../../pool/pool.ts';
import type { PoolTemplate } from '../../pool/template.ts';
import { PowVerifier } from '../../src/pow/pow-verifier.ts';
import { bitsToTarget, targetToBits } from '../../src/tensority/target.ts';
import { systemClock } from '../../src/util/clock.ts';
import { errorText } from '../../src/util/errors.ts';
import { createLogger } from '../../src/util/log.ts';
import { sha3 } from '../../src/util/sha3.ts';
import { FIRST_HEIGHT, monotonicMs } from './pool-load.ts';
import { StandInHasher, standInTable } from './stand-in-hasher.ts';

export interface LoadPoolOptions {
  /** Folder of the pool's data. */
  readonly data: string;
  /** Of every share. */
  readonly difficulty: number;
  /** Number of the first template. Default 0. */
  readonly template?: number;
}

export type LoadCommand =
  /** The next template; `at` is when the pool got it. */
  | { readonly do: 'template' }
  /** So many more, one every `everyMs`; `at` is when it got the last. */
  | { readonly do: 'templates'; readonly count: number; readonly everyMs: number }
  /** Collects garbage, then looks. */
  | { readonly do: 'memory' }
  | { readonly do: 'close' };

export interface LoadReply {
  /** `monotonicMs`, for templates. */
  readonly at: number;
  readonly memory?: ProcessMemory;
}

export interface ProcessMemory {
  readonly rssBytes: number;
  readonly heapBytes: number;
  /** Outside of the heap, as V8 counts it. */
  readonly externalBytes: number;
}

export type ChildMessage =
  | {
      readonly kind: 'ready';
      readonly port: number;
      /** That its start has cost, of all its threads. */
      readonly cpuMs: number;
    }
  | {
      readonly kind: 'reply';
      readonly id: number;
      readonly reply: LoadReply;
      readonly error?: string;
    };

/** Nobody finds a hash of at most this. */
const BLOCK_BITS = targetToBits(1n << 16n);
const SEED = sha3(new TextEncoder().encode('seed of the pool under load'));
const MAX_BATCH = 256;

class ScriptedNode implements NodeAccess {
  readonly name = 'scripted';
  #number: number;
  #listener: NodeListener | undefined;

  constructor(first: number) {
    this.#number = first;
  }

  /** When the pool got it. */
  next(): number {
    this.#number++;
    const template = templateNumber(this.#number);
    const at = monotonicMs();
    this.#listener?.onTemplate(template);
    return at;
  }

  follow(listener: NodeListener, signal: AbortSignal): Promise<void> {
    this.#listener = listener;
    listener.onState(undefined);
    listener.onTemplate(templateNumber(this.#number));
    return new Promise((resolve) => {
      signal.addEventListener('abort', () => {
        this.#listener = undefined;
        resolve();
      });
    });
  }

  submit(): Promise<never> {
    return Promise.reject(
      new NodeAccessError(this.name, { code: 'refused', reason: 'nobody can find its blocks' }),
    );
  }

  async blockHashAt(height: number): Promise<Uint8Array | undefined> {
    return height < heightOf(this.#number) ? blockHash(height) : undefined;
  }

  async rawBlock(): Promise<undefined> {}

  async miningAddress(): Promise<string> {
    return 'the load generator';
  }

  async setMiningAddress(): Promise<void> {}

  async close(): Promise<void> {}
}

function heightOf(number: number): number {
  return FIRST_HEIGHT + number;
}

function blockHash(height: number): Uint8Array {
  return sha3(new TextEncoder().encode(`block ${height} of the pool under load`));
}

function templateNumber(number: number): PoolTemplate {
  const height = heightOf(number);
  return {
    header: {
      version: 1,
      height,
      previousBlockHash: blockHash(height - 1),
      timestamp: 1_600_000_000 + number,
      transactionsMerkleRoot: sha3(blockHash(height)),
      transactionStatusHash: SEED,
      nonce: 0n,
      bits: BLOCK_BITS,
    },
    seed: SEED,
    target: bitsToTarget(BLOCK_BITS),
    node: 'scripted',
  };
}

async function main({ data, difficulty, template = 0 }: LoadPoolOptions): Promise<void> {
  const log = createLogger({
    level: 'error',
    format: 'text',
    color: false,
    now: () => new Date(),
    write: (line) => process.stderr.write(`${line}\n`),
  });
  const node = new ScriptedNode(template);
  const verifier = new PowVerifier(
    {},
    {
      hasher: new StandInHasher({ maxBatch: MAX_BATCH }),
      tables: standInTable,
      confirm: () => new StandInHasher({ maxBatch: MAX_BATCH }),
      confirmTables: standInTable,
      log,
    },
  );
  const pool = await Pool.open(
    {
      network: 'solonet',
      version: 'under load',
      data,
      listen: [{ host: '127.0.0.1', port: 0 }],
      shares: { startDifficulty: BigInt(difficulty), minDifficulty: 1n, vardiff: false },
    },
    { nodes: [node], verifier, clock: systemClock, now: Date.now, random: Math.random, log },
  );
  const { stratum } = await pool.start();
  process.on('message', (message: { readonly id: number; readonly command: LoadCommand }) => {
    const { id, command } = message;
    void answer(command).then(
      (reply) => send({ kind: 'reply', id, reply }),
      (error: unknown) => send({ kind: 'reply', id, reply: { at: 0 }, error: errorText(error) }),
    );
  });
  // Its parent is gone, or has seen it close: nobody is left to work for.
  process.once('disconnect', () => process.exit());
  const { user, system } = process.cpuUsage();
  send({ kind: 'ready', port: stratum[0]!.port, cpuMs: (user + system) / 1000 });

  async function answer(command: LoadCommand): Promise<LoadReply> {
    switch (command.do) {
      case 'template':
        return { at: node.next() };
      case 'templates': {
        const start = monotonicMs();
        let at = start;
        for (let i = 1; i <= command.count; i++) {
          await sleep(Math.max(0, start + i * command.everyMs - monotonicMs()));
          at = node.next();
        }
        return { at };
      }
      case 'memory':
        return { at: monotonicMs(), memory: await memoryInUse() };
      case 'close':
        await pool.close();
        await verifier.close();
        process.disconnect();
        return { at: monotonicMs() };
    }
  }
}

async function memoryInUse(): Promise<ProcessMemory> {
  // Finalizers run between collections, and free what the next one can take.
  for (let i = 0; i < 3; i++) {
    globalThis.gc?.();
    await sleep(50);
  }
  const { rss, heapUsed, external } = process.memoryUsage();
  return { rssBytes: rss, heapBytes: heapUsed, externalBytes: external };
}

function send(message: ChildMessage): void {
  if (process.connected) process.send?.(message);
}

await main(JSON.parse(process.argv[2] ?? '{}') as LoadPoolOptions);
