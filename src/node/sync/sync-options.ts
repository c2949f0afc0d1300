/** What syncing is made of and asked for. */

import type { PowVerifier } from '../../pow/pow-verifier.ts';
import type { ChainStore } from '../../store/chain-store.ts';
import type { Clock } from '../../util/clock.ts';
import type { Logger } from '../../util/log.ts';
import type { Chain } from '../chain.ts';
import type { SyncPeer } from '../peers/sync-peer.ts';
import type { SyncRunOptions } from './sync-run-options.ts';

/** The peers we are connected to, as far as syncing is concerned. */
export interface SyncPeers {
  syncPeers(): readonly SyncPeer[];
  /** Calls back when a peer is ready or gone, or its status has changed. Returns how to end that. */
  onChange(listener: () => void): () => void;
}

export interface SyncOptions extends SyncRunOptions {
  /** As the chain does. Default 'enforce'. */
  readonly checkpoints?: 'enforce' | 'ignore';
}

export interface SyncParts {
  readonly chain: Chain;
  readonly store: ChainStore;
  readonly verifier: Pick<PowVerifier, 'verify'>;
  readonly peers: SyncPeers;
  readonly clock: Clock;
  /** The wall clock, in seconds. */
  readonly now: () => number;
  readonly log: Logger;
}
