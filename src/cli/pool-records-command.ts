/** `bytom-pool shares` and `blocks`: what the pool has written down, read beside it while it runs. */
import { join } from 'node:path';
import { readBlockEvents } from '../../pool/ledger/block-log.ts';
import type { BlockEvent } from '../../pool/ledger/records.ts';
import { type ShareSummary, type ShareTotals, summariseShares } from '../../pool/ledger/summary.ts';
import { POOL_FOLDERS } from '../../pool/pool.ts';
import { bytesToHex } from '../util/bytes.ts';
import { EXIT, type ExitCode } from './exit-codes.ts';
import { printError, printResult } from './output.ts';
import type { PoolDataOptions } from './pool-options.ts';
import { poolDirectory } from './pool-plan.ts';

/** Rejects `ShareLogError` for damage, with its place. */
export async function sharesCommand(options: PoolDataOptions): Promise<ExitCode> {
  const { network, json } = options;
  const directory = join(poolDirectory(options), POOL_FOLDERS.shares);
  const summary = await summariseShares(directory, { network: network.name });
  const { total, workers, records, duplicates, firstDuplicate } = summary;
  printResult(
    sharesText(summary),
    {
      network: network.name,
      directory,
      records,
      duplicates,
      ...totalsOf(total),
      workers: workers.map((each) => ({
        account: each.account,
        worker: each.worker,
        ...totalsOf(each),
      })),
    },
    json,
  );
  if (duplicates === 0) return EXIT.ok;
  printError('bytom-pool', `${duplicates} shares are there twice, the first is ${firstDuplicate}`);
  return EXIT.fatal;
}

export async function blocksCommand(options: PoolDataOptions): Promise<ExitCode> {
  const { network, json } = options;
  const directory = join(poolDirectory(options), POOL_FOLDERS.blocks);
  const blocks = blocksOf(await readBlockEvents({ directory, network: network.name }));
  const rows = blocks.map(({ height, hash, finder, state, foundMs }) => [
    String(height),
    hash,
    state,
    timeText(foundMs),
    finder,
  ]);
  const text =
    blocks.length === 0
      ? 'no block yet'
      : tableText([['height', 'hash', 'state', 'found', 'by'], ...rows], 1);
  printResult(text, { network: network.name, directory, blocks }, json);
  return EXIT.ok;
}

interface BlockRow {
  readonly height: number;
  readonly hash: string;
  readonly finder: string;
  readonly node: string;
  readonly foundMs: number;
  /** The last that was written of it. */
  readonly state: BlockEvent['event'];
  readonly events: readonly {
    readonly event: BlockEvent['event'];
    readonly timeMs: number;
    readonly detail: string;
  }[];
}

/** In the order in which they were found. */
function blocksOf(events: readonly BlockEvent[]): readonly BlockRow[] {
  const rows = new Map<string, BlockRow>();
  for (const event of events) {
    const hash = bytesToHex(event.hash);
    const row = rows.get(hash);
    if (event.event === 'found') {
      // Another one of the same block is the same block.
      if (row !== undefined) continue;
      const { height, account, worker, node, timeMs } = event;
      const finder = `${account}.${worker}`;
      rows.set(hash, { height, hash, finder, node, foundMs: timeMs, state: 'found', events: [] });
    } else if (row !== undefined) {
      const { event: kind, timeMs, detail } = event;
      // That one node refuses it changes nothing where another has taken it.
      const state = kind === 'refused' && row.state !== 'found' ? row.state : kind;
      rows.set(hash, { ...row, state, events: [...row.events, { event: kind, timeMs, detail }] });
    }
  }
  return [...rows.values()];
}

function totalsOf(totals: ShareTotals): object {
  const { shares, difficulty, late, unverified, blocks, firstMs, lastMs } = totals;
  return {
    shares,
    difficulty,
    late,
    unverified,
    blocks,
    firstMs: firstMs ?? null,
    lastMs: lastMs ?? null,
  };
}

function sharesText({ total, workers, records }: ShareSummary): string {
  if (records === 0) return 'no share yet';
  const row = (name: string, each: ShareTotals): readonly string[] => [
    name,
    String(each.shares),
    String(each.difficulty),
    String(each.late),
    String(each.unverified),
    String(each.blocks),
    each.lastMs === undefined ? '' : timeText(each.lastMs),
  ];
  const sorted = workers.toSorted((a, b) => (a.difficulty < b.difficulty ? 1 : -1));
  return tableText(
    [
      ['worker', 'shares', 'difficulty', 'late', 'unverified', 'blocks', 'last'],
      ...sorted.map((each) => row(`${each.account}.${each.worker}`, each)),
      row('all', total),
    ],
    1,
  );
}

/** Rows with their columns aligned: texts in the first `left` columns and the rest right. */
function tableText(rows: readonly (readonly string[])[], left: number): string {
  const columns = rows[0]?.length ?? 0;
  const widths = Array.from({ length: columns }, (_, at) =>
    Math.max(...rows.map((row) => row[at]?.length ?? 0)),
  );
  return rows
    .map((row) =>
      row
        .map((cell, at) =>
          at < left ? cell.padEnd(widths[at] ?? 0) : cell.padStart(widths[at] ?? 0),
        )
        .join('  ')
        .trimEnd(),
    )
    .join('\n');
}

function timeText(ms: number): string {
  return new Date(ms).toISOString().replace('T', ' ').slice(0, 19);
}
