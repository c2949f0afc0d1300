/** The interface described as OpenAPI 3.1, from the same schemas that check our answers in tests. */
import { z } from 'zod';
import type { ApiCall } from './call.ts';
import { fieldsSchema } from './fields.ts';
import { HEALTH_DATA } from './health.ts';
import { jsonSchemaOf } from './schemas.ts';

/** A success; `data` is left out if there is none. */
export function successSchema(data: z.ZodType | undefined): z.ZodType {
  const status = z.literal('success');
  return z.strictObject(data === undefined ? { status } : { status, data });
}

/** Form 1: the call ran and failed. */
export const FAILURE_SCHEMA: z.ZodType = z.strictObject({
  status: z.literal('fail'),
  code: z.string().regex(/^BTM\d{3}$/),
  msg: z.string(),
  error_detail: z.string(),
});

/** Form 2: the request was refused. */
export const REFUSAL_SCHEMA: z.ZodType = z.strictObject({
  code: z.enum(['BTM000', 'BTM002', 'BTM860']),
  msg: z.string(),
  status: z.literal('fail'),
  detail: z.string(),
  temporary: z.boolean(),
});

export interface OpenApiInfo {
  /** Of this program. */
  readonly version: string;
}

export function openApiDocument(
  info: OpenApiInfo,
  calls: readonly ApiCall[],
): Record<string, unknown> {
  return {
    openapi: '3.1.0',
    info: {
      title: "Bytom node: bytomd's calls for miners, explorers and pools",
      version: info.version,
      description:
        'The method is not checked; POST is usual. Integers are plain JSON numbers of up to 64 bits, ' +
        'which many readers round: bits and nonces need an exact one.',
    },
    paths: { ...Object.fromEntries(calls.map(callPath)), ...OTHER_PATHS },
    components: {
      schemas: {
        Failure: jsonSchemaOf(FAILURE_SCHEMA),
        Refusal: jsonSchemaOf(REFUSAL_SCHEMA),
        Health: jsonSchemaOf(HEALTH_DATA),
      },
      securitySchemes: {
        token: { type: 'http', scheme: 'basic', description: 'Id and secret of an access token' },
      },
    },
    // From a loopback address none is needed.
    security: [{ token: [] }, {}],
  };
}

const refusal = (description: string): unknown => ({
  description,
  content: { 'application/json': { schema: { $ref: '#/components/schemas/Refusal' } } },
});

function callPath(call: ApiCall): [path: string, item: unknown] {
  const { name, summary, fields, data } = call;
  const schema = {
    anyOf: [jsonSchemaOf(successSchema(data)), { $ref: '#/components/schemas/Failure' }],
  };
  const post = {
    operationId: name,
    summary,
    ...(fields === undefined
      ? {}
      : {
          requestBody: {
            required: true,
            content: { 'application/json': { schema: jsonSchemaOf(fieldsSchema(fields)) } },
          },
        }),
    responses: {
      200: {
        description: 'What the call came to, failures included',
        content: { 'application/json': { schema } },
      },
      ...(fields === undefined
        ? {}
        : { 400: refusal('The body does not decode'), 413: refusal('The body is too long') }),
      401: refusal('Without a valid token, from another machine'),
      403: refusal('Under an unknown name, or from a page of another origin'),
      500: refusal('A fault of the node'),
      503: refusal('Too many requests are under way'),
    },
  };
  return [`/${name}`, { post }];
}

const HEALTH_CONTENT = {
  'application/json': { schema: { $ref: '#/components/schemas/Health' } },
} as const;

const OTHER_PATHS = {
  '/health': {
    get: {
      operationId: 'health',
      summary: 'Whether this node is of use',
      responses: {
        200: { description: 'It is', content: HEALTH_CONTENT },
        503: { description: 'It is not: it is behind, or has stopped', content: HEALTH_CONTENT },
      },
    },
  },
  '/metrics': {
    get: {
      operationId: 'metrics',
      summary: 'What the node counts',
      responses: {
        200: { description: 'For Prometheus', content: { 'text/plain': {} } },
      },
    },
  },
  '/events': {
    get: {
      operationId: 'events',
      summary: 'New tips and templates as they come; the present tip at once',
      parameters: [
        {
          name: 'types',
          in: 'query',
          required: false,
          description:
            'Any of tip, template and transaction, with commas; tip,template if left out',
          schema: { type: 'string' },
        },
      ],
      responses: {
        200: { description: 'Server-sent events', content: { 'text/event-stream': {} } },
        503: refusal('Too many are listening'),
      },
    },
  },
  '/openapi.json': {
    get: {
      operationId: 'openapi',
      summary: 'This document',
      responses: { 200: { description: 'OpenAPI 3.1', content: { 'application/json': {} } } },
    },
  },
} as const;
