/** The recorded session between this project and bytomd, typed and out of hex. */
import { readFileSync } from 'node:fs';
import { hexToBytes } from '../../src/util/bytes.ts';

interface SessionFile {
  readonly handshake: Readonly<Record<string, string>> & {
    readonly node_info_frames: readonly string[];
    readonly node_info_received: {
      readonly pub_key: string;
      readonly moniker: string;
      readonly network: string;
      readonly remote_addr: string;
      readonly listen_addr: string;
      readonly version: string;
      readonly other: readonly string[];
    };
  };
  readonly messages: readonly {
    readonly dir: 'sent' | 'received';
    readonly bytes: string;
    readonly what: string;
  }[];
}

const file: SessionFile = JSON.parse(
  readFileSync(new URL('../vectors/p2p_session.json', import.meta.url), 'utf8'),
);

/** A value of the handshake. */
export function recorded(name: string): Uint8Array {
  return hexToBytes(file.handshake[name] ?? '', name);
}

export const recordedFrames: readonly Uint8Array[] = file.handshake.node_info_frames.map((hex) =>
  hexToBytes(hex, 'frame'),
);

/** The node info of the other side, put into bytes by hand. */
export function recordedRemoteInfo(): {
  readonly fields: SessionFile['handshake']['node_info_received'];
  readonly pieces: readonly Uint8Array[];
} {
  const fields = file.handshake.node_info_received;
  const text = (value: string): Uint8Array[] => {
    const bytes = Buffer.from(value, 'latin1');
    if (bytes.length === 0) return [Uint8Array.of(0)];
    return [Uint8Array.of(1), Uint8Array.of(bytes.length), Uint8Array.from(bytes)];
  };
  return {
    fields,
    pieces: [
      Uint8Array.of(1),
      hexToBytes(fields.pub_key, 'pub_key', 32),
      ...text(fields.moniker),
      ...text(fields.network),
      ...text(fields.remote_addr),
      ...text(fields.listen_addr),
      ...text(fields.version),
      Uint8Array.of(1),
      Uint8Array.of(fields.other.length),
      ...fields.other.flatMap(text),
    ],
  };
}

export const recordedMessages: readonly {
  readonly dir: 'sent' | 'received';
  readonly what: string;
  readonly bytes: Uint8Array;
}[] = file.messages.map(({ dir, what, bytes }) => ({ dir, what, bytes: hexToBytes(bytes, what) }));
