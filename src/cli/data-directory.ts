/** Where the chain's data are if `--data` does not say: a folder of the user, one for each network. */
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
 * Linux and others: `$XDG_DATA_HOME` or `~/.local/share`; macOS: `~/Library/Application Support`;
 * Windows: `%LOCALAPPDATA%`; there, `bytom-tensority/<network>`.
 */
export function defaultDataDirectory(
  network: NetworkName,
  around: Surroundings = { platform: process.platform, home: homedir(), env: process.env },
): string {
  return join(userData(around), FOLDER, network);
}

function userData({ platform, home, env }: Surroundings): string {
  switch (platform) {
    case 'darwin':
      return join(home, 'Library', 'Application Support');
    case 'win32':
      return nonEmpty(env['LOCALAPPDATA']) ?? join(home, 'AppData', 'Local');
    default: {
      // The standard says that a relative path is to be ignored.
      const set = nonEmpty(env['XDG_DATA_HOME']);
      return set?.startsWith('/') === true ? set : join(home, '.local', 'share');
    }
  }
}

function nonEmpty(text: string | undefined): string | undefined {
  return text === '' ? undefined : text;
}
