/** How many descriptors this process may have: each connection takes one. */
import { readFileSync } from 'node:fs';

/** `undefined` where the system does not tell, or sets no limit. */
export function descriptorLimit(): number | undefined {
  let text: string;
  try {
    text = readFileSync('/proc/self/limits', 'utf8');
  } catch {
    return undefined;
  }
  // Node raises the soft limit, which is the first number, to the hard one when it starts.
  const soft = /^Max open files\s+(\d+)/m.exec(text)?.[1];
  return soft === undefined ? undefined : Number(soft);
}
