// Files that are pictures: taking them in, and small copies of them.

const thumbSide = 160; // pixels

/** Returns the pictures among what was dropped or pasted. */
export function picturesOf(transfer) {
  return [...(transfer?.files || [])].filter((file) => file.type.startsWith('image/'));
}

/** Makes an element take pictures that are dropped on it. */
export function takeDrops(element, take) {
  const over = (event) => {
    if (![...event.dataTransfer.types].includes('Files')) return;
    event.preventDefault();
    element.classList.add('over');
  };
  element.addEventListener('dragenter', over);
  element.addEventListener('dragover', over);
  element.addEventListener('dragleave', (event) => {
    if (!element.contains(event.relatedTarget)) element.classList.remove('over');
  });
  element.addEventListener('drop', (event) => {
    element.classList.remove('over');
    const files = picturesOf(event.dataTransfer);
    if (files.length === 0) return;
    event.preventDefault();
    take(files);
  });
}

/** Returns a small copy as a data URL, with the picture's size; null when the browser cannot read it. */
export async function thumb(file) {
  let bitmap;
  try {
    bitmap = await createImageBitmap(file);
  } catch {
    return null;
  }
  const scale = Math.min(1, thumbSide / Math.max(bitmap.width, bitmap.height));
  const canvas = document.createElement('canvas');
  canvas.width = Math.max(1, Math.round(bitmap.width * scale));
  canvas.height = Math.max(1, Math.round(bitmap.height * scale));
  canvas.getContext('2d').drawImage(bitmap, 0, 0, canvas.width, canvas.height);
  return { url: canvas.toDataURL('image/jpeg', 0.85), width: bitmap.width, height: bitmap.height };
}

/** Returns a file's bytes in base64. */
export async function base64(file) {
  const bytes = new Uint8Array(await file.arrayBuffer());
  let text = '';
  for (let i = 0; i < bytes.length; i += 0x8000) text += String.fromCharCode(...bytes.subarray(i, i + 0x8000));
  return btoa(text);
}
