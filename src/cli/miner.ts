#!/usr/bin/env node
/**
 * `bytom-miner`. This file only looks at the Node it runs on: on an older one the real program
 * could not even be loaded, and the user would see a stack trace instead of the reason.
 */
const NEEDED_MAJOR = 24;
const major = Number.parseInt(process.versions.node, 10);

if (major >= NEEDED_MAJOR) {
  const { runMinerCli } = await import('./miner-main.ts');
  process.exitCode = await runMinerCli(process.argv.slice(2));
} else {
  process.stderr.write(
    `bytom-miner needs Node ${NEEDED_MAJOR} or newer, this is ${process.versions.node}: ` +
      'start it with "npm start --" or "npx bytom-miner", which bring their own\n',
  );
  process.exitCode = 2;
}
