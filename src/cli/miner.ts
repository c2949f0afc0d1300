#!/usr/bin/env node
/** `bytom-miner`. */
import { startProgram } from './start.ts';

await startProgram({
  name: 'bytom-miner',
  instead: '"npx bytom-miner", which brings its own',
  load: async () => (await import('./miner-main.ts')).runMinerCli,
});
