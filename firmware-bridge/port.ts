/** The one way to open a port, whatever is behind its address. */
import { untilAbort } from '../src/util/abort.ts';
import { type Clock, systemClock } from '../src/util/clock.ts';
import type { BytePort } from './byte-port.ts';
import { parsePortAddress, portAddressText } from './port-address.ts';
import { PortCore } from './port-core.ts';
import { loadSerialPackage, type SerialPackage } from './serial-package.ts';
import { openSerialPort } from './serial-port.ts';
import { openSocketPort } from './socket-port.ts';

export interface OpenPortOptions {
  /** In baud; 115,200 by default. Sockets have none. */
  readonly baudRate?: number;
  readonly signal?: AbortSignal;
  /** How long a write may take beyond the time of its bytes on the wire; 2,000 ms by default. */
  readonly writeMs?: number;
  /** How long a server may take to answer; 5,000 ms by default. */
  readonly connectMs?: number;
}

export interface OpenPortParts {
  readonly clock?: Clock;
  /** Brings the package `serialport`, or one that behaves like it. */
  readonly loadSerial?: () => Promise<SerialPackage>;
}

const DEFAULT_BAUD_RATE = 115_200;
const DEFAULT_WRITE_MS = 2_000;
const DEFAULT_CONNECT_MS = 5_000;

/**
 * Opens `/dev/ttyUSB0`, `COM3`, `tcp://host:port` or `unix:/path`. Rejects `InputError` for any other text,
 * `PortError` `no-such-port` | `in-use` | `no-permission` | `no-package` | `failed`, or the signal's reason.
 * A port that opens after the signal has aborted is closed again.
 */
export async function openPort(
  address: string,
  options: OpenPortOptions = {},
  parts: OpenPortParts = {},
): Promise<BytePort> {
  const where = parsePortAddress(address, 'port');
  const { baudRate = DEFAULT_BAUD_RATE, writeMs = DEFAULT_WRITE_MS, signal } = options;
  const { clock = systemClock, loadSerial = loadSerialPackage } = parts;
  signal?.throwIfAborted();
  const core = new PortCore(portAddressText(where), writeMs, clock);
  if (where.kind !== 'serial') {
    const { connectMs = DEFAULT_CONNECT_MS } = options;
    return openSocketPort(where, core, { connectMs, ...(signal && { signal }) }, clock);
  }
  const opening = openSerialPort(where.path, core, baudRate, { clock, loadSerial });
  try {
    return await untilAbort(opening, signal);
  } catch (error) {
    // An open that hangs in the system cannot be called off.
    void opening.then((port) => port.close()).catch(() => {});
    throw error;
  }
}
