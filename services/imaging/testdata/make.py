"""Writes the pictures that Go's standard library cannot: python make.py in this folder (Pillow)."""

from PIL import Image

WIDTH, HEIGHT = 40, 32


def gradient(mode: str = "RGB") -> Image.Image:
    picture = Image.new("RGB", (WIDTH, HEIGHT))
    picture.putdata([(6 * x, 7 * y, 90) for y in range(HEIGHT) for x in range(WIDTH)])
    return picture.convert(mode)


def main() -> None:
    other = gradient().transpose(Image.Transpose.FLIP_LEFT_RIGHT)
    gradient("CMYK").save("cmyk.jpg", quality=90)
    gradient().save("plain.webp", lossless=True)
    gradient().save("lossy.webp", quality=90)
    gradient().save("animated.webp", save_all=True, append_images=[other], duration=100)
    gradient().save("animated.png", save_all=True, append_images=[other], duration=100)
    gradient().save("plain.tiff")
    gradient().save("progressive.jpg", quality=95, progressive=True)
    Image.new("I;16", (WIDTH, HEIGHT), 30000).save("deep.tiff")
    # Stored turned, so that a reader that heeds orientation sees the gradient.
    turns = {2: Image.Transpose.FLIP_LEFT_RIGHT, 3: Image.Transpose.ROTATE_180, 4: Image.Transpose.FLIP_TOP_BOTTOM,
             5: Image.Transpose.TRANSPOSE, 6: Image.Transpose.ROTATE_90, 7: Image.Transpose.TRANSVERSE,
             8: Image.Transpose.ROTATE_270}
    for orientation, turn in turns.items():
        exif = Image.Exif()
        exif[0x0112] = orientation
        gradient().transpose(turn).save(f"turned-{orientation}.jpg", quality=95, exif=exif)
    exif = Image.Exif()
    exif[0x0112] = 6
    gradient().transpose(turns[6]).save("turned-6.png", exif=exif)
    gradient().transpose(turns[6]).save("turned-6.webp", lossless=True, exif=exif)


main()
