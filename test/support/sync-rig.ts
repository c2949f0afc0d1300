/** A chain in memory that syncs from scripted peers, on a clock that a test lets run. */
import { type Block, encodeBlock } from '../../src/chain/block.ts';
import { Sync } from '../../src/node/sync/sync.ts';
import type { SyncOptions } from '../../src/node/sync/sync-options.ts';
import { ChainRig, type ChainRigOptions } from './chain-rig.ts';
import { settle } from './fake-clock.ts';
import { PeerList, type PeerScript, ScriptedPeer } from './sync-peers.ts';

export interface SyncRigOptions extends ChainRigOptions {
  readonly sync?: SyncOptions;
}

const STEP_MS = 50;

export class SyncRig {
  readonly rig: ChainRig;
  readonly peers: PeerList = new PeerList();
  readonly sync: Sync;
  readonly #known = new Map<string, ScriptedPeer>();

  constructor({ sync, ...options }: SyncRigOptions) {
    this.rig = new ChainRig(options);
    const { chain, store, verifier, clock, log } = this.rig;
    const now = options.now ?? (() => 4_000_000_000);
    const { checkpoints } = options;
    this.sync = new Sync(
      { ...(checkpoints === undefined ? {} : { checkpoints }), ...sync },
      { chain, store, verifier, peers: this.peers, clock, now, log },
    );
  }

  get height(): number {
    return this.rig.chain.tip.header.height;
  }

  get tipHash(): string {
    return this.rig.tipHash;
  }

  /** Another peer, which serves these blocks, genesis first. */
  peer(blocks: readonly Block[], script: PeerScript = {}): ScriptedPeer {
    const { clock } = this.rig;
    const peer = new ScriptedPeer(`PEER${this.#known.size}`, blocks, { clock }, script);
    this.#known.set(peer.id, peer);
    this.peers.add(peer);
    return peer;
  }

  start(): this {
    this.sync.start();
    return this;
  }

  /** Lets time pass until it is so; throws if it is not after `ms`. Calls `each` at every step. */
  async until(what: string, isSo: () => boolean, ms = 300_000, each?: () => void): Promise<void> {
    for (let passed = 0; ; passed += STEP_MS) {
      await settle();
      each?.();
      if (isSo()) return;
      if (passed >= ms) {
        const log = this.rig.log.entries.slice(-12).map((entry) => JSON.stringify(entry));
        throw new Error(`${what}: not after ${ms} ms, at height ${this.height}\n${log.join('\n')}`);
      }
      await this.rig.clock.advance(STEP_MS);
    }
  }

  /** Lets time pass until the chain is at this block. */
  async untilTip(block: Block, ms?: number, each?: () => void): Promise<void> {
    const hash = Buffer.from(block.hash).toString('hex');
    await this.until(`tip ${block.header.height}`, () => this.tipHash === hash, ms, each);
  }

  /** An announcement of it by the peer, which is higher now. */
  announce(
    peer: ScriptedPeer,
    block: Block,
    bytes: Uint8Array = encodeBlock(block),
  ): Promise<void> {
    peer.height = Math.max(peer.height, block.header.height);
    this.peers.changed();
    return this.sync.receiveBlock(peer, bytes, block.header, block.hash);
  }

  async close(): Promise<void> {
    await this.sync.close();
    await this.rig.close();
  }
}
