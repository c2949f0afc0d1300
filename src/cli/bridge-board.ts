/** The board that a command of `bytom-bridge` is about: its port opened, and who it is. */
import { Board } from '../../firmware-bridge/board.ts';
import { Link } from '../../firmware-bridge/link.ts';
import { listPorts, type PortInfo } from '../../firmware-bridge/list-ports.ts';
import { openPort } from '../../firmware-bridge/port.ts';
import { portAddressText } from '../../firmware-bridge/port-address.ts';
import type { PortOptions } from './bridge-options.ts';
import { plainText } from './bridge-text.ts';
import { optionError } from './option-values.ts';

export interface OpenLink {
  /** As `--port` takes it. */
  readonly address: string;
  readonly link: Link;
}

/** Rejects with what the port or the link rejects with, and a wrong-option error where there is no one board. */
export async function openLink(options: PortOptions, signal: AbortSignal): Promise<OpenLink> {
  const { port, baud } = options;
  if (baud !== undefined && port !== undefined && port.kind !== 'serial') {
    throw optionError(`--baud: ${portAddressText(port)} is no serial port, and has no rate`);
  }
  const address = port === undefined ? onlyBoard((await listPorts()).ports) : portAddressText(port);
  return { address, link: await openLinkAt(address, options, signal) };
}

/** The same for an address that is known: a port that was lost, once more. */
export async function openLinkAt(
  address: string,
  { baud }: PortOptions,
  signal: AbortSignal,
): Promise<Link> {
  const rate = baud === undefined ? {} : { baudRate: baud };
  return new Link(await openPort(address, { signal, ...rate }));
}

/** Runs `use` with the board, identified, and closes the port. */
export async function withBoard<T>(
  options: PortOptions,
  signal: AbortSignal,
  use: (board: Board, address: string) => Promise<T>,
): Promise<T> {
  const { address, link } = await openLink(options, signal);
  try {
    return await use(await Board.identify(link, signal), address);
  } finally {
    await link.close();
  }
}

/** Opening may reset what is behind a port: only one that says it is ours is opened without its name. */
export function onlyBoard(ports: readonly PortInfo[]): string {
  const boards = ports.filter(({ guess }) => guess?.certainty === 'ours');
  const [only, ...others] = boards;
  if (only !== undefined && others.length === 0) return only.path;
  const there = (boards.length === 0 ? ports : boards).map(({ path }) => plainText(path));
  const what =
    boards.length === 0 ? 'no port says that it is a board of ours' : 'there are several boards';
  throw optionError(
    `--port is needed: ${what} (ports: ${there.length === 0 ? 'none' : there.join(', ')})`,
  );
}
