/**
 * The reference's calls that need its wallet. This node has none, which the reference can be told to
 * be without too: it then redirects them. Bytom 1.x mining interfaces, A.1.
 *
 * Calls of A.4 that are the wallet's there (mining address and such) are answered here.
 */
export const WALLET_CALLS: ReadonlySet<string> = new Set([
  'backup-wallet',
  'build-chain-transactions',
  'build-transaction',
  'check-key-password',
  'create-account',
  'create-account-receiver',
  'create-asset',
  'create-key',
  'delete-account',
  'delete-key',
  'get-asset',
  'get-transaction',
  'import-keystore',
  'list-accounts',
  'list-addresses',
  'list-assets',
  'list-balances',
  'list-keys',
  'list-pubkeys',
  'list-transactions',
  'list-unspent-outputs',
  'recovery-wallet',
  'rescan-wallet',
  'reset-key-password',
  'restore-wallet',
  'sign-message',
  'sign-transaction',
  'sign-transactions',
  'update-account-alias',
  'update-asset-alias',
  'update-key-alias',
  'validate-address',
  'wallet-info',
]);

/** What the place says to which they are redirected. */
export const NO_WALLET = 'wallet not found, please check that the wallet is open';
