/** Processes of the system, by their ids. */
import { readFileSync } from 'node:fs';

/** False also for one that has ended and that nobody has asked about yet. */
export function isRunning(pid: number): boolean {
  try {
    process.kill(pid, 0);
  } catch {
    return false;
  }
  try {
    const state = readFileSync(`/proc/${pid}/stat`, 'utf8').replace(/^.*\) /s, '');
    return !state.startsWith('Z');
  } catch {
    // Gone in between, or a system that tells such things in another way.
    return process.platform !== 'linux';
  }
}

/** The processes that a process has started. */
export function childrenOf(pid: number): readonly number[] {
  const text = readFileSync(`/proc/${pid}/task/${pid}/children`, 'utf8').trim();
  return text === '' ? [] : text.split(' ').map(Number);
}
