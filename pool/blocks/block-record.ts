/**
 * A block of the pool and what has happened to it so far, from the events that are written down: the
 * same ones make it again after a restart.
 */
import { type BlockHeader, decodeHeader } from '../../src/chain/header.ts';
import { bytesToHex } from '../../src/util/bytes.ts';
import type { SolvedBlock } from '../chain-access.ts';
import type { BlockEvent } from '../ledger/records.ts';

/**
 * - `submitting`: no node has taken it so far.
 * - `accepted`: on the best chain, for all that is known.
 * - `orphaned`: the best chain has another block at its height.
 * - `matured`: 100 blocks stand on it.
 * - `lost`: no node took it.
 */
export type BlockState = 'submitting' | 'accepted' | 'orphaned' | 'matured' | 'lost';

type FoundEvent = Extract<BlockEvent, { readonly event: 'found' }>;

export class BlockRecord {
  readonly found: Omit<FoundEvent, 'rawBlock'>;
  readonly header: BlockHeader;
  /** Of its hash. */
  readonly hex: string;
  /** The whole of it, solved, once it is known and as long as it is needed. */
  rawBlock: Uint8Array | undefined;
  state: BlockState = 'submitting';
  /** Nodes that have given a final answer. */
  readonly answered: Set<string> = new Set<string>();
  /** What nodes that do not take it say, by their names. */
  readonly refusals: Map<string, string> = new Map<string, string>();

  /** Throws `InputError` for a header that does not decode. */
  constructor({ rawBlock, ...found }: FoundEvent) {
    this.found = found;
    this.header = decodeHeader(found.header, 'header of a found block').header;
    this.hex = bytesToHex(found.hash);
    this.rawBlock = rawBlock.length === 0 ? undefined : rawBlock;
  }

  get height(): number {
    return this.header.height;
  }

  get solved(): SolvedBlock {
    const { header, rawBlock } = this;
    const { hash, node } = this.found;
    return { header, hash, node, ...(rawBlock === undefined ? {} : { rawBlock }) };
  }

  /** Takes an event into account; all but `found`. */
  apply(event: Exclude<BlockEvent['event'], 'found'>, detail: string): void {
    switch (event) {
      case 'accepted':
        this.answered.add(detail);
        // A node that takes it late says nothing about the best chain.
        if (this.state === 'submitting' || this.state === 'lost') this.state = 'accepted';
        break;
      case 'refused': {
        const { node, reason } = readRefusal(detail);
        this.answered.add(node);
        this.refusals.set(node, reason);
        break;
      }
      case 'orphaned':
        this.state = 'orphaned';
        break;
      case 'restored':
        this.state = 'accepted';
        break;
      case 'matured':
        this.state = 'matured';
        break;
      case 'lost':
        this.state = 'lost';
        break;
    }
  }
}

/** `detail` of `refused`: whose words they are, and the words. Names of nodes hold no blanks. */
export function refusalDetail(node: string, reason: string): string {
  return `${node}: ${reason}`;
}

function readRefusal(detail: string): { readonly node: string; readonly reason: string } {
  const end = detail.indexOf(': ');
  if (end < 0) return { node: detail, reason: '' };
  return { node: detail.slice(0, end), reason: detail.slice(end + 2) };
}
