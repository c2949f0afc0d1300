/** A request before it gets the number that its answer comes back under. */
export type Unnumbered<T> = T extends { readonly id: number } ? Omit<T, 'id'> : never;
