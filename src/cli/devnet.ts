#!/usr/bin/env node
/** `bytom-devnet`: what `npm start` runs. */
import { startProgram } from './start.ts';

await startProgram({
  name: 'bytom-devnet',
  instead: '"npm start", which brings its own',
  load: async () => (await import('./devnet-main.ts')).runDevnetCli,
});
