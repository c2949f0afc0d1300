/** What the commands of `bytom-node` are put together from: the stored chain, the log, the progress. */
import { readdirSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { blockWork } from '../consensus/difficulty.ts';
import type { Network } from '../consensus/network.ts';
import { ChainStore } from '../store/chain-store.ts';
import { LmdbKv } from '../store/lmdb-kv.ts';
import type { Logger } from '../util/log.ts';
import type { DataOptions } from './chain-options.ts';
import { defaultDataDirectory } from './data-directory.ts';
import { openLog, type Terminal } from './log-output.ts';
import { BlockProgressReport } from './progress.ts';

export function dataDirectory({ data, network }: DataOptions): string {
  return data ?? defaultDataDirectory(network.name);
}

/**
 * Opens the stored chain of the options: alone, to write to it, making it if there is none; or
 * `readOnly`, as it is now, beside whoever writes to it. Throws `StoreError`.
 */
export async function openStore(
  options: DataOptions,
  { readOnly }: { readonly readOnly: boolean },
): Promise<ChainStore> {
  const { network } = options;
  const kv = LmdbKv.open(dataDirectory(options), { readOnly });
  try {
    return ChainStore.open(kv, { network: storedNetwork(network) });
  } catch (error) {
    await kv.close();
    throw error;
  }
}

/** Bytes that a data directory takes on disk, which is less than its files are long. */
export function diskBytes(directory: string): number {
  const bytes = readdirSync(directory).map((name) => {
    const stat = statSync(join(directory, name), { throwIfNoEntry: false });
    // Where there are no blocks to count (Windows), the length has to do.
    return stat === undefined ? 0 : stat.blocks === 0 ? stat.size : stat.blocks * 512;
  });
  return bytes.reduce((sum, each) => sum + each, 0);
}

export interface Report {
  readonly log: Logger;
  readonly progress: BlockProgressReport;
}

/**
 * Where a command says how far it is: log lines on `terminal`, a bar on standard error if that is a
 * terminal. The bar makes way for each line.
 */
export function openReport(
  event: string,
  tag: string,
  terminal: Pick<NodeJS.WriteStream, 'isTTY' | 'write'> = process.stdout,
): Report {
  const lines: Terminal = {
    isTTY: terminal.isTTY,
    write: (text) => {
      progress.clear();
      return terminal.write(text);
    },
  };
  const log = openLog({ logFormat: 'text', logLevel: 'info', color: true }, lines).log.tagged(tag);
  const now = (): number => performance.now();
  const progress = new BlockProgressReport(event, { stream: process.stderr, log, now });
  return { log, progress };
}

/** The wall clock of the rules: seconds since 1970. */
export function unixTime(): number {
  return Math.floor(Date.now() / 1000);
}

function storedNetwork({ name, genesis }: Network): {
  readonly name: string;
  readonly genesis: Network['genesis'];
  readonly genesisWork: bigint;
} {
  return { name, genesis, genesisWork: blockWork(genesis.header.bits) };
}
