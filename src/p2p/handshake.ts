/**
 * From a fresh connection to a link: the secret connection, then node infos, each within its time. The
 * time is for the whole of it: a peer that sends a byte now and then gains nothing.
 */
import type { Duplex } from 'node:stream';
import type { ByteBudget } from '../util/byte-budget.ts';
import type { Clock } from '../util/clock.ts';
import { CodedError } from '../util/errors.ts';
import type { Logger } from '../util/log.ts';
import { ByteStream, StreamError } from './byte-stream.ts';
import type { NodeIdentity } from './identity.ts';
import type { LinkLimits } from './link-limits.ts';
import {
  checkNodeInfo,
  type NodeInfo,
  NodeInfoError,
  type NodeInfoErrorDetail,
  nodeInfoParts,
  receiveNodeInfo,
} from './node-info.ts';
import type { PeerLink } from './peer-link.ts';
import { RateMeter } from './rate-meter.ts';
import type { ReceiveBudget } from './receive-budget.ts';
import {
  AuthenticationError,
  type AuthenticationErrorDetail,
  openSecretConnection,
} from './secret-connection.ts';
import { SecretPeerLink, type Traffic } from './secret-peer-link.ts';
import { WireError } from './wire.ts';

type Phase = 'secret connection' | 'node info';

export type HandshakeErrorDetail =
  | { readonly code: 'timeout'; readonly phase: Phase; readonly afterMs: number }
  /** The peer closed the connection, or it broke: also what a peer does that does not want us. */
  | { readonly code: 'ended'; readonly phase: Phase; readonly reason: string }
  /** What came was no handshake. */
  | { readonly code: 'wire'; readonly reason: string }
  | AuthenticationErrorDetail
  | NodeInfoErrorDetail
  /** We gave it up: the caller's signal, or the transport was closed. */
  | { readonly code: 'aborted' };

/** A connection that did not become a link. */
export class HandshakeError extends CodedError<HandshakeErrorDetail> {
  constructor(detail: HandshakeErrorDetail, message: string, options?: ErrorOptions) {
    super(message, detail, options);
  }
}

export interface HandshakeOptions {
  readonly outbound: boolean;
  readonly remote: PeerLink['remote'];
  /** What we say of ourselves. */
  readonly info: NodeInfo;
  /** For the secret connection, and again for the node info. */
  readonly phaseMs: number;
  readonly limits: LinkLimits;
}

export interface HandshakeParts {
  readonly identity: NodeIdentity;
  readonly clock: Clock;
  readonly log: Logger;
  readonly receiveBudget: ReceiveBudget;
  readonly sendBudget: ByteBudget;
  /** 32 random bytes for each connection. */
  readonly ephemeral: () => Uint8Array;
}

/** Makes a link of a connection, which it owns from now on. Rejects with a `HandshakeError`. */
export async function openLink(
  duplex: Duplex,
  options: HandshakeOptions,
  parts: HandshakeParts,
  signal?: AbortSignal,
): Promise<SecretPeerLink> {
  const { clock, identity } = parts;
  const { info, outbound, remote, limits, phaseMs } = options;
  const since = clock.now();
  const traffic: Traffic = { since, sent: new RateMeter(since), received: new RateMeter(since) };
  const stream = new ByteStream(duplex, {
    sent: (bytes) => traffic.sent.add(bytes, clock.now()),
    received: (bytes) => traffic.received.add(bytes, clock.now()),
  });
  const run = <T>(phase: Phase, work: () => Promise<T>): Promise<T> =>
    inTime(stream, { phase, ms: phaseMs, clock, signal }, work);
  const { secret, remoteKey } = await run('secret connection', () =>
    openSecretConnection(stream, identity, parts.ephemeral()),
  );
  const theirs = await run('node info', async () => {
    const [peer] = await Promise.all([
      receiveNodeInfo((length) => secret.read(length)),
      secret.write(...nodeInfoParts(info)),
    ]);
    checkNodeInfo(peer, info, { outbound, authenticatedKey: remoteKey });
    return peer;
  });
  const { log, receiveBudget, sendBudget } = parts;
  return new SecretPeerLink(
    { outbound, remote, info: theirs, limits },
    { stream, secret, traffic, clock, log, receiveBudget, sendBudget },
  );
}

interface Term {
  readonly phase: Phase;
  readonly ms: number;
  readonly clock: Clock;
  readonly signal: AbortSignal | undefined;
}

/** Does one phase; if it fails, is late or is aborted, the stream is gone. */
async function inTime<T>(stream: ByteStream, term: Term, work: () => Promise<T>): Promise<T> {
  const { phase, ms, clock, signal } = term;
  const done = new AbortController();
  let isLate = false;
  const abort = (): void => stream.destroy('aborted');
  if (signal?.aborted === true) abort();
  signal?.addEventListener('abort', abort);
  void clock.sleep(ms, done.signal).then(() => {
    if (done.signal.aborted) return;
    isLate = true;
    stream.destroy('too late');
  });
  try {
    return await work();
  } catch (error) {
    stream.destroy();
    if (signal?.aborted === true) {
      throw new HandshakeError({ code: 'aborted' }, 'aborted', { cause: error });
    }
    if (isLate) {
      const message = `no ${phase} within ${ms / 1000} s`;
      throw new HandshakeError({ code: 'timeout', phase, afterMs: ms }, message, { cause: error });
    }
    throw handshakeError(error, phase);
  } finally {
    done.abort();
    signal?.removeEventListener('abort', abort);
  }
}

function handshakeError(error: unknown, phase: Phase): unknown {
  if (error instanceof StreamError) {
    const { reason } = error.detail;
    return new HandshakeError({ code: 'ended', phase, reason }, `${reason} during the ${phase}`, {
      cause: error,
    });
  }
  if (error instanceof WireError) {
    const detail = { code: 'wire', reason: error.message } as const;
    return new HandshakeError(detail, error.message, { cause: error });
  }
  if (error instanceof AuthenticationError || error instanceof NodeInfoError) {
    return new HandshakeError(error.detail, error.message, { cause: error });
  }
  return error;
}
