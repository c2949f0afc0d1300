#!/usr/bin/env node
/** `bytom-pool`. */
import { startProgram } from './start.ts';

await startProgram({
  name: 'bytom-pool',
  instead: '"npx bytom-pool", which brings its own',
  load: async () => (await import('./pool-main.ts')).runPoolCli,
});
