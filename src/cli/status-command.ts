/** `bytom-node status`: how far the stored chain is. Reads beside whoever writes to it. */
import { blockWork } from '../consensus/difficulty.ts';
import type { ChainStore } from '../store/chain-store.ts';
import { SCHEMA_VERSION } from '../store/layout.ts';
import { bytesToHex } from '../util/bytes.ts';
import type { DataOptions } from './chain-options.ts';
import { EXIT, type ExitCode } from './exit-codes.ts';
import { dataDirectory, diskBytes, openStore } from './node-parts.ts';
import { printResult } from './output.ts';

export interface ChainStatus {
  readonly network: string;
  readonly data: string;
  readonly schema: number;
  readonly height: number;
  readonly hash: string;
  /** Seconds since 1970, of the tip. */
  readonly timestamp: number;
  /** Of the main chain, genesis included. */
  readonly blocks: number;
  readonly utxoCount: number;
  readonly totalWork: bigint;
  /** Expected hashes for a block like the tip. */
  readonly difficulty: bigint;
  readonly bits: bigint;
  readonly diskBytes: number;
}

export async function statusCommand(options: DataOptions): Promise<ExitCode> {
  const store = await openStore(options, { readOnly: true });
  try {
    const status = chainStatus(store, options);
    printResult(statusText(status), status, options.json);
    return EXIT.ok;
  } finally {
    await store.close();
  }
}

function chainStatus(store: ChainStore, options: DataOptions): ChainStatus {
  const { height, hash } = store.tip();
  // An opened store has the entry of its tip.
  const { header, totalWork } = store.indexEntry(hash)!;
  const data = dataDirectory(options);
  return {
    network: options.network.name,
    data,
    schema: SCHEMA_VERSION,
    height,
    hash: bytesToHex(hash),
    timestamp: header.timestamp,
    blocks: height + 1,
    utxoCount: store.utxoCount(),
    totalWork,
    difficulty: blockWork(header.bits),
    bits: header.bits,
    diskBytes: diskBytes(data),
  };
}

function statusText(status: ChainStatus): string {
  const time = new Date(1000 * status.timestamp).toISOString().replace('.000Z', 'Z');
  return [
    ['network', status.network],
    ['data', `${status.data} (${(status.diskBytes / 1e6).toFixed(1)} MB, schema ${status.schema})`],
    ['height', `${status.height} (${status.blocks} blocks)`],
    ['tip', status.hash],
    ['time', time],
    ['unspent', `${status.utxoCount} outputs`],
    ['work', `${status.totalWork}`],
    ['difficulty', `${status.difficulty}`],
  ]
    .map(([name = '', value = '']) => `${name.padEnd(10)}  ${value}`)
    .join('\n');
}
