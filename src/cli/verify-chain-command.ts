/** `bytom-node verify-chain`: is the stored chain right? Changes nothing. */
import { EXIT, type ExitCode } from './exit-codes.ts';
import type { VerifyChainOptions } from './node-options.ts';
import { openReport, openStore, unixTime } from './node-parts.ts';
import { printResult } from './output.ts';
import { openVerifier } from './pow-parts.ts';
import { verifyChain } from './verify-chain.ts';

export async function verifyChainCommand(
  options: VerifyChainOptions,
  signal: AbortSignal,
): Promise<ExitCode> {
  const store = await openStore(options, { readOnly: true });
  try {
    const { log, progress } = openReport('progress', 'verify');
    const pow = await openVerifier(options, log, signal);
    try {
      const result = await verifyChain({
        network: options.network,
        store,
        verifier: pow.verifier,
        now: unixTime,
        onProgress: (done) => progress.update(done),
        signal,
      });
      progress.clear();
      const text =
        `all blocks up to height ${result.height} are right, and so are the ` +
        `${result.utxoCount} unspent outputs`;
      printResult(text, result, options.json);
      return EXIT.ok;
    } finally {
      progress.clear();
      await pow.close();
    }
  } finally {
    await store.close();
  }
}
