/** What the process costs: processor, memory, and how late its event loop is. */
import { monitorEventLoopDelay } from 'node:perf_hooks';
import { Counter, Gauge, type Registry } from 'prom-client';

const NANOSECONDS = 1e9;

/** Returns how to end the measurement of the event loop. */
export function addProcessMetrics(registry: Registry, prefix: string): () => void {
  const registers = [registry];
  const delay = monitorEventLoopDelay({ resolution: 20 });
  delay.enable();
  new Gauge({
    name: `${prefix}event_loop_lag_seconds`,
    help: 'How late the event loop was since the last scrape',
    labelNames: ['quantile'],
    registers,
    collect() {
      // Before the first sample the histogram has no numbers.
      const set = (quantile: string, ns: number): void =>
        this.set({ quantile }, Number.isFinite(ns) ? ns / NANOSECONDS : 0);
      set('0.5', delay.percentile(50));
      set('0.99', delay.percentile(99));
      set('1', delay.max);
      delay.reset();
    },
  });
  new Gauge({
    name: `${prefix}process_memory_bytes`,
    help: 'Memory of the process by kind',
    labelNames: ['kind'],
    registers,
    collect() {
      const { rss, heapUsed, external, arrayBuffers } = process.memoryUsage();
      this.set({ kind: 'resident' }, rss);
      this.set({ kind: 'heap' }, heapUsed);
      this.set({ kind: 'external' }, external);
      this.set({ kind: 'array_buffers' }, arrayBuffers);
    },
  });
  new Counter({
    name: `${prefix}process_cpu_seconds_total`,
    help: 'Processor time, user and system',
    registers,
    collect() {
      const { user, system } = process.cpuUsage();
      this.reset();
      this.inc((user + system) / 1e6);
    },
  });
  new Gauge({
    name: `${prefix}process_uptime_seconds`,
    help: 'Time since the process began',
    registers,
    collect() {
      this.set(process.uptime());
    },
  });
  return () => delay.disable();
}
