/**
 * Access tokens, in a file of their own that only its owner can read. Bytom 1.x mining interfaces,
 * A.2.
 *
 * Unlike in the reference, where a token that was checked once stays good for five minutes even if it
 * is deleted meanwhile, a deleted one is worth nothing at once. The secrets are kept as they are, since
 * a call lists them.
 */
import { createHash, randomBytes, timingSafeEqual } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import { z } from 'zod';
import { writeKeyFile } from '../../keys/keyfile-write.ts';
import { CodedError, clip } from '../../util/errors.ts';

export interface AccessToken {
  readonly id: string;
  /** 32 bytes, in hex. */
  readonly secret: string;
  /** Any text; it has no effect. */
  readonly type: string;
  /** RFC 3339, with nine digits of a second. */
  readonly createdAt: string;
}

export type TokenErrorDetail =
  | { readonly code: 'bad-id'; readonly id: string }
  | { readonly code: 'bad-type'; readonly length: number }
  | { readonly code: 'duplicate'; readonly id: string }
  | { readonly code: 'unknown'; readonly id: string }
  | { readonly code: 'too-many'; readonly most: number }
  | { readonly code: 'damaged'; readonly path: string };

/**
 * - `bad-id`: something else than letters, digits, `_` and `-`, or more than 64 of them.
 * - `bad-type`: longer than 256 characters.
 * - `duplicate`, `unknown`: there is such a token already, or none.
 * - `too-many`: no more than 1000 are kept.
 * - `damaged`: the file is not one of ours.
 */
export class TokenError extends CodedError<TokenErrorDetail> {
  constructor(detail: TokenErrorDetail, options?: ErrorOptions) {
    super(tokenMessage(detail), detail, options);
  }
}

export interface AccessTokenParts {
  /** The wall clock, in milliseconds since 1970. */
  readonly now: () => number;
  /** Bytes that nobody can guess. */
  readonly random?: (bytes: number) => Uint8Array;
}

const SECRET_BYTES = 32;
const MAX_TOKENS = 1000;
const MAX_TYPE_LENGTH = 256;

const FILE = z.object({
  version: z.literal(1),
  tokens: z
    .array(
      z.object({
        id: z.string().regex(/^[A-Za-z0-9_-]{1,64}$/),
        secret: z.string().regex(/^[0-9a-f]{64}$/),
        type: z.string(),
        createdAt: z.string(),
      }),
    )
    .max(MAX_TOKENS),
});

export class AccessTokens {
  readonly #path: string;
  readonly #parts: Required<AccessTokenParts>;
  /** By id, in the order of their making. */
  #tokens: ReadonlyMap<string, AccessToken>;
  /** Changes wait for each other: each writes the whole file. */
  #changes: Promise<unknown> = Promise.resolve();

  /** Reads the file at `path`; none is as good as an empty one. Rejects `TokenError` 'damaged'. */
  static async open(path: string, parts: AccessTokenParts): Promise<AccessTokens> {
    const text = await readFile(path, 'utf8').catch((error: unknown) => {
      if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined;
      throw error;
    });
    return new AccessTokens(path, parts, text === undefined ? [] : parseFile(path, text));
  }

  private constructor(path: string, parts: AccessTokenParts, tokens: readonly AccessToken[]) {
    this.#path = path;
    this.#parts = { random: randomBytes, ...parts };
    this.#tokens = new Map(tokens.map((token) => [token.id, token]));
  }

  list(): readonly AccessToken[] {
    return [...this.#tokens.values()];
  }

  has(id: string): boolean {
    return this.#tokens.has(id);
  }

  /** Takes the same time whatever the secret is, and whether there is such a token. */
  verify(id: string, secret: string): boolean {
    const token = this.#tokens.get(id);
    const expected = digest(token?.secret ?? '');
    return timingSafeEqual(digest(secret), expected) && token !== undefined;
  }

  /** On disk when it resolves. Rejects `TokenError`, or the file system's error. */
  async create(id: string, type: string): Promise<AccessToken> {
    if (!/^[A-Za-z0-9_-]{1,64}$/.test(id)) throw new TokenError({ code: 'bad-id', id: clip(id) });
    if (type.length > MAX_TYPE_LENGTH) {
      throw new TokenError({ code: 'bad-type', length: type.length });
    }
    return this.#change(async () => {
      if (this.#tokens.has(id)) throw new TokenError({ code: 'duplicate', id });
      if (this.#tokens.size >= MAX_TOKENS) {
        throw new TokenError({ code: 'too-many', most: MAX_TOKENS });
      }
      const token: AccessToken = {
        id,
        secret: Buffer.from(this.#parts.random(SECRET_BYTES)).toString('hex'),
        type,
        createdAt: new Date(this.#parts.now()).toISOString().replace('Z', '000000Z'),
      };
      await this.#write(new Map([...this.#tokens, [id, token]]));
      return token;
    });
  }

  /** Rejects `TokenError` 'unknown', or the file system's error: then it is still there. */
  async delete(id: string): Promise<void> {
    await this.#change(async () => {
      const tokens = new Map(this.#tokens);
      if (!tokens.delete(id)) throw new TokenError({ code: 'unknown', id: clip(id) });
      await this.#write(tokens);
    });
  }

  #change<T>(change: () => Promise<T>): Promise<T> {
    const result = this.#changes.then(change);
    this.#changes = result.catch(() => {});
    return result;
  }

  async #write(tokens: ReadonlyMap<string, AccessToken>): Promise<void> {
    const text = `${JSON.stringify({ version: 1, tokens: [...tokens.values()] }, undefined, 2)}\n`;
    await writeKeyFile(this.#path, text, { overwrite: true });
    this.#tokens = tokens;
  }
}

function digest(secret: string): Buffer {
  return createHash('sha256').update(secret, 'utf8').digest();
}

function parseFile(path: string, text: string): readonly AccessToken[] {
  try {
    return FILE.parse(JSON.parse(text)).tokens;
  } catch (cause) {
    throw new TokenError({ code: 'damaged', path }, { cause });
  }
}

function tokenMessage(detail: TokenErrorDetail): string {
  switch (detail.code) {
    case 'bad-id':
      return `token id expected 1 … 64 letters, digits, "_" or "-", got "${detail.id}"`;
    case 'bad-type':
      return `token type expected at most ${MAX_TYPE_LENGTH} characters, got ${detail.length}`;
    case 'duplicate':
      return `there is a token "${detail.id}" already`;
    case 'unknown':
      return `there is no token "${detail.id}"`;
    case 'too-many':
      return `no more than ${detail.most} tokens are kept`;
    case 'damaged':
      return `${detail.path} is no file of access tokens`;
  }
}
