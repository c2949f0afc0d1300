/**
 * What the HTTP interface needs of the node, as narrow interfaces: the node hands its concrete parts
 * in, tests hand in others.
 */

import type { PowVerifier } from '../../pow/pow-verifier.ts';
import type { Clock } from '../../util/clock.ts';
import type { Logger } from '../../util/log.ts';
import type { Chain } from '../chain.ts';
import type { Mempool } from '../mempool/mempool.ts';
import type { LocalMiner } from '../mining/local-miner.ts';
import type { MiningSettings } from '../mining/mining-settings.ts';
import type { Templates } from '../mining/templates.ts';
import type { PeerStatus as ConnectedPeer } from '../peers/peer-status.ts';
import type { AccessTokens } from './access-tokens.ts';

export type ApiChain = Pick<
  Chain,
  | 'network'
  | 'tip'
  | 'counters'
  | 'pending'
  | 'orphanCount'
  | 'failure'
  | 'entry'
  | 'block'
  | 'blockBytes'
  | 'hashAt'
  | 'submit'
  | 'onTip'
>;

/** For metrics and health. */
export type ApiVerifier = Pick<PowVerifier, 'queued' | 'mismatches' | 'hasherDown'>;

export type ApiMempool = Pick<
  Mempool,
  'submit' | 'transactions' | 'onAdded' | 'size' | 'bytes' | 'orphanCount' | 'counts'
>;

export type ApiTemplates = Pick<Templates, 'current' | 'submit' | 'onTemplate' | 'counts'>;

/** They check what they are told. */
export type ApiMiningSettings = Pick<
  MiningSettings,
  'address' | 'arbitrary' | 'setAddress' | 'setArbitrary'
>;

export type ApiLocalMiner = Pick<LocalMiner, 'running' | 'start' | 'stop' | 'hashes' | 'blocks'>;

export type PeerStatus = Omit<ConnectedPeer, 'outbound'>;

export interface PeerCounts {
  readonly inbound: number;
  readonly outbound: number;
  /** Of all connections since the start. */
  readonly bytesSent: number;
  readonly bytesReceived: number;
  /** Addresses banned since the start. */
  readonly bans: number;
}

export interface PeersView {
  list(): readonly PeerStatus[];
  /** `ip` is an IP address. Rejects if there is no connection to be had. */
  connect(ip: string, port: number): Promise<PeerStatus>;
  /** False if there is no such peer. */
  disconnect(id: string): boolean;
  readonly listening: boolean;
  readonly syncing: boolean;
  /** Greatest height that anybody has told of; 0 if nobody did. */
  readonly highest: number;
  readonly counts: PeerCounts;
}

/** None of them is owned by the server. */
export interface ApiParts {
  readonly chain: ApiChain;
  readonly verifier: ApiVerifier;
  readonly mempool: ApiMempool;
  readonly templates: ApiTemplates;
  readonly settings: ApiMiningSettings;
  readonly peers: PeersView;
  /** Left out where this node does not mine. */
  readonly miner?: ApiLocalMiner;
  readonly tokens: AccessTokens;
  readonly clock: Clock;
  /** The wall clock, in milliseconds since 1970. */
  readonly now: () => number;
  readonly log: Logger;
}
