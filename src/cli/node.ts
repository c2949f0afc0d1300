#!/usr/bin/env node
/** `bytom-node`. */
import { startProgram } from './start.ts';

await startProgram({
  name: 'bytom-node',
  instead: '"npx bytom-node", which brings its own',
  load: async () => (await import('./node-main.ts')).runNodeCli,
});
