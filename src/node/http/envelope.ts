/**
 * How calls are answered. Bytom 1.x mining interfaces, A.1: success, and two forms of failure.
 *
 * - Form 1, HTTP 200: the call ran and failed (`CallError`).
 * - Form 2, another status: it did not get that far (`RequestError`).
 */
import { CodedError } from '../../util/errors.ts';
import { stringifyExact } from '../../util/json.ts';

/** `BTM002` the body does not decode, `BTM860` not authenticated, `BTM000` anything else. */
export type RefusalCode = 'BTM000' | 'BTM002' | 'BTM860';

const TITLES: Readonly<Record<RefusalCode, string>> = {
  BTM000: 'Bytom API Error',
  BTM002: 'Invalid request body',
  BTM860: 'Request could not be authenticated',
};

/** What a failure is known by, beside its text. */
export interface FailureTitle {
  /** `BTM` and three digits. */
  readonly code: string;
  readonly msg: string;
}

const DEFAULT_TITLE: FailureTitle = { code: 'BTM000', msg: TITLES.BTM000 };

/** Ends a call with form 1. The message is what the client reads. */
export class CallError extends CodedError<{
  readonly code: 'call-failed';
  readonly title: FailureTitle;
}> {
  constructor(message: string, options: ErrorOptions & { readonly title?: FailureTitle } = {}) {
    super(message, { code: 'call-failed', title: options.title ?? DEFAULT_TITLE }, options);
  }
}

export interface RequestErrorDetail {
  readonly code: 'request-refused';
  readonly status: number;
  readonly refusal: RefusalCode;
  /** Headers that only this answer has. */
  readonly headers?: Readonly<Record<string, string>>;
}

/** Ends a request with form 2. The message is what the client reads. */
export class RequestError extends CodedError<RequestErrorDetail> {
  constructor(
    status: number,
    refusal: RefusalCode,
    message: string,
    headers?: Readonly<Record<string, string>>,
  ) {
    const more = headers === undefined ? {} : { headers };
    super(message, { code: 'request-refused', status, refusal, ...more });
  }
}

/** The body does not decode; `reason` is what the decoder says. */
export function badBody(reason: string, status = 400): RequestError {
  const hint = 'check request parameters for missing and/or incorrect values';
  return new RequestError(status, 'BTM002', `${reason}: ${hint}`);
}

/** An unknown path. */
export function notFound(): RequestError {
  return new RequestError(500, 'BTM000', 'not Found');
}

/** Too much is under way; the same request may succeed later. */
export function busy(): RequestError {
  return new RequestError(503, 'BTM000', 'too many requests are under way');
}

/** The body of a success; without `data` if that is `undefined`. */
export function successBody(data: unknown): string {
  return line({ status: 'success', data });
}

export function failureBody(error: CallError): string {
  const { code, msg } = error.detail.title;
  return line({ status: 'fail', code, msg, error_detail: error.message });
}

export function refusalBody(error: RequestError): string {
  const { refusal } = error.detail;
  return line({
    code: refusal,
    msg: TITLES[refusal],
    status: 'fail',
    detail: error.message,
    temporary: refusal === 'BTM000',
  });
}

function line(value: unknown): string {
  return `${stringifyExact(value)}\n`;
}
