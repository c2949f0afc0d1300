/** When our node's work is not worth mining on: while it is well behind its peers, or has long been. */
import type { Node } from '../node/node.ts';
import type { Clock } from '../util/clock.ts';

interface SyncingNode {
  readonly chain: { readonly tip: { readonly header: { readonly height: number } } };
  readonly peers: Pick<Node['peers'], 'syncing' | 'highest'>;
}

/** Fewer are fetched in a moment: its own work is late by no more than a new block is anywhere. */
const BEHIND_BLOCKS = 3;
/** Whatever it is that takes so long, what it would have mined on is long past. */
const LONG_MS = 10_000;

/** The reason, whenever it is asked for; `undefined` where there is none. */
export function createHeldBack(node: SyncingNode, clock: Clock): () => string | undefined {
  let since: number | undefined;
  return () => {
    const { syncing, highest } = node.peers;
    if (!syncing) {
      since = undefined;
      return undefined;
    }
    since ??= clock.now();
    const isBehind = highest - node.chain.tip.header.height >= BEHIND_BLOCKS;
    const isLong = clock.now() - since > LONG_MS;
    return isBehind || isLong ? 'catching up with its peers' : undefined;
  };
}
