// A real mesh with the default bundle, whose pictures take long enough to be watched, and a browser before it.

import { execFile as execFileCallback, spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { delimiter, join, resolve } from 'node:path';
import { promisify } from 'node:util';
import { chromium } from 'playwright-core';

const execFile = promisify(execFileCallback);

const root = resolve(import.meta.dirname, '../../..');

/** Path of an example picture. */
export const face = (name) => join(root, 'examples/faces', `${name}.jpg`);

/** Path of a picture of two people. */
export const couple = join(root, 'examples/couple.jpg');

/**
 * Starts `facestudio up`, with further arguments if need be; returns its URL, the
 * file of its operator's key, and stop, which fails unless it ends well.
 */
export async function startMesh(...more) {
  const dir = await mkdtemp(join(tmpdir(), 'facestudio-'));
  const mesh = spawn(join(root, 'bin/facestudio'), [
    'up', '--json', '--listen', '127.0.0.1:0', '--data-dir', dir, '--threads', '1', '--bundle', join(root, 'models/facestudio-128'), ...more,
  ], { cwd: root, stdio: ['ignore', 'pipe', 'pipe'] });
  let log = '';
  mesh.stderr.on('data', (data) => { log += data; });
  const ended = once(mesh, 'exit');
  const said = await Promise.race([once(mesh.stdout, 'data'), ended]);
  if (mesh.exitCode !== null) throw new Error(`facestudio up ended with ${mesh.exitCode}: ${log}`);
  const { listen, admin_key_file: adminKeyFile } = JSON.parse(said[0]);
  return {
    url: `http://${listen}`,
    adminKeyFile,
    /** Runs the command against the mesh; returns what it prints. */
    async command(...args) {
      const { stdout } = await execFile(join(root, 'bin/facestudio'), [...args, '--server', listen]);
      return stdout;
    },
    async stop() {
      mesh.kill('SIGTERM');
      const [code] = await ended;
      await rm(dir, { recursive: true });
      if (code !== 0) throw new Error(`facestudio up ended with ${code}: ${log}`);
    },
  };
}

function findChromium() {
  const names = ['chromium', 'chromium-browser', 'google-chrome', 'google-chrome-stable'];
  const candidates = [process.env.FACESTUDIO_CHROMIUM, ...process.env.PATH.split(delimiter).flatMap((dir) => names.map((name) => join(dir, name)))];
  const found = candidates.find((path) => path && existsSync(path));
  if (!found) throw new Error('no Chromium was found: run scripts/setup-web.sh, or set FACESTUDIO_CHROMIUM to one');
  return found;
}

/** Starts a browser. */
export const startBrowser = () => chromium.launch({
  executablePath: findChromium(),
  args: [
    '--no-sandbox', '--disable-gpu', '--disable-quic', '--no-first-run', '--disable-background-networking',
    '--disable-component-update', '--disable-sync',
  ],
});

/**
 * Opens a page with a memory of its own. What it does is kept: outside has the
 * requests that went elsewhere than to the origin, wrong what the console and
 * scripts complained about. locked: the server will ask for a key.
 */
export async function openPage(browser, origin, { locked = false, ...options } = {}) {
  const context = await browser.newContext({ reducedMotion: 'reduce', ...options });
  const page = await context.newPage();
  page.setDefaultTimeout(120_000); // bounds a wait; nothing is measured
  const outside = [];
  const wrong = [];
  page.on('request', (request) => {
    if (!request.url().startsWith(origin) && !/^(data|blob):/.test(request.url())) outside.push(request.url());
  });
  page.on('console', (message) => { if (message.type() === 'error') wrong.push(message.text()); });
  page.on('pageerror', (error) => wrong.push(String(error)));
  await page.goto(origin);
  if (!locked) await page.locator('#width option').first().waitFor({ state: 'attached' });
  return { page, outside, wrong, close: () => context.close() };
}
