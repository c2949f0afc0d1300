/**
 * Templates for the block after the best one: what miners work on. Bytom 1.x mining API, "Work";
 * consensus, "Block validation" and "Coinbase".
 *
 * Unlike the reference, which makes one template per parent, this makes another one when transactions
 * arrive, and takes work on all of them as long as the parent is the best block. A template is a block
 * that our own chain accepts, but for its proof of work.
 *
 * Nothing is made that nobody wants: without listeners a template is made when it is asked for.
 */
import type { Block } from '../../chain/block.ts';
import { type BlockHeader, headerHash } from '../../chain/header.ts';
import type { Tx } from '../../chain/tx.ts';
import type { HeaderContext } from '../../consensus/header-rules.ts';
import { BLOCK_VERSION } from '../../consensus/params.ts';
import { subsidy } from '../../consensus/subsidy.ts';
import type { Seed } from '../../tensority/hasher.ts';
import { bitsToTarget, type Target } from '../../tensority/target.ts';
import { bytesEqual } from '../../util/bytes.ts';
import type { Clock } from '../../util/clock.ts';
import { errorText } from '../../util/errors.ts';
import type { Logger } from '../../util/log.ts';
import type { Chain } from '../chain.ts';
import type { SubmitOutcome } from '../submissions.ts';
import { type Assembly, assemble } from './assemble.ts';
import { type HeightVerdict, HeightVerdicts } from './height-verdicts.ts';
import type { MiningSettings } from './mining-settings.ts';
import { RootCache } from './root-cache.ts';
import { TemplateShelf } from './template-shelf.ts';
import { templateTime } from './template-time.ts';
import type { TemplateTx, TransactionSource } from './transaction-source.ts';
import { CoinsAt } from './trial-coins.ts';
import { WorkError } from './work-error.ts';

export interface BlockTemplate {
  /** Its nonce is 0. */
  readonly header: BlockHeader;
  readonly seed: Seed;
  readonly target: Target;
  /** The coinbase first. */
  readonly transactions: readonly Tx[];
  /** Of all transactions, in neu. */
  readonly fees: bigint;
  readonly gasUsed: number;
}

/** 'parent': work on earlier templates is lost. 'refreshed': it still counts. */
export type TemplateReason = 'parent' | 'refreshed';

export type TemplateListener = (template: BlockTemplate, reason: TemplateReason) => void;

export interface TemplatesOptions {
  /** Transactions make no new template until the last one is so old. Default 1000. */
  readonly refreshMs?: number;
  /** The same, when those that wait would raise the reward by a hundredth. Default 200. */
  readonly hurryMs?: number;
  /** How long the first transaction waits for those that come with it. Default 50. */
  readonly gatherMs?: number;
  /** Templates of the present parent that stay submittable. Default 512. */
  readonly maxTemplates?: number;
  /** Bytes of the transactions in them, each counted once. Default 32 MiB. */
  readonly maxBytes?: number;
}

export interface TemplatesParts {
  readonly chain: Pick<
    Chain,
    'network' | 'tip' | 'utxos' | 'nextHeaderContext' | 'onTip' | 'submit'
  >;
  readonly pool: TransactionSource;
  readonly settings: Pick<MiningSettings, 'program' | 'arbitrary' | 'onChange'>;
  readonly clock: Clock;
  /** The wall clock, in seconds. */
  readonly now: () => number;
  readonly log: Logger;
}

/** A template without its time. */
interface Body extends Assembly {
  readonly context: HeaderContext;
  readonly target: Target;
}

interface Timer {
  readonly due: number;
  readonly abort: AbortController;
}

const MAX_NONCE = 2n ** 63n - 1n;
/** For validating, while a template is made; the rest is validated in slices, for the next template. */
const QUICK_MS = 5;
/** Fees are worth a hurry from this part of the reward on. */
const HURRY_PART = 100n;

export class Templates {
  readonly #options: Required<TemplatesOptions>;
  readonly #parts: TemplatesParts;
  readonly #verdicts = new HeightVerdicts();
  readonly #roots = new RootCache();
  #coins: CoinsAt | undefined;
  readonly #shelf: TemplateShelf<Body>;
  readonly #listeners = new Set<TemplateListener>();
  readonly #unsubscribe: readonly (() => void)[];
  readonly #closed = new AbortController();
  /** The newest one of the best block, once it is made. */
  #body: Body | undefined;
  #madeAt = 0;
  /** When the first change since then came; `undefined`: there was none. */
  #changedAt: number | undefined;
  /** Of the transactions that came since then, in neu. */
  #newFees = 0n;
  #urgent = false;
  #made = 0;
  #makingMs = 0;
  #timer: Timer | undefined;
  #verifying: { readonly abort: AbortController; readonly done: Promise<void> } | undefined;

  constructor(options: TemplatesOptions, parts: TemplatesParts) {
    this.#options = {
      refreshMs: options.refreshMs ?? 1000,
      hurryMs: options.hurryMs ?? 200,
      gatherMs: options.gatherMs ?? 50,
      maxTemplates: options.maxTemplates ?? 512,
      maxBytes: options.maxBytes ?? 32 * 2 ** 20,
    };
    this.#parts = parts;
    this.#shelf = new TemplateShelf(this.#options);
    this.#unsubscribe = [
      parts.chain.onTip(() => this.#parentChanged()),
      parts.pool.onAdded(({ fee }) => this.#poolChanged(fee)),
      parts.pool.onRemoved(() => this.#poolChanged(0n)),
      parts.settings.onChange(() => this.#changedUrgently()),
    ];
  }

  /** Templates that work can be submitted for. */
  get kept(): number {
    return this.#shelf.size;
  }

  /** Totals since the start: templates made, and the time that took. */
  get counts(): { readonly made: number; readonly seconds: number } {
    return { made: this.#made, seconds: this.#makingMs / 1000 };
  }

  /**
   * The newest template, with a fresh timestamp. Waits for nothing; one that is out of date by more
   * than the options allow is made anew first. Rejects `WorkError` ('clock', 'closed'), or `StoreError`.
   */
  async current(): Promise<BlockTemplate> {
    return this.#withTime(this.#newest());
  }

  /**
   * Takes work: the nonce and the timestamp of `header`, and everything else from the template with its
   * roots, or from the newest one if there is none. The second time round, equal work is `known`, or
   * refused as `changed` once the block is the best one. Rejects `WorkError`, and what the chain does:
   * `RuleError` ('proof-of-work', 'timestamp-too-early' …), `PowError`, `ChainError`, `StoreError`.
   */
  async submit(header: BlockHeader): Promise<SubmitOutcome> {
    const { nonce, timestamp, previousBlockHash } = header;
    if (nonce < 0n || nonce > MAX_NONCE) {
      throw new WorkError({ code: 'nonce', nonce: `${nonce}` });
    }
    if (!Number.isSafeInteger(timestamp) || timestamp < 0) {
      throw new WorkError({ code: 'timestamp', timestamp });
    }
    if (this.#closed.signal.aborted) throw new WorkError({ code: 'closed' });
    if (!bytesEqual(previousBlockHash, this.#parts.chain.tip.hash)) {
      throw new WorkError({ code: 'changed' });
    }
    const body = this.#shelf.find(header) ?? this.#newest();
    const block = blockOf(body, timestamp, nonce);
    return this.#parts.chain.submit(block, { priority: 'candidate' });
  }

  /** Called with every template as it is made. Returns how to end it. */
  onTemplate(listener: TemplateListener): () => void {
    this.#listeners.add(listener);
    this.#plan();
    return () => this.#listeners.delete(listener);
  }

  /** Makes no more templates and tells nobody anything any more. Idempotent. */
  async close(): Promise<void> {
    this.#closed.abort();
    for (const end of this.#unsubscribe) end();
    this.#listeners.clear();
    this.#timer?.abort.abort();
    this.#timer = undefined;
    this.#verifying?.abort.abort();
    await this.#verifying?.done;
    this.#forget();
  }

  #parentChanged(): void {
    this.#forget();
    this.#verifying?.abort.abort();
    this.#plan();
  }

  #poolChanged(fee: bigint): void {
    this.#changedAt ??= this.#parts.clock.now();
    this.#newFees += fee;
    this.#plan();
  }

  /** At once: whoever changes an address wants no more blocks to pay the old one. */
  #changedUrgently(): void {
    this.#urgent = true;
    this.#plan();
  }

  #forget(): void {
    this.#body = undefined;
    this.#coins = undefined;
    this.#shelf.clear();
  }

  /** The newest template of the best block, made if there is none or it is too old. */
  #newest(): Body {
    const body = this.#body;
    // Whoever asks is not kept waiting for what may come in the next moment.
    return body === undefined || this.#isDue(0) ? this.#make() : body;
  }

  #isDue(gatherMs: number): boolean {
    return this.#due(gatherMs) <= this.#parts.clock.now();
  }

  /** When the next template is to be made; infinite if nothing has changed. */
  #due(gatherMs: number): number {
    const { refreshMs, hurryMs } = this.#options;
    const body = this.#body;
    if (body === undefined || this.#urgent) return Number.NEGATIVE_INFINITY;
    if (this.#changedAt === undefined) return Number.POSITIVE_INFINITY;
    const reward = subsidy(body.context.parent.header.height + 1) + body.fees;
    const notable = this.#newFees > 0n && this.#newFees * HURRY_PART >= reward;
    return Math.max(this.#changedAt + gatherMs, this.#madeAt + (notable ? hurryMs : refreshMs));
  }

  /** Sees to it that the next template is made in time for the listeners. */
  #plan(): void {
    if (this.#listeners.size === 0 || this.#closed.signal.aborted) return;
    const due = this.#due(this.#options.gatherMs);
    if (due === Number.POSITIVE_INFINITY) return;
    if (this.#timer !== undefined && this.#timer.due <= due) return;
    this.#timer?.abort.abort();
    const timer = { due, abort: new AbortController() };
    this.#timer = timer;
    void this.#makeAt(timer);
  }

  /** Never rejects. */
  async #makeAt({ due, abort }: Timer): Promise<void> {
    const { clock, log } = this.#parts;
    const ms = due - clock.now();
    // A turn at least: the pool shall first take notice of a new block too.
    await (ms > 0 ? clock.sleep(ms, abort.signal) : Promise.resolve());
    if (abort.signal.aborted) return;
    this.#timer = undefined;
    // Somebody may have asked for a template meanwhile.
    if (!this.#isDue(this.#options.gatherMs)) return this.#plan();
    try {
      this.#make();
    } catch (error) {
      log.error('no template', { reason: errorText(error) });
    }
  }

  /** Makes a template from what is known now, tells of it, and has the rest validated. */
  #make(): Body {
    if (this.#closed.signal.aborted) throw new WorkError({ code: 'closed' });
    const { chain, pool, settings, clock } = this.#parts;
    const context = chain.nextHeaderContext();
    const height = context.parent.header.height + 1;
    const { program, arbitrary } = settings;
    const start = clock.now();
    const quickUntil = start + QUICK_MS;
    const assembly = assemble(
      pool.transactions(),
      { height, program, arbitrary },
      {
        coins: this.#coinsAt(context.parent.hash),
        roots: this.#roots,
        verdict: (tx) => this.#verdictOf(tx, height, quickUntil),
      },
    );
    const before = this.#body;
    const body = { ...assembly, context, target: bitsToTarget(context.requiredBits) };
    this.#body = body;
    this.#madeAt = clock.now();
    this.#made++;
    this.#makingMs += this.#madeAt - start;
    this.#changedAt = undefined;
    this.#newFees = 0n;
    this.#urgent = false;
    this.#shelf.add(body);
    if (before === undefined) this.#tell(body, 'parent');
    else if (!haveEqualRoots(before, body)) this.#tell(body, 'refreshed');
    if (assembly.unverified.length > 0) this.#verify(assembly.unverified, height);
    return body;
  }

  #coinsAt(hash: Uint8Array): CoinsAt {
    if (this.#coins === undefined || !bytesEqual(this.#coins.hash, hash)) {
      this.#coins = new CoinsAt(hash, this.#parts.chain.utxos);
    }
    return this.#coins;
  }

  /** Some are validated at once: many pools never ask for a second template of the same parent. */
  #verdictOf(tx: TemplateTx, height: number, quickUntil: number): HeightVerdict | undefined {
    const known = this.#verdicts.get(tx, height);
    if (known !== undefined || this.#parts.clock.now() >= quickUntil) return known;
    return this.#verdicts.validateQuickly(tx, height);
  }

  /** Has them validated for `height`, in slices, and then a template made that has them. */
  #verify(unverified: readonly TemplateTx[], height: number): void {
    // What is being validated belongs to this parent or is aborted; what is new comes after it.
    if (this.#verifying !== undefined && !this.#verifying.abort.signal.aborted) return;
    const abort = new AbortController();
    const before = this.#verifying?.done;
    const done = this.#verifyAll(unverified, height, abort.signal, before);
    const verifying = { abort, done };
    this.#verifying = verifying;
    void done.then(() => {
      if (this.#verifying === verifying) this.#verifying = undefined;
      if (abort.signal.aborted || this.#closed.signal.aborted) return;
      this.#changedUrgently();
    });
  }

  /** Never rejects. */
  async #verifyAll(
    unverified: readonly TemplateTx[],
    height: number,
    signal: AbortSignal,
    before: Promise<void> | undefined,
  ): Promise<void> {
    await before;
    try {
      for (const tx of unverified) {
        await this.#verdicts.validate(tx, height, this.#parts.clock, signal);
      }
    } catch (error) {
      if (signal.aborted) return;
      this.#parts.log.error('pooled transaction not validated', { reason: errorText(error) });
    }
  }

  #withTime(body: Body): BlockTemplate {
    const { chain, now } = this.#parts;
    const { context, target, transactions, fees, gasUsed } = body;
    const timestamp = templateTime(chain.network.name, context, now());
    const header = headerOf(body, timestamp, 0n);
    return { header, seed: context.seed, target, transactions, fees, gasUsed };
  }

  #tell(body: Body, reason: TemplateReason): void {
    if (this.#listeners.size === 0) return;
    const { log } = this.#parts;
    let template: BlockTemplate;
    try {
      template = this.#withTime(body);
    } catch (error) {
      log.error('no template', { reason: errorText(error) });
      return;
    }
    for (const listener of this.#listeners) {
      try {
        listener(template, reason);
      } catch (error) {
        log.error('template listener failed', { reason: errorText(error) });
      }
    }
  }
}

function headerOf(body: Body, timestamp: number, nonce: bigint): BlockHeader {
  const { context, transactionsMerkleRoot, transactionStatusHash } = body;
  const { parent, requiredBits } = context;
  return {
    version: BLOCK_VERSION,
    height: parent.header.height + 1,
    previousBlockHash: parent.hash,
    timestamp,
    transactionsMerkleRoot,
    transactionStatusHash,
    nonce,
    bits: requiredBits,
  };
}

function blockOf(body: Body, timestamp: number, nonce: bigint): Block {
  const header = headerOf(body, timestamp, nonce);
  return { header, hash: headerHash(header), transactions: body.transactions };
}

function haveEqualRoots(a: Body, b: Body): boolean {
  return (
    bytesEqual(a.transactionsMerkleRoot, b.transactionsMerkleRoot) &&
    bytesEqual(a.transactionStatusHash, b.transactionStatusHash)
  );
}
