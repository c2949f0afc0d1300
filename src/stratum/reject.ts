/**
 * Why shares and logins are refused: the codes and texts on the wire, and what a client makes of
 * them. The codes are btmcpool's; Antpool and btc.com send −1 for everything and say it in the
 * text, so there the text decides. btmcpool's 32 covers malformed submits and, far more often,
 * stale ones.
 */

/** What a pool of ours sends, and what the known pools send. */
export const REJECTS: Readonly<Record<RejectReason, { code: number; message: string }>> = {
  /** Also what the recorded pool answers to params of a wrong type. */
  unknown: { code: 20, message: 'Unknown Error' },
  'job-not-found': { code: 21, message: 'Job Not Found' },
  duplicate: { code: 22, message: 'Duplicate Share' },
  'low-difficulty': { code: 23, message: 'Low Difficulty Share' },
  unauthorized: { code: 24, message: 'Unauthorized Worker' },
  'not-subscribed': { code: 25, message: 'Not Subscribed' },
  'bad-login': { code: 31, message: 'Invalid Authorize Format' },
  'bad-submit': { code: 32, message: 'Invalid Submit Format' },
  /** btmcpool's code for it, with a text that says so. */
  stale: { code: 32, message: 'Stale Share' },
  'out-of-range': { code: 32, message: 'Nonce Out Of Range' },
  /** No verdict, or no place to keep it: nobody's fault, and not acknowledged. */
  unavailable: { code: 20, message: 'Share Not Counted' },
  'unsupported-method': { code: 34, message: 'Unsupported Method' },
  'second-login': { code: 40, message: 'Multiple Authorization' },
};

export type RejectReason =
  | 'unknown'
  | 'job-not-found'
  | 'duplicate'
  | 'low-difficulty'
  | 'unauthorized'
  | 'not-subscribed'
  | 'bad-login'
  | 'bad-submit'
  | 'stale'
  | 'out-of-range'
  | 'unavailable'
  | 'unsupported-method'
  | 'second-login';

export type RejectClass =
  | 'stale'
  | 'low-difficulty'
  | 'duplicate'
  | 'unauthorized'
  | 'job-not-found'
  | 'malformed'
  | 'other';

/**
 * What a refusal of a share means to the client that sent it. Text before code: a code is often
 * the same for everything (−1), while a text that says "low difficulty" or "expired" means it. The
 * exception is 32, whose fixed text "Invalid Submit Format" btmcpool also sends for a job of an old
 * height; it reads as `stale`, because a client that writes submits in the right form has no other
 * way to get it.
 */
export function classifyReject(code: number | undefined, message: string): RejectClass {
  if (code === REJECTS['bad-submit'].code && sameText(message, REJECTS['bad-submit'].message)) {
    return 'stale';
  }
  for (const [pattern, meaning] of TEXTS) if (pattern.test(message)) return meaning;
  return (code === undefined ? undefined : CODES.get(code)) ?? 'other';
}

/** Texts that say what they mean, most telling first. */
const TEXTS: readonly (readonly [RegExp, RejectClass])[] = [
  [/\bduplicate/i, 'duplicate'],
  [/\blow[ -]?diff|above (the )?target|high hash/i, 'low-difficulty'],
  [/\bstale\b|\bexpired\b|\boutdated\b|\bold job\b/i, 'stale'],
  [/\b(unknown|no such|invalid|missing) job\b|\bjob\b.*\bnot found\b/i, 'job-not-found'],
  [
    /\bunauthori[sz]ed\b|\bnot (logged|subscribed|authori[sz]ed)|invalid (login|username|authorize)|\bbanned\b/i,
    'unauthorized',
  ],
  [/\bmalformed\b|\billegal\b|\bout of range\b|invalid (submit|nonce|params|result)/i, 'malformed'],
];

const CODES: ReadonlyMap<number, RejectClass> = new Map([
  [REJECTS['job-not-found'].code, 'job-not-found'],
  [REJECTS.duplicate.code, 'duplicate'],
  [REJECTS['low-difficulty'].code, 'low-difficulty'],
  [REJECTS.unauthorized.code, 'unauthorized'],
  [REJECTS['not-subscribed'].code, 'unauthorized'],
  [26, 'malformed'],
  [27, 'malformed'],
  [29, 'unauthorized'],
  [REJECTS['bad-login'].code, 'unauthorized'],
  [REJECTS['bad-submit'].code, 'stale'],
]);

function sameText(a: string, b: string): boolean {
  return a.trim().toLowerCase() === b.toLowerCase();
}
