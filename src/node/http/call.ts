/** One call of the interface: its name, what it takes, what it gives, and what it does. */
import type { z } from 'zod';
import type { Fields, Values } from './fields.ts';

/** A call as the server sees it. */
export interface ApiCall {
  /** The path without its slash. */
  readonly name: string;
  readonly summary: string;
  /** What it takes. Left out: it never looks at the body. */
  readonly fields?: Fields;
  /** Null in place of an object is refused, which breaks the reference. */
  readonly refusesNull: boolean;
  /** A longer body is refused. */
  readonly maxBodyBytes: number;
  readonly loopbackOnly: boolean;
  /** Of `data`; left out: there is none. */
  readonly data?: z.ZodType;
  /** What it gives is `data`. Rejects `CallError`, `RequestError`; anything else is a fault of ours. */
  readonly run: (values: Values<Fields>) => unknown;
}

const DEFAULT_BODY_BYTES = 64 * 1024;

interface CallOptions {
  readonly name: string;
  readonly summary: string;
  readonly data?: z.ZodType;
  readonly loopbackOnly?: boolean;
}

/** A call that does not look at the body. */
export function bareCall(options: CallOptions & { readonly run: () => unknown }): ApiCall {
  return { refusesNull: false, maxBodyBytes: DEFAULT_BODY_BYTES, loopbackOnly: false, ...options };
}

/** A call that needs a JSON object, or null, which has no fields. */
export function bodyCall<F extends Fields>(
  options: CallOptions & {
    readonly fields: F;
    readonly refusesNull?: boolean;
    readonly maxBodyBytes?: number;
    readonly run: (values: Values<F>) => unknown;
  },
): ApiCall {
  const { run } = options;
  return {
    refusesNull: false,
    maxBodyBytes: DEFAULT_BODY_BYTES,
    loopbackOnly: false,
    ...options,
    // The server hands over what it has read with these very fields.
    run: (values) => run(values as Values<F>),
  };
}
