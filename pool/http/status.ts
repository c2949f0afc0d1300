/** What the pool says of itself when it is asked: for health, metrics and, later, its page. */

export interface PoolStatus {
  /** Connections that are open. */
  readonly connections: number;
  /** The same by what they speak, and those under TLS. */
  readonly clients: ClientCounts;
  /** Connections that were closed on arrival so far: of who is banned, or one too many. */
  readonly refused: { readonly banned: number; readonly limit: number };
  /** Connections that are logged in. */
  readonly sessions: number;
  /** Different ones that are logged in. */
  readonly accounts: number;
  /** Clients that are made to wait while the verification is full. */
  readonly pausedClients: number;
  /** Estimate from the accepted shares of the last minutes. */
  readonly hashesPerSecond: number;
  /** When the last share was accepted, ms since 1970; `undefined` before the first. */
  readonly lastShareAt: number | undefined;
  /** Shares that are being verified or written. */
  readonly pendingShares: number;
  readonly verification: VerificationStatus;
  readonly nodes: readonly NodeStatus[];
  readonly blocks: BlockCounts;
  readonly log: LogStatus;
  /** Bans in force. */
  readonly bans: number;
  /** Ms since 1970. */
  readonly startedAt: number;
  readonly version: string;
  readonly network: string;
  /** It is being stopped: no new miners. */
  readonly draining: boolean;
}

interface ClientCounts {
  readonly btm: number;
  readonly v1: number;
  /** Without a request so far. */
  readonly undecided: number;
  readonly tls: number;
}

interface LogStatus {
  /** Why shares cannot be kept. */
  readonly failing?: string;
  /** Why what happens to blocks cannot be kept. */
  readonly blocksFailing?: string;
  /** Shares that would be known if they were sent again. */
  readonly knownShares: number;
  /** Shares that would not, so far, although there may still be a job for them. */
  readonly forgottenShares: number;
}

interface VerificationStatus {
  /** Shares without a verdict. */
  readonly queued: number;
  readonly backlogSeconds: number;
  readonly loadFactor: number;
  /** The device is not there yet: shares wait for it. */
  readonly isOpening: boolean;
  /** Why the device is not used any more. */
  readonly hasherDown?: string;
}

interface NodeStatus {
  readonly name: string;
  /** Gives work. */
  readonly up: boolean;
  /** Why not. */
  readonly reason?: string;
  /** Of the block that it wants next; 0 before it has said. */
  readonly height: number;
  /** Behind the furthest of the nodes. */
  readonly lagBlocks: number;
  /** Since its last template; missing before the first. */
  readonly ageSeconds?: number;
}

/** Blocks by what became of them, since the pool's log begins. */
interface BlockCounts {
  readonly found: number;
  readonly accepted: number;
  readonly orphaned: number;
  readonly matured: number;
  readonly lost: number;
  /** Those of which something is not on disk yet: a crash would forget it. */
  readonly unwritten: number;
}
