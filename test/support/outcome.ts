/** How a promise has ended so far, without waiting for it: empty while it has not. */
export interface Outcome<T> {
  value?: T;
  error?: unknown;
}

export function outcomeOf<T>(promise: Promise<T>): Outcome<T> {
  const outcome: Outcome<T> = {};
  promise.then(
    (value) => {
      outcome.value = value;
    },
    (error: unknown) => {
      outcome.error = error;
    },
  );
  return outcome;
}
