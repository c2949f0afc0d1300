/** What the API tells of a peer: Bytom 1.x mining API, "list-peers". */
import type { Peer } from './peer.ts';

/** Bytes are those of the socket; rates are bytes a second. */
export interface PeerStatus {
  /** Its identity key, upper-case hex. */
  readonly id: string;
  /** Of the socket, and its port there. */
  readonly remoteAddress: string;
  readonly remotePort: number;
  readonly outbound: boolean;
  /** What it told last; 0 if it has not. */
  readonly height: number;
  /** Of the last ping that was answered; 0 if none was. */
  readonly pingMs: number;
  readonly connectedMs: number;
  readonly bytesSent: number;
  readonly bytesReceived: number;
  readonly averageSendRate: number;
  readonly averageReceiveRate: number;
  readonly sendRate: number;
  readonly receiveRate: number;
}

export function statusOf({ id, remote, outbound, height, stats }: Peer): PeerStatus {
  return {
    id,
    remoteAddress: remote.address,
    remotePort: remote.port,
    outbound,
    height,
    pingMs: stats.pingMs ?? 0,
    connectedMs: stats.durationMs,
    bytesSent: stats.sentBytes,
    bytesReceived: stats.receivedBytes,
    averageSendRate: stats.sentAverageRate,
    averageReceiveRate: stats.receivedAverageRate,
    sendRate: stats.sentRate,
    receiveRate: stats.receivedRate,
  };
}
