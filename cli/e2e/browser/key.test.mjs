import assert from 'node:assert/strict';
import { readFile } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { after, afterEach, before, beforeEach, test } from 'node:test';
import { face, openPage, startBrowser, startMesh } from './mesh.mjs';

const axe = createRequire(import.meta.url).resolve('axe-core/axe.min.js');

let mesh;
let browser;
let opened;
let page;
let key;
let requests;

const makeKey = async (tenant) => (await mesh.command('keys', 'create', '--tenant', tenant, '--api-key-file', mesh.adminKeyFile)).trim();

before(async () => {
  [mesh, browser] = await Promise.all([startMesh('--auth'), startBrowser()]);
  key = await makeKey('acme');
});
after(async () => {
  await browser?.close();
  await mesh?.stop();
});
beforeEach(async () => {
  opened = await openPage(browser, mesh.url, { locked: true });
  page = opened.page;
  requests = [];
  page.on('request', (request) => requests.push(request));
});
afterEach(async () => {
  await opened.close();
  assert.deepEqual(opened.outside, [], 'the page asked somebody else');
});

const dialog = () => page.getByRole('dialog', { name: 'This server wants an API key' });

async function use(text) {
  await dialog().getByLabel('API key').fill(text);
  await dialog().getByRole('button', { name: 'Use this key' }).click();
}

test('asks for a key, and says when it is none', async () => {
  await dialog().waitFor();
  await page.evaluate(await readFile(axe, 'utf8'));
  const { violations } = await page.evaluate(() => globalThis.axe.run());
  assert.deepEqual(violations.filter(({ impact }) => impact === 'serious' || impact === 'critical'), []);
  assert.equal(await dialog().getByRole('alert').count(), 0);
  await use('fsk_wrong');
  await dialog().getByRole('alert').getByText('misspelt').waitFor();
  await use(`${key.slice(0, -1)}${key.endsWith('0') ? '1' : '0'}`);
  await dialog().getByRole('alert').getByText('not known here').waitFor();
  await page.keyboard.press('Escape');
  await dialog().waitFor({ state: 'hidden' });
  await page.getByRole('button', { name: 'API key', exact: true }).click();
  await dialog().getByRole('button', { name: 'Forget it' }).click();
  await page.waitForEvent('load');
  await dialog().waitFor();
});

test('makes pictures with a key, which is in no address', async () => {
  await dialog().waitFor();
  await use(key);
  await page.locator('#width option').first().waitFor({ state: 'attached' });
  await page.locator('#people input[type=file]').setInputFiles(face('jun'));
  await page.locator('.photo.good').first().waitFor();
  await page.getByRole('button', { name: /^Use elena/ }).click();
  await page.locator('.canvas').waitFor();
  await page.getByRole('button', { name: 'Make pictures' }).click();
  await page.getByText('Done', { exact: true }).waitFor();
  const picture = page.locator('.pictures .frame > img').first();
  await page.waitForFunction(() => document.querySelector('.pictures .frame > img')?.naturalWidth > 0);
  assert.match(await picture.getAttribute('src'), /^blob:/);
  const [download] = await Promise.all([page.waitForEvent('download'), page.getByRole('link', { name: 'Download Picture 1' }).click()]);
  assert.match(download.suggestedFilename(), /^facestudio-[0-9a-v]{8}-0\.png$/);
  await page.getByRole('button', { name: 'Use as style Picture 1' }).click();
  await page.getByText('picture-1.png', { exact: true }).waitFor();

  // The tab remembers it, and no other does.
  await page.reload();
  await page.waitForFunction(() => document.querySelector('.pictures .frame > img')?.naturalWidth > 0);
  assert.deepEqual(requests.map((request) => request.url()).filter((url) => url.includes('fsk_')), []);
  const tab = await page.context().newPage();
  await tab.goto(mesh.url);
  await tab.getByRole('dialog').waitFor();
});

test('shows nothing of another tenant', async () => {
  await dialog().waitFor();
  await use(await makeKey('bob'));
  await page.locator('#empty').waitFor();
  assert.equal(await page.locator('.card').count(), 0);
});
