/** `bytom-node import`: puts file, chain, store and device together, and runs the import to its end. */
import { Chain } from '../node/chain.ts';
import type { ChainStore } from '../store/chain-store.ts';
import { StoreError } from '../store/store-error.ts';
import { bytesToHex } from '../util/bytes.ts';
import { systemClock } from '../util/clock.ts';
import { type BlockFile, BlockFileError, openBlockFile } from './block-file.ts';
import { EXIT, type ExitCode } from './exit-codes.ts';
import { BlockImport, type ImportChain, ImportError } from './import-blocks.ts';
import type { ImportOptions } from './node-options.ts';
import { openReport, openStore, type Report, unixTime } from './node-parts.ts';
import { printResult, rounded } from './output.ts';
import { openVerifier } from './pow-parts.ts';

/** What `--json` prints. The last two only if there are any. */
export interface ImportResult {
  /** Of the tip. */
  readonly height: number;
  readonly hash: string;
  /** Blocks that were not stored before, and the transactions in them. */
  readonly blocks: number;
  readonly transactions: number;
  readonly seconds: number;
  readonly refused?: number;
  readonly orphans?: number;
}

export async function importCommand(
  options: ImportOptions,
  signal: AbortSignal,
): Promise<ExitCode> {
  const file = await openBlockFile(options.file, signal);
  const store = await openStore(options, { readOnly: false });
  let code: ExitCode;
  try {
    code = await importFrom(file, store, options, signal);
  } catch (error) {
    // The error that ended the import matters, not that the same disk fails again.
    await store.close().catch(() => undefined);
    throw error;
  }
  await store.close();
  return code;
}

async function importFrom(
  file: BlockFile,
  store: ChainStore,
  options: ImportOptions,
  signal: AbortSignal,
): Promise<ExitCode> {
  const report = openReport('progress', 'import');
  const pow = await openVerifier(options, report.log, signal);
  try {
    const chain = new Chain(
      { network: options.network },
      {
        store,
        verifier: pow.verifier,
        clock: systemClock,
        now: unixTime,
        log: report.log.tagged('chain'),
      },
    );
    try {
      return await importInto(chain, file, report, options, signal);
    } catch (error) {
      // Keeps what is right and ends what runs; the error that came first is the one to be told.
      await chain.close().catch(() => undefined);
      throw error;
    }
  } finally {
    report.progress.clear();
    await pow.close();
  }
}

async function importInto(
  chain: Chain,
  file: BlockFile,
  report: Report,
  options: ImportOptions,
  signal: AbortSignal,
): Promise<ExitCode> {
  const { log, progress } = report;
  const { header, hash } = chain.tip;
  log.info('start', { file: file.name, height: header.height, tip: bytesToHex(hash) });
  const start = performance.now();
  const blocks = new BlockImport({
    chain: importChain(chain),
    network: options.network,
    log,
    onProgress: (done) => progress.update(done),
    signal,
  });
  let problem: unknown;
  try {
    await blocks.run(file.entries);
  } catch (error) {
    // What these end, ends in good order: what was imported before is kept, and said.
    const stopped = signal.aborted && !(error instanceof StoreError);
    const inOrder = error instanceof BlockFileError || error instanceof ImportError;
    if (!stopped && !inOrder) throw error;
    problem = error;
  }
  // On disk before anything is said about it.
  await chain.close();
  progress.clear();
  const result = resultOf(chain, blocks, performance.now() - start);
  const { firstOrphan } = blocks;
  if (firstOrphan !== undefined) {
    const { place, height } = firstOrphan;
    log.warn('blocks without a parent', { blocks: result.orphans, first: place, height });
  }
  if (signal.aborted) {
    log.warn('interrupted', { height: result.height }, `interrupted at height ${result.height}`);
  }
  printResult(textOf(result, blocks.counts.known), result, options.json);
  if (signal.aborted) return EXIT.interrupted;
  if (problem !== undefined) throw problem;
  const { highest } = blocks;
  if (highest !== undefined && highest.height > result.height) {
    const { place, height } = highest;
    log.warn('the file goes higher than the best chain', {
      first: place,
      height,
      tip: result.height,
    });
    return EXIT.fatal;
  }
  return result.refused === undefined && result.orphans === undefined ? EXIT.ok : EXIT.fatal;
}

function importChain(chain: Chain): ImportChain {
  return {
    get height() {
      return chain.tip.header.height;
    },
    get counters() {
      return chain.counters;
    },
    isKnown: (hash) => chain.entry(hash) !== undefined,
    submit: async (block, signal) => {
      const { result } = await chain.submit(block, { priority: 'sync', signal });
      return result === 'connected' || result === 'side' ? 'stored' : result;
    },
    onOrphanRefused: (listener) => chain.onOrphanRefused(listener),
  };
}

function resultOf(chain: Chain, done: BlockImport, elapsedMs: number): ImportResult {
  const { blocks, transactions, refused, orphans } = done.counts;
  const { header, hash } = chain.tip;
  return {
    height: header.height,
    hash: bytesToHex(hash),
    blocks,
    transactions,
    seconds: rounded(elapsedMs / 1000, 3),
    ...(refused === 0 ? {} : { refused }),
    ...(orphans === 0 ? {} : { orphans }),
  };
}

function textOf(result: ImportResult, known: number): string {
  const { blocks, transactions, seconds, refused, orphans, height, hash } = result;
  const counts = [
    `${blocks} new blocks with ${transactions} transactions`,
    ...(known === 0 ? [] : [`${known} known`]),
    ...(refused === undefined ? [] : [`${refused} refused`]),
    ...(orphans === undefined ? [] : [`${orphans} without a parent`]),
  ];
  return `${counts.join(', ')} in ${seconds} s\nheight ${height}, tip ${hash}`;
}
