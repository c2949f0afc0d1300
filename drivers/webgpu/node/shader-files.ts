/** The shaders as Node reads them: files beside the code, in the sources and in what is built. */
import { readFile } from 'node:fs/promises';
import type { ReadShader } from '../../../shaders/index.ts';

const FOLDER = new URL('../../../shaders/', import.meta.url);

export const readShaderFile: ReadShader = (fileName) => readFile(new URL(fileName, FOLDER), 'utf8');
