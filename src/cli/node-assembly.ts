/**
 * What a running node is put together from, for `bytom-node` and for whoever has one in its own process:
 * files beside the chain, peers, and the node itself from its plan.
 */
import { networkInterfaces } from 'node:os';
import { join } from 'node:path';
import { NodeStateError } from '../node/api-views.ts';
import { AccessTokens } from '../node/http/access-tokens.ts';
import { SettingsFile } from '../node/mining/settings-file.ts';
import { Node, type NodeOptions, type NodeParts } from '../node/node.ts';
import { AddressBook } from '../p2p/address-book.ts';
import { resolveName } from '../p2p/discovery/seeds.ts';
import { loadIdentity } from '../p2p/identity.ts';
import type { ChainStore } from '../store/chain-store.ts';
import { systemClock } from '../util/clock.ts';
import { createDeferred } from '../util/deferred.ts';
import { InputError } from '../util/errors.ts';
import type { Logger } from '../util/log.ts';
import type { NodeVerifier } from './pow-parts.ts';
import type { P2pPlan, RunPlan } from './run-plan.ts';
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

/**
 * The node of the plan, not started. Rejects `InputError` for a plan that cannot be met, and what the
 * files beside the chain reject.
 */
export async function openNode(
  plan: RunPlan,
  log: Logger,
  store: ChainStore,
  pow: Pick<NodeVerifier, 'verifier' | 'hasher' | 'tables'>,
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
export function isPublic({ network }: RunPlan): boolean {
  return network.name !== 'solonet';
}

/** Closes `part` after `use`, whatever comes of it. Of two errors the first is told. */
export async function closing<T>(
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

/** Resolves when the signal aborts. Never rejects. */
export function aborted(signal: AbortSignal): Promise<undefined> {
  const done = createDeferred<undefined>();
  const resolve = (): void => done.resolve(undefined);
  if (signal.aborted) resolve();
  signal.addEventListener('abort', resolve, { once: true });
  return done.promise;
}
