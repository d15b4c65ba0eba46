// Who is meant by a place in a picture.

const reach = 1.5; // how far from a face somebody is still put onto it, in widths of the face

/** The middle of a box. */
export const middle = ({ x = 0, y = 0, width, height }) => ({ x: x + width / 2, y: y + height / 2 });

/** The index of the box that a point is on or next to; -1 when it is near none. */
export function boxAt(boxes, point) {
  let found = -1;
  let least = reach;
  boxes.forEach((box, i) => {
    const { x, y } = middle(box);
    const away = Math.hypot(point.x - x, point.y - y) / box.width;
    if (away < least) [found, least] = [i, away];
  });
  return found;
}
