#!/usr/bin/env node
/** `bytom-bridge`. */
import { startProgram } from './start.ts';

await startProgram({
  name: 'bytom-bridge',
  instead: '"npx bytom-bridge", which brings its own',
  load: async () => (await import('./bridge-main.ts')).runBridgeCli,
});
