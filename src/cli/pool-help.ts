/** The last lines of `bytom-pool --help` and of its commands. */

export const POOL_FOOTER = `
Options with a value may also come from the environment, as BYTOM_POOL_NETWORK=solonet stands for
--network solonet. Every option may come, by its long name, from the file of --config:
{"node": ["http://10.0.0.2:9888", "http://10.0.0.3:9888"], "address": "bm1q…"}. Flags win over the
environment, the environment over the file; the file is never written to.

Miners log in as account.worker, where the account is the address to be paid. In the password they
may choose: d=4096 to begin with, md=1024 at least, fd=8192 for good, unless there are more shares
than can be checked. Both the Bytom dialect of Stratum and the generic mining.* envelope are
spoken, plain and by TLS, at the same port.

Shares, blocks and bans are in ~/.local/share/bytom-tensority/pool-<network> (or $XDG_DATA_HOME; on
macOS in ~/Library/Application Support, on Windows in %LOCALAPPDATA%) unless --data names another
folder. One pool at a time may write there; "shares" and "blocks" read beside it. A share is on disk
before it is acknowledged, a block is with the nodes before it is.

Without --address the pool works for the address that its nodes have, and refuses to run where they
have none, or different ones.

SIGINT or SIGTERM answers the shares under way, then stops; a second one ends it at once. SIGHUP
reads the certificate again.

Examples:
  npx bytom-pool --embedded-node --address bm1q…         a pool and its node in one process
  npx bytom-pool --node http://10.0.0.2:9888 --node http://10.0.0.3:9888 --address bm1q…
  npx bytom-pool --device gpu0 …                         a GPU checks the shares
  npx bytom-pool --trust-after 1000 …                    proven miners are checked by samples
  npx bytom-pool shares                                  the log checked, and added up
  npx bytom-pool blocks                                  blocks found, and what became of them
  curl localhost:3380/health                             how is it?

Exit codes: 0 done, 1 failed or refused, 2 wrong options, 3 no such device, 5 self-test or hardware
failed, 130 interrupted.`;

export const SHARES_FOOTER = `
Every record's checksum is checked, and that no share is there twice. Damage is named with its file
and place, and the exit code is 1 then.`;
