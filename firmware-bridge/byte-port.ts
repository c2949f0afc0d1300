/** Anything that carries bytes to a board and back: a serial port, a TCP connection, a unix socket. */
import type { PortError } from './errors.ts';

export interface BytePort {
  /** What messages call it: `/dev/ttyUSB0`, `tcp://host:port`, `unix:/path`. */
  readonly name: string;
  /** Time that one byte takes on the wire, in ms; 0 where it does not matter. Follows `setBaud`. */
  readonly byteMs: number;
  /** Resolves once, when the port is gone: why, or undefined if we closed it. Never rejects. */
  readonly closed: Promise<PortError | undefined>;
  /** Who hears the bytes, in order, in pieces of any size. One listener; what came before it is kept for it. */
  onBytes(listener: (bytes: Uint8Array) => void): void;
  /** Resolves when the bytes are on their way. Rejects `PortError` `gone` | `write-timeout`. */
  write(bytes: Uint8Array): Promise<void>;
  /** Another rate, in baud; absent where rates mean nothing. Rejects `PortError` `failed` | `gone`. */
  setBaud?(rate: number): Promise<void>;
  /** Resets the board by the DTR and RTS lines; absent where there are none. Rejects `PortError`. */
  resetLines?(): Promise<void>;
  /** Idempotent; never rejects. */
  close(): Promise<void>;
}
