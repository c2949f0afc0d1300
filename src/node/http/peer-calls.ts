/** Who this node is connected to. Bytom 1.x mining interfaces, A.5. */
import { isIP } from 'node:net';
import { z } from 'zod';
import { clip, errorText } from '../../util/errors.ts';
import type { ApiParts, PeerStatus } from './api-parts.ts';
import { type ApiCall, bareCall, bodyCall } from './call.ts';
import { CallError } from './envelope.ts';
import { textField, uint16Field } from './fields.ts';
import { COUNT } from './schemas.ts';

const PEER_DATA = z.strictObject({
  peer_id: z.string(),
  remote_addr: z.string(),
  height: COUNT,
  ping: z.string(),
  duration: z.string(),
  total_sent: COUNT,
  total_received: COUNT,
  average_sent_rate: COUNT,
  average_received_rate: COUNT,
  current_sent_rate: COUNT,
  current_received_rate: COUNT,
});

const NET_DATA = z.strictObject({
  listening: z.boolean(),
  syncing: z.boolean(),
  mining: z.boolean(),
  peer_count: COUNT,
  current_block: COUNT,
  highest_block: COUNT,
  network_id: z.string(),
  version_info: z.strictObject({ version: z.string(), update: COUNT, new_version: z.string() }),
});

/** `version` is that of this program. */
export function peerCalls(
  { version }: { readonly version: string },
  { chain, peers, miner }: Pick<ApiParts, 'chain' | 'peers' | 'miner'>,
): readonly ApiCall[] {
  return [
    bareCall({
      name: 'net-info',
      summary: 'The state of this node in its network.',
      data: NET_DATA,
      run: () => {
        const { height } = chain.tip.header;
        const { inbound, outbound } = peers.counts;
        return {
          listening: peers.listening,
          syncing: peers.syncing,
          mining: miner?.running ?? false,
          peer_count: inbound + outbound,
          current_block: height,
          highest_block: Math.max(height, peers.highest),
          network_id: chain.network.chainId,
          // Nobody is asked for newer versions.
          version_info: { version, update: 0, new_version: version },
        };
      },
    }),
    bareCall({
      name: 'list-peers',
      summary: 'The connected peers.',
      data: z.array(PEER_DATA),
      run: () => peers.list().map(peerObject),
    }),
    bodyCall({
      name: 'connect-peer',
      summary: 'Connects to a node.',
      fields: { ip: textField, port: uint16Field },
      data: PEER_DATA,
      run: async ({ ip = '', port = 0 }) => {
        if (isIP(ip) === 0) throw new CallError('invalid ip address');
        return peerObject(await connected(peers, ip, port));
      },
    }),
    bodyCall({
      name: 'disconnect-peer',
      summary: 'Ends a connection.',
      fields: { peer_id: textField },
      run: ({ peer_id = '' }) => {
        if (!peers.disconnect(peer_id)) throw new CallError('peerId not exist');
      },
    }),
  ];
}

/** As Go writes a duration: `0s`, `200ms`, `1.5s`, `1h0m2s`. */
export function durationText(ms: number): string {
  const whole = Math.max(0, Math.round(ms));
  if (whole === 0) return '0s';
  if (whole < 1000) return `${whole}ms`;
  const minutes = Math.floor(whole / 60_000);
  const hours = Math.floor(minutes / 60);
  const seconds = `${(whole % 60_000) / 1000}s`;
  if (minutes === 0) return seconds;
  return hours === 0 ? `${minutes}m${seconds}` : `${hours}h${minutes % 60}m${seconds}`;
}

function peerObject(peer: PeerStatus): Record<string, unknown> {
  const { remoteAddress, remotePort } = peer;
  const host = isIP(remoteAddress) === 6 ? `[${remoteAddress}]` : remoteAddress;
  return {
    peer_id: peer.id,
    remote_addr: `${host}:${remotePort}`,
    height: peer.height,
    ping: durationText(peer.pingMs),
    duration: durationText(peer.connectedMs),
    total_sent: Math.round(peer.bytesSent),
    total_received: Math.round(peer.bytesReceived),
    average_sent_rate: Math.round(peer.averageSendRate),
    average_received_rate: Math.round(peer.averageReceiveRate),
    current_sent_rate: Math.round(peer.sendRate),
    current_received_rate: Math.round(peer.receiveRate),
  };
}

async function connected(peers: ApiParts['peers'], ip: string, port: number): Promise<PeerStatus> {
  try {
    return await peers.connect(ip, port);
  } catch (cause) {
    const reason = clip(errorText(cause), 200);
    throw new CallError(`can not connect to the address: ${reason}`, { cause });
  }
}
