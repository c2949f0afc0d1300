/** Where a node is reached, and as whom: its URL taken apart. The credentials stay in the headers. */
import { clip, errorText, InputError } from '../util/errors.ts';

export interface NodeEndpoint {
  /** `host:port`, safe to log. */
  readonly name: string;
  /** What a call's name follows after a slash. */
  readonly base: string;
  readonly headers: Readonly<Record<string, string>>;
}

/**
 * Of `http[s]://[user:secret@]host[:port][/prefix]`. Throws `InputError` for a URL that cannot be used;
 * the message never holds its credentials.
 */
export function nodeEndpoint(text: string): NodeEndpoint {
  const url = parseNodeUrl(text);
  const port = url.port === '' ? (url.protocol === 'https:' ? '443' : '80') : url.port;
  const headers: Record<string, string> = {};
  if (url.username !== '' || url.password !== '') {
    const pair = `${decodePart(url.username)}:${decodePart(url.password)}`;
    headers['authorization'] = `Basic ${Buffer.from(pair).toString('base64')}`;
  }
  return {
    name: `${url.hostname}:${port}`,
    base: `${url.origin}${url.pathname.replace(/\/+$/, '')}`,
    headers,
  };
}

/** Why there was no answer: fetch hides it ("connect ECONNREFUSED …") one or two causes deep. */
export function networkText(error: unknown): string {
  let inner = error;
  while (inner instanceof Error && inner.cause instanceof Error) inner = inner.cause;
  const text = errorText(inner);
  const code = inner instanceof Error && 'code' in inner ? String(inner.code) : '';
  return clip(text === '' ? code || errorText(error) : text, 200);
}

function parseNodeUrl(text: string): URL {
  const expected = 'http://host:port or https://host:port, with user:secret@ if it asks for them';
  // Everything up to the last @ may be a secret.
  const shown = text.replace(/^.*@/s, '…@');
  const url = URL.parse(text);
  if (url === null || (url.protocol !== 'http:' && url.protocol !== 'https:')) {
    throw new InputError('node URL', expected, shown);
  }
  if (url.search !== '' || url.hash !== '') {
    throw new InputError('node URL', `${expected}, and no query`, shown);
  }
  return url;
}

/** A percent sign that encodes nothing stands for itself. */
function decodePart(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    return text;
  }
}
