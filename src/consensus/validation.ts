/**
 * Checks that may take long, as steps: whoever runs them decides what happens in between. The rules
 * know no clock and no event loop; a node, which has both, gives others a turn after some steps.
 */

/** Returns the verdict, or throws what refuses. Each `yield` is a place to pause, or to stop for good. */
export type Validation<T> = Generator<void, T, void>;

/** Takes all steps at once. */
export function finish<T>(validation: Validation<T>): T {
  for (;;) {
    const { done, value } = validation.next();
    if (done === true) return value;
  }
}
