/**
 * `bytom-node`: opens the stored chain and the device, puts the node together, and runs it until it is
 * asked to stop or its disk fails.
 */
import { statfs } from 'node:fs/promises';
import type { Command } from 'commander';
import { isLoopback } from '../node/http/auth.ts';
import type { Node } from '../node/node.ts';
import type { ChainStore } from '../store/chain-store.ts';
import { bytesToHex } from '../util/bytes.ts';
import { systemClock } from '../util/clock.ts';
import type { LogFields, Logger } from '../util/log.ts';
import { withConfigFile } from './config-file.ts';
import { driverTable, selectedDevices } from './devices.ts';
import { EXIT, type ExitCode } from './exit-codes.ts';
import { hostPortText } from './host-port.ts';
import { openLog } from './log-output.ts';
import { aborted, closing, isPublic, openNode } from './node-assembly.ts';
import { openStore, unixTime } from './node-parts.ts';
import { printResult, rounded } from './output.ts';
import { createVerifier, type NodeVerifier } from './pow-parts.ts';
import { durationText } from './progress.ts';
import type { RunOptions } from './run-options.ts';
import { type P2pPlan, type RunPlan, runPlan } from './run-plan.ts';
import { RunReport } from './run-report.ts';
import { VERSION } from './version.ts';

export async function runCommand(
  given: RunOptions,
  command: Command,
  signal: AbortSignal,
): Promise<ExitCode> {
  const options = withConfigFile(given, command);
  const plan = runPlan(options);
  const { log, close } = openLog({ ...options, program: 'bytom-node' });
  const running = { plan, options, log: log.tagged('node'), signal };
  try {
    logPlan(running);
    if (options.dryRun === true) return await dryRun(running, close);
    const result = await run(running);
    // Behind the last line of the log.
    await close();
    printResult('', result, options.json);
    return EXIT.interrupted;
  } finally {
    await close();
  }
}

interface Running {
  readonly plan: RunPlan;
  readonly options: RunOptions;
  readonly log: Logger;
  readonly signal: AbortSignal;
}

/** What `--json` prints at the end. */
interface RunResult {
  readonly ended: 'interrupted';
  readonly height: number;
  readonly hash: string;
  readonly seconds: number;
}

/** Runs until the signal. Rejects with what kept the node from starting, or stopped its chain. */
async function run(running: Running): Promise<RunResult> {
  const { options, log, signal } = running;
  const startedAt = performance.now();
  const store = await openStore(options, { readOnly: false });
  const tip = await closing(store, async () => {
    logTip(store, log);
    const pow = await createVerifier(options, log, signal);
    return closing(pow, async () => {
      const node = await openNode(running.plan, log, store, pow);
      return closing(node, async () => {
        await serve(node, pow, running);
        return node.chain.tip;
      });
    });
  });
  const { height } = tip.header;
  const hash = bytesToHex(tip.hash);
  log.info('stopped', { height, hash });
  const seconds = rounded((performance.now() - startedAt) / 1000, 3);
  return { ended: 'interrupted', height, hash, seconds };
}

const DEVICE_PAUSE_MS = 50;

async function serve(node: Node, pow: NodeVerifier, running: Running): Promise<void> {
  const { plan, log, signal } = running;
  signal.throwIfAborted();
  const { http, peers } = await node.start();
  log.info('ready', {
    height: node.chain.tip.header.height,
    rpc: http === undefined ? undefined : hostPortText(http),
    p2p: peers === undefined ? undefined : hostPortText(peers),
    mining: node.miner.running,
    reward: node.settings.address,
  });
  const report = new RunReport(
    { hasPeers: plan.p2p !== undefined, isPublic: isPublic(plan), data: plan.data },
    {
      chain: node.chain,
      peers: node.peers,
      freeBytes: () => freeBytes(plan.data),
      clock: systemClock,
      now: unixTime,
      log,
    },
  );
  try {
    // The chain is served already. A cpu device is tuned on this thread, so who waits goes first.
    await systemClock.sleep(DEVICE_PAUSE_MS, signal);
    await pow.open().catch((error: unknown) => {
      if (!signal.aborted) throw error;
    });
    const failure = await Promise.race([
      node.failed.then((reason) => ({ reason })),
      aborted(signal),
    ]);
    if (failure !== undefined) throw failure.reason;
    log.info('stopping');
  } finally {
    await report.close();
  }
}

async function dryRun(running: Running, closeLog: () => Promise<void>): Promise<ExitCode> {
  const { plan, options, log } = running;
  const selected = await selectedDevices(options, driverTable(options));
  const devices = selected.map(({ id }) => id);
  log.info('dry run', { device: devices.join(',') }, 'dry run: options and device are fine');
  await closeLog();
  const { network, data, checkpoints, rpc, p2p, mining, mempoolSize } = plan;
  printResult(
    '',
    {
      ended: 'dry-run',
      network: network.name,
      data,
      checkpoints,
      rpc: rpc === undefined ? null : hostPortText(rpc.address),
      p2p: p2p?.listen === true ? hostPortText(p2p.address) : null,
      connect: (p2p?.connect ?? []).map(hostPortText),
      discovery: p2p?.seeds !== undefined,
      maxPeers: p2p?.maxPeers ?? 0,
      mine: mining.mine,
      miningAddress: mining.address ?? null,
      mempoolSize,
      devices,
    },
    options.json,
  );
  return EXIT.ok;
}

function logPlan({ plan, log }: Running): void {
  const { network, data, rpc, p2p } = plan;
  const { node } = process.versions;
  log.info(
    'start',
    { version: VERSION, node, network: network.name, data },
    `bytom-node ${VERSION}, Node ${node}, ${network.name} in ${data}`,
  );
  if (rpc !== undefined && !rpc.auth && !isLoopback(rpc.address.host)) {
    log.warn('http api open to everybody', {
      rpc: hostPortText(rpc.address),
      hint: 'whoever reaches it can change where rewards go; take --rpc-no-auth away',
    });
  }
  if (plan.checkpoints === 'ignore') log.warn('checkpoints ignored');
  if (p2p === undefined) log.info('no peers', {}, 'no peers: --no-p2p');
  else log.info('peers', peerFields(p2p));
}

function peerFields({ connect, seeds, listen, maxPeers }: P2pPlan): LogFields {
  return {
    connect: connect.length,
    seeds: seeds === undefined ? 0 : Object.values(seeds).flat().length,
    listen,
    most: maxPeers,
  };
}

function logTip(store: ChainStore, log: Logger): void {
  const { height, hash } = store.tip();
  const timestamp = store.indexEntry(hash)?.header.timestamp ?? 0;
  log.info('chain', {
    height,
    tip: bytesToHex(hash),
    age: durationText(unixTime() - timestamp),
  });
}

async function freeBytes(directory: string): Promise<number> {
  const { bavail, bsize } = await statfs(directory);
  return bavail * bsize;
}
