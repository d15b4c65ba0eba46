import assert from 'node:assert/strict';
import { readFile } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { after, afterEach, before, beforeEach, test } from 'node:test';
import { couple, face, openPage, startBrowser, startMesh } from './mesh.mjs';

const axe = createRequire(import.meta.url).resolve('axe-core/axe.min.js');

let mesh;
let browser;
let opened;
let page;

before(async () => { [mesh, browser] = await Promise.all([startMesh(), startBrowser()]); });
after(async () => {
  await browser?.close();
  await mesh?.stop();
});
beforeEach(() => open());
afterEach(async () => {
  await opened.close();
  assert.deepEqual(opened.outside, [], 'the page asked somebody else');
});

async function open(options) {
  await opened?.close();
  opened = await openPage(browser, mesh.url, options);
  page = opened.page;
}

/** Whether axe finds something serious. */
async function accessible(what) {
  // Not as a script element: the page's policy forbids those of others.
  await page.evaluate(await readFile(axe, 'utf8'));
  const { violations } = await page.evaluate(() => globalThis.axe.run());
  const serious = violations.filter(({ impact }) => impact === 'serious' || impact === 'critical');
  assert.deepEqual(serious.map(({ id, nodes }) => [id, nodes.map((node) => node.html)]), [], what);
}

async function fill({ steps = '25', count = '1' } = {}) {
  await page.locator('#people input[type=file]').setInputFiles(face('jun'));
  await page.locator('.photo.good').first().waitFor();
  await page.getByRole('button', { name: /^Use elena/ }).click();
  await page.locator('.canvas').waitFor();
  await page.getByText('More settings').click();
  await page.getByLabel('Steps').fill(steps);
  await page.getByLabel('Pictures', { exact: true }).fill(count);
}

const submit = () => page.getByRole('button', { name: 'Make pictures' }).click();
const card = () => page.locator('.card').first();

test('makes pictures, shows them coming, keeps them', async () => {
  await fill({ steps: '40', count: '2' });
  await page.evaluate(() => {
    globalThis.previews = new Set();
    new MutationObserver(() => {
      const src = document.querySelector('.preview')?.src;
      if (src) globalThis.previews.add(src);
    }).observe(document.querySelector('#feed'), { subtree: true, childList: true, attributes: true });
  });
  await submit();
  await page.getByText('Done', { exact: true }).waitFor();
  const previews = await page.evaluate(() => [...globalThis.previews]);
  assert.ok(previews.length >= 2, `saw ${previews.length} previews`);
  assert.ok(previews.every((src) => src.startsWith('data:image/jpeg;base64,')));
  const pictures = page.locator('.pictures .frame > img');
  assert.equal(await pictures.count(), 2);
  await accessible('a finished generation');

  const [download] = await Promise.all([page.waitForEvent('download'), page.getByRole('link', { name: 'Download Picture 1' }).click()]);
  const saved = await readFile(await download.path());
  const served = await fetch(new URL(await pictures.first().getAttribute('src'), mesh.url));
  assert.match(download.suggestedFilename(), /^facestudio-.*-0\.png$/);
  assert.equal(served.headers.get('content-type'), 'image/png');
  assert.deepEqual(saved, Buffer.from(await served.arrayBuffer()));

  await page.reload();
  await page.locator('.pictures .frame > img').nth(1).waitFor();
  assert.equal(await card().locator('.went img').count(), 2, 'the inputs are remembered');

  await page.getByRole('button', { name: 'Use as style Picture 2' }).click();
  await page.getByText('picture-2.png', { exact: true }).waitFor();
  await page.getByRole('button', { name: 'Remove', exact: true }).click();
  await card().waitFor({ state: 'detached' });
  await page.reload();
  await page.locator('#empty').waitFor();
  assert.deepEqual(opened.wrong, []);
});

test('cancels', async () => {
  await fill({ steps: '100', count: '8' });
  await submit();
  await page.getByRole('button', { name: 'Cancel' }).click();
  await page.getByText('Cancelled', { exact: true }).waitFor();
  assert.equal(await card().locator('.pictures').count(), 0);
  await page.reload();
  await page.getByText('Cancelled', { exact: true }).waitFor();
});

test('goes on watching what others, or a page before, began', async () => {
  const form = new FormData();
  for (const part of ['face', 'style']) form.append(part, new Blob([await readFile(face('jun'))]), 'jun.jpg');
  for (const [name, value] of Object.entries({ steps: 100, picture_count: 8, best_of: 8, preview_every: 10 })) form.append(name, value);
  const created = await fetch(`${mesh.url}/v1/generations`, { method: 'POST', body: form });
  assert.equal(created.status, 200, await created.clone().text());
  await page.reload();
  await page.locator('.card[aria-busy=true] progress').waitFor();
  await page.locator('.preview').waitFor();
  await page.getByRole('button', { name: 'Cancel' }).click();
  await page.locator(`[data-name="${(await created.json()).name}"]`).getByText('Cancelled', { exact: true }).waitFor();
});

test('outlines the people of a style picture, and places others on them', async () => {
  const outlines = page.locator('.canvas .outline');
  await page.locator('#style input[type=file]').setInputFiles(couple);
  await outlines.nth(1).waitFor();
  await page.getByText('2 people are in it.', { exact: true }).first().waitFor();
  assert.equal(await outlines.count(), 2);
  await page.locator('#people input[type=file]').setInputFiles(face('jun'));
  await page.getByRole('button', { name: '+ Another person' }).click();
  await page.locator('#people input[type=text]').nth(1).fill('Rosa');
  await page.locator('#people input[type=file]').nth(1).setInputFiles(face('rosa'));

  const [jun, rosa] = [/^Person 1,/, /^Rosa,/].map((name) => page.getByRole('button', { name }));
  const isAt = async (person, where) => assert.match(await person.getAttribute('aria-label'), where);
  await rosa.focus();
  for (const [key, where] of [
    ['ArrowLeft', /on person 2 of 2/], ['ArrowLeft', /on person 1 of 2/], ['Delete', /from left to right/], ['ArrowRight', /on person 1 of 2/],
  ]) {
    await page.keyboard.press(key);
    await isAt(rosa, where);
  }
  const drag = async (person, to) => {
    await person.hover();
    const box = await to.boundingBox();
    await page.mouse.down();
    await page.mouse.move(box.x + box.width / 3, box.y + box.height / 3, { steps: 4 });
    await page.mouse.up();
  };
  await drag(rosa, outlines.nth(1));
  await isAt(rosa, /on person 2 of 2/);
  // Who is dragged onto somebody who is taken changes places.
  await drag(jun, outlines.nth(0));
  await drag(jun, outlines.nth(1));
  await isAt(jun, /on person 2 of 2/);
  await isAt(rosa, /on person 1 of 2/);
  await accessible('two people');

  await page.getByText('More settings').click();
  await page.getByLabel('Steps').fill('1');
  await page.locator('#width').selectOption('256');
  const [response] = await Promise.all([page.waitForResponse(/v1\/generations$/), submit()]);
  const created = await response.json();
  assert.equal(response.status(), 200, created.detail);
  assert.deepEqual(created.subjects.map(({ name, photos }) => [name, photos.length]), [['Person 1', 1], ['Rosa', 1]]);
  await page.locator(`[data-name="${created.name}"]`).getByText('Done', { exact: true }).waitFor();
  const { placements } = await (await fetch(`${mesh.url}/v1/${created.name}`)).json();
  assert.deepEqual(placements.map(({ subject, person }) => [subject, person]), [[1, 0], [0, 1]]);
});

test('says when nobody is in the style picture, and places by the arrow keys where it is not known', async () => {
  const wall = await page.evaluate(() => {
    const canvas = document.createElement('canvas');
    canvas.getContext('2d').fillRect(0, 0, 300, 150);
    return canvas.toDataURL('image/png').split(',')[1];
  });
  const file = { name: 'wall.png', mimeType: 'image/png', buffer: Buffer.from(wall, 'base64') };
  await page.getByRole('button', { name: '+ Another person' }).click();
  await page.locator('#style input[type=file]').setInputFiles(file);
  await page.getByText('No face was found in it.').first().waitFor();
  const second = page.getByRole('button', { name: /^Person 2,/ });
  await second.focus();
  await page.keyboard.press('ArrowLeft');
  assert.match(await second.getAttribute('aria-label'), /at 46 %, 50 %/);
});

test('says what is missing and what is wrong', async () => {
  await submit();
  await page.getByRole('alert').getByText('Add a photo').waitFor();
  await page.locator('#people input[type=file]').setInputFiles(import.meta.filename);
  await page.locator('.photo.bad').waitFor();
  await page.getByRole('button', { name: 'Remove photo 1' }).click();
  await fill({ steps: '300' });
  await submit();
  await page.getByRole('alert').getByText(/300 is outside 1\.\.100/).waitFor();
  assert.equal(await page.getByLabel('Steps').getAttribute('aria-invalid'), 'true');
});

test('copies the request as curl', async () => {
  await page.context().grantPermissions(['clipboard-read', 'clipboard-write']);
  await fill();
  await page.getByLabel('In words').fill("Ada's hat");
  await page.getByRole('button', { name: 'Copy as curl' }).first().click();
  await page.getByText('Copied').first().waitFor();
  const command = await page.evaluate(() => navigator.clipboard.readText());
  for (const part of ['curl', '-F face=@jun.jpg', '-F style=@elena.jpg', "-F 'prompt=Ada'\\''s hat'", `${mesh.url}/v1/generations`]) {
    assert.ok(command.includes(part), `${part} is not in ${command}`);
  }
});

for (const [name, options] of Object.entries({
  phone: { viewport: { width: 360, height: 740 }, hasTouch: true, isMobile: true },
  dark: { viewport: { width: 1280, height: 900 }, colorScheme: 'dark' },
})) {
  test(`is accessible and fits: ${name}`, async () => {
    await open(options);
    await accessible(name);
    await page.goto(`${mesh.url}/docs#reason-NO_FACE_FOUND`);
    await page.locator('#reason-NO_FACE_FOUND').waitFor();
    await accessible(`documentation, ${name}`);
    for (const path of ['/', '/docs']) {
      await page.goto(mesh.url + path);
      await page.waitForLoadState('networkidle');
      assert.ok(await page.evaluate(() => document.documentElement.scrollWidth <= innerWidth), `${path} is wider than the screen`);
    }
    assert.deepEqual(opened.wrong, []);
  });
}
