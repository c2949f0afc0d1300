/**
 * Whom a node's templates pay: compared with the pool's address, set where it differs, and compared
 * again, since a node may say yes and do nothing.
 */
import { CodedError, errorText } from '../../src/util/errors.ts';
import type { Logger } from '../../src/util/log.ts';
import { type NodeAccess, NodeAccessError } from '../chain-access.ts';

/** A node whose blocks would pay somebody else, or nobody in particular. */
class MiningAddressError extends CodedError<{
  readonly code: 'mining-address';
  readonly node: string;
  /** The pool's; `undefined` if it was given none. */
  readonly expected: string | undefined;
  /** The node's; `undefined` if it has none, or does not tell. */
  readonly got: string | undefined;
}> {
  constructor(node: string, expected: string | undefined, got: string | undefined, why: string) {
    const has = got === undefined ? 'none that it tells' : got;
    const wants =
      expected === undefined ? 'the pool was given none' : `the pool expected ${expected}`;
    super(`mining address of node ${node}: ${wants}, the node has ${has}: ${why}`, {
      code: 'mining-address',
      node,
      expected,
      got,
    });
  }
}

export interface SettleParts {
  readonly log: Logger;
  readonly signal: AbortSignal;
  /** Called before the node's address is touched: whatever comes of that, its work may pay another. */
  readonly changing: () => void;
}

/**
 * Makes the node pay `wanted`; without one, it only must pay somebody. Resolves to the address that its
 * next templates pay: those that it has made need not. Rejects `MiningAddressError`, or `NodeAccessError`
 * ('unreachable') if that is not to be known now.
 */
export async function settleMiningAddress(
  node: NodeAccess,
  wanted: string | undefined,
  { log, signal, changing }: SettleParts,
): Promise<string> {
  const { name } = node;
  const had = await node.miningAddress(signal);
  if (wanted === undefined) {
    if (had !== undefined) return had;
    throw new MiningAddressError(name, wanted, had, 'anybody could take the rewards');
  }
  if (isSameAddress(had, wanted)) return wanted;
  changing();
  try {
    await node.setMiningAddress(wanted, signal);
  } catch (error) {
    if (isUnreachable(error)) throw error;
    throw new MiningAddressError(name, wanted, had, errorText(error));
  }
  const has = await node.miningAddress(signal);
  if (!isSameAddress(has, wanted)) {
    throw new MiningAddressError(name, wanted, has, 'it was set, and is another one all the same');
  }
  const fields = { node: name, address: wanted, before: had ?? 'none' };
  const text = `node ${name} pays ${wanted} now, before: ${fields.before}`;
  log.warn('mining address set', fields, text);
  return wanted;
}

export function isUnreachable(error: unknown): boolean {
  return error instanceof NodeAccessError && error.detail.code === 'unreachable';
}

/** Bech32 is the same in either case. */
function isSameAddress(a: string | undefined, b: string): boolean {
  return a?.toLowerCase() === b.toLowerCase();
}
