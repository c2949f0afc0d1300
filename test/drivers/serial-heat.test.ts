import { describe, expect, it } from 'vitest';
import { DEFAULT_LIMITS, HeatGovernor } from '../../drivers/serial/heat.ts';

describe('HeatGovernor', () => {
  it('halves the duty for as long as it stays warm, down to a twentieth', () => {
    const heat = new HeatGovernor(DEFAULT_LIMITS, 100);
    const duties = Array.from({ length: 7 }, (_, i) => {
      heat.observe(76, i * 10_000);
      // Sooner than the last change can show.
      heat.observe(76, i * 10_000 + 5000);
      return heat.duty;
    });
    expect(duties).toEqual([50, 25, 12, 6, 5, 5, 5]);
    expect(heat.isCut).toBe(false);
  });

  it('goes back only five degrees below the soft limit, to what was wished', () => {
    const heat = new HeatGovernor({ softC: 60, hardC: 70 }, 80);
    heat.observe(61, 0);
    expect(heat.duty).toBe(40);
    for (const temperatureC of [60, 58, 55.1]) {
      expect(heat.observe(temperatureC, 60_000)).toBeUndefined();
      expect(heat.duty, `${temperatureC}`).toBe(40);
    }
    expect(heat.observe(55, 70_000)).toBe('cool again: 55 °C, duty 80 %');
    expect(heat.duty).toBe(80);
  });

  it('cuts off at the hard limit until it is cool, and says so once', () => {
    const heat = new HeatGovernor(DEFAULT_LIMITS, 100);
    expect(heat.observe(85, 0)).toMatch(/^too hot: 85 °C/);
    expect(heat.observe(99, 1000)).toBeUndefined();
    heat.observe(74, 2000);
    expect(heat.isCut).toBe(true);
    expect(heat.observe(70, 3000)).toMatch(/^cool again/);
    expect(heat.isCut).toBe(false);
  });

  it('takes a missing sensor for nothing', () => {
    const heat = new HeatGovernor(DEFAULT_LIMITS, 100);
    heat.observe(90, 0);
    expect(heat.observe(undefined, 1000)).toBeUndefined();
    expect(heat.isCut).toBe(true);
  });

  it('lets a board work at half duty whose sensor went away while it was hot', () => {
    const heat = new HeatGovernor(DEFAULT_LIMITS, 80);
    heat.observe(90, 0);
    for (let ms = 1000; ms <= 30_000; ms += 1000) {
      expect(heat.observe(undefined, ms)).toBeUndefined();
    }
    expect(heat.isCut).toBe(true);
    expect(heat.observe(undefined, 31_000)).toMatch(/^no temperature any more/);
    expect([heat.isCut, heat.duty]).toEqual([false, 40]);
    expect(heat.observe(undefined, 32_000)).toBeUndefined();
    expect(heat.observe(60, 33_000)).toBe('cool again: 60 °C, duty 80 %');
  });

  it('raises a duty that was far down when the sensor went away, and lowers none', () => {
    const heat = new HeatGovernor(DEFAULT_LIMITS, 100);
    heat.observe(80, 0);
    heat.observe(80, 10_000);
    expect(heat.duty).toBe(25);
    heat.observe(undefined, 11_000);
    heat.observe(undefined, 41_000);
    expect(heat.duty).toBe(50);
    const cold = new HeatGovernor(DEFAULT_LIMITS, 4);
    cold.observe(undefined, 0);
    expect(cold.observe(undefined, 100_000)).toBeUndefined();
    expect(cold.duty).toBe(4);
  });

  it('begins to count anew when the sensor gives a value in between', () => {
    const heat = new HeatGovernor(DEFAULT_LIMITS, 100);
    heat.observe(90, 0);
    heat.observe(undefined, 1000);
    heat.observe(90, 20_000);
    heat.observe(undefined, 21_000);
    heat.observe(undefined, 40_000);
    expect(heat.isCut).toBe(true);
    // It is hot again when the sensor is back.
    heat.observe(undefined, 51_000);
    expect(heat.isCut).toBe(false);
    expect(heat.observe(86, 52_000)).toMatch(/^too hot/);
    expect(heat.isCut).toBe(true);
  });

  it('refuses limits in the wrong order', () => {
    expect(() => new HeatGovernor({ softC: 80, hardC: 80 }, 100)).toThrow(RangeError);
  });
});
