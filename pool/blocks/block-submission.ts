/**
 * Gets one block to the nodes: to each at once and for itself, again and again while a node gives no
 * verdict on it, until it has or the block is too old to matter. How old it is in blocks, the node says
 * that is asked: what another one claims ends nothing.
 *
 * A header alone is of use only to the node whose template it solves; where no more is known, that
 * node is asked for the whole block once it has taken it, and the others get that. A node that says
 * no may have taken it at an attempt whose answer was lost: it is asked whether it has it.
 */
import type { Clock } from '../../src/util/clock.ts';
import { clip, errorText } from '../../src/util/errors.ts';
import type { Logger } from '../../src/util/log.ts';
import { type NodeAccess, NodeAccessError } from '../chain-access.ts';
import { type PauseBounds, Pauses } from '../nodes/pauses.ts';
import type { BlockRecord } from './block-record.ts';
import { boundedCall } from './bounded-call.ts';

export interface SubmissionOptions {
  readonly retryMs: PauseBounds;
  /** Longest that one call to a node may take, whatever the node access promises. */
  readonly callMs: number;
  /** A node whose own chain has grown so far past the block needs it no more. */
  readonly maxBlocks: number;
}

export interface SubmissionParts {
  readonly nodes: readonly NodeAccess[];
  readonly clock: Clock;
  readonly log: Logger;
  /** True once so much time has passed that it is not handed in again. */
  readonly isOver: () => boolean;
  /** Of the best block by what the nodes claim: says when a node is to be asked how far it is. */
  readonly tipHeight: () => number | undefined;
  readonly accepted: (node: string) => void;
  readonly refused: (node: string, reason: string) => void;
}

type Answer = 'accepted' | 'refused' | 'gave-up';

export class BlockSubmission {
  readonly #options: SubmissionOptions;
  readonly #parts: SubmissionParts;
  readonly #block: BlockRecord;
  readonly #signal: AbortSignal;

  /** The signal ends it in the middle, to be taken up after a restart. */
  constructor(
    options: SubmissionOptions,
    block: BlockRecord,
    parts: SubmissionParts,
    signal: AbortSignal,
  ) {
    this.#options = options;
    this.#parts = parts;
    this.#block = block;
    this.#signal = signal;
  }

  /** Resolves when every node has answered or been given up. Never rejects. */
  async run(): Promise<void> {
    const block = this.#block;
    const origin = this.#parts.nodes.find(({ name }) => name === block.found.node);
    const others = this.#parts.nodes.filter((node) => node !== origin);
    if (block.rawBlock === undefined) {
      if (origin !== undefined) await this.#toOrigin(origin);
      // Without the whole of it there is nothing that the others could take.
      if (block.rawBlock === undefined) return;
      await Promise.all(others.map((node) => this.#submitTo(node)));
      return;
    }
    await Promise.all(this.#parts.nodes.map((node) => this.#submitTo(node)));
  }

  async #toOrigin(origin: NodeAccess): Promise<void> {
    const block = this.#block;
    const isTaken = block.answered.has(origin.name) && !block.refusals.has(origin.name);
    const answer = isTaken ? 'accepted' : await this.#submitTo(origin);
    const isAlone = this.#parts.nodes.length === 1;
    if (answer !== 'accepted' || isAlone) return;
    const pauses = new Pauses(this.#options.retryMs);
    while (!(await this.#isEnded(origin))) {
      try {
        const { hash } = block.found;
        block.rawBlock = await this.#call((signal) => origin.rawBlock(hash, signal));
        if (block.rawBlock !== undefined) return;
      } catch (error) {
        const reason = errorText(error);
        this.#parts.log.debug('whole block not had', {
          node: origin.name,
          hash: block.hex,
          reason,
        });
      }
      await this.#pause(pauses);
    }
  }

  async #submitTo(node: NodeAccess): Promise<Answer> {
    const block = this.#block;
    if (block.answered.has(node.name))
      return block.refusals.has(node.name) ? 'refused' : 'accepted';
    const pauses = new Pauses(this.#options.retryMs);
    let last = '';
    for (;;) {
      const attempt = await this.#attempt(node);
      if (this.#signal.aborted && attempt.answer === 'gave-up') return 'gave-up';
      if (attempt.answer === 'accepted') {
        this.#parts.accepted(node.name);
        return 'accepted';
      }
      if (attempt.answer === 'refused') {
        this.#parts.refused(node.name, attempt.reason);
        return 'refused';
      }
      if (attempt.reason !== last) this.#tell(node.name, attempt.reason);
      last = attempt.reason;
      await this.#pause(pauses);
      if (this.#signal.aborted) return 'gave-up';
      if (await this.#isEnded(node)) break;
    }
    block.refusals.set(node.name, last);
    return 'gave-up';
  }

  /** Once. `gave-up`: what the node did is not known, or may change. */
  async #attempt(node: NodeAccess): Promise<{ readonly answer: Answer; readonly reason: string }> {
    const block = this.#block;
    try {
      const result = await this.#call((signal) => node.submit(block.solved, signal));
      if (result === 'accepted') return { answer: 'accepted', reason: '' };
      return { answer: 'gave-up', reason: 'it does not know the parent' };
    } catch (error) {
      const reason = clip(reasonOf(error), 300);
      if (!isFinal(error)) return { answer: 'gave-up', reason };
      try {
        const had = await this.#call((signal) => node.rawBlock(block.found.hash, signal));
        return { answer: had === undefined ? 'refused' : 'accepted', reason };
      } catch (cause) {
        return { answer: 'gave-up', reason: `${reason}; then: ${clip(reasonOf(cause), 200)}` };
      }
    }
  }

  #call<T>(call: (signal: AbortSignal) => Promise<T>): Promise<T> {
    return boundedCall(call, this.#options.callMs, this.#parts.clock, this.#signal);
  }

  #tell(node: string, reason: string): void {
    const { height } = this.#block;
    const fields = { node, height, hash: this.#block.hex, reason };
    const text = `block not handed in at ${node} yet, height ${height}: ${reason}`;
    this.#parts.log.warn('block not handed in', fields, text);
  }

  async #isEnded(node: NodeAccess): Promise<boolean> {
    if (this.#signal.aborted || this.#parts.isOver()) return true;
    const end = this.#block.height + this.#options.maxBlocks;
    const claimed = this.#parts.tipHeight();
    if (claimed === undefined || claimed < end) return false;
    try {
      return (await this.#call((signal) => node.blockHashAt(end, signal))) !== undefined;
    } catch {
      // A node that cannot say is not known to be so far.
      return this.#signal.aborted;
    }
  }

  #pause(pauses: Pauses): Promise<void> {
    return this.#parts.clock.sleep(pauses.next(), this.#signal);
  }
}

/**
 * A verdict on the block, or on the form that it has: the same again the next time. Whatever kept the
 * node from one is 'unreachable', however it was put.
 */
function isFinal(error: unknown): boolean {
  return error instanceof NodeAccessError && error.detail.code !== 'unreachable';
}

function reasonOf(error: unknown): string {
  return error instanceof NodeAccessError ? error.detail.reason : errorText(error);
}
