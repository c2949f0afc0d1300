import type { Clock } from '../../../src/util/clock.ts';
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
  const ended = new AbortController();
  const end = (): void => ended.abort();
  call.then(end, end);
  link.gone.addEventListener('abort', end);
  if (!link.gone.aborted) await clock.sleep(ms, ended.signal);
  link.gone.removeEventListener('abort', end);
  if (!ended.signal.aborted) link.fail(`no answer for ${Math.round(ms / 1000)} s`);
  link.gone.throwIfAborted();
  return call;
}
