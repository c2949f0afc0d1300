/** The last lines of `bytom-node keys --help`. */

export const KEYS_FOOTER = `
"new" makes a recovery phrase and keeps it in a file that a password encrypts. The phrase is shown
once, on the terminal: write it down. Where there is no terminal it is not shown, unless
--show-mnemonic asks for it; "keys show --show-mnemonic" shows it later. A file that is there is
never replaced.

The password is asked for on the terminal. Programs give it in a file (--password-file) or in the
environment, as BYTOM_NODE_PASSWORD; never on the command line, which others can read.

"show" and "address" need no password, but then nothing vouches for what the file says: whoever can
write it could have put another key there. With --check, or with a password at hand, it is proved.

Examples:
  npx bytom-node keys new                      a key for mainnet, and its first address
  npx bytom-node keys new --restore            the same from a phrase that you have
  npx bytom-node keys address --index 2        another address
  npx bytom-node --mining-address "$(npx bytom-node keys address)"`;
