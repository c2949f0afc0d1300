/**
 * How long a pool takes to be there again, with a share log whose last segment is full: the pool alone,
 * and the program itself, which opens and tests its device meanwhile.
 */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import type { ShareRecord } from '../../pool/ledger/records.ts';
import { encodeShare } from '../../pool/ledger/share-codec.ts';
import { ShareLog } from '../../pool/ledger/share-log.ts';
import { createSilentMeter } from '../../pool/meter.ts';
import { POOL_FOLDERS } from '../../pool/pool.ts';
import { encodeAddress, KEY_HASH_BYTES, p2wpkhProgram } from '../../src/chain/address.ts';
import { encodeHeader } from '../../src/chain/header.ts';
import { SOLONET } from '../../src/consensus/network.ts';
import { targetToBits } from '../../src/tensority/target.ts';
import { bytesToHex } from '../../src/util/bytes.ts';
import { createSilentLogger } from '../../src/util/log.ts';
import { moduleBeside } from '../../src/util/module-beside.ts';
import { sha3 } from '../../src/util/sha3.ts';
import { FIRST_HEIGHT, monotonicMs } from '../support/pool-load.ts';
import { readShares } from '../support/pool-load-log.ts';
import { startLoadPool } from '../support/pool-load-process.ts';
import type { PoolBench } from './pool-figures.ts';

const SEGMENT_BYTES: number = 32 << 20;
/** Before the share itself. */
const RECORD_HEAD_BYTES = 20;
const AT_ONCE = 5000;
const PROGRAM = fileURLToPath(moduleBeside(import.meta.url, '../../src/cli/pool'));
const HASH = sha3(new Uint8Array(32));
const HEADER = encodeHeader({
  version: 1,
  height: FIRST_HEIGHT,
  previousBlockHash: HASH,
  timestamp: 1_600_000_000,
  transactionsMerkleRoot: HASH,
  transactionStatusHash: HASH,
  nonce: 0n,
  bits: targetToBits(1n << 16n),
});
const NODE_ANSWERS: ReadonlyMap<string, unknown> = new Map([
  ['/get-work', success({ block_header: bytesToHex(HEADER), seed: bytesToHex(HASH) })],
  [
    '/get-mining-address',
    success({
      mining_address: encodeAddress(
        SOLONET.addressPrefix,
        p2wpkhProgram(HASH.subarray(0, KEY_HASH_BYTES)),
      ),
    }),
  ],
]);
const NO_SUCH_CALL = {
  code: 'BTM000',
  msg: 'Bytom API Error',
  status: 'fail',
  detail: 'not Found',
};

export async function measureRestart(
  bench: PoolBench,
  options: { readonly rounds: number; readonly segmentBytes?: number },
): Promise<void> {
  const { rounds, segmentBytes = SEGMENT_BYTES } = options;
  const data = bench.folder();
  // One record less than begins another segment.
  const recordBytes = RECORD_HEAD_BYTES + encodeShare(shareNumber(0)).length;
  const count = Math.floor(segmentBytes / recordBytes) - 1;
  await fillLog(data, count);
  for (let round = 0; round < rounds; round++) {
    const pool = await startLoadPool({ data, difficulty: 1 });
    bench.figures.add(`restart with ${count} shares in the log`, 's', pool.startMs / 1000, {
      most: 2,
    });
    bench.figures.add('CPU time of that', 's', pool.startCpuMs / 1000);
    // Every other one is not asked first.
    if (round % 2 === 0) await pool.kill();
    else await pool.close();
  }
  await measureProgram(bench, { data, rounds });
  bench.check('shares in the log', count, (await readShares(data)).length);
}

/** `bytom-pool` itself, with a node that has work and nothing else. */
async function measureProgram(
  bench: PoolBench,
  options: { readonly data: string; readonly rounds: number },
): Promise<void> {
  const { data, rounds } = options;
  const node = createServer((request, response) => {
    const answer = NODE_ANSWERS.get(request.url ?? '');
    response.statusCode = answer === undefined ? 500 : 200;
    response.end(JSON.stringify(answer ?? NO_SUCH_CALL));
  });
  node.listen({ host: '127.0.0.1', port: 0 });
  await once(node, 'listening');
  const url = `http://127.0.0.1:${(node.address() as AddressInfo).port}`;
  try {
    for (let round = 0; round < rounds; round++) {
      const { readyMs, workMs } = await runProgram(['--node', url, '--data', data]);
      bench.figures.add('bytom-pool, ready', 's', readyMs / 1000, { most: 2 });
      bench.figures.add('bytom-pool, with work for miners', 's', workMs / 1000);
    }
  } finally {
    node.closeAllConnections();
    node.close();
  }
}

/** From its start, until it says so; then it is killed. */
async function runProgram(
  args: readonly string[],
): Promise<{ readonly readyMs: number; readonly workMs: number }> {
  const start = monotonicMs();
  const fixed = ['--network', 'solonet', '--listen', '127.0.0.1:0', '--no-http'];
  const output = ['--log-format', 'json', '--no-color'];
  const child = spawn(process.execPath, [PROGRAM, ...fixed, ...args, ...output], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  const exited = once(child, 'exit');
  const times = new Map<unknown, number>();
  try {
    for await (const line of createInterface({ input: child.stdout })) {
      const { event } = JSON.parse(line) as { readonly event: unknown };
      times.set(event, monotonicMs() - start);
      const [readyMs, workMs] = [times.get('ready'), times.get('node in use')];
      if (readyMs !== undefined && workMs !== undefined) return { readyMs, workMs };
    }
    throw new Error(`bytom-pool ended before it was ready, after ${[...times.keys()].join(', ')}`);
  } finally {
    child.kill('SIGKILL');
    await exited;
  }
}

/** Shares of the height that the pool goes on with: it has to know all of them again. */
async function fillLog(data: string, count: number): Promise<void> {
  const log = await ShareLog.open(
    { directory: join(data, POOL_FOLDERS.shares), network: 'solonet' },
    { log: createSilentLogger(), meter: createSilentMeter() },
  );
  try {
    for (let from = 0; from < count; from += AT_ONCE) {
      const length = Math.min(AT_ONCE, count - from);
      const group = Array.from({ length }, (_, i) => log.append(shareNumber(from + i)));
      await Promise.all(group);
    }
  } finally {
    await log.close();
  }
}

function shareNumber(number: number): ShareRecord {
  const id = sha3(Buffer.from(`share ${number} of a full segment`));
  return {
    id,
    timeMs: 1_600_000_000_000 + number,
    account: 'bm1q5p9d4gelfm4cc3zq3slj7vh2njx23ma2cf866j',
    worker: `rig${1000 + (number % 1000)}`,
    difficulty: 1024n,
    height: FIRST_HEIGHT,
    bits: 0x1d00ffffn,
    powHash: id,
    isVerified: true,
    isLate: false,
    isBlock: false,
  };
}

function success(data: unknown): unknown {
  return { status: 'success', data };
}
