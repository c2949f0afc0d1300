/**
 * `bytom-pool`: opens the device, the nodes and the records, puts the pool together, and runs it until
 * it is asked to stop.
 */
import { randomInt } from 'node:crypto';
import type { Command } from 'commander';
import type { NodeAccess } from '../../pool/chain-access.ts';
import { HttpNode } from '../../pool/nodes/http-node.ts';
import { Pool, type PoolOptions } from '../../pool/pool.ts';
import { nodeEndpoint } from '../node-api/node-endpoint.ts';
import { systemClock } from '../util/clock.ts';
import { errorText } from '../util/errors.ts';
import type { Logger } from '../util/log.ts';
import { withConfigFile } from './config-file.ts';
import { descriptorLimit } from './descriptor-limit.ts';
import { driverTable, selectedDevices } from './devices.ts';
import { EmbeddedNode } from './embedded-node.ts';
import { EXIT, type ExitCode } from './exit-codes.ts';
import { createHeldBack } from './held-back.ts';
import { hostPortText } from './host-port.ts';
import { openLog } from './log-output.ts';
import { aborted, closing, openNode } from './node-assembly.ts';
import { embeddedPlan } from './node-options.ts';
import { openStore } from './node-parts.ts';
import { printResult, rounded } from './output.ts';
import type { PoolRunOptions } from './pool-options.ts';
import { type PoolPlan, poolPlan, readCertificate } from './pool-plan.ts';
import { createVerifier, type NodeVerifier } from './pow-parts.ts';
import { VERSION } from './version.ts';

export async function poolCommand(
  given: PoolRunOptions,
  command: Command,
  signal: AbortSignal,
): Promise<ExitCode> {
  const options = withConfigFile(given, command);
  const plan = poolPlan(options);
  const { log, close } = openLog({ ...options, program: 'bytom-pool' });
  const running = { plan, options, log: log.tagged('pool'), signal };
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
  readonly plan: PoolPlan;
  readonly options: PoolRunOptions;
  readonly log: Logger;
  readonly signal: AbortSignal;
}

/** What `--json` prints at the end. */
interface PoolResult {
  readonly ended: 'interrupted';
  readonly seconds: number;
  readonly sharesAccepted: number;
  readonly sharesRejected: number;
  readonly blocks: number;
}

/** Runs until the signal. Rejects with what kept the pool from starting, or stopped its own node. */
async function run(running: Running): Promise<PoolResult> {
  const { plan, options, log, signal } = running;
  const startedAt = performance.now();
  const pow = await createVerifier(options, log.tagged('verify'), signal);
  const pool = await closing(pow, () =>
    plan.embeddedNode === undefined
      ? serve(running, pow, [], undefined)
      : withEmbeddedNode(running, pow),
  );
  const { shares, blocks } = pool.status();
  log.info('stopped', { accepted: shares.accepted, blocks: blocks.found });
  return {
    ended: 'interrupted',
    seconds: rounded((performance.now() - startedAt) / 1000, 3),
    sharesAccepted: shares.accepted,
    sharesRejected: shares.rejected,
    blocks: blocks.found,
  };
}

async function withEmbeddedNode(running: Running, pow: NodeVerifier): Promise<Pool> {
  const { plan, log } = running;
  const nodePlan = embeddedPlan(plan.network, plan.embeddedNode?.config, plan.address);
  const store = await openStore(
    { network: plan.network, data: nodePlan.data },
    { readOnly: false },
  );
  return closing(store, async () => {
    const node = await openNode(nodePlan, log.tagged('node'), store, pow);
    return closing(node, async () => {
      const { http, peers } = await node.start();
      log.tagged('node').info('ready', {
        height: node.chain.tip.header.height,
        rpc: http === undefined ? undefined : hostPortText(http),
        p2p: peers === undefined ? undefined : hostPortText(peers),
      });
      const heldBack = createHeldBack(node, systemClock);
      const access = new EmbeddedNode({}, { node, heldBack, clock: systemClock, log });
      return serve(running, pow, [access], node.failed);
    });
  });
}

async function serve(
  running: Running,
  pow: NodeVerifier,
  embedded: readonly NodeAccess[],
  nodeFailed: Promise<unknown> | undefined,
): Promise<Pool> {
  const { plan, log, signal } = running;
  const nodes = [
    ...embedded,
    ...plan.nodes.map((url) => new HttpNode({ url }, { clock: systemClock, log })),
  ];
  let isOpening = true;
  const pool = await Pool.open(poolOptions(running), {
    nodes,
    isOpening: () => isOpening,
    verifier: pow.verifier,
    clock: systemClock,
    now: Date.now,
    random: unforeseeable,
    log,
  });
  return closing(pool, async () => {
    signal.throwIfAborted();
    const { stratum, http } = await pool.start();
    log.info('ready', {
      stratum: stratum.map(hostPortText).join(','),
      http: http === undefined ? undefined : hostPortText(http),
      tls: plan.tls !== undefined,
    });
    const endReload = reloadOnHangUp(pool, running);
    try {
      // Miners are served already; what they send waits for the device.
      await pow.open().catch((error: unknown) => {
        if (!signal.aborted) throw error;
      });
      isOpening = false;
      const ends = [aborted(signal)];
      if (nodeFailed !== undefined) ends.push(nodeFailed.then((reason) => Promise.reject(reason)));
      await Promise.race(ends);
      log.info('stopping');
      return pool;
    } finally {
      endReload();
    }
  });
}

/** 0 … 1. Not Math.random: a miner that saw some of it would know when its word is taken. */
function unforeseeable(): number {
  return randomInt(2 ** 48 - 1) / 2 ** 48;
}

/** For nodes, records, HTTP and whatever else has to go on while miners take all they get. */
const OWN_DESCRIPTORS = 256;

/** As many miners as the system allows: at its limit the pool could reach no node any more. */
function connectionLimit({ options, log }: Running): number {
  const { maxConnections } = options;
  const limit = descriptorLimit();
  if (limit === undefined || limit - OWN_DESCRIPTORS >= maxConnections) return maxConnections;
  const most = Math.max(1, limit - OWN_DESCRIPTORS);
  log.warn('fewer connections than asked for', {
    most,
    asked: maxConnections,
    descriptors: limit,
    hint: 'raise the limit of open files (ulimit -n, LimitNOFILE)',
  });
  return most;
}

function poolOptions(running: Running): PoolOptions {
  const { plan, options } = running;
  const { network, data, listen, tls, trustedProxies, http, address, trust, checkAccount } = plan;
  return {
    network: network.name,
    version: VERSION,
    data,
    listen,
    trustedProxies,
    maxConnections: connectionLimit(running),
    maxPerAddress: options.maxPerAddress,
    ...(tls === undefined ? {} : { tls: readCertificate(tls) }),
    ...(http === undefined ? {} : { http: { ...http.address, hostNames: http.allowHosts } }),
    ...(address === undefined ? {} : { address }),
    ...(trust === undefined ? {} : { trust }),
    shares: {
      checkAccount,
      startDifficulty: options.difficulty,
      minDifficulty: options.minDifficulty,
      maxDifficulty: options.maxDifficulty,
      shareSeconds: options.shareInterval / 1000,
      vardiff: options.vardiff,
      graceMs: options.grace,
      serverId: options.serverId,
    },
  };
}

/** A renewed certificate is taken without a stop. A bad one is said, and the old one stays. */
function reloadOnHangUp(pool: Pool, { plan, log }: Running): () => void {
  const { tls } = plan;
  const reload = (): void => {
    if (tls === undefined) return;
    try {
      pool.setCertificate(readCertificate(tls));
      log.info('certificate read again', { file: tls.certFile });
    } catch (error) {
      log.error('certificate not taken, going on with the old one', { reason: errorText(error) });
    }
  };
  process.on('SIGHUP', reload);
  return () => process.off('SIGHUP', reload);
}

async function dryRun(running: Running, closeLog: () => Promise<void>): Promise<ExitCode> {
  const { plan, options, log } = running;
  const selected = await selectedDevices(options, driverTable(options));
  if (plan.embeddedNode !== undefined) {
    embeddedPlan(plan.network, plan.embeddedNode.config, plan.address);
  }
  const devices = selected.map(({ id }) => id);
  log.info('dry run', { device: devices.join(',') }, 'dry run: options and device are fine');
  await closeLog();
  const result = {
    ended: 'dry-run',
    network: plan.network.name,
    data: plan.data,
    nodes: nodeNames(plan),
    address: plan.address ?? null,
    listen: plan.listen.map(hostPortText),
    http: plan.http === undefined ? null : hostPortText(plan.http.address),
    tls: plan.tls !== undefined,
    devices,
  };
  printResult('', result, options.json);
  return EXIT.ok;
}

function logPlan({ plan, options, log }: Running): void {
  const { node } = process.versions;
  log.info(
    'start',
    { version: VERSION, node, network: plan.network.name, data: plan.data },
    `bytom-pool ${VERSION}, Node ${node}, ${plan.network.name}, records in ${plan.data}`,
  );
  log.info('nodes', { nodes: nodeNames(plan).join(',') });
  log.info('shares', {
    difficulty: options.difficulty,
    least: options.minDifficulty,
    vardiff: options.vardiff,
    everySeconds: options.shareInterval / 1000,
    graceSeconds: options.grace / 1000,
    trust: plan.trust === undefined ? 'off' : `${plan.trust.floor * 100} %`,
  });
}

/** Without their secrets. */
function nodeNames({ nodes, embeddedNode }: PoolPlan): readonly string[] {
  const names = nodes.map((url) => nodeEndpoint(url).name);
  return embeddedNode === undefined ? names : ['embedded', ...names];
}
