#!/usr/bin/env node
// Starts the command line: from source inside the clone, from the bundle in the published package.
import '../src/main.ts';
