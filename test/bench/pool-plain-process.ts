/** The program that the pool is compared with (`pool-plain.ts`), in a process of its own. */
import { fileURLToPath } from 'node:url';
import { moduleBeside } from '../../src/util/module-beside.ts';
import { LoadServer } from '../support/pool-load-process.ts';
import type { PlainOptions } from './pool-plain.ts';

const PROGRAM = fileURLToPath(moduleBeside(import.meta.url, './pool-plain'));

/** As long as a record of the share log. */
export const RECORD_BYTES = 160;

/** Resolves when it can be connected to. */
export function startPlain(options: PlainOptions): Promise<LoadServer> {
  return LoadServer.start(PROGRAM, options);
}
