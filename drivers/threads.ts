/** How many threads a device on the cores of the CPU has. */
import { availableParallelism } from 'node:os';

/** `intensity` is the share of them in percent; at least one thread. Default: one for each core. */
export function threadsFor(threads: number = availableParallelism(), intensity = 100): number {
  return Math.max(1, Math.round((threads * intensity) / 100));
}
