/** The last lines of `bytom-node --help` and of its commands. */

export const HELP_FOOTER = `
Options with a value may also come from the environment, as BYTOM_NODE_NETWORK=solonet stands for
--network solonet. Every option of the running node may come, by its long name, from the file of
--config: {"network": "solonet", "connect": ["10.0.0.2", "10.0.0.3:46658"], "mine": true}. Flags win
over the environment, the environment over the file; the file is never written to. Options may stand
before the command, too.

The data are in ~/.local/share/bytom-tensority/<network> (or $XDG_DATA_HOME; on macOS in
~/Library/Application Support, on Windows in %LOCALAPPDATA%) unless --data names another folder. One
process at a time may write there; status, export and verify-chain read beside it.

The HTTP API is that of Bytom's own node. From this machine it asks for no token; from elsewhere it
does. Without a mining address it gives no work to miners, and --mine is refused: what they found
would be paid to anybody. "keys" makes one.

SIGINT or SIGTERM stops the node in good order, within 30 s; a second one ends it at once. A unit
for systemd is in src/cli/systemd, to be copied; how to install it stands there.

Examples:
  npx bytom-node                                       a node of mainnet
  npx bytom-node keys new                              a key to be paid to, and its address
  npx bytom-node --mining-address bm1q…                gives work to bytom-miner --solo
  npx bytom-node --network solonet --no-p2p --mine     a chain of one's own (with an address)
  npx bytom-node --connect 10.0.0.2 --no-discovery     peers that one knows
  npx bytom-node import blocks.txt.gz                  check and store the blocks of a file
  npx bytom-node status                                how far is the chain?
  npx bytom-node verify-chain                          is what is stored right?
  npx bytom-node export blocks.txt.gz                  the chain as a file, for another import

Exit codes: 0 done, 1 failed or refused, 2 wrong options, 3 no such device, 5 self-test or hardware
failed, 130 interrupted.`;

export const IMPORT_FOOTER = `
FILE holds raw blocks in hex, one a line; or JSON: an array of hex texts or of {"raw_block"}, also
as the member "blocks" or "steps"; or either in gzip, whatever its name. - is standard input. Blocks
that are known are skipped, so the same command resumes an import that was interrupted.

Every block is checked as one from the network: header, proof of work, transactions, unspent
outputs. One that is refused is named with the rule, and the import goes on; the exit code is 1
then. It stops after 256 blocks in a row that cannot be attached to the chain.`;

export const EXPORT_FOOTER = `
FILE gets the blocks of the main chain, from the first height to the last, in hex, one a line, and
in gzip if its name ends in .gz. - is standard output. The file appears when it is whole, and one
that is there is not replaced without --force.`;

export const VERIFY_FOOTER = `
Nothing that was computed before is believed: every header, proof of work, transaction and unspent
output is checked anew from the stored blocks, and the result compared with the database. Nothing is
changed. A node may run on the same data: what is verified is the chain as it was at the start.`;
