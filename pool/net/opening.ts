/**
 * The first bytes of a socket: whose it is (the header of a trusted proxy), and whether TLS or plain
 * Stratum follows. Both come to the same port: a TLS client begins with 0x16, a JSON one never does.
 */
import type { Socket } from 'node:net';
import { createSecureContext, type SecureContext, TLSSocket } from 'node:tls';
import type { CloseReason } from '../client.ts';
import { decodeProxyHeader } from './proxy-protocol.ts';

/** First byte of a TLS handshake. */
const TLS_HANDSHAKE = 0x16;
const NOTHING: Buffer = Buffer.alloc(0);

/** PEM texts. */
export interface Certificate {
  readonly key: string;
  /** With the intermediate ones after it. */
  readonly cert: string;
}

/** The certificate for connections from now on; it can be replaced when it is renewed. */
export class CertificateHolder {
  #context: SecureContext | undefined;

  get context(): SecureContext | undefined {
    return this.#context;
  }

  /** Throws what OpenSSL says of a bad certificate or a key of another one; the old one stays then. */
  set(certificate: Certificate): void {
    this.#context = createSecureContext({ ...certificate, minVersion: 'TLSv1.2' });
  }
}

/** Whose connection it is. */
export interface Origin {
  readonly address: string;
  readonly port: number;
}

export interface Opened {
  /** What to read from and write to. */
  readonly stream: Socket;
  readonly origin: Origin;
  /** Whether a proxy said so. */
  readonly isProxied: boolean;
  readonly isTls: boolean;
  /** Bytes that were read already; empty with TLS. */
  readonly first: Buffer;
}

export interface OpeningHandlers {
  /** At most once; nothing else comes after it. */
  opened(opened: Opened): void;
  /** The socket is to be closed, or is gone. At most once; nothing else comes after it. */
  failed(reason: CloseReason, what: string): void;
}

export interface OpeningOptions {
  readonly origin: Origin;
  /** It comes from a trusted proxy: there has to be a header. */
  readonly isProxy: boolean;
  readonly certificate: CertificateHolder;
  /** By the server's clock, ms. */
  readonly openedAt: number;
}

export class Opening {
  readonly socket: Socket;
  readonly origin: Origin;
  readonly openedAt: number;
  readonly #options: OpeningOptions;
  readonly #handlers: OpeningHandlers;
  #bytes: Buffer = NOTHING;
  #needsHeader: boolean;
  #proxied: Origin | undefined;
  #isOver = false;

  constructor(socket: Socket, options: OpeningOptions, handlers: OpeningHandlers) {
    this.socket = socket;
    this.origin = options.origin;
    this.openedAt = options.openedAt;
    this.#options = options;
    this.#handlers = handlers;
    this.#needsHeader = options.isProxy;
    socket.on('data', this.#onData);
    socket.on('end', this.#onEnd);
    socket.on('close', this.#onEnd);
    socket.on('error', this.#onError);
  }

  /** Gives it up: the same as a failure from outside. */
  fail(reason: CloseReason, what: string): void {
    if (this.#isOver) return;
    this.#finish();
    this.#handlers.failed(reason, what);
  }

  readonly #onEnd = (): void => this.fail('client', 'closed before its first byte');
  readonly #onError = (error: Error): void => this.fail('socket-error', error.message);
  readonly #onData = (chunk: Buffer): void => {
    this.#bytes = this.#bytes.length === 0 ? chunk : Buffer.concat([this.#bytes, chunk]);
    if (this.#needsHeader && !this.#readHeader()) return;
    if (this.#bytes.length > 0) this.#open();
  };

  /** Whether it is read. */
  #readHeader(): boolean {
    const header = decodeProxyHeader(this.#bytes);
    if (header.kind === 'partial') return false;
    if (header.kind === 'malformed') {
      this.fail('protocol', `PROXY header: ${header.what}`);
      return false;
    }
    this.#needsHeader = false;
    this.#proxied = header.source;
    this.#bytes = this.#bytes.subarray(header.bytes);
    return true;
  }

  #open(): void {
    const { socket } = this;
    const isTls = this.#bytes[0] === TLS_HANDSHAKE;
    const secureContext = this.#options.certificate.context;
    if (isTls && secureContext === undefined) {
      this.fail('protocol', 'TLS, and no certificate is configured');
      return;
    }
    this.#finish();
    const origin = this.#proxied ?? this.origin;
    const isProxied = this.#proxied !== undefined;
    if (!isTls) {
      const first = this.#bytes;
      // Nothing of this object is kept with the socket: there are many of them.
      this.#handlers.opened({ stream: socket, origin, isProxied, isTls, first });
      socket.off('error', this.#onError);
      return;
    }
    socket.pause();
    socket.unshift(this.#bytes);
    const stream = new TLSSocket(socket, {
      isServer: true,
      ...(secureContext === undefined ? {} : { secureContext }),
    });
    this.#bytes = NOTHING;
    this.#handlers.opened({ stream, origin, isProxied, isTls, first: NOTHING });
  }

  #finish(): void {
    this.#isOver = true;
    this.socket.off('data', this.#onData);
    this.socket.off('end', this.#onEnd);
    this.socket.off('close', this.#onEnd);
    // The listener for errors stays: on a socket that is being closed nobody else has one.
  }
}
