/**
 * What a GPU process costs the host: the CPU time of its main thread, which gives the GPU its work and
 * waits for it. A GPU in software computes in other threads of that process; they do not count here.
 */
import { readdirSync, readFileSync } from 'node:fs';

/** The kernel counts in hundredths of a second, whatever its own clock is. */
const TICK_MS = 10;

/** The GPU processes that this process has started; undefined where there is no /proc. */
export function gpuProcesses(): ReadonlySet<number> | undefined {
  try {
    const pids = readdirSync('/proc').filter((name) => /^\d+$/.test(name));
    return new Set(pids.map(Number).filter(isGpuProcess));
  } catch {
    return undefined;
  }
}

/** Milliseconds of CPU that the main thread of a process has used; undefined if that is not told. */
export function mainThreadMs(pid: number): number | undefined {
  const fields = statOf(`/proc/${pid}/task/${pid}/stat`);
  if (fields === undefined) return undefined;
  // utime and stime, fields 14 and 15 of proc(5); the first here is field 3.
  return TICK_MS * (Number(fields[11]) + Number(fields[12]));
}

function isGpuProcess(pid: number): boolean {
  if (Number(statOf(`/proc/${pid}/stat`)?.[1]) !== process.pid) return false;
  try {
    return readFileSync(`/proc/${pid}/cmdline`, 'utf8').includes('gpu-process');
  } catch {
    return false;
  }
}

/** What follows the name, which may itself hold blanks and brackets. */
function statOf(path: string): readonly string[] | undefined {
  try {
    const text = readFileSync(path, 'utf8');
    return text.slice(text.lastIndexOf(')') + 2).split(' ');
  } catch {
    // It has ended, or there is no such thing.
    return undefined;
  }
}
