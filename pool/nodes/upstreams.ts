/**
 * The pool's nodes together: one template out of several, in the order of preference.
 *
 * The greatest height wins; a node further down the list that is ahead is used until one before it has
 * caught up. Of two blocks at one height the pool stays with the one that it works on, as nodes do: going
 * over would only void jobs. A node's template counts only once it is known to pay the pool.
 *
 * Miners lose a little with every job. One that brings no more than newer transactions waits, so that
 * they have a new one every few seconds at most.
 */

import { bytesEqual, bytesToHex } from '../../src/util/bytes.ts';
import type { Clock } from '../../src/util/clock.ts';
import { errorText } from '../../src/util/errors.ts';
import type { Logger } from '../../src/util/log.ts';
import type { NodeAccess } from '../chain-access.ts';
import type { PoolTemplate, TemplateFeed, TemplateListener } from '../template.ts';
import { type TimedNode, Upstream } from './upstream.ts';

export interface UpstreamsOptions {
  /** How often mining addresses are compared again. Default 60 000. */
  readonly addressCheckMs?: number;
  /** How often it is said again that no node gives work. Default 60 000. */
  readonly outageRepeatMs?: number;
  /** Templates of the same node and parent are passed on no more often. Default 10 000. */
  readonly refreshMs?: number;
  /** Whether templates have the time of the wall clock: on mainnet. Default false. */
  readonly keepsTime?: boolean;
}

export interface UpstreamsParts {
  /** In the order of preference; at least one, of different names. Closed with it. */
  readonly nodes: readonly TimedNode[];
  readonly clock: Clock;
  /** The wall clock, in milliseconds since 1970. */
  readonly now: () => number;
  readonly log: Logger;
}

/** One node, for metrics and health. */
export interface UpstreamStatus {
  readonly name: string;
  /** It gives work that can be used. */
  readonly isUp: boolean;
  /** Why not. */
  readonly reason?: string;
  /** Jobs are made from its templates. */
  readonly isUsed: boolean;
  /** Of the block that its work is for. */
  readonly height?: number;
  /** Blocks behind the node that is furthest. */
  readonly lag?: number;
  /** How long ago it gave that work: the time of a template is renewed once a minute. */
  readonly ageMs?: number;
  /** How long its last answer took. */
  readonly latencyMs?: number;
}

/** How often a node is looked at whose address is not known. */
const TICK_MS = 1000;
/** So long a start without work is no outage. */
const START_MS = 10_000;
/** Nor is a gap of so long: a node that fetches a block or two, or is asked for its address. */
const GAP_MS = 3000;
/** So long a start waits for the addresses of the others once that of one node is settled. */
const OTHERS_MS = 1000;

export class Upstreams implements TemplateFeed {
  readonly #options: Required<UpstreamsOptions>;
  readonly #parts: UpstreamsParts;
  readonly #upstreams: readonly Upstream[];
  readonly #listeners = new Set<TemplateListener>();
  readonly #closed = new AbortController();
  #running: readonly Promise<void>[] = [];
  #current: PoolTemplate | undefined;
  /** Of the last template that was used, also after it. */
  #previousHash: Uint8Array | undefined;
  /** When listeners were last told of a template. */
  #passedAt = Number.NEGATIVE_INFINITY;
  #outageAt: number;
  /** How long the present one may last before it is told. */
  #graceMs = START_MS;
  #outageToldAt: number | undefined;

  constructor(options: UpstreamsOptions, parts: UpstreamsParts) {
    const { nodes, clock, now, log } = parts;
    const names = nodes.map(({ name }) => name);
    if (names.length === 0 || new Set(names).size < names.length) {
      throw new RangeError(`nodes expected one or more of different names, got [${names.join()}]`);
    }
    this.#options = {
      addressCheckMs: options.addressCheckMs ?? 60_000,
      outageRepeatMs: options.outageRepeatMs ?? 60_000,
      refreshMs: options.refreshMs ?? 10_000,
      keepsTime: options.keepsTime ?? false,
    };
    this.#parts = parts;
    const { signal } = this.#closed;
    const changed = (): void => this.#choose();
    const { keepsTime } = this.#options;
    this.#upstreams = nodes.map(
      (node) => new Upstream({ node, keepsTime, clock, now, log, signal, changed }),
    );
    this.#outageAt = clock.now();
  }

  get current(): PoolTemplate | undefined {
    return this.#current;
  }

  /** All of them, in the order of preference. */
  get nodes(): readonly NodeAccess[] {
    return this.#parts.nodes;
  }

  /** Those whose answers can be used, in the order of preference. */
  get upNodes(): readonly NodeAccess[] {
    return this.#upstreams.filter(({ isUp }) => isUp).map(({ node }) => node);
  }

  get status(): readonly UpstreamStatus[] {
    const best = Math.max(...this.#upstreams.map((each) => heightOf(each) ?? 0));
    return this.#upstreams.map((each) => {
      const { node, isUp, isPaid, reason, templateAt } = each;
      const { latencyMs } = node;
      const height = heightOf(each);
      return {
        name: node.name,
        isUp: isUp && isPaid,
        ...(reason === undefined ? {} : { reason }),
        isUsed: this.#current?.node === node.name,
        ...(height === undefined ? {} : { height, lag: best - height }),
        ...(templateAt === undefined ? {} : { ageMs: this.#parts.clock.now() - templateAt }),
        ...(latencyMs === undefined ? {} : { latencyMs }),
      };
    });
  }

  /** How long no node has given work that can be used, in ms; 0 while one does. */
  get outageMs(): number {
    return this.#current === undefined ? this.#parts.clock.now() - this.#outageAt : 0;
  }

  onTemplate(listener: TemplateListener): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  /**
   * Compares whom the nodes pay with `address`, now and from now on, and sets it where it differs;
   * without an address each node must have one of its own. Before it was called no template is used.
   *
   * Resolves once one node's is settled and the others had a second, or when none can tell: those are
   * compared as soon as they do, and not used before. Rejects `MiningAddressError` if one says by then
   * that it pays somebody else and cannot be told otherwise.
   */
  async ensureMiningAddress(address: string | undefined): Promise<void> {
    const checks = this.#upstreams.map((each) => each.demandAddress({ address }));
    const all = Promise.all(checks);
    // Who refuses later is logged, and not used.
    all.catch(() => {});
    const enough = new AbortController();
    const others = async (): Promise<void> => {
      const isSettled = checks.map(async (check) => (await check) || Promise.reject(new Error()));
      // None is: then all have said what they can.
      await Promise.any(isSettled).catch(() => all);
      await this.#parts.clock.sleep(OTHERS_MS, enough.signal);
    };
    try {
      await Promise.race([all, others()]);
    } finally {
      enough.abort();
    }
  }

  /** Begins to follow the nodes. Once. */
  start(): void {
    const { signal } = this.#closed;
    this.#running = [
      ...this.#upstreams.map((each) => each.node.follow(each, signal)),
      this.#watch(signal),
    ];
  }

  /** Follows the nodes no more, and closes them. Idempotent. */
  async close(): Promise<void> {
    this.#closed.abort();
    this.#listeners.clear();
    await Promise.all(this.#parts.nodes.map((node) => node.close()));
    await Promise.all(this.#running);
  }

  /** Takes the best template there is, and tells of it if it is another one that need not wait. */
  #choose(): void {
    if (this.#closed.signal.aborted) return;
    const usable = this.#upstreams.filter(({ isUp, isPaid }) => isUp && isPaid);
    const best = bestOf(usable, this.#previousHash);
    const before = this.#current;
    if (best === before || this.#mayWait(best, before)) return;
    this.#current = best;
    const { clock, log } = this.#parts;
    if (best === undefined) {
      this.#outageAt = clock.now();
      this.#outageToldAt = undefined;
      this.#graceMs = GAP_MS;
      log.debug('no work', { reasons: this.#reasons });
      return;
    }
    this.#passedAt = clock.now();
    if (before === undefined && this.#outageToldAt !== undefined) {
      const seconds = Math.round((clock.now() - this.#outageAt) / 1000);
      log.info(
        'work again',
        { node: best.node, seconds },
        `work again, after ${seconds} s without`,
      );
    }
    if (before?.node !== best.node) {
      const isLost = !usable.some(({ node }) => node.name === before?.node);
      this.#tellNode(best, before, isLost);
    }
    const isClean =
      this.#previousHash === undefined ||
      !bytesEqual(this.#previousHash, best.header.previousBlockHash);
    this.#previousHash = best.header.previousBlockHash;
    for (const listener of this.#listeners) {
      try {
        listener(best, isClean);
      } catch (error) {
        log.error('template listener failed', { reason: errorText(error) });
      }
    }
  }

  /** True for one that only has newer content than what miners have; `#watch` comes back to it. */
  #mayWait(best: PoolTemplate | undefined, before: PoolTemplate | undefined): boolean {
    if (best === undefined || before === undefined) return false;
    // Of another node, or that was away: what is found on the one before, nobody may take by its header.
    if (best.node !== before.node || !continuesSame(best, before)) return false;
    return this.#parts.clock.now() - this.#passedAt < this.#options.refreshMs;
  }

  /** `isLost`: there is no more to be had from the node before. */
  #tellNode(
    { node, header }: PoolTemplate,
    before: PoolTemplate | undefined,
    isLost: boolean,
  ): void {
    const { log } = this.#parts;
    const { height } = header;
    const parent = bytesToHex(header.previousBlockHash);
    const fields = { node, height, parent, before: before?.node };
    const text = `work from node ${node}, height ${height}${before === undefined ? '' : `, instead of ${before.node}`}`;
    // Nodes learn of a block one after the other: on a healthy pool this happens at many a block.
    if (before === undefined || isLost) log.info('node in use', fields, text);
    else log.debug('node in use', fields, text);
  }

  #tellOutage(): void {
    const { clock, log } = this.#parts;
    const now = clock.now();
    const seconds = Math.round((now - this.#outageAt) / 1000);
    this.#outageToldAt = now;
    const reasons = this.#reasons;
    log.error('no work', { seconds, reasons }, `no node gives work, for ${seconds} s: ${reasons}`);
  }

  get #reasons(): string {
    return this.#upstreams.map(({ node, reason }) => `${node.name}: ${reason}`).join('; ');
  }

  /** Never rejects. */
  async #watch(signal: AbortSignal): Promise<void> {
    const { clock } = this.#parts;
    const { addressCheckMs, outageRepeatMs } = this.#options;
    let checkedAt = clock.now();
    while (!signal.aborted) {
      await clock.sleep(TICK_MS, signal);
      if (signal.aborted) return;
      const now = clock.now();
      const isTime = now - checkedAt >= addressCheckMs;
      if (isTime) checkedAt = now;
      for (const each of this.#upstreams) {
        if (isTime || each.isDoubtful) void each.checkAddress();
        each.remind();
      }
      this.#choose();
      if (this.#current !== undefined) continue;
      const told = this.#outageToldAt;
      const due = told === undefined ? this.#outageAt + this.#graceMs : told + outageRepeatMs;
      if (now >= due) this.#tellOutage();
    }
  }
}

function heightOf({ template }: Upstream): number | undefined {
  return template?.header.height;
}

function continuesSame(a: PoolTemplate, b: PoolTemplate): boolean {
  return bytesEqual(a.header.previousBlockHash, b.header.previousBlockHash);
}

/** Of the greatest height; of these on the block that is worked on, if any is; of these the first. */
function bestOf(
  usable: readonly Upstream[],
  previousHash: Uint8Array | undefined,
): PoolTemplate | undefined {
  const templates = usable.flatMap(({ template }) => (template === undefined ? [] : [template]));
  const height = Math.max(...templates.map(({ header }) => header.height));
  const highest = templates.filter(({ header }) => header.height === height);
  const isStaying = ({ header }: PoolTemplate): boolean =>
    previousHash !== undefined && bytesEqual(header.previousBlockHash, previousHash);
  return highest.find(isStaying) ?? highest[0];
}
