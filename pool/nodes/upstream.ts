/**
 * One node of the pool, as `Upstreams` knows it: whether it gives work, what its work is, and whether
 * that work pays the pool. Work that is not known to is not used: neither while the node names another
 * address, nor while the template itself may still pay one (`PayeeGuard`).
 */
import type { Clock } from '../../src/util/clock.ts';
import { errorText } from '../../src/util/errors.ts';
import type { Logger } from '../../src/util/log.ts';
import type { NodeAccess, NodeListener } from '../chain-access.ts';
import type { PoolTemplate } from '../template.ts';
import { isUnreachable, settleMiningAddress } from './mining-address.ts';
import { PayeeGuard } from './payee-guard.ts';

/** A node that tells how long its last answer took, in ms, or not. */
export interface TimedNode extends NodeAccess {
  readonly latencyMs?: number | undefined;
}

/** Whom the pool's blocks are to pay: whoever the node does, without an address. */
export interface AddressWish {
  readonly address: string | undefined;
}

export interface UpstreamParts {
  readonly node: TimedNode;
  /** Whether the time of templates is the wall clock's: on test networks it lags behind, on purpose. */
  readonly keepsTime: boolean;
  readonly clock: Clock;
  /** The wall clock, in milliseconds since 1970. */
  readonly now: () => number;
  readonly log: Logger;
  readonly signal: AbortSignal;
  /** Called whenever what it gives, or whether, has changed. */
  readonly changed: () => void;
}

/** How often it is said again that its templates may pay another. */
const REPEAT_MS = 60_000;
/** A node that tells whom its templates pay makes another one at once when its address changes. */
const TOLD_PAYEE_MS = 3000;
/** So far may the time of a template be off. */
const ODD_TIME_MS = 30 * 60_000;

export class Upstream implements NodeListener {
  readonly node: TimedNode;
  readonly #parts: UpstreamParts;
  #wish: AddressWish | undefined;
  #template: PoolTemplate | undefined;
  #templateAt: number | undefined;
  #down: string | undefined = 'no answer yet';
  /** Why its work is not used, though it gives some. */
  #unpaid: string | undefined = 'its mining address was not compared yet';
  readonly #guard: PayeeGuard;
  /** Its address was touched, and is not known to be the right one yet. */
  #isChanging = false;
  /** When its template began to be held back for whom it pays. */
  #heldAt: number | undefined;
  #heldToldAt: number | undefined;
  #isTimeOdd = false;
  #checking: Promise<void> | undefined;
  /** It has refused, and that was logged. */
  #wasWarned = false;
  #hasBeenUp = false;
  /** How often it has come back: what was asked of it before counts no more. */
  #lives = 0;

  constructor(parts: UpstreamParts) {
    this.node = parts.node;
    this.#parts = parts;
    this.#guard = new PayeeGuard(parts.clock);
  }

  /** Its answers can be used. */
  get isUp(): boolean {
    return this.#down === undefined;
  }

  /** Its present work is known to pay the pool. */
  get isPaid(): boolean {
    return this.#unpaid === undefined && this.#objection === undefined;
  }

  /** It answers, and whom it pays is not known: it may be asked again soon. */
  get isDoubtful(): boolean {
    return this.isUp && this.#unpaid !== undefined && !this.#wasWarned;
  }

  /** Why it gives no work that can be used; `undefined` if it does. */
  get reason(): string | undefined {
    return this.#down ?? this.#unpaid ?? this.#objection;
  }

  /** What it gave last; old while it is down. */
  get template(): PoolTemplate | undefined {
    return this.#template;
  }

  /** When it gave that, by the clock. */
  get templateAt(): number | undefined {
    return this.#templateAt;
  }

  onTemplate(template: PoolTemplate): void {
    this.#guard.offered(template);
    this.#template = template;
    this.#templateAt = this.#parts.clock.now();
    this.#checkTime(template);
    this.remind();
    this.#parts.changed();
  }

  onState(down: string | undefined): void {
    const wasUp = this.isUp;
    this.#down = down;
    // It may have come back as another program, with another address.
    if (down === undefined && !wasUp && this.#hasBeenUp) {
      this.#lives++;
      if (this.#unpaid === undefined)
        this.#unpaid = 'its mining address was not compared since it came back';
    }
    if (down === undefined) this.#hasBeenUp = true;
    else this.#guard.wentDown();
    // Having lost its address may be why it is down, too.
    if (this.#unpaid !== undefined || down !== undefined) void this.checkAddress();
    this.remind();
    this.#parts.changed();
  }

  /**
   * Compares the address from now on. True if it is settled; false for a node that does not tell, which is
   * compared as soon as it does. Rejects `MiningAddressError`.
   */
  async demandAddress(wish: AddressWish): Promise<boolean> {
    this.#wish = wish;
    this.#guard.demand(wish.address);
    await this.#checkOnce(wish);
    return this.#unpaid === undefined;
  }

  /** Compares it again, one comparison at a time. Never rejects. */
  checkAddress(): Promise<void> {
    const wish = this.#wish;
    if (wish === undefined) return Promise.resolve();
    this.#checking ??= this.#check(wish).finally(() => {
      this.#checking = undefined;
    });
    return this.#checking;
  }

  /** Says that its work is not used for whom it may pay, and what to do; again every minute. */
  remind(): void {
    const objection = this.isUp && this.#unpaid === undefined ? this.#objection : undefined;
    const { clock, log } = this.#parts;
    const now = clock.now();
    if (objection === undefined) {
      this.#heldAt = undefined;
      this.#heldToldAt = undefined;
      return;
    }
    this.#heldAt ??= now;
    const told = this.#heldToldAt;
    const waitMs = this.#template?.payee === undefined ? 0 : TOLD_PAYEE_MS;
    if (now < (told === undefined ? this.#heldAt + waitMs : told + REPEAT_MS)) return;
    this.#heldToldAt = now;
    const { name } = this.node;
    const text = `work of node ${name} is not used: ${objection}`;
    log.error('work not used', { node: name, reason: objection }, text);
  }

  get #objection(): string | undefined {
    return this.#template && this.#guard.objection(this.#template);
  }

  /** Nodes refuse blocks that are too far from their own time, and so may the network. */
  #checkTime({ header: { timestamp } }: PoolTemplate): void {
    const { now, keepsTime, log } = this.#parts;
    const aheadMs = timestamp * 1000 - now();
    const isOdd = aheadMs > ODD_TIME_MS || (keepsTime && aheadMs < -ODD_TIME_MS);
    if (isOdd && !this.#isTimeOdd) {
      const { name } = this.node;
      const minutes = Math.round(aheadMs / 60_000);
      const off = `${Math.abs(minutes)} min ${minutes < 0 ? 'behind' : 'ahead of'}`;
      const text = `the time of node ${name}'s work is ${off} this machine's clock: one of them is wrong`;
      log.warn('time of work', { node: name, minutes }, text);
    }
    this.#isTimeOdd = isOdd;
  }

  /** Until an answer is of its present life. */
  async #check(wish: AddressWish): Promise<void> {
    let life: number;
    do {
      life = this.#lives;
      await this.#checkOnce(wish).catch(() => {});
    } while (life !== this.#lives);
  }

  async #checkOnce({ address }: AddressWish): Promise<void> {
    const { log, signal } = this.#parts;
    const { node } = this;
    const life = this.#lives;
    try {
      const changing = (): void => {
        this.#isChanging = true;
        this.#becomes('its mining address is being set');
      };
      const paid = await settleMiningAddress(node, address, { log, signal, changing });
      if (life !== this.#lives) return;
      // Only now: until it says so, it may have gone on making work for the one before.
      if (this.#isChanging) this.#guard.addressChanged(this.#template);
      this.#isChanging = false;
      this.#becomes(undefined);
      this.remind();
      log.debug('mining address', { node: node.name, address: paid });
    } catch (error) {
      if (signal.aborted || life !== this.#lives) return;
      const reason = errorText(error);
      if (isUnreachable(error)) {
        // Whoever was paid a minute ago is paid now, for all that is known.
        if (this.#unpaid !== undefined)
          this.#becomes(`its mining address could not be compared: ${reason}`);
        return;
      }
      const isNews = !this.#wasWarned;
      this.#wasWarned = true;
      this.#unpaid = reason;
      if (isNews) log.error('node not used', { node: node.name, reason }, reason);
      this.#parts.changed();
      throw error;
    }
  }

  #becomes(unpaid: string | undefined): void {
    if (unpaid === undefined) this.#wasWarned = false;
    if (this.#unpaid === unpaid) return;
    this.#unpaid = unpaid;
    this.#parts.changed();
  }
}
