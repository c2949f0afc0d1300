/**
 * Follows one node's work over HTTP. Bytom 1.x mining interfaces, A.3.
 *
 * A node that has the push channel (`/events`: ours) is asked when it says that there is news, and every
 * few seconds in case it does not; any other is polled. Which calls it has is found out again after it
 * was away, and every few minutes, as it may come back as another program.
 *
 * One failure is a hiccup, and miners go on with what they have; after two in a row the node is down.
 * Height only grows on a node, unless it was restarted or starts over: a lower one is not believed
 * before it has stood for a while. A template that differs in its time alone is passed on once a minute,
 * also when that time jumps.
 */
import { type EventSourceOptions, followEvents } from '../../src/node-api/event-source.ts';
import {
  type BlockTemplate,
  isMissingCall,
  NodeCallError,
  type NodeClient,
  type WorkTemplate,
} from '../../src/node-api/node-client.ts';
import type { Clock } from '../../src/util/clock.ts';
import { clip, errorText, InputError } from '../../src/util/errors.ts';
import type { Logger } from '../../src/util/log.ts';
import type { NodeListener } from '../chain-access.ts';
import type { PoolTemplate } from '../template.ts';
import { isSameWork, payeeOf, poolTemplate, type WholeBlock } from './node-template.ts';
import { Nap, type PauseBounds, Pauses } from './pauses.ts';

export interface FollowerOptions {
  /** Pause between two polls. */
  readonly pollMs: number;
  /** The same, while the node tells of its news by itself. */
  readonly pushedPollMs: number;
  /** How far the time of what miners have may lag behind the node's. */
  readonly refreshMs: number;
  /** How long a node that gives no whole blocks is not asked for them. */
  readonly formMs: number;
  /** How long a lower height must stand before it is believed. */
  readonly setbackMs: number;
  /** Bounds of the pauses after failures. */
  readonly retryMs: PauseBounds;
}

export interface FollowerParts {
  readonly client: Pick<NodeClient, 'name' | 'getWork' | 'getBlockTemplate'>;
  readonly events: EventSourceOptions;
  readonly clock: Clock;
  readonly log: Logger;
}

/** However many events come, the node is asked no more often. */
const MIN_GAP_MS = 10;
/** The same trouble is logged again only so much later. */
const REPEAT_MS = 600_000;
/** A node without the push channel is asked for it again so much later. */
const NO_EVENTS_MS = 600_000;

export class HttpFollower {
  readonly #options: FollowerOptions;
  readonly #parts: FollowerParts;
  readonly #pauses: Pauses;
  /** Ended by news. */
  readonly #pollNap: Nap;
  /** Ended as the node comes back. */
  readonly #eventsNap: Nap;
  /** When each kind of trouble was logged last. */
  readonly #logged = new Map<string, number>();
  #listener: NodeListener | undefined;
  #template: PoolTemplate | undefined;
  /** The kind of trouble that was told; `undefined` while it is up. */
  #down: string | undefined;
  #isRecoveryNews = false;
  #failures = 0;
  #wasAway = false;
  #setbackAt: number | undefined;
  /** When it gives whole blocks no more, as far as is known. */
  #noTemplatesAt: number | undefined;
  /** Whether its work came with whole blocks, as it was logged. */
  #toldWhole: boolean | undefined;
  /** When the template was passed on. */
  #givenAt = 0;
  #isPushing = false;
  #latencyMs: number | undefined;

  constructor(options: FollowerOptions, parts: FollowerParts) {
    this.#options = options;
    this.#parts = parts;
    this.#pauses = new Pauses(options.retryMs);
    this.#pollNap = new Nap(parts.clock);
    this.#eventsNap = new Nap(parts.clock);
  }

  /** How long the last answer took. */
  get latencyMs(): number | undefined {
    return this.#latencyMs;
  }

  /** Until the signal aborts. Never rejects. */
  async run(listener: NodeListener, signal: AbortSignal): Promise<void> {
    this.#listener = listener;
    const events = this.#followEvents(signal);
    while (!signal.aborted) {
      this.#pollNap.drop();
      await this.#pause(await this.#ask(signal), signal);
    }
    await events;
  }

  /** The node is known to have other work now. */
  askNow(): void {
    this.#pollNap.wake();
  }

  /** Asks for work once; resolves to the pause before the next time. */
  async #ask(signal: AbortSignal): Promise<number> {
    const { client, clock } = this.#parts;
    const start = clock.now();
    try {
      const work = await this.#work(signal);
      this.#latencyMs = clock.now() - start;
      const template = poolTemplate(client.name, work, wholeOf(work));
      this.#checkHeight(template);
      this.#succeeded(template);
      return this.#isPushing ? this.#options.pushedPollMs : this.#options.pollMs;
    } catch (error) {
      if (signal.aborted) return 0;
      this.#failed(error);
      return this.#pauses.next();
    }
  }

  async #work(signal: AbortSignal): Promise<WorkTemplate | BlockTemplate> {
    const { client, clock } = this.#parts;
    const missingAt = this.#noTemplatesAt;
    if (missingAt === undefined || clock.now() - missingAt >= this.#options.formMs) {
      try {
        const template = await client.getBlockTemplate(signal);
        this.#noTemplatesAt = undefined;
        return template;
      } catch (error) {
        if (!isMissingCall(error)) throw error;
        this.#noTemplatesAt = clock.now();
      }
    }
    return client.getWork(signal);
  }

  /** Throws `InputError` for a height that has gone back for no known reason. */
  #checkHeight({ header: { height } }: PoolTemplate): void {
    const before = this.#template?.header.height ?? 0;
    if (height >= before || this.#wasAway) return;
    const now = this.#parts.clock.now();
    this.#setbackAt ??= now;
    if (now - this.#setbackAt >= this.#options.setbackMs) return;
    throw new InputError('height', `${before} or more, as before`, `${height}`);
  }

  #succeeded(template: PoolTemplate): void {
    const { client, clock, log } = this.#parts;
    const before = this.#template;
    this.#pauses.reset();
    this.#failures = 0;
    if (this.#wasAway) this.#eventsNap.wake();
    this.#wasAway = false;
    this.#setbackAt = undefined;
    this.#tellForm('rawBlock' in template);
    const now = clock.now();
    // However its clock may jump, time alone makes no more work than that.
    const { refreshMs } = this.#options;
    const isFresh = now - this.#givenAt < refreshMs;
    const mayDifferMs = isFresh ? Number.POSITIVE_INFINITY : refreshMs;
    if (before === undefined || !isSameWork(before, template, mayDifferMs)) {
      this.#template = template;
      this.#givenAt = now;
      this.#listener?.onTemplate(template);
    }
    if (this.#down === undefined && before !== undefined) return;
    this.#down = undefined;
    this.#listener?.onState(undefined);
    if (!this.#isRecoveryNews) return;
    this.#isRecoveryNews = false;
    log.info('node works again', { node: client.name }, `node ${client.name} gives work again`);
  }

  #tellForm(isWhole: boolean): void {
    if (this.#toldWhole === isWhole) return;
    this.#toldWhole = isWhole;
    const { client, log } = this.#parts;
    const what = isWhole
      ? 'whole blocks, which every node takes'
      : 'headers, which only it takes (no call get-block-template)';
    const fields = { node: client.name, whole: isWhole };
    log.info('form of work', fields, `node ${client.name} gives ${what}`);
  }

  #failed(error: unknown): void {
    const kind = kindOf(error);
    const reason = clip(errorText(error), 300);
    this.#failures++;
    if (kind === 'network') {
      this.#wasAway = true;
      this.#noTemplatesAt = undefined;
    }
    this.#logTrouble(kind, reason);
    // What miners have is good until somebody finds a block: a single hiccup takes nothing from them.
    if (this.#down === kind || (this.#template !== undefined && this.#failures < 2)) return;
    this.#down = kind;
    this.#listener?.onState(reason);
  }

  #logTrouble(kind: string, reason: string): void {
    const { client, clock, log } = this.#parts;
    const now = clock.now();
    const last = this.#logged.get(kind);
    if (last !== undefined && now - last < REPEAT_MS) return;
    this.#logged.set(kind, now);
    this.#isRecoveryNews = true;
    const fields = { node: client.name, kind, reason };
    if (kind === 'fault') log.error('node not followed', fields);
    else log.warn('no work from node', fields, `no work from node ${client.name}: ${reason}`);
  }

  /** Never rejects. */
  async #followEvents(signal: AbortSignal): Promise<void> {
    const { client, events, log } = this.#parts;
    const pauses = new Pauses({ baseMs: 1000, maxMs: 30_000 });
    while (!signal.aborted) {
      let pauseMs = 0;
      try {
        const heard = (): void => {
          pauses.reset();
          this.#isPushing = true;
          this.#pollNap.wake();
        };
        await followEvents(events, heard, signal);
      } catch (error) {
        // One line: without the channel the node is polled, which is as good.
        if (this.#isPushing)
          log.debug('events ended', { node: client.name, reason: errorText(error) });
        pauseMs = isMissingChannel(error) ? NO_EVENTS_MS : pauses.next();
      }
      if (signal.aborted) return;
      if (this.#isPushing) this.#pollNap.wake();
      this.#isPushing = false;
      await this.#eventsNap.sleep(pauseMs, signal);
    }
  }

  /** Ends early when there is news, but for the pause after a failure. */
  async #pause(ms: number, signal: AbortSignal): Promise<void> {
    const { clock } = this.#parts;
    if (this.#failures > 0) return clock.sleep(ms, signal);
    await clock.sleep(Math.min(ms, MIN_GAP_MS), signal);
    if (ms > MIN_GAP_MS) await this.#pollNap.sleep(ms - MIN_GAP_MS, signal);
  }
}

function wholeOf(work: WorkTemplate | BlockTemplate): WholeBlock | undefined {
  if (!('rawBlock' in work)) return undefined;
  return { encode: () => work.rawBlock, payee: payeeOf(work.rawBlock) };
}

/** A name for a sort of trouble: one line is logged for each. */
function kindOf(error: unknown): string {
  if (error instanceof NodeCallError) return error.detail.code;
  if (error instanceof InputError) return error.detail.field;
  return 'fault';
}

/** A node that answers, but not with events. */
function isMissingChannel(error: unknown): boolean {
  if (isMissingCall(error)) return true;
  return error instanceof NodeCallError && error.detail.code === 'bad-answer';
}
