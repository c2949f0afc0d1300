/** The walk towards a target: ask the nearest nodes known for nearer ones, three at a time. */
import type { Endpoint } from './endpoint.ts';
import { compareDistance } from './node-table.ts';

/** A node that has shown where it is. */
export interface LookupNode {
  /** The id as lower-case hex. */
  readonly key: string;
  /** SHA3-256 of the id. */
  readonly hash: Uint8Array;
  readonly endpoint: Endpoint;
}

export interface LookupParts {
  /** Those to begin with. */
  readonly closest: (target: Uint8Array, count: number) => readonly LookupNode[];
  /** The nodes that `node` tells of, each after it has shown itself. Never rejects. */
  readonly ask: (node: LookupNode, target: Uint8Array) => Promise<readonly LookupNode[]>;
}

const PARALLEL = 3;
/** Only the nearest so many are asked, as in a bucket. */
const NEAREST = 16;
/** Questions in one walk: a chain of ever nearer nodes may be made up as it goes. */
const MAX_QUESTIONS = 48;

/** Walks until the nearest nodes known have all been asked. Returns how many were. */
export async function lookUp(
  target: Uint8Array,
  parts: LookupParts,
  signal: AbortSignal,
): Promise<number> {
  const known = new Map<string, LookupNode>();
  const asked = new Set<string>();
  for (const node of parts.closest(target, NEAREST)) known.set(node.key, node);
  while (!signal.aborted && asked.size < MAX_QUESTIONS) {
    const next = [...known.values()]
      .sort((a, b) => compareDistance(target, a.hash, b.hash))
      .slice(0, NEAREST)
      .filter((node) => !asked.has(node.key))
      .slice(0, PARALLEL);
    if (next.length === 0) break;
    for (const node of next) asked.add(node.key);
    const answers = await Promise.all(next.map((node) => parts.ask(node, target)));
    for (const node of answers.flat()) known.set(node.key, node);
  }
  return asked.size;
}
