/**
 * The order in which a template takes transactions: by what a miner earns per unit of weight, where
 * one comes with all that it stands on and that is not taken yet. So a child that pays well brings a
 * parent that does not, and parents stand before children.
 */
import { ancestorsOf, descendantsOf, type PoolEntry } from './pool-index.ts';

/** `entries` is closed: what stands there stands with all its ancestors. */
export function packageOrder(entries: Iterable<PoolEntry>): PoolEntry[] {
  const candidates = new Map<PoolEntry, Candidate>();
  for (const entry of entries) candidates.set(entry, candidateOf(entry));
  const fresh = [...candidates.values()].sort(better);
  // Those whose package has changed, as part of it was taken. What they were before is passed over.
  const changed = new Heap(better);
  const taken = new Set<PoolEntry>();
  const order: PoolEntry[] = [];
  const isStale = (candidate: Candidate): boolean =>
    taken.has(candidate.entry) || candidates.get(candidate.entry) !== candidate;

  for (let at = 0; at < fresh.length || changed.size > 0; ) {
    const first = fresh[at];
    if (first !== undefined && isStale(first)) {
      at++;
      continue;
    }
    const top = changed.top;
    if (top !== undefined && isStale(top)) {
      changed.pop();
      continue;
    }
    let next = first;
    if (next === undefined || (top !== undefined && better(top, next) < 0)) {
      next = top;
      changed.pop();
    } else {
      at++;
    }
    if (next === undefined) break;
    take(next.entry);
  }
  return order;

  function take(entry: PoolEntry): void {
    const bundle = [...ancestorsOf([entry])].filter((each) => !taken.has(each));
    bundle.sort((a, b) => a.sequence - b.sequence);
    const less = new Map<PoolEntry, Candidate>();
    for (const each of bundle) {
      taken.add(each);
      order.push(each);
      if (each.children.size === 0) continue;
      for (const below of descendantsOf(each)) {
        const before = less.get(below) ?? candidates.get(below);
        if (before === undefined || taken.has(below)) continue;
        const { fee, weight } = before;
        less.set(below, scored(below, fee - Number(each.pooled.fee), weight - each.weight));
      }
    }
    for (const [below, candidate] of less) {
      if (taken.has(below)) continue;
      candidates.set(below, candidate);
      changed.push(candidate);
    }
  }
}

/** A transaction with what has to be taken before it. */
interface Candidate {
  readonly entry: PoolEntry;
  /** Of all of them: in neu, and in gas. */
  readonly fee: number;
  readonly weight: number;
  readonly rate: number;
}

function candidateOf(entry: PoolEntry): Candidate {
  let fee = 0;
  let weight = 0;
  for (const each of entry.parents.size === 0 ? [entry] : ancestorsOf([entry])) {
    fee += Number(each.pooled.fee);
    weight += each.weight;
  }
  return scored(entry, fee, weight);
}

/** One that pays less than what it stands on is not to come before it. */
function scored(entry: PoolEntry, fee: number, weight: number): Candidate {
  const own = Number(entry.pooled.fee) / entry.weight;
  return { entry, fee, weight, rate: Math.min(own, fee / weight) };
}

/** Below 0 if `a` is to be taken first; of equals, the one that came first. */
function better(a: Candidate, b: Candidate): number {
  return b.rate - a.rate || a.entry.sequence - b.entry.sequence;
}

/** The best on top. */
class Heap {
  readonly #items: Candidate[] = [];
  readonly #compare: (a: Candidate, b: Candidate) => number;

  constructor(compare: (a: Candidate, b: Candidate) => number) {
    this.#compare = compare;
  }

  get size(): number {
    return this.#items.length;
  }

  get top(): Candidate | undefined {
    return this.#items[0];
  }

  push(item: Candidate): void {
    const items = this.#items;
    let at = items.push(item) - 1;
    while (at > 0) {
      const above = (at - 1) >> 1;
      if (this.#compare(items[above]!, item) <= 0) break;
      items[at] = items[above]!;
      at = above;
    }
    items[at] = item;
  }

  pop(): void {
    const items = this.#items;
    const last = items.pop();
    if (last === undefined || items.length === 0) return;
    let at = 0;
    for (;;) {
      let below = 2 * at + 1;
      if (below >= items.length) break;
      if (below + 1 < items.length && this.#compare(items[below + 1]!, items[below]!) < 0) below++;
      if (this.#compare(items[below]!, last) >= 0) break;
      items[at] = items[below]!;
      at = below;
    }
    items[at] = last;
  }
}
