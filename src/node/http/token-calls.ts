/** Access tokens. Bytom 1.x mining interfaces, A.2. */
import { z } from 'zod';
import { type AccessToken, type AccessTokens, TokenError } from './access-tokens.ts';
import { type ApiCall, bareCall, bodyCall } from './call.ts';
import { CallError } from './envelope.ts';
import { textField } from './fields.ts';

const TOKEN_DATA = z.strictObject({
  id: z.string(),
  token: z.string().regex(/^[A-Za-z0-9_-]+:[0-9a-f]{64}$/),
  type: z.string().optional(),
  created_at: z.iso.datetime(),
});

export function tokenCalls({ tokens }: { readonly tokens: AccessTokens }): readonly ApiCall[] {
  return [
    bodyCall({
      name: 'create-access-token',
      summary: 'A new token for use from other machines.',
      fields: { id: textField, type: textField },
      data: TOKEN_DATA,
      run: async ({ id = '', type = '' }) => {
        try {
          return tokenObject(await tokens.create(id, type));
        } catch (error) {
          throw tokenFailure(error, id, `check id ${quoted(id)}`);
        }
      },
    }),
    bareCall({
      name: 'list-access-tokens',
      summary: 'All tokens, secrets included; from this machine only.',
      loopbackOnly: true,
      data: z.array(TOKEN_DATA),
      run: () => tokens.list().map(tokenObject),
    }),
    bodyCall({
      name: 'check-access-token',
      summary: 'Whether a secret is that of a token.',
      fields: { id: textField, secret: textField },
      run: ({ id = '', secret = '' }) => {
        if (!tokens.has(id)) {
          const error = new TokenError({ code: 'unknown', id });
          throw tokenFailure(error, id, `check id ${quoted(id)} nonexisting`);
        }
        if (!tokens.verify(id, secret)) throw new CallError('invalid token');
      },
    }),
    bodyCall({
      name: 'delete-access-token',
      summary: 'Ends a token, at once.',
      fields: { id: textField },
      run: async ({ id = '' }) => {
        try {
          await tokens.delete(id);
        } catch (error) {
          throw tokenFailure(error, id, `check id ${quoted(id)}`);
        }
      },
    }),
  ];
}

function tokenObject({ id, secret, type, createdAt }: AccessToken): Record<string, unknown> {
  return {
    id,
    token: `${id}:${secret}`,
    ...(type === '' ? {} : { type }),
    created_at: createdAt,
  };
}

/** `unknown` is what comes before the text for a token that is not there. */
function tokenFailure(error: unknown, id: string, unknown: string): unknown {
  if (!(error instanceof TokenError)) return error;
  switch (error.detail.code) {
    case 'bad-id':
      return new CallError(`invalid id ${quoted(id)}: invalid id`, { cause: error });
    case 'duplicate':
      return new CallError(`id ${quoted(id)} already in use: duplicate access token ID`, {
        cause: error,
      });
    case 'unknown':
      return new CallError(`${unknown}: nonexisting access token ID`, { cause: error });
    case 'bad-type':
    case 'too-many':
    case 'damaged':
      return new CallError(error.message, { cause: error });
  }
}

function quoted(text: string): string {
  return JSON.stringify(text);
}
