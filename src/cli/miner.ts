#!/usr/bin/env node
/** `bytom-miner`. */
import { startProgram } from './start.ts';

await startProgram({
  name: 'bytom-miner',
  instead: '"npm start --" or "npx bytom-miner", which bring their own',
  load: async () => (await import('./miner-main.ts')).runMinerCli,
});
