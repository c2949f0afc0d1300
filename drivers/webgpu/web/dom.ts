/** The few things that the page does to its document. */

/** The element with this id, which the page has. */
export function byId<T extends Element = HTMLElement>(id: string): T {
  const found = document.getElementById(id);
  if (found === null) throw new Error(`the page has no element "${id}"`);
  return found as unknown as T;
}

/** A new element; strings become text, whatever is in them. */
export function element<K extends keyof HTMLElementTagNameMap>(
  name: K,
  className: string,
  ...children: readonly (Node | string)[]
): HTMLElementTagNameMap[K] {
  const made = document.createElement(name);
  if (className !== '') made.className = className;
  made.append(...children);
  return made;
}

export function show(id: string, isShown = true): void {
  byId(id).toggleAttribute('hidden', !isShown);
}

/** Fills a list of names and values. */
export function fillFacts(
  list: Element,
  facts: readonly { readonly label: string; readonly value: string }[],
): void {
  list.replaceChildren(
    ...facts.flatMap(({ label, value }) => [element('dt', '', label), element('dd', '', value)]),
  );
}
