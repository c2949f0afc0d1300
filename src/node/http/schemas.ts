/**
 * What values in answers and requests look like, in the one form that both describes them
 * (`openapi.ts`) and checks them (tests).
 */
import { z } from 'zod';

export const HEX: z.ZodType<string> = z.string().regex(/^([0-9a-f]{2})*$/i);
export const HASH: z.ZodType<string> = z.string().regex(/^[0-9a-f]{64}$/);
export const UINT16: z.ZodType<number> = z.int().min(0).max(0xffff);
/** Heights, times, counts. */
export const COUNT: z.ZodType<number> = z.int().min(0);
/** Plain digits; above 2^53 a `bigint` to whoever reads exactly. */
export const UINT64: z.ZodType<number | bigint> = z.union([
  z.int().min(0),
  z
    .bigint()
    .min(0n)
    .max((1n << 64n) - 1n),
]);
/** Digits in a string. */
export const DECIMAL: z.ZodType<string> = z.string().regex(/^\d+$/);

/** JSON Schema (draft 2020-12). What JSON Schema has no type for, `UINT64`, is told here. */
export function jsonSchemaOf(schema: z.ZodType): Readonly<Record<string, unknown>> {
  const out = z.toJSONSchema(schema, {
    unrepresentable: 'any',
    override: ({ zodSchema, jsonSchema }) => {
      if ((zodSchema as unknown) !== UINT64) return;
      for (const key of Object.keys(jsonSchema)) Reflect.deleteProperty(jsonSchema, key);
      Object.assign(jsonSchema, { type: 'integer', format: 'uint64', minimum: 0 });
    },
  });
  const { $schema: _, ...rest } = out as Record<string, unknown>;
  return rest;
}

export const BLOCK_HEADER_OBJECT: z.ZodType = z.strictObject({
  version: UINT64,
  height: UINT64,
  previous_block_hash: HASH,
  timestamp: UINT64,
  nonce: UINT64,
  bits: UINT64,
  block_commitment: z.strictObject({
    transaction_merkle_root: HASH,
    transaction_status_hash: HASH,
  }),
});
