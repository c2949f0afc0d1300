/**
 * Real links without a network: two ends of a stream in memory, on which one side, or both, shakes
 * hands; and a peer that speaks the protocol up to that point and then sends what a test tells it to.
 */
import { type Duplex, duplexPair } from 'node:stream';
import { ByteStream } from '../../src/p2p/byte-stream.ts';
import { type HandshakeOptions, type HandshakeParts, openLink } from '../../src/p2p/handshake.ts';
import { NodeIdentity } from '../../src/p2p/identity.ts';
import { DEFAULT_LINK_LIMITS, type LinkLimits } from '../../src/p2p/link-limits.ts';
import { type NodeInfo, nodeInfoParts, receiveNodeInfo } from '../../src/p2p/node-info.ts';
import { ReceiveBudget } from '../../src/p2p/receive-budget.ts';
import { openSecretConnection } from '../../src/p2p/secret-connection.ts';
import type { SecretPeerLink } from '../../src/p2p/secret-peer-link.ts';
import type { SecretStream } from '../../src/p2p/secret-stream.ts';
import { ByteBudget } from '../../src/util/byte-budget.ts';
import { FakeClock } from './fake-clock.ts';
import { testNodeInfo } from './memory-link.ts';
import { RecordingLog } from './recording-log.ts';

export interface LinkRigOptions {
  readonly clock?: FakeClock;
  readonly limits?: Partial<LinkLimits>;
  readonly receiveBytes?: number;
  readonly sendBytes?: number;
}

/** What the links of one node share. */
export class LinkRig {
  readonly clock: FakeClock;
  readonly log = new RecordingLog();
  readonly receiveBudget: ReceiveBudget;
  readonly sendBudget: ByteBudget;
  readonly #limits: LinkLimits;

  constructor(options: LinkRigOptions = {}) {
    this.clock = options.clock ?? new FakeClock();
    this.receiveBudget = new ReceiveBudget(options.receiveBytes ?? 128 << 20);
    this.sendBudget = new ByteBudget(options.sendBytes ?? 256 << 20);
    this.#limits = {
      ...DEFAULT_LINK_LIMITS,
      sendRate: Number.POSITIVE_INFINITY,
      receiveRate: Number.POSITIVE_INFINITY,
      ...options.limits,
    };
  }

  parts(seed: number): HandshakeParts {
    const { clock, log, receiveBudget, sendBudget } = this;
    return {
      identity: identityOf(seed),
      clock,
      log,
      receiveBudget,
      sendBudget,
      ephemeral: () => new Uint8Array(32).fill(seed + 100),
    };
  }

  options(seed: number, changes: Partial<HandshakeOptions> = {}): HandshakeOptions {
    return {
      outbound: true,
      remote: { address: '10.0.0.2', port: 46_657 },
      info: infoOf(seed),
      phaseMs: 30_000,
      limits: this.#limits,
      ...changes,
    };
  }

  /** Two real links that are joined. */
  async pair(): Promise<{ readonly a: SecretPeerLink; readonly b: SecretPeerLink }> {
    const [one, other] = duplexPair();
    const [a, b] = await Promise.all([
      openLink(one, this.options(1), this.parts(1)),
      openLink(other, this.options(2, { outbound: false }), this.parts(2)),
    ]);
    return { a, b };
  }

  /** A real link whose other end is `peer`. */
  async withRawPeer(seed = 2): Promise<{ readonly link: SecretPeerLink; readonly peer: RawPeer }> {
    const [one, other] = duplexPair();
    const [link, peer] = await Promise.all([
      openLink(one, this.options(1), this.parts(1)),
      RawPeer.open(other, seed),
    ]);
    return { link, peer };
  }
}

export class RawPeer {
  readonly stream: ByteStream;
  readonly secret: SecretStream;

  private constructor(stream: ByteStream, secret: SecretStream) {
    this.stream = stream;
    this.secret = secret;
  }

  static async open(duplex: Duplex, seed: number, info = infoOf(seed)): Promise<RawPeer> {
    const stream = new ByteStream(duplex);
    const { secret } = await openSecretConnection(stream, identityOf(seed));
    await Promise.all([
      receiveNodeInfo((length) => secret.read(length)),
      secret.write(...nodeInfoParts(info)),
    ]);
    return new RawPeer(stream, secret);
  }
}

export function identityOf(seed: number): NodeIdentity {
  return new NodeIdentity(new Uint8Array(32).fill(seed));
}

export function infoOf(seed: number, changes: Partial<NodeInfo> = {}): NodeInfo {
  return testNodeInfo(seed, { publicKey: identityOf(seed).publicKey, ...changes });
}
