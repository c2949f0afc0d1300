/** Memory of a program that is made of several processes (Linux only). */
import { readFileSync } from 'node:fs';
import { childrenOf } from '../support/processes.ts';

/**
 * Proportional set size of a process and of all that it has started, in bytes: memory that several of
 * them share counts once. Throws where the system does not tell.
 */
export function processTreeBytes(pid: number): number {
  const text = readFileSync(`/proc/${pid}/smaps_rollup`, 'utf8');
  const kib = /^Pss:\s+(\d+) kB/m.exec(text)?.[1];
  if (kib === undefined) throw new Error(`/proc/${pid}/smaps_rollup has no Pss`);
  return childrenOf(pid).reduce((sum, child) => sum + processTreeBytes(child), 1024 * Number(kib));
}
