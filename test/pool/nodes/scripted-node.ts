/** A node in memory that does what a test says, and remembers what it was given. */
import { createHash } from 'node:crypto';
import type { NodeAccess, NodeListener, SolvedBlock } from '../../../pool/chain-access.ts';
import { NodeAccessError, type NodeAccessErrorDetail } from '../../../pool/chain-access.ts';
import type { PoolTemplate } from '../../../pool/template.ts';
import { type BlockHeader, headerHash } from '../../../src/chain/header.ts';
import { bitsToTarget } from '../../../src/tensority/target.ts';
import { bytesToHex } from '../../../src/util/bytes.ts';

/** 32 bytes that a text stands for. */
export function hash32(text: string): Uint8Array {
  return new Uint8Array(createHash('sha256').update(text).digest());
}

export function headerAt(height: number, changes: Partial<BlockHeader> = {}): BlockHeader {
  return {
    version: 1,
    height,
    previousBlockHash: hash32(`block ${height - 1}`),
    timestamp: 1_700_000_000,
    transactionsMerkleRoot: hash32('transactions'),
    transactionStatusHash: hash32('status'),
    nonce: 0n,
    bits: 0x1d00_0000_00ff_ffffn,
    ...changes,
  };
}

export function templateOf(
  node: string,
  height: number,
  changes: Partial<BlockHeader> = {},
): PoolTemplate {
  const header = headerAt(height, changes);
  return { header, seed: hash32('seed'), target: bitsToTarget(header.bits), node };
}

export function solved(node: string, height: number, nonce = 1n): SolvedBlock {
  const header = headerAt(height, { nonce });
  return { header, hash: headerHash(header), node };
}

export class ScriptedNode implements NodeAccess {
  readonly name: string;
  address: string | undefined = 'bm1pool';
  /** Calls are refused or time out with it; `undefined`: they work. */
  failure: NodeAccessErrorDetail | undefined;
  /** The same for `submit` alone. */
  submitFailure: NodeAccessErrorDetail | undefined;
  result: 'accepted' | 'orphan' = 'accepted';
  /** Of its templates; `undefined`: they do not tell. */
  payee: Uint8Array | undefined;
  /** The best chain, by height. */
  readonly chain: Map<number, Uint8Array> = new Map();
  /** Blocks it has, by their hashes in hex. */
  readonly blocks: Map<string, Uint8Array> = new Map();
  readonly submitted: SolvedBlock[] = [];
  /** What it said, call by call. */
  readonly calls: string[] = [];
  isClosed = false;
  #listener: NodeListener | undefined;

  constructor(name: string) {
    this.name = name;
  }

  async follow(listener: NodeListener, signal: AbortSignal): Promise<void> {
    this.#listener = listener;
    await new Promise<void>((resolve) => {
      if (signal.aborted) resolve();
      signal.addEventListener('abort', () => resolve(), { once: true });
    });
  }

  /** Up, with this work. */
  gives(height: number, changes: Partial<BlockHeader> = {}): PoolTemplate {
    const { payee } = this;
    const template = {
      ...templateOf(this.name, height, changes),
      ...(payee === undefined ? {} : { payee }),
    };
    this.#listener?.onTemplate(template);
    this.#listener?.onState(undefined);
    return template;
  }

  state(down: string | undefined): void {
    this.#listener?.onState(down);
  }

  async submit(block: SolvedBlock): Promise<'accepted' | 'orphan'> {
    this.calls.push('submit');
    this.submitted.push(block);
    this.#fail(this.submitFailure);
    if (block.node !== this.name && block.rawBlock === undefined) {
      this.#fail({ code: 'unfit', reason: 'a header alone' });
    }
    if (this.result === 'accepted') {
      this.blocks.set(bytesToHex(block.hash), block.rawBlock ?? Uint8Array.of(3));
    }
    return this.result;
  }

  async blockHashAt(height: number): Promise<Uint8Array | undefined> {
    this.calls.push(`blockHashAt ${height}`);
    this.#fail();
    return this.chain.get(height);
  }

  async rawBlock(hash: Uint8Array): Promise<Uint8Array | undefined> {
    this.calls.push('rawBlock');
    this.#fail();
    return this.blocks.get(bytesToHex(hash));
  }

  async miningAddress(): Promise<string | undefined> {
    this.calls.push('miningAddress');
    this.#fail();
    return this.address;
  }

  async setMiningAddress(address: string): Promise<void> {
    this.calls.push(`setMiningAddress ${address}`);
    this.#fail();
    this.address = address;
  }

  async close(): Promise<void> {
    this.isClosed = true;
  }

  #fail(detail: NodeAccessErrorDetail | undefined = undefined): void {
    const failure = this.failure ?? detail;
    if (failure !== undefined) throw new NodeAccessError(this.name, failure);
  }
}
