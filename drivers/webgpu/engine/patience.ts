import { untilAbort } from '../../../src/util/abort.ts';
import { type Clock, endsWithin } from '../../../src/util/clock.ts';
import type { GpuLink } from './gpu-link.ts';

export interface PatienceParts {
  readonly link: Pick<GpuLink, 'gone' | 'fail'>;
  readonly clock: Clock;
}

/** What a call to the GPU comes to; the GPU is given up if that takes longer than `ms`. */
export async function inTime<T>(
  call: Promise<T>,
  ms: number,
  { link, clock }: PatienceParts,
): Promise<T> {
  const isEnded = await endsWithin(untilAbort(call, link.gone), ms, clock);
  if (!isEnded) link.fail(`no answer for ${Math.round(ms / 1000)} s`);
  link.gone.throwIfAborted();
  return call;
}
