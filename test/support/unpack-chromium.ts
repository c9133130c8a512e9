/** Unpacks the Chromium of `@sparticuz/chromium` into the folder for temporary files: a program of its own, to be given another such folder. */
import { fileURLToPath } from 'node:url';
import chromium, { inflate } from '@sparticuz/chromium';

// Left packed except on Lambda; here they stand in for packages of the system.
const libraries = new URL('../bin/al2023.tar.br', import.meta.resolve('@sparticuz/chromium'));
await Promise.all([chromium.executablePath(), inflate(fileURLToPath(libraries))]);
