/** Where our files are if no option says: folders of the user, as each system wants them. */
import { homedir } from 'node:os';
import { join } from 'node:path';
import type { NetworkName } from '../consensus/network.ts';

export interface Surroundings {
  readonly platform: NodeJS.Platform;
  readonly home: string;
  readonly env: Readonly<Record<string, string | undefined>>;
}

const FOLDER = 'bytom-tensority';

/**
 * The chain's data, one folder for each network. Linux and others: `$XDG_DATA_HOME` or `~/.local/share`; macOS: `~/Library/Application Support`;
 * Windows: `%LOCALAPPDATA%`; there, `bytom-tensority/<network>`.
 */
export function defaultDataDirectory(network: NetworkName, around: Surroundings = here()): string {
  return join(userData(around), FOLDER, network);
}

/** A pool's shares, blocks and bans: a folder of its own beside the chain's data. */
export function defaultPoolDirectory(network: NetworkName, around: Surroundings = here()): string {
  return join(userData(around), FOLDER, `pool-${network}`);
}

/** The private chain of `bytom-devnet`. */
export function defaultDevnetDirectory(around: Surroundings = here()): string {
  return join(userData(around), FOLDER, 'devnet');
}

/**
 * What can be lost without harm. Linux and others: `$XDG_CACHE_HOME` or `~/.cache`; macOS:
 * `~/Library/Caches`; Windows: `%LOCALAPPDATA%`; there, `bytom-tensority`.
 */
export function defaultCacheDirectory(around: Surroundings = here()): string {
  return join(userCache(around), FOLDER);
}

function here(): Surroundings {
  return { platform: process.platform, home: homedir(), env: process.env };
}

function userData({ platform, home, env }: Surroundings): string {
  switch (platform) {
    case 'darwin':
      return join(home, 'Library', 'Application Support');
    case 'win32':
      return nonEmpty(env['LOCALAPPDATA']) ?? join(home, 'AppData', 'Local');
    default:
      return absolute(env['XDG_DATA_HOME']) ?? join(home, '.local', 'share');
  }
}

function userCache({ platform, home, env }: Surroundings): string {
  switch (platform) {
    case 'darwin':
      return join(home, 'Library', 'Caches');
    case 'win32':
      return nonEmpty(env['LOCALAPPDATA']) ?? join(home, 'AppData', 'Local');
    default:
      return absolute(env['XDG_CACHE_HOME']) ?? join(home, '.cache');
  }
}

/** The standard says that a relative path is to be ignored. */
function absolute(path: string | undefined): string | undefined {
  return path?.startsWith('/') === true ? path : undefined;
}

function nonEmpty(text: string | undefined): string | undefined {
  return text === '' ? undefined : text;
}
