#!/usr/bin/env node
/** `npm run page:gpu`. */
import { startProgram } from './start.ts';

await startProgram({
  name: 'gpu-page',
  instead: '"npm run page:gpu --", which brings its own',
  load: async () => (await import('./gpu-page-main.ts')).runGpuPageCli,
});
