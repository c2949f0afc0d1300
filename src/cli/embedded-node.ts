/**
 * Our node in this process, as the pool sees it. Nothing is asked and nothing polled: templates come as
 * they are made, and blocks go straight to the chain.
 *
 * A node without a mining address gives no work here either (`paidTemplates`).
 */
import {
  type NodeAccess,
  NodeAccessError,
  type NodeListener,
  type SolvedBlock,
} from '../../pool/chain-access.ts';
import { isSameWork, poolTemplate } from '../../pool/nodes/node-template.ts';
import { Nap } from '../../pool/nodes/pauses.ts';
import type { PoolTemplate } from '../../pool/template.ts';
import { decodeBlock, encodeBlock } from '../chain/block.ts';
import { RuleError } from '../consensus/rule-error.ts';
import type { BlockTemplate, Templates } from '../node/mining/templates.ts';
import { WorkError } from '../node/mining/work-error.ts';
import type { Node } from '../node/node.ts';
import type { SubmitOutcome } from '../node/submissions.ts';
import type { Clock } from '../util/clock.ts';
import { CodedError, errorText, InputError } from '../util/errors.ts';
import type { Logger } from '../util/log.ts';

export interface EmbeddedNodeOptions {
  /** As the pool calls it. Default `embedded`. */
  readonly name?: string;
  /** How old the time of the work given may become. Default 60 000. */
  readonly refreshMs?: number;
}

export interface EmbeddedNodeParts {
  /** Stays the caller's, who closes it after the pool. */
  readonly node: {
    readonly chain: Pick<Node['chain'], 'hashAt' | 'blockBytes' | 'submit'>;
    readonly templates: Pick<Templates, 'current' | 'submit' | 'onTemplate'>;
    readonly settings: Pick<Node['settings'], 'address' | 'setAddress' | 'onChange'>;
  };
  /** Why it is to give no work now, such as a first sync; looked at once a second, and more often while it is. */
  readonly heldBack?: () => string | undefined;
  readonly clock: Clock;
  readonly log: Logger;
}

/** How often it is looked at what tells nobody of its changes: the clock, and `heldBack`. */
const LOOK_MS = 1000;
/** The same, while it gives no work. */
const LOOK_DOWN_MS = 100;
const NO_ADDRESS = 'Mining address does not exist';

export class EmbeddedNode implements NodeAccess {
  readonly name: string;
  readonly #refreshMs: number;
  readonly #parts: EmbeddedNodeParts;
  readonly #closed = new AbortController();
  /** Between two looks; ended as it stops to give work, to look more often. */
  readonly #nap: Nap;
  #listener: NodeListener | undefined;
  #following: Promise<void> = Promise.resolve();
  #template: PoolTemplate | undefined;
  /** When it was given out. */
  #givenAt = Number.NEGATIVE_INFINITY;
  /** When it was last made sure that there is none newer. */
  #toldAt = Number.NEGATIVE_INFINITY;
  /** As it was told; `null`: nothing was. */
  #told: string | undefined | null = null;

  constructor(options: EmbeddedNodeOptions, parts: EmbeddedNodeParts) {
    this.name = options.name ?? 'embedded';
    this.#refreshMs = options.refreshMs ?? 60_000;
    this.#parts = parts;
    this.#nap = new Nap(parts.clock);
  }

  async follow(listener: NodeListener, signal: AbortSignal): Promise<void> {
    const stop = (): void => this.#closed.abort();
    if (signal.aborted) stop();
    signal.addEventListener('abort', stop, { once: true });
    this.#listener = listener;
    this.#following = this.#follow(this.#closed.signal);
    await this.#following;
    signal.removeEventListener('abort', stop);
  }

  async submit({ header, node, rawBlock }: SolvedBlock): Promise<'accepted' | 'orphan'> {
    const { chain, templates } = this.#parts.node;
    const takeWhole = async (): Promise<'accepted' | 'orphan'> => {
      if (rawBlock === undefined) {
        const reason = `a header of ${node}, whose transactions are not known here`;
        throw new NodeAccessError(this.name, { code: 'unfit', reason });
      }
      return this.#submitted(async () =>
        // A copy: the chain keeps views of what it was given.
        chain.submit(decodeBlock(rawBlock.slice()), { priority: 'candidate' }),
      );
    };
    if (node !== this.name) return takeWhole();
    try {
      return await this.#submitted(() => templates.submit(header));
    } catch (error) {
      const isRefused = error instanceof NodeAccessError && error.detail.code !== 'unreachable';
      if (rawBlock === undefined || !isRefused) throw error;
      return takeWhole();
    }
  }

  async blockHashAt(height: number): Promise<Uint8Array | undefined> {
    return this.#asked(() => this.#parts.node.chain.hashAt(height));
  }

  async rawBlock(hash: Uint8Array): Promise<Uint8Array | undefined> {
    return this.#asked(() => this.#parts.node.chain.blockBytes(hash));
  }

  async miningAddress(): Promise<string | undefined> {
    return this.#parts.node.settings.address;
  }

  async setMiningAddress(address: string): Promise<void> {
    try {
      await this.#parts.node.settings.setAddress(address);
    } catch (cause) {
      throw this.#failure(cause, cause instanceof CodedError);
    }
  }

  async close(): Promise<void> {
    this.#closed.abort();
    await this.#following;
  }

  /** Never rejects. */
  async #follow(signal: AbortSignal): Promise<void> {
    const { node } = this.#parts;
    const ends = [
      node.templates.onTemplate((template) => this.#offer(template)),
      node.settings.onChange(() => void this.#look(true)),
    ];
    while (!signal.aborted) {
      await this.#look(false);
      await this.#nap.sleep(typeof this.#told === 'string' ? LOOK_DOWN_MS : LOOK_MS, signal);
    }
    for (const end of ends) end();
  }

  /** Sees whether it gives work, and gives it anew once its time is old. Never rejects. */
  async #look(isNew: boolean): Promise<void> {
    const { node, clock } = this.#parts;
    const why = this.#why();
    if (why !== undefined) {
      this.#tell(why);
      return;
    }
    // Without a template of its own making: nobody but us may be asking for any.
    if (!isNew && this.#told === undefined && clock.now() - this.#toldAt < this.#refreshMs) return;
    try {
      this.#offer(await node.templates.current());
    } catch (error) {
      this.#tell(errorText(error));
    }
  }

  #why(): string | undefined {
    const { node, heldBack } = this.#parts;
    return node.settings.address === undefined ? NO_ADDRESS : heldBack?.();
  }

  #offer(template: BlockTemplate): void {
    const why = this.#why();
    if (why !== undefined) {
      this.#tell(why);
      return;
    }
    if (this.#closed.signal.aborted) return;
    const before = this.#template;
    const { header, transactions } = template;
    const now = poolTemplate(this.name, template, {
      encode: () => encodeBlock({ header, transactions }),
      payee: transactions[0]?.outputs[0]?.controlProgram,
    });
    this.#toldAt = this.#parts.clock.now();
    // Asked for and pushed, one and the same comes twice; and time alone, however it jumps, makes no more
    // work than this.
    const isFresh = this.#toldAt - this.#givenAt < this.#refreshMs;
    const mayDifferMs = isFresh ? Number.POSITIVE_INFINITY : this.#refreshMs;
    if (before === undefined || !isSameWork(before, now, mayDifferMs)) {
      this.#template = now;
      this.#givenAt = this.#toldAt;
      this.#listener?.onTemplate(now);
    }
    this.#tell(undefined);
  }

  #tell(down: string | undefined): void {
    if (this.#told === down || this.#closed.signal.aborted) return;
    const before = this.#told;
    this.#told = down;
    const { log } = this.#parts;
    const { name } = this;
    if (down !== undefined) {
      this.#nap.wake();
      log.warn(
        'no work from node',
        { node: name, reason: down },
        `no work from node ${name}: ${down}`,
      );
    } else if (before !== null) {
      log.info('node works again', { node: name }, `node ${name} gives work again`);
    }
    this.#listener?.onState(down);
  }

  async #submitted(submit: () => Promise<SubmitOutcome>): Promise<'accepted' | 'orphan'> {
    try {
      return (await submit()).result === 'orphan' ? 'orphan' : 'accepted';
    } catch (cause) {
      if (cause instanceof WorkError && cause.detail.code === 'changed') {
        throw new NodeAccessError(this.name, { code: 'stale', reason: cause.message }, { cause });
      }
      // A proof that the device could not give, a full queue, a disk: worth another try.
      throw this.#failure(cause, isVerdict(cause));
    }
  }

  /** What the store throws, it throws on the spot. */
  #asked<T>(ask: () => T): T {
    try {
      return ask();
    } catch (cause) {
      throw this.#failure(cause, false);
    }
  }

  #failure(cause: unknown, isRefused: boolean): NodeAccessError {
    const code = isRefused ? 'refused' : 'unreachable';
    return new NodeAccessError(this.name, { code, reason: errorText(cause) }, { cause });
  }
}

/** True if the block was looked at, and is none. */
function isVerdict(error: unknown): boolean {
  if (error instanceof WorkError) return ['nonce', 'timestamp'].includes(error.detail.code);
  return error instanceof RuleError || error instanceof InputError;
}
