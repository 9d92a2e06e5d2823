// Makes any `npm run` work in a fresh clone: installs what is missing, then runs the script on the project's own Node.
import { spawn, spawnSync } from 'node:child_process';
import { existsSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

const root = dirname(dirname(fileURLToPath(import.meta.url)));
const modules = join(root, 'node_modules');
/** Holds the id of the process that installs. */
const installing = join(root, '.installing');
const minimumNodeMajor = 26;

/** True when npm's own record of what it installed has everything that the lock file asks for on every platform. */
function installed() {
  let record;
  try {
    record = JSON.parse(readFileSync(join(modules, '.package-lock.json'), 'utf8')).packages;
  } catch {
    return false;
  }
  const wanted = JSON.parse(readFileSync(join(root, 'package-lock.json'), 'utf8')).packages;
  return Object.entries(wanted).every(
    ([path, { version, optional, devOptional }]) =>
      !path.startsWith('node_modules/') || optional || devOptional || (record[path] && record[path].version === version),
  );
}

function isAlive(pid) {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return error.code === 'EPERM';
  }
}

const sleep = (ms) => Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, ms);

/** Installs once, even when two commands start at the same moment: the second waits for the first. */
function install() {
  for (;;) {
    try {
      writeFileSync(installing, String(process.pid), { flag: 'wx' });
      break;
    } catch {
      let owner = 0;
      try {
        owner = Number(readFileSync(installing, 'utf8'));
      } catch {
        continue;
      }
      // Empty for the moment between creating and writing; a process that was killed leaves its file behind.
      if (owner > 0 && !isAlive(owner)) rmSync(installing, { force: true });
      else sleep(200);
    }
  }
  try {
    if (installed()) return;
    process.stderr.write('Installing packages (once; about 20 seconds) …\n');
    const npm = process.env.npm_execpath;
    const [command, args] = npm ? [process.execPath, [npm]] : ['npm', []];
    // Not `ci`: it refuses a lock file that was written where the registry lacks some platforms' optional packages.
    const result = spawnSync(command, [...args, 'install', '--no-save', '--no-audit', '--no-fund', '--loglevel=error'], {
      cwd: root,
      stdio: ['ignore', 'ignore', 'inherit'],
      shell: !npm && process.platform === 'win32',
    });
    if (result.status !== 0) fail('npm install did not succeed; its output above says why');
  } finally {
    rmSync(installing, { force: true });
  }
}

function fail(sentence) {
  process.stderr.write(`error: ${sentence}\n`);
  process.exit(1);
}

/** The Node that runs TypeScript: the one npm installed for this platform, or this one where it is new enough. */
function projectNode() {
  const bundled = join(modules, '.bin', process.platform === 'win32' ? 'node.cmd' : 'node');
  if (existsSync(bundled)) return bundled;
  if (Number(process.versions.node.split('.')[0]) >= minimumNodeMajor) return process.execPath;
  return fail(
    `no Node ${minimumNodeMajor} package exists for ${process.platform} ${process.arch}, and this is Node ${process.versions.node}; install Node ${minimumNodeMajor} or later and try again`,
  );
}

/** A package's command as the JavaScript file behind it, so that no shell is needed to run it. */
function binFile(name) {
  const manifest = JSON.parse(readFileSync(join(modules, name, 'package.json'), 'utf8'));
  const bin = typeof manifest.bin === 'string' ? manifest.bin : manifest.bin[name];
  return join(modules, name, bin);
}

if (!installed()) install();
const [first, ...rest] = process.argv.slice(2);
if (!first) fail('usage: node scripts/run.mjs FILE.ts [ARG …] | --bin PACKAGE [ARG …]');
const args = first === '--bin' ? [binFile(rest[0]), ...rest.slice(1)] : [join(root, first), ...rest];
const child = spawn(projectNode(), args, {
  stdio: 'inherit',
  env: {
    ...process.env,
    PATH: `${join(modules, '.bin')}${process.platform === 'win32' ? ';' : ':'}${process.env.PATH ?? ''}`,
    TURBO_TELEMETRY_DISABLED: '1',
    DO_NOT_TRACK: '1',
  },
});
for (const signal of ['SIGINT', 'SIGTERM']) process.on(signal, () => child.kill(signal));
// npm does not hand every signal on: when whoever started this is gone, nobody waits for the child either.
const parent = process.ppid;
setInterval(() => process.ppid === parent || child.kill('SIGTERM'), 1_000).unref();
child.on('exit', (code, signal) => (signal ? process.kill(process.pid, signal) : process.exit(code ?? 1)));
