/** The time a template states. Bytom 1.x consensus: "Block validation", rule 5. */
import type { HeaderContext } from '../../consensus/header-rules.ts';
import type { NetworkName } from '../../consensus/network.ts';
import { FUTURE_LIMIT_SECONDS, TARGET_SECONDS_PER_BLOCK } from '../../consensus/params.ts';
import { WorkError } from './work-error.ts';

/**
 * On mainnet the wall clock, `now` in seconds. On the other networks 150 s after the parent, until
 * that reaches the clock: their chains begin in 2018, and a chain that jumps from there to today looks
 * to its first retarget as if it had taken years, after which any hash is a block.
 *
 * In either case later than the median time, which is what the rules ask for. Where that is further
 * ahead of the clock than a block may be, there is no time that would do, nobody's node would take the
 * block, and the clock was put back since the chain was accepted: throws `WorkError` ('clock').
 */
export function templateTime(
  network: NetworkName,
  { parent, medianTime }: Pick<HeaderContext, 'parent' | 'medianTime'>,
  now: number,
): number {
  const clock = Math.floor(now);
  const regular = parent.header.timestamp + TARGET_SECONDS_PER_BLOCK;
  const wanted = network === 'mainnet' ? clock : Math.min(clock, regular);
  const time = Math.max(wanted, medianTime + 1);
  if (time > clock + FUTURE_LIMIT_SECONDS) {
    throw new WorkError({ code: 'clock', aheadSeconds: time - clock });
  }
  return time;
}
