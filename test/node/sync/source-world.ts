/** A chain, and what a source comes to while time passes. */
import type { SourcedHeader } from '../../../src/node/sync/header-source.ts';
import { SourceError } from '../../../src/node/sync/source-error.ts';
import { ChainBuilder } from '../../support/chain-builder.ts';
import { ChainRig } from '../../support/chain-rig.ts';

export const { signal }: AbortController = new AbortController();

export interface World {
  readonly builder: ChainBuilder;
  readonly rig: ChainRig;
}

export async function worldAt(
  height: number,
  builder = new ChainBuilder().extend(height),
): Promise<World> {
  const rig = new ChainRig({ hasher: builder.pow.hasher() });
  await rig.submitAll(builder.blocks.slice(1, height + 1));
  return { builder, rig };
}

/** What the call comes to while time passes. */
export async function soon<T>(rig: ChainRig, call: Promise<T>): Promise<T | SourceError> {
  const outcome = call.catch((error: unknown) => {
    if (error instanceof SourceError) return error;
    throw error;
  });
  await rig.clock.advance(35_000);
  return outcome;
}

export async function codeOf(rig: ChainRig, call: Promise<unknown>): Promise<string> {
  const outcome = await soon(rig, call);
  return outcome instanceof SourceError ? outcome.detail.code : 'none';
}

export function heights(headers: readonly SourcedHeader[] | SourceError): readonly number[] {
  if (headers instanceof SourceError) throw headers;
  return headers.map(({ header }) => header.height);
}
