/** What to do about a port that this user may not use. */
import { readFile, stat } from 'node:fs/promises';

const GROUP_MAY_USE = 0o060;

/**
 * Names the group that the port belongs to, if its members may use it. `groupFile` is the system's list of
 * groups. Never rejects.
 */
export async function permissionAdvice(path: string, groupFile = '/etc/group'): Promise<string> {
  if (process.platform === 'win32') return 'run as a user who may use it';
  try {
    const { gid, mode } = await stat(path);
    const group = gid === 0 ? undefined : groupName(await readFile(groupFile, 'utf8'), gid);
    if (group !== undefined && (mode & GROUP_MAY_USE) === GROUP_MAY_USE) {
      return `add yourself to the group ${group}: sudo usermod -aG ${group} $USER, and log in anew`;
    }
  } catch {
    // No such list, or the port is not to be looked at either: then only the general advice is left.
  }
  return `only its owner may use it: see ls -l ${path}`;
}

function groupName(groups: string, gid: number): string | undefined {
  const fields = groups.split('\n').map((line) => line.split(':'));
  return fields.find(([name, , id]) => name !== '' && id === `${gid}`)?.[0];
}
