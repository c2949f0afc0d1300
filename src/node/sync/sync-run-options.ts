/** What a run is made of and asked for. */
import type { Checkpoints } from '../../consensus/checkpoints.ts';
import type { PowVerifier } from '../../pow/pow-verifier.ts';
import type { ChainStore } from '../../store/chain-store.ts';
import type { Clock } from '../../util/clock.ts';
import type { LruMap } from '../../util/lru.ts';
import type { Chain } from '../chain.ts';
import type { Offence, SyncPeer } from '../peers/sync-peer.ts';
import type { HeaderSource } from './header-source.ts';

export interface SyncRunOptions {
  /** Headers whose blocks are not stored. Default 4096. */
  readonly window?: number;
  /** Of blocks that wait, in their wire form. Default 32 MiB. */
  readonly maxBytes?: number;
  /** Blocks handed to the chain that have not settled, and bytes of their wire form. Default 512, 8 MiB. */
  readonly maxSubmitted?: number;
  readonly maxSubmittedBytes?: number;
  /** A part that is not delivered by then is asked of another peer, too. Default 5 s. */
  readonly hedgeMs?: number;
  /** A block that nobody delivers by then ends the run. Default one minute. */
  readonly stallMs?: number;
}

export interface SyncRunParts {
  readonly chain: Chain;
  readonly store: ChainStore;
  readonly verifier: Pick<PowVerifier, 'verify'>;
  readonly clock: Clock;
  /** The wall clock, in seconds. */
  readonly now: () => number;
  /** Enforced. */
  readonly checkpoints: Checkpoints | undefined;
  readonly source: HeaderSource;
  /** Whom to ask for blocks, the most promising first. */
  readonly peers: () => readonly SyncPeer[];
  /** Blocks whose branches can never be the best one, by hash; grows. */
  readonly refused: LruMap<string, string>;
  readonly offended: (peer: SyncPeer, offence: Offence) => void;
  /** It did not answer a request for blocks. */
  readonly silent: (peer: SyncPeer) => void;
  /** A block was stored. */
  readonly stored: () => void;
  /** True if there is another peer to sync from. */
  readonly hasOthers: () => boolean;
}
