import { MemoryKv } from '../../src/store/memory-kv.ts';
import { describeKeyValueStore } from './kv-suite.ts';

describeKeyValueStore('MemoryKv', () => new MemoryKv());
