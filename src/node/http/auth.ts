/**
 * Who may call. Bytom 1.x mining interfaces, A.2: HTTP Basic with an access token, and nothing from a
 * loopback address.
 *
 * A web page in the browser of whoever runs this node is on a loopback address too. So, beyond the
 * reference, a request must name a host that a page cannot choose (against DNS rebinding) and must not
 * come from another origin; and one that says it was passed on by a proxy is not this machine's own.
 */
import type { IncomingMessage } from 'node:http';
import { BlockList, isIP } from 'node:net';
import { isUnforgeableHost } from '../../util/host-name.ts';
import type { AccessTokens } from './access-tokens.ts';
import { RequestError } from './envelope.ts';

export interface AuthOptions {
  /** Nobody needs a token. Default false. */
  readonly authDisabled?: boolean;
  /** Names, besides `localhost` and IP addresses, under which this node is reached. */
  readonly hostNames?: readonly string[];
  /** Origins of web pages, such as `https://wallet.example`, that may call from elsewhere. */
  readonly origins?: readonly string[];
}

export class Authenticator {
  readonly #options: AuthOptions;
  readonly #tokens: Pick<AccessTokens, 'verify'>;
  readonly #hostNames: ReadonlySet<string>;

  constructor(options: AuthOptions, parts: { readonly tokens: Pick<AccessTokens, 'verify'> }) {
    this.#options = options;
    this.#tokens = parts.tokens;
    const names = (options.hostNames ?? []).map((name) => name.toLowerCase());
    this.#hostNames = new Set(names);
  }

  /** Throws `RequestError`. */
  check(request: IncomingMessage): void {
    this.#checkHost(request.headers.host);
    this.#checkOrigin(request.headers);
    // A browser asks without the token that it is going to send.
    if (isPreflight(request)) return;
    if (this.#options.authDisabled === true || isOwnMachine(request)) return;
    const given = basicCredentials(request.headers.authorization);
    if (given === undefined) throw unauthenticated('no token');
    if (!this.#tokens.verify(given.id, given.secret)) throw unauthenticated('invalid token');
  }

  /** The headers that let a page of another, configured origin read the answer. */
  corsHeaders({ headers }: Pick<IncomingMessage, 'headers'>): Readonly<Record<string, string>> {
    const { origin } = headers;
    if (origin === undefined || this.#options.origins?.includes(origin) !== true) return {};
    return { 'access-control-allow-origin': origin };
  }

  #checkHost(host: string | undefined): void {
    if (isUnforgeableHost(host, this.#hostNames)) return;
    throw new RequestError(403, 'BTM860', 'unknown host name');
  }

  #checkOrigin({ origin, host }: IncomingMessage['headers']): void {
    if (origin === undefined || this.#options.origins?.includes(origin) === true) return;
    // The scheme may be another behind a proxy that ends TLS.
    const own = host === undefined ? null : URL.parse(`http://${host}`);
    if (own !== null && URL.parse(origin)?.host === own.host) return;
    throw new RequestError(403, 'BTM860', 'origin not allowed');
  }
}

/** Whether a page of another origin asks if it may call: it gets to know that, and nothing else. */
export function isPreflight({ method, headers }: IncomingMessage): boolean {
  const asks = headers['access-control-request-method'] !== undefined;
  return method === 'OPTIONS' && asks && headers.origin !== undefined;
}

/** From a loopback address, and not passed on by a proxy there that says so. */
export function isOwnMachine({ headers, socket }: IncomingMessage): boolean {
  return !PROXY_HEADERS.some((name) => name in headers) && isLoopback(socket.remoteAddress);
}

const PROXY_HEADERS = [
  ...['forwarded', 'via', 'x-real-ip'],
  ...['x-forwarded-for', 'x-forwarded-host', 'x-forwarded-proto'],
];

export function isLoopback(address: string | undefined): boolean {
  if (address === undefined) return false;
  const family = isIP(address);
  return family !== 0 && LOOPBACK.check(address, family === 6 ? 'ipv6' : 'ipv4');
}

/** IPv4 in IPv6 is checked as IPv4. */
const LOOPBACK = new BlockList();
LOOPBACK.addSubnet('127.0.0.0', 8, 'ipv4');
LOOPBACK.addAddress('::1', 'ipv6');

function basicCredentials(
  header: string | undefined,
): { readonly id: string; readonly secret: string } | undefined {
  const coded = /^basic +([A-Za-z0-9+/]+=*) *$/i.exec(header ?? '')?.[1];
  if (coded === undefined) return undefined;
  const text = Buffer.from(coded, 'base64').toString('utf8');
  const colon = text.indexOf(':');
  if (colon < 0) return undefined;
  return { id: text.slice(0, colon), secret: text.slice(colon + 1) };
}

function unauthenticated(reason: string): RequestError {
  // The answer that makes a browser ask its user.
  const headers = { 'www-authenticate': 'Basic realm="node", charset="UTF-8"' };
  return new RequestError(401, 'BTM860', reason, headers);
}
