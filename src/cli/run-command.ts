/**
 * `bytom-node`: opens the stored chain and the device, puts the node together, and runs it until it is
 * asked to stop or its disk fails.
 */
import { statfs } from 'node:fs/promises';
import { networkInterfaces } from 'node:os';
import { join } from 'node:path';
import type { Command } from 'commander';
import { NodeStateError } from '../node/api-views.ts';
import { AccessTokens } from '../node/http/access-tokens.ts';
import { isLoopback } from '../node/http/auth.ts';
import { SettingsFile } from '../node/mining/settings-file.ts';
import { Node, type NodeOptions, type NodeParts } from '../node/node.ts';
import { AddressBook } from '../p2p/address-book.ts';
import { resolveName } from '../p2p/discovery/seeds.ts';
import { loadIdentity } from '../p2p/identity.ts';
import type { ChainStore } from '../store/chain-store.ts';
import { bytesToHex } from '../util/bytes.ts';
import { systemClock } from '../util/clock.ts';
import { createDeferred } from '../util/deferred.ts';
import { InputError } from '../util/errors.ts';
import type { LogFields, Logger } from '../util/log.ts';
import { applyConfigFile } from './config-file.ts';
import { driverTable, selectedDevices } from './devices.ts';
import { EXIT, type ExitCode } from './exit-codes.ts';
import { hostPortText } from './host-port.ts';
import { openLog } from './log-output.ts';
import { openStore, unixTime } from './node-parts.ts';
import { printResult, rounded } from './output.ts';
import { createVerifier, type NodeVerifier } from './pow-parts.ts';
import { durationText } from './progress.ts';
import type { RunOptions } from './run-options.ts';
import { type P2pPlan, type RunPlan, runPlan } from './run-plan.ts';
import { RunReport } from './run-report.ts';
import { VERSION } from './version.ts';

/** Files beside the database. */
const FILES = {
  identity: 'node-identity',
  peers: 'peers.json',
  mining: 'mining-settings.json',
  tokens: 'access-tokens.json',
} as const;
/** For each part of the node: there are five of them, and half a minute in all. */
const STOP_MS = 4000;

export async function runCommand(
  given: RunOptions,
  command: Command,
  signal: AbortSignal,
): Promise<ExitCode> {
  if (given.config !== undefined) applyConfigFile(command, given.config);
  const options = given.config === undefined ? given : command.opts<RunOptions>();
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
      const node = await openNode(running, store, pow);
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

/** Closes `part` after `use`, whatever comes of it. Of two errors the first is told. */
async function closing<T>(
  part: { readonly close: () => Promise<void> },
  use: () => Promise<T>,
): Promise<T> {
  let result: T;
  try {
    result = await use();
  } catch (error) {
    await part.close().catch(() => undefined);
    throw error;
  }
  await part.close();
  return result;
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
    const failure = await Promise.race([node.failed.then((reason) => ({ reason })), abort(signal)]);
    if (failure !== undefined) throw failure.reason;
    log.info('stopping');
  } finally {
    await report.close();
  }
}

async function openNode(
  { plan, log }: Running,
  store: ChainStore,
  pow: NodeVerifier,
): Promise<Node> {
  const { data } = plan;
  const now = (): number => Date.now();
  const tokens = await AccessTokens.open(join(data, FILES.tokens), { now });
  const network = plan.p2p === undefined ? undefined : await openNetwork(data, log);
  const node = await openPaid(plan, {
    store,
    verifier: pow.verifier,
    hasher: pow.hasher,
    tables: pow.tables,
    settings: new SettingsFile(join(data, FILES.mining)),
    tokens,
    ...(network === undefined ? {} : { network }),
    clock: systemClock,
    now,
    random: Math.random,
    log,
  });
  if (node.settings.address === undefined) {
    log.warn('no mining address', {
      hint: 'miners get no work; --mining-address or set-mining-address sets one',
    });
  }
  return node;
}

/** Rejects an `InputError` for mining that would pay nobody: there is an option to be set. */
async function openPaid(plan: RunPlan, parts: NodeParts): Promise<Node> {
  try {
    return await Node.open(nodeOptions(plan), parts);
  } catch (error) {
    if (!(error instanceof NodeStateError)) throw error;
    const expected = 'an address, since --mine would pay nobody';
    throw new InputError('mining-address', expected, 'none', { cause: error });
  }
}

async function openNetwork(data: string, log: Logger): Promise<NonNullable<NodeParts['network']>> {
  const identity = await loadIdentity(join(data, FILES.identity));
  log.info('identity', { peer: identity.id });
  const book = await AddressBook.open(
    { path: join(data, FILES.peers) },
    { clock: systemClock, wallNow: Date.now, random: Math.random, log },
  );
  const ownHosts = Object.values(networkInterfaces()).flatMap((addresses = []) =>
    addresses.map(({ address }) => address),
  );
  return { identity, book, resolve: resolveName, ownHosts };
}

function nodeOptions(plan: RunPlan): NodeOptions {
  const { network, checkpoints, rpc, p2p, mempoolSize } = plan;
  const { address, arbitrary, mine } = plan.mining;
  return {
    network,
    checkpoints,
    mempool: { maxTransactions: mempoolSize },
    mining: {
      ...(address === undefined ? {} : { address }),
      ...(arbitrary === undefined ? {} : { arbitrary }),
      mine,
    },
    ...(p2p === undefined ? {} : { peers: peerOptions(p2p) }),
    ...(rpc === undefined
      ? {}
      : {
          http: {
            ...rpc.address,
            hostNames: rpc.allowHosts,
            origins: rpc.allowOrigins,
            authDisabled: !rpc.auth,
            version: VERSION,
            ...(isPublic(plan) ? { maxTipAgeSeconds: MAX_TIP_AGE_SECONDS } : {}),
          },
        }),
    stopMs: STOP_MS,
  };
}

/** A node of a public network whose best block is older serves nobody well. */
const MAX_TIP_AGE_SECONDS = 2 * 3600;

function peerOptions(p2p: P2pPlan): NonNullable<NodeOptions['peers']> {
  const { address, listen, connect, seeds, maxPeers, moniker } = p2p;
  return { address, listen, connect, maxPeers, moniker, ...(seeds === undefined ? {} : { seeds }) };
}

/** Blocks come by themselves there. */
function isPublic({ network }: RunPlan): boolean {
  return network.name !== 'solonet';
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

function abort(signal: AbortSignal): Promise<undefined> {
  const aborted = createDeferred<undefined>();
  const resolve = (): void => aborted.resolve(undefined);
  if (signal.aborted) resolve();
  signal.addEventListener('abort', resolve, { once: true });
  return aborted.promise;
}
