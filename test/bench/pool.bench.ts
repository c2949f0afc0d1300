/**
 * `npm run bench:pool`: the figures of the pool on this machine, beside their targets.
 *
 * The pool runs in a process of its own: real server, real share desk, real share log; its node is
 * scripted, and a stand-in takes the place of Tensority wherever verification is not what is measured.
 * The simulated miners are in this process, so the two share the machine's cores. Every result is
 * checked (each acknowledged share is in the log once, each client has its job) before a figure is
 * printed.
 *
 * `--connections N` (default 15,000), `--rounds N` (default 5), `--quick` for a smoke test with small
 * numbers, `--only broadcast,submits` leaves the others out, `--device ID` (default `cpu`) is what shares
 * are verified on, `--json FILE` writes the figures down too.
 */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { availableParallelism, cpus, tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { measureBroadcast, measureConnections } from './pool-connections.ts';
import { Figures, type PoolBench } from './pool-figures.ts';
import { measureRestart } from './pool-restart.ts';
import { measureStales, measureSubmits } from './pool-submits.ts';
import { measureVerification } from './pool-verification.ts';

const PARTS = ['connections', 'broadcast', 'submits', 'stale', 'verification', 'restart'] as const;
type Part = (typeof PARTS)[number];

const { values: flags } = parseArgs({
  options: {
    connections: { type: 'string' },
    rounds: { type: 'string' },
    quick: { type: 'boolean', default: false },
    only: { type: 'string', default: PARTS.join(',') },
    device: { type: 'string', default: 'cpu' },
    json: { type: 'string' },
  },
});
const { quick } = flags;
const connections = wholeNumber('connections', flags.connections, quick ? 500 : 15_000);
const rounds = wholeNumber('rounds', flags.rounds, quick ? 2 : 5);
const clients = quick ? 200 : 1000;
const parts = flags.only.split(',').map(partNamed);

const root = mkdtempSync(join(tmpdir(), 'bytom-pool-bench-'));
const figures = new Figures({ isJudged: !quick });
let folders = 0;
const bench: PoolBench = {
  figures,
  folder: () => join(root, `data-${folders++}`),
  check: (what, expected, got) => {
    if (got === expected) return;
    throw new Error(`${what}: expected ${String(expected)}, got ${String(got)}: no figures`);
  },
};
const measures: Readonly<Record<Part, () => Promise<void>>> = {
  connections: () => measureConnections(bench, connections),
  broadcast: () =>
    measureBroadcast(bench, { count: quick ? 300 : 5000, rounds: quick ? rounds : 4 * rounds }),
  submits: () => measureSubmits(bench, { count: clients, rounds, seconds: quick ? 1 : 4 }),
  stale: () => measureStales(bench, { count: clients, changes: quick ? 10 : 100, everyMs: 200 }),
  verification: () =>
    measureVerification(bench, { device: flags.device, rounds, roundMs: quick ? 500 : 5000 }),
  restart: () => measureRestart(bench, { rounds, ...(quick ? { segmentBytes: 1 << 20 } : {}) }),
};

const machine = `${cpus()[0]?.model ?? 'unknown'}, ${availableParallelism()} cores`;
console.log(`CPU      ${machine}`);
console.log(`Node     ${process.versions.node}, V8 ${process.versions.v8}`);
console.log(`Runs     ${rounds} rounds${quick ? ', with numbers too small for the targets' : ''}`);
console.log('Pool     in a process of its own, its miners in another, all on loopback\n');

try {
  for (const part of PARTS) {
    if (!parts.includes(part)) continue;
    process.stderr.write(`${part} …\n`);
    await measures[part]();
  }
  console.log(figures.text());
  if (flags.json !== undefined) {
    const { node } = process.versions;
    const result = { machine, node, rounds, quick, figures: figures.summary() };
    writeFileSync(flags.json, `${JSON.stringify(result, undefined, 2)}\n`);
  }
} finally {
  rmSync(root, { recursive: true, force: true });
}

function wholeNumber(name: string, text: string | undefined, usual: number): number {
  const number = text === undefined ? usual : Number(text);
  if (Number.isSafeInteger(number) && number > 0) return number;
  throw new RangeError(`--${name} expected a whole number from 1, got ${text}`);
}

function partNamed(name: string): Part {
  const part = PARTS.find((each) => each === name);
  if (part === undefined) throw new RangeError(`--only expected ${PARTS.join(', ')}, got ${name}`);
  return part;
}
