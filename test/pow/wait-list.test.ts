import { describe, expect, it } from 'vitest';
import { WaitList } from '../../src/pow/wait-list.ts';
import { seededRandom } from '../support/random.ts';

describe('WaitList', () => {
  it('does what a list does, whatever is added and deleted', () => {
    const random = seededRandom(77);
    const list = new WaitList<number>();
    let model: number[] = [];
    for (let n = 0; n < 20_000; n++) {
      const kind = random();
      if (kind < 0.5) {
        list.add(n);
        model.push(n);
      } else if (kind < 0.7) {
        const some = model[Math.floor(random() * model.length)] ?? -1;
        expect(list.delete(some)).toBe(model.includes(some));
        model = model.filter((each) => each !== some);
      } else if (kind < 0.9) {
        const newest = list.newest();
        expect(newest).toBe(model.at(-1));
        if (newest !== undefined) list.delete(newest);
        model.pop();
      } else if (kind > 0.999) {
        list.clear();
        model = [];
      } else {
        expect([...list].slice(0, 3)).toEqual(model.slice(0, 3));
      }
    }
    expect([...list]).toEqual(model);
  });
});
